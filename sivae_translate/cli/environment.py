"""Versions and devices, for bug reports."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version

PACKAGES = (
    "sivae-translate", "torch", "torchvision", "kornia", "albumentations", "accelerate", "safetensors", "typer",
    "pillow", "numpy", "scikit-image",
)  # fmt: skip


def describe() -> dict[str, str]:
    """Versions of the packages, the devices, and the precision that "auto" stands for."""
    import torch

    from sivae_translate.device import pick_device, pick_precision

    facts = {"python": platform.python_version(), "platform": platform.platform(), "cores": str(os.cpu_count())}
    for package in PACKAGES:
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            facts[package] = "not installed"
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    device = pick_device("auto")
    return facts | {"gpus": ", ".join(gpus) or "none", "device": device, "precision": pick_precision("auto", device)}
