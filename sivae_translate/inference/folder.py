"""Translate a folder tree in constant memory: names are kept, no file is overwritten, a manifest lists every input."""

from __future__ import annotations

import errno
import hashlib
import io
import os
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sivae_translate.data.domains import Source
from sivae_translate.data.listing import LeftOut
from sivae_translate.data.reader import read_each, read_in_frame
from sivae_translate.errors import SivaeError, UsageError
from sivae_translate.host import own_torch_state
from sivae_translate.inference.manifest import MANIFEST, Manifest, Row, locked, open_manifest, sha256_of, temporary
from sivae_translate.inference.plan import SAVE_OPTIONS, format_of, plan
from sivae_translate.inference.style_correction import ROUNDS
from sivae_translate.inference.targets import Target, check_options, domain_targets, fingerprint, reference_target
from sivae_translate.inference.tasks import Task, unfinished, why_not_written
from sivae_translate.inference.threshold import Threshold
from sivae_translate.inference.translator import BATCH, Translator, require_style
from sivae_translate.progress import Display, Silent

DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}  # under these every further output fails too
REJECTED = "rejected as out of distribution"

Outcome = tuple[Path, Row]
"""An input and its row in the manifest."""


@dataclass(frozen=True)
class Summary:
    """The result of `translate_folder`.

    Attributes:
        written, skipped, failed, rejected: numbers of translations that were written, finished earlier, failed, or
            whose input was rejected.
        left_out: number of files of the source that are no inputs.
        manifest: path of the manifest.
        reasons: every failed or rejected input, every file that is left out, and every unreadable reference.
    """

    written: int
    skipped: int
    failed: int
    rejected: int
    left_out: int
    manifest: Path
    reasons: list[LeftOut]


@dataclass(frozen=True)
class Loaded:
    """A task whose input is in memory, with the hash of the file: the image as `[3, H, W]`."""

    task: Task
    digest: str
    x: Tensor


@own_torch_state()
def translate_folder(
    translator: Translator,
    source: str | Path,
    out: str | Path,
    *,
    to: str | Sequence[str] | None = None,
    style: str | Path | None = None,
    inversion_steps: int = 0,
    style_correction: int = ROUNDS,
    styles: int | None = None,
    seed: int = 0,
    truncation: float = 1.0,
    format: str = "png",
    batch: int = BATCH,
    reject: Threshold | None = None,
    display: Display | None = None,
) -> Summary:
    """Translate an image or a folder tree. Translations that an earlier call has finished are skipped.

    A translation is finished if the manifest has the hashes of its input and of its output as they are now. The output
    of an input that has changed is replaced. A file that is not as this job wrote it is never overwritten.

    Args:
        source: a file or a folder, whose sub-folders and names are kept; see `plan`.
        out: folder of the translations. Several domains get a sub-folder each. Random styles get sub-folders style-1,
            style-2 and so on.
        to: one domain or several. Without `to` and `style`: every domain of the model.
        style: a reference image, or a folder of them for their mean style.
        inversion_steps, style_correction: for the style of references; see `Translator.__call__`.
        styles: number of random styles per domain, in place of the mean style; see `Translator.random_styles`.
        seed, truncation: for random styles; see `Translator.random_styles`.
        format: "png", "jpg" or "webp".
        batch: images translated at a time, at least 1.
        reject: threshold below which inputs are rejected; see `load_threshold`.
        display: shows the progress.

    Returns:
        The counts and reasons. `out/manifest.jsonl` has a row for each input and target, and for each file that is left
        out: input, target, output (relative to `out`), status (ok, failed, rejected or left out), reason and hashes.

    Raises:
        UsageError: wrong arguments; no image has been translated.
        SivaeError: `out` cannot be written, which is found before any image is read, or an output cannot be written.
            All translations so far are complete, and the next call resumes.
    """
    source, out, style = Path(source), Path(out), None if style is None else Path(style)
    display = display or Silent()
    to = [to] if isinstance(to, str) else list(to or ())
    if batch < 1:
        raise UsageError(f"batch was {batch}: expected 1 or more")
    require_style(translator.model)
    check_options(to, style, inversion_steps=inversion_steps, styles=styles, seed=seed, truncation=truncation)
    targets, reasons = list[Target](), list[LeftOut]()
    if style is None:
        targets = domain_targets(translator, to, styles=styles, seed=seed, truncation=truncation)
    planned = plan(source, out, format)
    counts: Counter[str] = Counter()
    with writing_to(out), locked(out):
        if style is not None:
            how = {"inversion_steps": inversion_steps, "style_correction": style_correction}
            targets = [reference_target(translator, style, reasons, **how)]
        with open_manifest(out, fingerprint(translator, targets, format, reject)) as manifest:
            for file in planned.left_out:
                manifest.add_left_out(file)
                reasons.append(file)
            work = translate_all(translator, planned.outputs, targets, manifest, batch, reject, display)
            with closing(work):  # so that an interrupted call deletes its temporary files
                for path, row in work:
                    counts[row.status] += 1
                    if row.status == "failed":
                        reasons.append(LeftOut(path, row.reason))
                    elif row.status == "rejected":
                        reasons.append(LeftOut(path, REJECTED, lost=False))
    skipped = len(planned.outputs) * len(targets) - counts.total()
    numbers = (counts["ok"], skipped, counts["failed"], counts["rejected"], len(planned.left_out))
    return Summary(*numbers, out / MANIFEST, reasons)


@contextmanager
def writing_to(out: Path) -> Iterator[None]:
    """Turn an error of the operating system into SivaeError."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise SivaeError(f"cannot write to {out} ({reason}): mend that and run the same command again") from None


def translate_all(
    translator: Translator,
    planned: list[tuple[Path, Path]],
    targets: list[Target],
    manifest: Manifest,
    batch: int,
    reject: Threshold | None,
    display: Display,
) -> Generator[Outcome]:
    """Translate the inputs with an unfinished output, some at a time, and yield the outcome of each output."""

    def read(source: Source) -> tuple[str, np.ndarray]:
        digest = sha256_of(source.path)  # first: a file that changes in between is translated again by the next call
        return digest, read_in_frame(source, translator.frame)

    with threads() as pool:
        tasks = unfinished(planned, targets, manifest, pool)
        images = zip(tasks, read_each(read, [task.path for task in tasks]), strict=True)
        done = len(planned) - len(tasks)
        while chunk := list(islice(images, batch)):
            loaded = list[Loaded]()
            yield from load(translator, chunk, manifest, reject, loaded)
            for target in targets:
                yield from translate_to(translator, target, loaded, manifest, pool)
            done += len(chunk)
            display.step(done / len(planned), f"{done:,} of {len(planned):,} images")


@contextmanager
def threads() -> Iterator[ThreadPoolExecutor]:
    """A pool of threads; a caller that stops early does not wait for its queue."""
    pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def load(
    translator: Translator,
    chunk: list[tuple[Task, tuple[str, np.ndarray] | LeftOut]],
    manifest: Manifest,
    threshold: Threshold | None,
    loaded: list[Loaded],
) -> Iterator[Outcome]:
    """Put images into the model's frame, for `loaded`, and yield the outcomes of unreadable and rejected ones."""

    def without_output(task: Task, status: str, reason: str, digest: str = "") -> Iterator[Outcome]:
        for target, output in task.outputs:
            yield task.path, manifest.add_untranslated(task.path, target.name, output, status, reason, digest)

    readable = list[tuple[Task, str, np.ndarray]]()
    for task, image in chunk:
        if isinstance(image, LeftOut):
            yield from without_output(task, "failed", image.reason)
        else:
            readable.append((task, *image))
    if not readable:
        return
    prepared = translator.prepare([image for *_, image in readable])
    reasons: list[str | None] = [None] * len(readable)
    if threshold:
        scores = translator.score(prepared, threshold.samples, threshold.seed, beta=threshold.beta)
        reasons = [threshold.rejection(bound) for bound in scores.bound.tolist()]
    for (task, digest, _), x, reason in zip(readable, prepared, reasons, strict=True):
        if reason:
            yield from without_output(task, "rejected", reason, digest)
        else:
            loaded.append(Loaded(task, digest, x))


def translate_to(
    translator: Translator, target: Target, loaded: list[Loaded], manifest: Manifest, pool: ThreadPoolExecutor
) -> Iterator[Outcome]:
    """Translate the images that lack an output of this target, write outputs and rows, and yield the outcomes."""
    chosen = [(image, output) for image in loaded for t, output in image.task.outputs if t is target]
    if not chosen:
        return
    x = torch.stack([image.x for image, _ in chosen])
    translations = translator.to_pictures(translator.translate(x, target.style, style_correction=target.rounds))
    paths, outputs = [image.task.path for image, _ in chosen], [output for _, output in chosen]
    rows = [manifest.row_of(output) for output in outputs]
    writing = [pool.submit(write_temporary, *job) for job in zip(translations, paths, outputs, rows, strict=True)]
    try:
        for (image, output), written in zip(chosen, writing, strict=True):
            path, result = image.task.path, written.result()
            if isinstance(result, LeftOut):
                yield path, manifest.add_untranslated(path, target.name, output, "failed", result.reason)
            else:
                row = manifest.add(path, target.name, output, image.digest, result)
                os.replace(temporary(output), output)  # last, so that a killed call leaves no output without a row
                yield path, row
    finally:
        for each in writing:
            each.cancel()
        wait(writing)  # a thread that still writes would leave its file behind
        for output in outputs:
            with suppress(OSError):
                temporary(output).unlink()


def write_temporary(picture: Image.Image, path: Path, output: Path, row: Row | None) -> str | LeftOut:
    """Write the translation of an input to the temporary file of an output.

    Args:
        row: the manifest's row of the output.

    Returns:
        The SHA-256 of the file, or the reason of a failure.
    """
    format = format_of(output)
    data = io.BytesIO()  # Pillow's own writing can hide the system's error
    picture.save(data, format.replace("jpg", "jpeg"), **SAVE_OPTIONS[format])
    try:
        if reason := why_not_written(path, output, row):
            return LeftOut(path, reason)
        output.parent.mkdir(parents=True, exist_ok=True)
        temporary(output).write_bytes(data.getvalue())
    except OSError as error:
        if error.errno in DISK_ERRORS:
            raise
        return LeftOut(path, str(error.strerror).lower())
    return hashlib.sha256(data.getvalue()).hexdigest()
