"""Pairs of known truth: the content of one image in the style of another should be a third one."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np
from PIL import Image

from sivae_translate.errors import UsageError, shown
from sivae_translate.evaluation.metrics.psnr import psnr
from sivae_translate.evaluation.reading import read_one
from sivae_translate.evaluation.sets import TranslatedPairs
from sivae_translate.evaluation.translation import Translation
from sivae_translate.pictures import sheet
from sivae_translate.progress import Progress

COLUMNS = ("content", "style", "target")
SHOWN = 12  # pairs in the picture of the first ones
EXTREMES = 6  # pairs in each of the pictures of the best, the median and the worst
Pair = dict[str, Path]


def read_pairs(file: str | Path, root: str | Path) -> list[Pair]:
    """The rows of a CSV file with columns content,style,target: paths below `root`.

    Raises:
        UsageError: no such file, other columns, no row, or a path that leaves `root` or names no file.
    """
    file, root = Path(file), Path(root)
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines)
            rows, columns = list(reader), reader.fieldnames or []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"cannot read {file} ({error}): expected a CSV with columns {','.join(COLUMNS)}") from None
    if not set(COLUMNS) <= set(columns):
        raise UsageError(f"{file} has columns {','.join(columns)}: expected {','.join(COLUMNS)}")
    if not rows:
        raise UsageError(f"{file} has no rows: expected a pair in each, columns {','.join(COLUMNS)}")
    pairs = []
    for number, row in enumerate(rows, start=2):
        pair = {column: root / (row[column] or "") for column in COLUMNS}
        for path in pair.values():
            if not path.is_file() or root.resolve() not in path.resolve().parents:
                raise UsageError(
                    f"{file}, line {number}: {shown(path)} is no file under {root}; give the folder with --root"
                )
        pairs.append(pair)
    return pairs


def refuse_among(pairs: Sequence[Pair], out: Path) -> None:
    """Raise UsageError where `out` is a folder that holds images of these pairs."""
    if out.resolve() in {path.resolve().parent for pair in pairs for path in pair.values()}:
        raise UsageError(f"{out} is where the images are, and they are never overwritten: choose another with --out")


def translate_pairs(
    translation: Translation, pairs: Sequence[Pair], out: str | Path, progress: Progress | None = None
) -> TranslatedPairs:
    """Translate every pair into `out/000000.png`, ...

    Raises:
        SivaeError: an image that cannot be read; without its pair the means would be of another set.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    translator = translation.translator
    shape = (len(pairs), translator.frame.size, translator.frame.size, 3)
    images = {column: on_disk(shape) for column in (*COLUMNS, "output")}
    for start in range(0, len(pairs), translation.batch):
        rows = slice(start, min(start + translation.batch, len(pairs)))
        for column in COLUMNS:
            images[column][rows] = [read_one(translator, pair[column]) for pair in pairs[rows]]
        output = translation.to_references(images["content"][rows], images["style"][rows])
        images["output"][rows] = output.permute(0, 2, 3, 1).numpy()
        for row in range(rows.start, rows.stop):
            Image.fromarray(images["output"][row]).save(out / f"{row:06d}.png")
        if progress:
            progress(rows.stop, len(pairs))
    return TranslatedPairs(tuple(pair["target"].resolve() for pair in pairs), images)


def on_disk(shape: tuple[int, ...]) -> np.ndarray:
    """A uint8 array in an unnamed temporary file, as the images of thousands of pairs may not fit into memory."""
    with TemporaryFile() as file:
        return np.memmap(file, np.uint8, "w+", shape=shape)


def copies(pairs: TranslatedPairs) -> list[str]:
    """A note for each input that is the truth of some pairs, with the mean PSNR over the other pairs."""
    notes, target = list[str](), pairs.images["target"]
    for column in ("content", "style"):
        others = np.array([(a != b).any() for a, b in zip(pairs.images[column], target, strict=True)])
        if others.all():
            continue
        note = f"in {np.sum(~others)} of {len(others)} pairs the {column} image is the truth, and copying it is perfect"
        if others.any():
            copy, output = (psnr(pairs.images[name][others], target[others]).mean() for name in (column, "output"))
            note += f"; PSNR of the other pairs: {copy:.2f} dB for the copy, {output:.2f} dB for translations"
        notes.append(note)
    return notes


def draw_pairs(pairs: TranslatedPairs, out: Path) -> dict[str, str]:
    """Pictures of the first pairs, and of the best, median and worst by PSNR: captions by file name."""
    scores = psnr(pairs.images["output"], pairs.images["target"])
    order = np.argsort(-scores, kind="stable").tolist()
    middle = max(0, (len(order) - EXTREMES) // 2)
    chosen: dict[str, tuple[str, Sequence[int]]] = {
        "best": ("The best by PSNR", order[:EXTREMES]),
        "median": ("Around the median by PSNR", order[middle : middle + EXTREMES]),
        "worst": ("The worst by PSNR, the worst last", order[-EXTREMES:]),
        "pairs": ("The first pairs", range(min(SHOWN, len(order)))),
    }
    captions = {}
    for name, (which, rows) in chosen.items():
        draw_rows(pairs, rows).save(out / f"{name}.png")
        figures = ", ".join(f"{score:.1f}" for score in scores[list(rows)])
        captions[f"{name}.png"] = f"{which}: content, style, translation, truth. PSNR from left to right: {figures} dB"
    return captions


def draw_rows(pairs: TranslatedPairs, rows: Sequence[int]) -> Image.Image:
    """Some pairs, a column each; the rows of the picture are content, style, translation, truth."""
    columns = [[pairs.images[name][row] for name in ("content", "style", "output", "target")] for row in rows]
    return sheet(columns, ["content", "style", "translation", "truth"])
