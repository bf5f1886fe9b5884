"""Translating a folder tree: constant memory, names kept, nothing overwritten, every input accounted for."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import torch
from PIL import Image
from torch import Tensor

from sivae_translate.data.domains import list_images, shown
from sivae_translate.data.images import UnreadableImage
from sivae_translate.errors import SivaeError, UsageError

if TYPE_CHECKING:
    from sivae_translate.training.log import Screen
    from sivae_translate.translator import Translator

SAVE_OPTIONS: dict[str, dict[str, Any]] = {
    "png": {"compress_level": 1},  # lossless at any level; writing is most of the time
    "jpg": {"quality": 95},
    "webp": {"quality": 95},
}


@dataclass(frozen=True)
class Summary:
    """What became of the inputs: translations written, found done before, and failed; and where the rows are."""

    written: int
    skipped: int
    failed: int
    manifest: Path


@dataclass(frozen=True)
class Target:
    """A style to translate to: where its outputs go below `out`, and its code `[S]`."""

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
    format: str = "png",
    batch: int = 32,
    screen: Screen | None = None,
) -> Summary:
    """Translate an image or a folder tree. What an earlier call finished is not done again.

    Args:
        source: a file or a folder; the tree below it is kept, and so are the names.
        out: where to. One target goes straight in, several into a sub-folder each.
        to: domains; neither `to` nor `style` is every domain of the model.
        style: a reference image, or a folder of them for their mean.
        format: "png", "jpg" or "webp".
        batch: images translated at a time.

    Returns:
        The counts. `out/manifest.jsonl` has a row per input and target: input, target, output, status, reason.

    Raises:
        UsageError: nothing has been written.
        SivaeError: the disk is full; what was written is whole, and the next call goes on.
    """
    targets = list(find_targets(translator, to, style))
    outputs = plan(source, out, format)
    job = fingerprint(translator, targets, format)
    manifest = Manifest(out / "manifest.jsonl", job)
    written = skipped = failed = 0
    try:
        with manifest, ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            for start in range(0, len(outputs), batch):
                rows = list(translate_batch(translator, targets, out, outputs[start : start + batch], manifest, pool))
                for row in rows:
                    manifest.add(row)
                written += sum(row["status"] == "ok" for row in rows)
                failed += sum(row["status"] == "failed" for row in rows)
                done = min(start + batch, len(outputs))
                skipped = done * len(targets) - written - failed
                if screen:
                    screen.step(done / len(outputs), f"{done:,} of {len(outputs):,} images")
    except OSError as error:
        raise SivaeError(f"cannot write to {out}: {error.strerror}; run the same command again to go on") from None
    return Summary(written, skipped, failed, manifest.path)


def find_targets(translator: Translator, to: list[str] | None, style: Path | None) -> Iterator[Target]:
    from sivae_translate.translator import references

    if style is not None:
        if to:
            raise UsageError("--to and --style both given: expected one of them")
        yield Target(shown(style), "", translator.style_of(style=list[Any](references(style))))
        return
    if len(translator.domains) == 1:
        raise UsageError(
            f"this model knows a single domain ({translator.domains[0]}): there is no other to translate to; "
            "give a reference with --style IMAGE"
        )
    names = list(dict.fromkeys(to or translator.domains))
    for name in names:
        yield Target(name, name if len(names) > 1 or not to else "", translator.style_of(to=name))


def plan(source: Path, out: Path, format: str) -> list[tuple[Path, Path]]:
    """(input, output below a target's folder) for every image of `source`, no two outputs alike."""
    if format not in SAVE_OPTIONS:
        raise UsageError(f"format {format!r}: expected one of {', '.join(SAVE_OPTIONS)}")
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file: expected a folder for the translations; choose another with --out")
    inside, base = out.resolve(), source if source.is_dir() else source.parent
    if inside == base.resolve():
        raise UsageError(f"{out} is where the inputs are, and they are never overwritten: choose another with --out")
    inputs = [path for path in list_images(source) if inside not in path.absolute().parents]
    if not inputs:
        raise UsageError(f"{shown(source)} holds no image: expected an image or a folder of images")
    taken: set[str] = set()
    planned = []
    for path in inputs:
        output = path.relative_to(base).with_suffix(f".{format}")
        if str(output).lower() in taken:  # photo.jpg beside photo.png: the second keeps its suffix in the name
            output = output.with_name(f"{path.name}.{format}")
        taken.add(str(output).lower())
        planned.append((path, output))
    return planned


def fingerprint(translator: Translator, targets: list[Target], format: str) -> str:
    """What besides the input decides an output: weights, styles and format, as a short hash."""
    digest = hashlib.sha256(format.encode())
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
) -> Iterator[dict[str, str]]:
    """Translate these inputs to every target that is not done; a row for each, failures too."""
    wanted = [
        (path, [(target, out / target.folder / output) for target in targets if not manifest.has(path, target)])
        for path, output in planned
    ]
    wanted = [(path, todo) for path, todo in wanted if todo]
    images: list[Tensor] = []
    readable = []

    def read(path: Path) -> Tensor | UnreadableImage:
        try:
            return translator.prepare(path)
        except UnreadableImage as error:
            return error

    for (path, todo), x in zip(wanted, pool.map(read, [path for path, _ in wanted]), strict=True):
        if isinstance(x, UnreadableImage):
            yield from (row(path, target, None, str(x)) for target, _ in todo)
        else:
            images.append(x)
            readable.append((path, todo))
    if not images:
        return
    x = torch.cat(images)
    for target in targets:
        chosen = [(i, path, output) for i, (path, todo) in enumerate(readable) for t, output in todo if t is target]
        pictures = translator.to_pictures(translator.translate(x[[i for i, *_ in chosen]], target.style)) if chosen else []
        saved = pool.map(save, pictures, [output for *_, output in chosen])
        for (_, path, output), reason in zip(chosen, saved, strict=True):
            yield row(path, target, output if reason is None else None, reason)


def save(picture: Image.Image, output: Path) -> str | None:
    """Write a picture under its final name only once it is whole; the reason where it must not be written."""
    if output.exists():
        return "an output of this name exists and is not from this job"
    output.parent.mkdir(parents=True, exist_ok=True)
    stage = output.with_name(f".tmp-{os.getpid()}-{output.name}")
    try:
        format = output.suffix[1:].replace("jpg", "jpeg")
        picture.save(stage, format=format, **SAVE_OPTIONS[output.suffix[1:]])
        os.replace(stage, output)
    finally:
        stage.unlink(missing_ok=True)
    return None


def row(path: Path, target: Target, output: Path | None, reason: str | None) -> dict[str, str]:
    status = "ok" if reason is None else "failed"
    return {
        "input": str(path),
        "target": target.name,
        "output": str(output or ""),
        "status": status,
        "reason": reason or "",
    }


class Manifest:
    """`manifest.jsonl`: a header naming the job in every row; finished rows of an earlier call are kept, failures retried.

    Raises:
        UsageError: the folder holds translations by another model, style or format.
    """

    def __init__(self, path: Path, job: str) -> None:
        self.path, self.job = path, job
        self.done: set[tuple[str, str]] = set()
        self.file: TextIO | None = None
        kept = []
        for line in path.read_text().splitlines() if path.exists() else []:
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:
                continue  # the last line of a killed run
            if entry.get("job") != job:
                raise UsageError(
                    f"{path.parent} holds translations by another model, style or format: choose another with --out"
                )
            if entry["status"] == "ok" and Path(entry["output"]).exists():
                kept.append(line)
                self.done.add((entry["input"], entry["target"]))
        self.kept = kept

    def has(self, path: Path, target: Target) -> bool:
        return (str(path), target.name) in self.done

    def __enter__(self) -> Manifest:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.file = self.path.open("w")
        self.file.writelines(f"{line}\n" for line in self.kept)
        self.kept = []
        return self

    def __exit__(self, *_: object) -> None:
        assert self.file is not None
        self.file.close()

    def add(self, entry: dict[str, str]) -> None:
        assert self.file is not None
        self.file.write(json.dumps(entry | {"job": self.job}) + "\n")
        self.file.flush()
