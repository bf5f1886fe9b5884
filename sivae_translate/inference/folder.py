"""Translate a folder tree in constant memory: names are kept, no file is overwritten, a manifest lists every input."""

from __future__ import annotations

import errno
import hashlib
import io
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sivae_translate.data.listing import LeftOut, shown
from sivae_translate.data.reader import read_images
from sivae_translate.errors import SivaeError, UsageError
from sivae_translate.inference.files import reference_style
from sivae_translate.inference.manifest import MANIFEST, Manifest, Untranslated, open_manifest, temporary
from sivae_translate.inference.plan import SAVE_OPTIONS, plan
from sivae_translate.inference.style_correction import ROUNDS, rounds_for
from sivae_translate.inference.threshold import Threshold
from sivae_translate.inference.translator import BATCH, Translator, require_style
from sivae_translate.progress import Display

DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}  # under these every further output fails too


@dataclass(frozen=True)
class Summary:
    """Numbers of translations that were written, finished earlier, failed or rejected, and the manifest's path."""

    written: int
    skipped: int
    failed: int
    rejected: int
    manifest: Path


@dataclass(frozen=True)
class Target:
    """A style to translate to, fixed before the first image is read, so that it is the same for all inputs.

    Attributes:
        name: name of the style in the manifest.
        folder: folder of the outputs, relative to `out`.
        style: s, `[S]`.
        rounds: rounds of style correction; 0 for the styles of domains.
    """

    name: str
    folder: str
    style: Tensor
    rounds: int = 0


@dataclass(frozen=True)
class Task:
    """An input with its unfinished outputs: (target, file)."""

    path: Path
    outputs: list[tuple[Target, Path]]


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

    Args:
        source: a file or a folder, whose sub-folders and names are kept.
        out: folder of the translations. Several domains get a sub-folder each. Random styles get sub-folders style-1,
            style-2 and so on.
        to: one domain or several. Without `to` and `style`: every domain of the model.
        style: a reference image, or a folder of them for their mean style.
        inversion_steps, style_correction: for the style of references; see `Translator.__call__`.
        styles: number of random styles per domain, in place of the mean style; see `Translator.random_styles`.
        seed, truncation: for random styles; see `Translator.random_styles`.
        format: "png", "jpg" or "webp".
        batch: images translated at a time.
        reject: threshold below which inputs are rejected; see `load_threshold`.
        display: shows the progress.

    Returns:
        The counts. `out/manifest.jsonl` has a row for each input and target: input, target, output (relative to
        `out`), status (ok, failed or rejected) and reason.

    Raises:
        UsageError: wrong arguments; no image has been translated.
        SivaeError: an output cannot be written. All translations so far are complete, and the next call resumes.
    """
    source, out = Path(source), Path(out)
    targets = find_targets(
        translator,
        [to] if isinstance(to, str) else list(to or ()),
        None if style is None else Path(style),
        inversion_steps=inversion_steps,
        style_correction=style_correction,
        styles=styles,
        seed=seed,
        truncation=truncation,
    )
    planned = plan(source, out, format)
    counts: Counter[str] = Counter()
    try:
        with (
            open_manifest(out, fingerprint(translator, targets, format, reject)) as manifest,
            ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool,
        ):
            tasks = unfinished(planned, targets, manifest)
            images = zip(tasks, read_images([task.path for task in tasks], translator.frame), strict=True)
            done = len(planned) - len(tasks)
            while chunk := list(islice(images, batch)):
                counts.update(translate_batch(translator, targets, chunk, manifest, pool, reject))
                done += len(chunk)
                if display:
                    display.step(done / len(planned), f"{done:,} of {len(planned):,} images")
    except OSError as error:
        reason = error.strerror or error
        raise SivaeError(f"cannot write to {out} ({reason}): mend that and run the same command again") from None
    skipped = len(planned) * len(targets) - counts.total()
    return Summary(counts["ok"], skipped, counts["failed"], counts["rejected"], out / MANIFEST)


def find_targets(
    translator: Translator,
    to: list[str],
    style: Path | None,
    *,
    inversion_steps: int,
    style_correction: int,
    styles: int | None,
    seed: int,
    truncation: float,
) -> list[Target]:
    """The styles to translate to; see `translate_folder`. Raises UsageError for arguments that exclude each other."""
    require_style(translator.model)
    if styles is None and (seed or truncation != 1):
        raise UsageError("--seed and --truncation are for random styles: expected --styles N too")
    if style is not None:
        if to or styles is not None:
            other = "--to" if to else "--styles"
            raise UsageError(f"{other} and --style both given: expected one of them")
        rounds = rounds_for(translator.model.content_shape, style_correction)
        found = reference_style(translator, style, inversion_steps=inversion_steps)
        return [Target(shown(style), "", found, rounds)]
    if inversion_steps:
        raise UsageError("--inversion-steps refine the style of references: expected --style IMAGE too")
    if len(translator.domains) == 1 and styles is None:
        raise UsageError(
            f"this model knows a single domain ({translator.domains[0]}): there is no other to translate to; "
            "give a reference with --style IMAGE, or draw styles with --styles N"
        )
    names = list(dict.fromkeys(to or translator.domains))
    if styles is None:
        return [Target(name, name if len(names) > 1 else "", translator.style_of(to=name)) for name in names]
    return [
        Target(f"{name}/style-{i}", f"{name}/style-{i}" if len(names) > 1 else f"style-{i}", drawn)
        for name in names
        for i, drawn in enumerate(translator.random_styles(name, styles, seed=seed, truncation=truncation), start=1)
    ]


def fingerprint(translator: Translator, targets: list[Target], format: str, reject: Threshold | None) -> str:
    """A hash of everything that determines an output besides the input: weights, styles, rounds, format, threshold."""
    digest = hashlib.sha256(repr((format, reject, [target.rounds for target in targets])).encode())
    for tensor in [*translator.model.state_dict().values(), *(target.style for target in targets)]:
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def unfinished(planned: list[tuple[Path, Path]], targets: list[Target], manifest: Manifest) -> list[Task]:
    """The inputs with an unfinished output, in order."""
    tasks = (
        Task(path, [(t, manifest.folder / t.folder / output) for t in targets if not manifest.has(path, t.name)])
        for path, output in planned
    )
    return [task for task in tasks if task.outputs]


def translate_batch(
    translator: Translator,
    targets: list[Target],
    chunk: list[tuple[Task, np.ndarray | LeftOut]],
    manifest: Manifest,
    pool: ThreadPoolExecutor,
    reject: Threshold | None,
) -> Iterator[str]:
    """Translate some inputs, write the manifest row of each output, and yield the row's status."""
    accepted, images = [], []
    for (task, _), image in zip(chunk, accept(translator, [image for _, image in chunk], reject), strict=True):
        if isinstance(image, Untranslated):
            for target, output in task.outputs:
                yield manifest.add(task.path, target.name, output, image)
        else:
            accepted.append(task)
            images.append(image)
    for target in targets:
        chosen = [
            (i, task.path, output) for i, task in enumerate(accepted) for t, output in task.outputs if t is target
        ]
        if not chosen:
            continue
        x = torch.stack([images[i] for i, *_ in chosen])
        translations = translator.translate(x, target.style, style_correction=target.rounds)
        written = [(path, output) for _, path, output in chosen]
        yield from write(translator.to_pictures(translations), written, target.name, manifest, pool)


def accept(
    translator: Translator, images: list[np.ndarray | LeftOut], threshold: Threshold | None
) -> Iterator[Tensor | Untranslated]:
    """Each image as `[3, H, W]` in the model's frame, or the reason why it is not translated."""
    readable = [image for image in images if not isinstance(image, LeftOut)]
    prepared = translator.prepare(readable) if readable else torch.empty(0)
    reasons: Iterator[str | None] = iter([None] * len(readable))
    if threshold and readable:
        scores = translator.score(prepared, threshold.samples, threshold.seed, beta=threshold.beta)
        reasons = map(threshold.rejection, scores.bound.tolist())
    rows = iter(prepared)
    for image in images:
        if isinstance(image, LeftOut):
            yield Untranslated("failed", image.reason)
        else:
            x, reason = next(rows), next(reasons)
            yield Untranslated("rejected", reason) if reason else x


def write(
    pictures: list[Image.Image],
    chosen: list[tuple[Path, Path]],
    target: str,
    manifest: Manifest,
    pool: ThreadPoolExecutor,
) -> Iterator[str]:
    """Write translations, for pairs (input, output), and their manifest rows, and yield the status of each."""
    outputs = [output for _, output in chosen]
    try:
        for (path, output), reason in zip(chosen, pool.map(write_temporary, pictures, outputs), strict=True):
            untranslated = None if reason is None else Untranslated("failed", reason)
            status = manifest.add(path, target, output, untranslated)
            if not untranslated:  # after the row, so that a killed call leaves no output without a row
                os.replace(temporary(output), output)
            yield status
    finally:
        for output in outputs:
            with suppress(OSError):
                temporary(output).unlink()


def write_temporary(picture: Image.Image, output: Path) -> str | None:
    """Write a picture to the temporary file of an output. Returns the reason of a failure, or None."""
    format = output.suffix[1:]
    data = io.BytesIO()  # Pillow's own writing can hide the system's error
    picture.save(data, format.replace("jpg", "jpeg"), **SAVE_OPTIONS[format])
    try:
        with suppress(FileNotFoundError):
            output.lstat()  # raises for a name too long; exists() may not
            return "an output of this name exists and is not from this job"
        output.parent.mkdir(parents=True, exist_ok=True)
        temporary(output).write_bytes(data.getvalue())
    except OSError as error:
        if error.errno in DISK_ERRORS:
            raise
        return str(error.strerror).lower()
    return None
