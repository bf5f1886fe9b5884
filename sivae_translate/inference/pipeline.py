"""The three stages of a folder's translation, which overlap: read in threads, translate, write in threads.

Each stage asks the one before for its next item, so that no more waits in memory than the stages hold.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sivae_translate.data.images import Frame, UnreadableImage
from sivae_translate.data.listing import LeftOut
from sivae_translate.data.reader import THREADS, in_order
from sivae_translate.inference.canvas import Contents, decode, encode, square_count
from sivae_translate.inference.manifest import Manifest, temporary
from sivae_translate.inference.prepare import from_levels
from sivae_translate.inference.rows import Row, sha256_of
from sivae_translate.inference.shape import Placed, Shape, read_placed
from sivae_translate.inference.targets import Target
from sivae_translate.inference.tasks import Task, why_not_written
from sivae_translate.inference.threshold import Threshold
from sivae_translate.inference.translator import Translator
from sivae_translate.inference.writing import Writing
from sivae_translate.signals import HANG_UP, INTERRUPT, TERMINATE, handle_signals

DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}  # under these every further output fails too


@dataclass(frozen=True)
class Loaded:
    """A task whose input has been read.

    Attributes:
        digest: SHA-256 of the input; empty where it cannot be read.
        picture: the image; None where it cannot be read.
        status, reason: as in a row of the manifest.
    """

    task: Task
    digest: str
    picture: Placed | None
    status: str = "ok"
    reason: str = ""


@dataclass(frozen=True)
class Encoded:
    """A part of a batch: the inputs to translate with their contents, and unreadable and rejected inputs."""

    images: list[Loaded]
    contents: list[Contents]
    others: list[Loaded]


@dataclass(frozen=True)
class Job:
    """An output to write: the translation of an input, or None for one that is not translated."""

    image: Loaded
    target: Target
    output: Path
    picture: Image.Image | None


def load(task: Task, frame: Frame, shape: Shape) -> Loaded:
    """Read an input as the model gets it."""
    digest = sha256_of(task.path)  # first: a file that changes in between is translated again by the next call
    try:
        return Loaded(task, digest, read_placed(task.path, frame, shape))
    except UnreadableImage as error:
        return Loaded(task, "", None, "failed", str(error))


def translate_batches(
    translator: Translator,
    images: Iterator[Loaded],
    targets: list[Target],
    batch: int,
    reject: Threshold | None,
    *,
    tiled: bool = False,
) -> Generator[Job]:
    """Translate inputs, about `batch` squares of the model's size at a time.

    On a CPU threads translate parts of a batch, and share the threads of torch. Several threads of torch would wait for
    one another while images are read on the same cores.

    Args:
        tiled: whether inputs have many squares. Then one has all threads, and few are in memory.
    """
    parts = min(THREADS, batch) if translator.device.type == "cpu" and not tiled else 1
    chunks = grouped(images, batch // parts)
    corrects = any(target.rounds for target in targets)
    with torch_threads_kept() as threads, ExitStack() as stages:
        of_each = max(1, threads // parts)
        encoding = in_order(partial(encoded, translator, reject, corrects, of_each), chunks, ahead=1)
        pairs = ((batch, target) for batch in stages.enter_context(closing(encoding)) for target in targets)
        decoding = in_order(partial(translated, translator, of_each), pairs, ahead=parts)
        for jobs in stages.enter_context(closing(decoding)):
            yield from jobs


def grouped(images: Iterable[Loaded], most: int) -> Iterator[list[Loaded]]:
    """The inputs in groups of at least `most` squares, which `most` inputs have that fill a square each."""
    group, squares = list[Loaded](), 0
    for image in images:
        group.append(image)
        squares += square_count(image.picture) if image.picture else 1
        if squares >= most:
            yield group
            group, squares = [], 0
    if group:
        yield group


@contextmanager
def torch_threads_kept() -> Iterator[int]:
    """A block that is given the number of torch's threads, and after which torch has that number again."""
    before = torch.get_num_threads()
    try:
        yield before
    finally:
        torch.set_num_threads(before)


def encoded(
    translator: Translator, reject: Threshold | None, corrects: bool, threads: int, images: list[Loaded]
) -> Encoded:
    """Encode inputs once for all targets.

    Args:
        corrects: whether the style of a target is corrected.
        threads: of torch, for the thread that calls.
    """
    torch.set_num_threads(threads)
    readable = [image for image in images if image.status == "ok"]
    marked = rejected_marked(translator, readable, reject) if readable and reject else readable
    accepted = [image for image in marked if image.status == "ok"]
    others = [image for image in (*images, *marked) if image.status != "ok"]
    return Encoded(accepted, encode(translator, pictures_of(accepted), corrects), others)


def translated(translator: Translator, threads: int, pair: tuple[Encoded, Target]) -> list[Job]:
    """The outputs of a target that the inputs lack; see `encoded` for the threads."""
    torch.set_num_threads(threads)
    batch, target = pair
    others = [Job(image, target, output, None) for image in batch.others for output in outputs_of(image, target)]
    chosen = [(row, output) for row, image in enumerate(batch.images) for output in outputs_of(image, target)]
    if not chosen:
        return others
    contents, images = [batch.contents[row] for row, _ in chosen], [batch.images[row] for row, _ in chosen]
    pictures = decode(translator, contents, pictures_of(images), target.style, target.rounds)
    jobs = [Job(batch.images[row], target, output, p) for (row, output), p in zip(chosen, pictures, strict=True)]
    return others + jobs


def outputs_of(image: Loaded, target: Target) -> list[Path]:
    """The outputs of a target that an input lacks: one or none."""
    return [output for t, output in image.task.outputs if t is target]


def rejected_marked(translator: Translator, images: list[Loaded], reject: Threshold) -> list[Loaded]:
    """The images, those below the threshold with the status "rejected"."""
    scores = translator.score(stacked(images), reject.samples, reject.seed, beta=reject.beta)
    reasons = map(reject.rejection, scores.bound.tolist())
    return [
        replace(image, status="rejected", reason=reason) if reason else image
        for image, reason in zip(images, reasons, strict=True)
    ]


def stacked(images: list[Loaded]) -> Tensor:
    """The inputs in the model's frame, float32 `[B, 3, size, size]` in [0, 1]."""
    return from_levels(np.stack([picture.levels for picture in pictures_of(images)]))


def pictures_of(images: list[Loaded]) -> list[Placed]:
    """The pictures of readable inputs."""
    return [image.picture for image in images if image.picture is not None]


def write_jobs(jobs: Iterable[Job], manifest: Manifest, ahead: int, writing: Writing) -> Generator[tuple[Job, Row]]:
    """Write outputs and rows in order, and yield each with its row.

    Args:
        ahead: largest number of translations that wait to be written.
    """
    waiting = deque[tuple[Job, Future[str | LeftOut]]]()
    with ThreadPoolExecutor(THREADS) as pool:
        try:
            for job in jobs:
                waiting.append((job, pool.submit(write_temporary, job, manifest.row_of(job.output), writing)))
                while waiting and (len(waiting) > ahead or waiting[0][1].done()):
                    yield record(*waiting[0], manifest, writing)
                    waiting.popleft()
            while waiting:
                yield record(*waiting[0], manifest, writing)
                waiting.popleft()
        finally:
            with handle_signals((INTERRUPT, TERMINATE, HANG_UP), lambda *_: None):  # a second Ctrl-C changes nothing
                discard(waiting)


def record(job: Job, written: Future[str | LeftOut], manifest: Manifest, writing: Writing) -> tuple[Job, Row]:
    """Wait for a translation, write its row, and put the output in its place."""
    image, path, result = job.image, job.image.task.path, written.result()
    if isinstance(result, str):
        row = manifest.add(path, job.target.name, job.output, image.digest, result, writing.remark(path))
        os.replace(temporary(job.output), job.output)  # last, so that a killed call leaves no output without a row
        return job, row
    status = "failed" if image.status == "ok" else image.status
    digest = "" if image.status == "ok" else image.digest
    return job, manifest.add_untranslated(path, job.target.name, job.output, status, result.reason, digest)


def discard(waiting: Iterable[tuple[Job, Future[str | LeftOut]]]) -> None:
    """Delete the temporary files of translations that are not recorded."""
    for _, each in waiting:
        each.cancel()
    wait([each for _, each in waiting])  # a thread that still writes would leave its file behind
    for job, _ in waiting:
        with suppress(OSError):
            temporary(job.output).unlink()


def write_temporary(job: Job, row: Row | None, writing: Writing) -> str | LeftOut:
    """Write a translation to the temporary file of its output.

    Args:
        row: the manifest's row of the output.

    Returns:
        The SHA-256 of the file, or the reason why there is none.
    """
    path, output = job.image.task.path, job.output
    if job.picture is None or job.image.picture is None:
        return LeftOut(path, job.image.reason)
    try:
        data = writing.encoded(path, output, job.picture, job.image.picture.placement)
    except UnreadableImage as error:
        return LeftOut(path, str(error))
    try:
        if reason := why_not_written(path, output, row):
            return LeftOut(path, reason)
        output.parent.mkdir(parents=True, exist_ok=True)
        temporary(output).write_bytes(data)
    except OSError as error:
        if error.errno in DISK_ERRORS:
            raise
        return LeftOut(path, str(error.strerror).lower())
    return hashlib.sha256(data).hexdigest()
