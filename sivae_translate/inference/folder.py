"""Translating a folder tree: constant memory, names kept, nothing overwritten, every input accounted for."""

from __future__ import annotations

import errno
import hashlib
import io
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from torch import Tensor

from sivae_translate.data.domains import list_images, shown
from sivae_translate.data.images import UnreadableImage
from sivae_translate.errors import SivaeError, UsageError
from sivae_translate.inference.manifest import MANIFEST, Manifest, Refusal, open_manifest, staged

if TYPE_CHECKING:
    from sivae_translate.inference.threshold import Threshold
    from sivae_translate.inference.translator import Translator
    from sivae_translate.progress import Display

SAVE_OPTIONS: dict[str, dict[str, Any]] = {
    "png": {"compress_level": 1},  # lossless at any level; writing is most of the time
    "jpg": {"quality": 95},
    "webp": {"quality": 95},
}
HOPELESS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}  # of the disk: no other output would fare better


@dataclass(frozen=True)
class Summary:
    """What became of the inputs: translations written, found done before, failed, and rejected; where the rows are."""

    written: int
    skipped: int
    failed: int
    rejected: int
    manifest: Path


@dataclass(frozen=True)
class Target:
    """A style to translate to: its name, where its outputs go below `out`, and its code `[S]`.

    It is there before the first image is read: whatever is in a folder, such as the frames of a film, gets the same.
    """

    name: str
    folder: str
    style: Tensor


def translate_folder(
    translator: Translator,
    source: Path,
    out: Path,
    *,
    to: list[str] | None = None,
    style: Path | None = None,
    search: int = 0,
    styles: int | None = None,
    seed: int = 0,
    truncation: float = 1.0,
    format: str = "png",
    batch: int = 32,
    reject: Threshold | None = None,
    display: Display | None = None,
) -> Summary:
    """Translate an image or a folder tree. What an earlier call finished is not done again.

    Args:
        source: a file or a folder; the tree below it is kept, and so are the names.
        out: where to. One domain or reference goes straight in, several domains into a sub-folder each; random styles
            into style-1, style-2 and so on below that.
        to: domains; neither `to` nor `style` is every domain of the model.
        style: a reference image, or a folder of them for their mean.
        search: steps of Adam on the references' codes, see `Translator.__call__`.
        styles: so many random styles of each domain in place of its mean; see `Translator.random_styles`, also for
            `seed` and `truncation`.
        format: "png", "jpg" or "webp".
        batch: images translated at a time.
        reject: leave out what scores below it; see `load_threshold`.

    Returns:
        The counts. `out/manifest.jsonl` has a row per input and target: input, target, output (below `out`), status
        (ok, failed or rejected), reason.

    Raises:
        UsageError: nothing has been translated.
        SivaeError: the disk is full; what was written is whole, and the next call goes on.
    """
    targets = list(find_targets(translator, to, style, search, styles, seed, truncation))
    outputs = plan(source, out, format)
    job = fingerprint(translator, targets, format, reject)
    counts: Counter[str] = Counter()
    skipped = 0
    try:
        with open_manifest(out, job) as manifest, ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            for start in range(0, len(outputs), batch):
                planned = outputs[start : start + batch]
                counts.update(translate_batch(translator, targets, out, planned, manifest, pool, reject))
                done = min(start + batch, len(outputs))
                skipped = done * len(targets) - counts.total()
                if display:
                    display.step(done / len(outputs), f"{done:,} of {len(outputs):,} images")
    except OSError as error:
        reason = error.strerror or error
        raise SivaeError(f"cannot write to {out} ({reason}): mend that and run the same command again") from None
    return Summary(counts["ok"], skipped, counts["failed"], counts["rejected"], out / MANIFEST)


def find_targets(
    translator: Translator,
    to: list[str] | None,
    style: Path | None,
    search: int,
    styles: int | None,
    seed: int,
    truncation: float,
) -> Iterator[Target]:
    from sivae_translate.inference.translator import references, require_style

    require_style(translator.model)
    if styles is None and (seed or truncation != 1):
        raise UsageError("--seed and --truncation are for random styles: expected --styles N too")
    if style is not None:
        if to or styles is not None:
            other = "--to" if to else "--styles"
            raise UsageError(f"{other} and --style both given: expected one of them")
        yield Target(shown(style), "", translator.style_of(style=list[Any](references(style)), search=search))
        return
    if search:
        raise UsageError("--search looks for the style of references: expected --style IMAGE too")
    if len(translator.domains) == 1 and styles is None:
        raise UsageError(
            f"this model knows a single domain ({translator.domains[0]}): there is no other to translate to; "
            "give a reference with --style IMAGE, or draw styles with --styles N"
        )
    names = list(dict.fromkeys(to or translator.domains))
    for name in names:
        folder = name if len(names) > 1 else ""
        if styles is None:
            yield Target(name, folder, translator.style_of(to=name))
            continue
        drawn = translator.random_styles(name, styles, seed=seed, truncation=truncation)
        for i, code in enumerate(drawn, start=1):
            yield Target(f"{name}/style-{i}", f"{folder}/style-{i}" if folder else f"style-{i}", code)


def plan(source: Path, out: Path, format: str) -> list[tuple[Path, Path]]:
    """(input, output below a target's folder) for every image of `source`, no two outputs alike."""
    if format not in SAVE_OPTIONS:
        raise UsageError(f"format {format!r}: expected one of {', '.join(SAVE_OPTIONS)}")
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file: expected a folder for the translations; choose another with --out")
    base = source if source.is_dir() else source.parent
    inside, real = out.resolve(), base.resolve()
    if inside == real:
        raise UsageError(f"{out} is where the inputs are, and they are never overwritten: choose another with --out")
    inputs = [path for path in list_images(source) if inside not in (real / path.relative_to(base)).parents]
    if not inputs:
        raise UsageError(f"{shown(source)} holds no image: expected an image or a folder of images")
    taken: set[str] = set()
    planned = []
    for path in inputs:
        output = path.relative_to(base).with_suffix(f".{format}")
        name = path.name
        while str(output).lower() in taken:  # photo.jpg beside photo.png: the second keeps its suffix in the name
            output = output.with_name(name := f"{name}.{format}")
        taken.add(str(output).lower())
        planned.append((path, output))
    return planned


def fingerprint(translator: Translator, targets: list[Target], format: str, reject: Threshold | None) -> str:
    """What besides the input decides an output: weights, styles, feedback, format and threshold, as a short hash."""
    digest = hashlib.sha256(format.encode() + (repr(reject).encode() if reject else b""))
    digest.update(str(translator.feedback).encode() if translator.feedback else b"")
    for tensor in [*translator.model.state_dict().values(), *(target.style for target in targets)]:
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def translate_batch(
    translator: Translator,
    targets: list[Target],
    out: Path,
    planned: list[tuple[Path, Path]],
    manifest: Manifest,
    pool: ThreadPoolExecutor,
    reject: Threshold | None,
) -> Iterator[str]:
    """Translate these inputs to every target that is not done; the status of each. All get their row."""
    wanted = [
        (path, [(target, out / target.folder / output) for target in targets if not manifest.has(path, target.name)])
        for path, output in planned
    ]
    wanted = [(path, todo) for path, todo in wanted if todo]
    images: list[Tensor] = []
    accepted = []
    read = read_images(translator, [path for path, _ in wanted], pool)
    for (path, todo), x in zip(wanted, rejected(translator, read, reject) if reject else read, strict=True):
        if isinstance(x, Refusal):
            for target, output in todo:
                yield manifest.add(path, target.name, output, x)
        else:
            images.append(x)
            accepted.append((path, todo))
    if not images:
        return
    x = torch.cat(images)
    for target in targets:
        chosen = [(i, path, output) for i, (path, todo) in enumerate(accepted) for t, output in todo if t is target]
        if not chosen:
            continue
        pictures = translator.to_pictures(translator.translate(x[[i for i, *_ in chosen]], target.style))
        outputs = [output for *_, output in chosen]
        try:
            for (_, path, output), reason in zip(chosen, pool.map(stage, pictures, outputs), strict=True):
                refusal = None if reason is None else Refusal("failed", reason)
                status = manifest.add(path, target.name, output, refusal)
                if not refusal:  # only now, lest a killed run leave an output without a row
                    os.replace(staged(output), output)
                yield status
        finally:
            for output in outputs:
                with suppress(OSError):
                    staged(output).unlink()


def read_images(translator: Translator, paths: list[Path], pool: ThreadPoolExecutor) -> list[Tensor | Refusal]:
    """Each image in the model's frame, `[1, 3, H, W]`, or why it cannot be read."""

    def read(path: Path) -> Tensor | Refusal:
        try:
            return translator.prepare(path)
        except UnreadableImage as error:
            return Refusal("failed", str(error))

    return list(pool.map(read, paths))


def rejected(
    translator: Translator, images: list[Tensor | Refusal], threshold: Threshold
) -> Iterator[Tensor | Refusal]:
    """The images in their order, with a refusal in the place of each that scores below the threshold."""
    readable = [x for x in images if isinstance(x, Tensor)]
    bounds: Iterator[float] = iter(())
    if readable:
        scores = translator.score(torch.cat(readable), threshold.samples, threshold.seed, beta=threshold.beta)
        bounds = iter(scores.bound.tolist())
    for x in images:
        reason = threshold.refusal(next(bounds)) if isinstance(x, Tensor) else None
        yield Refusal("rejected", reason) if reason else x


def stage(picture: Image.Image, output: Path) -> str | None:
    """Write a picture, whole, beside where it will be; the reason where that cannot or must not be done."""
    format = output.suffix[1:]
    data = io.BytesIO()  # Pillow's own writing does not always tell why the disk refused
    picture.save(data, format.replace("jpg", "jpeg"), **SAVE_OPTIONS[format])
    try:
        with suppress(FileNotFoundError):
            output.lstat()  # raises for a name too long; exists() may not
            return "an output of this name exists and is not from this job"
        output.parent.mkdir(parents=True, exist_ok=True)
        staged(output).write_bytes(data.getvalue())
    except OSError as error:
        if error.errno in HOPELESS:
            raise
        return str(error.strerror).lower()
    return None
