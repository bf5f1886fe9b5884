"""The data room starts fast: its modules load heavy libraries only when they use them."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import importlib, pkgutil, sys, {room}
for module in pkgutil.iter_modules({room}.__path__, "{room}."):
    if "published" not in module.name:
        importlib.import_module(module.name)
print(*sys.modules)
"""


@pytest.mark.parametrize(
    ("room", "heavy"),
    [
        ("sivae_translate.data", {"torchvision", "albumentations", "cv2", "kornia"}),
        ("sivae_translate.datasets", {"torch", "torchvision", "albumentations", "kornia", "scipy"}),
    ],
)
def test_importing_a_room_loads_no_heavy_library(room: str, heavy: set[str]) -> None:
    program = [sys.executable, "-c", PROGRAM.format(room=room)]
    loaded = subprocess.run(program, capture_output=True, text=True, check=True).stdout.split()
    assert not heavy & set(loaded)
