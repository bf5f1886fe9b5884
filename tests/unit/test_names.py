"""Names of folders are the same text under every locale."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sivae_translate.names import as_path, as_text

NAMES = ["red", "ö", "😀", "a b", "\udcff"]  # the last one is how Python writes a byte that is not UTF-8
ASCII = {"PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "LC_ALL": "C"}


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_text_and_path_are_inverse(name: str) -> None:
    assert as_path(as_text(name)) == name and as_text(name) == name  # under UTF-8 both are the same


def test_a_lone_surrogate_is_no_path() -> None:
    with pytest.raises(ValueError):
        as_path("a\ud800")


def test_an_ascii_locale_has_the_same_texts(tmp_path: Path) -> None:
    for name in NAMES:
        (tmp_path / name).mkdir()
    code = (
        "import os, sys; from sivae_translate.names import as_path, as_text;"
        "names = os.listdir(sys.argv[1]); assert all(as_path(as_text(name)) == name for name in names);"
        "assert as_text('\\xf6') == '\\xf6';"  # a text that this locale cannot write
        "print(ascii(sorted(map(as_text, names))))"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **ASCII})
    assert result.stdout.strip() == ascii(sorted(NAMES)), result.stderr
