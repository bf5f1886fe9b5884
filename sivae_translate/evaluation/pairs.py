"""Translations against the truth: pairs of which the right answer is known.

Each row of a pairs file says: the content of this image under the style of that one should be this third one. The
floors beside every figure are what copying the content image, or the style image, would score.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor

from sivae_translate.data.images import UnreadableImage, fit, read_image
from sivae_translate.errors import SivaeError, UsageError
from sivae_translate.evaluation.extractors import Extractor
from sivae_translate.evaluation.perceptual import Perceptual, stack
from sivae_translate.evaluation.sharpness import gradient
from sivae_translate.inference.inversion import invert
from sivae_translate.inference.style_correction import ROUNDS, rounds_for
from sivae_translate.inference.translator import Translator, require_style
from sivae_translate.pictures import sheet

COLUMNS = ("content", "style", "target")
SHOWN = 12  # pairs in the picture
SAME = 100.0  # dB of equal images, whose PSNR is infinite
Pair = dict[str, Path]


def read_pairs(file: Path, root: Path) -> list[Pair]:
    """The rows of a pairs file, as paths under `root`.

    Raises:
        UsageError: no such file, other columns, no row, or a row that leads out of `root` or to no file.
    """
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
                raise UsageError(f"{file}, line {number}: {path} is no file under {root}; give the folder with --root")
        pairs.append(pair)
    return pairs


@dataclass(frozen=True)
class Measured:
    """Pairs translated into a folder, and what was measured of them; a row each.

    Attributes:
        scores: of output, copy_content and copy_style by PSNR, SSIM and perhaps a perceptual distance, float64 `[n]`.
        gradients: of output and target, float64 `[n]`; see `sharpness.gradient`.
        features: of output, target and content, float64 `[n, F]`; empty where there was no extractor.
    """

    pairs: list[Pair]
    out: Path
    scores: dict[str, dict[str, np.ndarray]]
    gradients: dict[str, np.ndarray]
    features: dict[str, Tensor]

    def means(self) -> dict[str, float]:
        """`output_psnr` and the like."""
        return {
            f"{name}_{metric}": round(float(values.mean()), 4)
            for name, metrics in self.scores.items()
            for metric, values in metrics.items()
        }

    def copies(self) -> list[str]:
        """A line for each input that is the truth of some pairs: what copying it scores on the others."""
        notes = []
        for column in ("content", "style"):
            floor, output = self.scores[f"copy_{column}"]["psnr"], self.scores["output"]["psnr"]
            others = floor < SAME
            if others.all():
                continue
            note = f"in {np.sum(~others)} of {len(floor)} pairs the {column} image is the truth: a copy has {SAME:g} dB"
            if others.any():
                note += f"; without them {floor[others].mean():.2f}, translations {output[others].mean():.2f}"
            notes.append(note)
        return notes

    def output(self, row: int) -> np.ndarray:
        """A translation as it was written, uint8 `[size, size, 3]`."""
        return np.asarray(Image.open(self.out / output_name(row)))

    def picture(self, rows: Sequence[int], translator: Translator) -> Image.Image:
        """Some pairs, a column each: content, style, output, truth."""
        columns = []
        for row in rows:
            content, style, truth = (load(self.pairs[row][column], translator) for column in COLUMNS)
            columns.append([content, style, self.output(row), truth])
        return sheet(columns, ["content", "style", "translation", "truth"])


def score(image: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """PSNR in dB and SSIM (7 x 7 windows, mean over channels) of uint8 images `[H, W, 3]`."""
    a, b = image / 255.0, truth / 255.0
    psnr = peak_signal_noise_ratio(b, a, data_range=1.0) if (a != b).any() else SAME
    return {"psnr": float(psnr), "ssim": float(structural_similarity(a, b, channel_axis=2, data_range=1.0))}


def evaluate_pairs(
    translator: Translator,
    pairs: list[Pair],
    out: Path,
    *,
    inversion_steps: int = 0,
    style_correction: int = ROUNDS,
    batch: int = 64,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, object]:
    """Translate every pair into `out/000000.png ...` and score it beside its floors.

    Args:
        inversion_steps, style_correction: for the style of each style image; see `Translator.__call__`.

    Returns, and writes to `out/report.json`:
        n, size, inversion_steps, style_correction (the rounds that were applied), and for output, copy_content and
        copy_style the mean PSNR (dB) and SSIM.
        `out/pairs.png` shows the first pairs: content, style, output, truth. The command `evaluate` tells more, see
        `report.evaluate`.

    Raises:
        UsageError: a model with a single latent, or the images themselves are in `out`; nothing has been written.
        SivaeError: an image that cannot be read; a pair left out would change the figure.
    """
    rounds = rounds_for(translator.model.content_shape, style_correction)
    measured = measure_pairs(
        translator, pairs, out, inversion_steps=inversion_steps, style_correction=rounds, batch=batch, progress=progress
    )
    measured.picture(range(min(SHOWN, len(pairs))), translator).save(out / "pairs.png")
    sizes = {"n": len(pairs), "size": translator.frame.size}
    how = {"inversion_steps": inversion_steps, "style_correction": rounds}
    report: dict[str, object] = {**sizes, **how, **measured.means()}
    (out / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    return report


def measure_pairs(
    translator: Translator,
    pairs: list[Pair],
    out: Path,
    *,
    perceptual: Perceptual | None = None,
    extractor: Extractor | None = None,
    inversion_steps: int = 0,
    style_correction: int = ROUNDS,
    batch: int = 64,
    progress: Callable[[int, int], None] | None = None,
) -> Measured:
    """Translate every pair into `out/000000.png ...` and measure it, `batch` pairs at a time.

    Raises:
        UsageError, SivaeError: see `evaluate_pairs`.
    """
    require_style(translator.model)
    refuse_among(pairs, out)
    out.mkdir(parents=True, exist_ok=True)
    scores: dict[str, list[dict[str, float]]] = {"output": [], "copy_content": [], "copy_style": []}
    gradients: dict[str, list[float]] = {"output": [], "target": []}
    features: dict[str, list[Tensor]] = {"output": [], "target": [], "content": []} if extractor else {}
    for start in range(0, len(pairs), batch):
        rows = pairs[start : start + batch]
        content, style, truth = ([load(row[column], translator) for row in rows] for column in COLUMNS)
        pictures = translate_batch(translator, content, style, inversion_steps, style_correction)
        for i, picture in enumerate(pictures):
            picture.save(out / output_name(start + i))
        output = [np.asarray(picture) for picture in pictures]
        for name, images in {"output": output, "copy_content": content, "copy_style": style}.items():
            distances = perceptual(stack(images), stack(truth)).tolist() if perceptual else []
            scored = [score(image, each) for image, each in zip(images, truth, strict=True)]
            if perceptual:
                scored = [s | {perceptual.measure: d} for s, d in zip(scored, distances, strict=True)]
            scores[name] += scored
        images_of = {"output": output, "target": truth, "content": content}
        for name, found in gradients.items():
            found += [gradient(image) for image in images_of[name]]
        if extractor:
            for name, kept in features.items():
                kept.append(extractor([Image.fromarray(image) for image in images_of[name]], translator.device))
        if progress:
            progress(min(start + batch, len(pairs)), len(pairs))
    return Measured(
        pairs,
        out,
        {name: {key: np.array([row[key] for row in rows]) for key in rows[0]} for name, rows in scores.items()},
        {name: np.array(found) for name, found in gradients.items()},
        {name: torch.cat(kept) for name, kept in features.items()},
    )


def translate_batch(
    translator: Translator,
    content: list[np.ndarray],
    style: list[np.ndarray],
    inversion_steps: int,
    style_correction: int,
) -> list[Image.Image]:
    codes = invert(translator.model, translator.prepare(list(style)), inversion_steps).style
    assert codes is not None
    x = translator.prepare(list(content))
    return translator.to_pictures(translator.translate(x, codes, style_correction=style_correction))


def refuse_among(pairs: list[Pair], out: Path) -> None:
    """Raise UsageError where `out` is a folder that holds images of these pairs."""
    if out.resolve() in {path.resolve().parent for pair in pairs for path in pair.values()}:
        raise UsageError(f"{out} is where the images are, and they are never overwritten: choose another with --out")


def output_name(row: int) -> str:
    return f"{row:06d}.png"


def load(path: Path, translator: Translator) -> np.ndarray:
    """An image in the translator's frame, uint8 `[size, size, 3]`."""
    frame = translator.frame
    try:
        return fit(read_image(path, background=frame.background), frame.size, frame.fit, frame.background)
    except UnreadableImage as error:
        raise SivaeError(f"cannot read {path}: {error}") from None
