"""Text files of what users read, one named line each, that tests compare and a script writes anew."""

from __future__ import annotations

import os
import re
from pathlib import Path

REWRITE = "SIVAE_REWRITE_SNAPSHOTS"  # the environment variable that makes tests write their files


class Snapshot:
    """The lines of a file, by the name that each begins with.

    Args:
        file: The text file.
        end: A regular expression of the text that ends a name.
    """

    def __init__(self, file: Path, end: str) -> None:
        self.file, self.rewrite, self.found = file, REWRITE in os.environ, dict[str, str]()
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        self.stored = {re.split(end, line, maxsplit=1)[0]: line for line in lines}

    def compare(self, name: str, line: str) -> None:
        """Assert that the line stored for `name` is this one."""
        self.found[name] = line
        if not self.rewrite:
            stored = self.stored.get(name, "no line")
            assert line == stored, f"to accept: python tests/wording/rewrite.py\nstored: {stored}\nnow:    {line}"

    def finish(self, names: list[str]) -> None:
        """Assert that the file has these names alone, or write it."""
        if self.rewrite:
            self.file.write_text("".join(f"{self.found[name]}\n" for name in names), encoding="utf-8")
        else:
            assert list(self.stored) == names, f"{self.file}: to accept: python tests/wording/rewrite.py"
