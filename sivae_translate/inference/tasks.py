"""The translations that a folder still needs, and whether a file may be written under an output's name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from sivae_translate.data.reader import in_order
from sivae_translate.inference.manifest import Manifest, absolute
from sivae_translate.inference.plan import Plan
from sivae_translate.inference.rows import Row, sha256_of
from sivae_translate.inference.targets import Target


@dataclass(frozen=True)
class Task:
    """An input with its unfinished outputs: (target, file); `reasons` are those that were reported for some of them."""

    path: Path
    outputs: list[tuple[Target, Path]]
    reasons: set[str] = field(default_factory=set)


def unfinished(planned: Plan, targets: list[Target], manifest: Manifest, counts: Counter[str]) -> Generator[Task]:
    """The inputs with an unfinished output, in order. The finished outputs are counted as "skipped"."""
    if not manifest.rows:  # nothing to compare with, so that no input is read twice
        for path, output in planned.outputs():
            yield Task(path, outputs_of(output, targets, manifest))
        return

    def hashed(item: tuple[Path, Path]) -> tuple[Path, Path, str]:
        return *item, sha256_of(item[0])

    with closing(in_order(hashed, planned.outputs())) as inputs:
        for path, output, digest in inputs:
            outputs = outputs_of(output, targets, manifest)
            missing = [(t, file) for t, file in outputs if not manifest.is_finished(path, digest, t.name, file)]
            counts["skipped"] += len(outputs) - len(missing)
            if missing:
                yield Task(path, missing)


def outputs_of(output: Path, targets: list[Target], manifest: Manifest) -> list[tuple[Target, Path]]:
    return [(target, manifest.folder / target.folder / output) for target in targets]


def why_not_written(path: Path, output: Path, row: Row | None) -> str | None:
    """Why the translation of an input must not replace the file of an output's name; None where it may.

    Args:
        row: the manifest's row of the output.

    Raises:
        OSError: no file can have this name.
    """
    try:
        size = output.lstat().st_size  # raises for a name too long; exists() may not
    except FileNotFoundError:
        return None
    if row is None:
        return "a file of this name exists that is not from this job"
    if not size:
        return None
    if sha256_of(output) != row.output_sha256:
        return "the output was changed after it was written, and is kept"
    if row.input != absolute(path):
        return "an output of this name exists for another input"
    return None
