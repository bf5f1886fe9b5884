"""One of several parts of a folder, so that processes or machines can translate it together."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from sivae_translate.errors import UsageError


@dataclass(frozen=True)
class Share:
    """The `index`-th of `count` shares, from 1 on. The hash of an input's path says in which share it is."""

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Share:
        """The share of a text such as "2/5". Raises UsageError for another text."""
        match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
        share = match and cls(int(match[1]), int(match[2]))
        if not share or not 1 <= share.index <= share.count:
            raise UsageError(f"share {text!r}: expected I/N with I from 1 to N, such as --share 2/5")
        return share

    def __str__(self) -> str:
        return f"{self.index}-of-{self.count}"

    def holds(self, relative: Path) -> bool:
        """Whether an input, by its path below the source, is in this share."""
        return int(path_hash(relative), 16) % self.count == self.index - 1


def path_hash(relative: Path) -> str:
    """Eight hexadecimal digits that depend on a path below the source, on any machine alike."""
    return hashlib.sha256(os.fsencode(relative.as_posix())).hexdigest()[:8]
