"""A folder for bad input, and the form of a case: a command line and the error it must get."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple


@dataclass(frozen=True)
class Workspace:
    """A working directory, with a valid data set and a finished run to combine bad input with."""

    here: Path
    cars: Path
    trained: Path
    untrained: Callable[..., Path]

    @property
    def view(self) -> Path:
        """An image of an unseen car."""
        return self.views / "el0_az00.png"

    @property
    def other(self) -> Path:
        """An image of another unseen car."""
        return self.other_views / "el3_az05.png"

    @property
    def views(self) -> Path:
        """The folder of `view`."""
        return self.cars / "unseen/car003"

    @property
    def other_views(self) -> Path:
        """The folder of `other`."""
        return self.cars / "unseen/car004"

    def make(self, name: str, data: str | bytes = b"") -> Path:
        """Write a file and the folders above it."""
        path = self.here / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    def folder(self, name: str) -> Path:
        """Make an empty folder."""
        path = self.here / name
        path.mkdir(parents=True)
        return path

    def images(self, readable: int, unreadable: int = 0, *, equal: bool = False) -> Path:
        """Make a folder of some readable images, all equal if asked, and some unreadable ones."""
        folder = self.folder("images")
        sources = [self.view] * readable if equal else sorted(self.views.iterdir())[:readable]
        for i, path in enumerate(sources):
            shutil.copy(path, folder / f"{i}.png")
        for i in range(unreadable):
            (folder / f"bad{i}.png").write_text("no image")
        return folder

    def unreadable(self) -> Path:
        """Make a folder of two domains without a readable image."""
        for domain in ("a", "b"):
            self.make(f"unreadable/{domain}/1.png", "no image")
        return self.here / "unreadable"

    def run_of(self, name: str) -> Path:
        """Make a folder for a run that holds one file of something else."""
        self.make(f"run/{name}", "something else\n")
        return self.here / "run"

    def model(self, **changes: Any) -> Path:
        """Copy the trained model and change its config; without a manifest, like files copied by hand."""
        copy = self.here / "model"
        shutil.copytree(self.trained / "model", copy)
        (copy / "manifest.json").unlink()
        config = json.loads((copy / "config.json").read_text())
        (copy / "config.json").write_text(json.dumps({**config, **changes}))
        return copy

    def truncated_model(self) -> Path:
        """Copy the trained model without the end of its weights."""
        weights = self.model() / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-100])
        return weights.parent

    def files(self) -> dict[Path, tuple[int, int]]:
        """Size and time of change of every file here, in the data set and in the run; the run's lock aside."""
        paths = (path for root in (self.here, self.cars, self.trained) for path in root.rglob("*"))
        stats = {path: path.lstat() for path in paths if path.name != ".lock"}
        return {path: (stat.st_size, stat.st_mtime_ns) for path, stat in stats.items() if not path.is_dir()}


class Case(NamedTuple):
    """A command line, the exit code, and the names, values, paths and options that its error must contain."""

    name: str
    words: Callable[[Workspace], list[object]]
    code: int
    parts: list[str]
