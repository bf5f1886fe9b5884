"""The translations that a folder still needs, and whether a file may be written under an output's name."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from sivae_translate.inference.manifest import Manifest, Row, absolute, sha256_of
from sivae_translate.inference.targets import Target


@dataclass(frozen=True)
class Task:
    """An input with its unfinished outputs: (target, file)."""

    path: Path
    outputs: list[tuple[Target, Path]]


def unfinished(
    planned: list[tuple[Path, Path]], targets: list[Target], manifest: Manifest, pool: ThreadPoolExecutor
) -> list[Task]:
    """The inputs with an unfinished output, in order."""
    if not manifest.known:  # nothing to compare with, so that no input is read twice
        return [Task(path, outputs_of(output, targets, manifest)) for path, output in planned]
    tasks = []
    digests = pool.map(sha256_of, [path for path, _ in planned])
    for (path, output), digest in zip(planned, digests, strict=True):
        outputs = outputs_of(output, targets, manifest)
        missing = [(t, file) for t, file in outputs if not manifest.is_finished(path, digest, t.name, file)]
        if missing:
            tasks.append(Task(path, missing))
    return tasks


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
