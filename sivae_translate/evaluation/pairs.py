"""Translations against the truth: pairs of which the right answer is known.

Each row of a pairs file says: the content of this image under the style of that one should be this third one. The
floors beside every figure are what copying the content image, or the style image, would score.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from sivae_translate.data.images import UnreadableImage, fit, read_image
from sivae_translate.errors import SivaeError, UsageError
from sivae_translate.evaluation.pictures import sheet
from sivae_translate.latent.search import best_code
from sivae_translate.translator import Translator, require_style

COLUMNS = ("content", "style", "target")
SHOWN = 12  # pairs in the picture
Score = dict[str, float]


def read_pairs(file: Path, root: Path) -> list[dict[str, Path]]:
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


def score(image: np.ndarray, truth: np.ndarray) -> Score:
    """PSNR in dB and SSIM (7 x 7 windows, mean over channels) of uint8 images `[H, W, 3]`."""
    a, b = image / 255.0, truth / 255.0
    psnr = peak_signal_noise_ratio(b, a, data_range=1.0) if (a != b).any() else 100.0
    return {"psnr": float(psnr), "ssim": float(structural_similarity(a, b, channel_axis=2, data_range=1.0))}


def evaluate_pairs(
    translator: Translator,
    pairs: list[dict[str, Path]],
    out: Path,
    *,
    search: int = 0,
    batch: int = 64,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, object]:
    """Translate every pair into `out/000000.png ...` and score it beside its floors.

    Args:
        search: steps of Adam on each style image's code, see `Translator.__call__`.

    Returns, and writes to `out/report.json`:
        n, size, search, and for output, copy_content and copy_style the mean PSNR (dB) and SSIM. `out/pairs.png` shows
        the first pairs: content, style, output, truth.

    Raises:
        UsageError: a model with a single latent, or the images themselves are in `out`; nothing has been written.
        SivaeError: an image that cannot be read; a pair left out would change the figure.
    """
    require_style(translator.model)
    if out.resolve() in {path.resolve().parent for pair in pairs for path in pair.values()}:
        raise UsageError(f"{out} is where the images are, and they are never overwritten: choose another with --out")
    out.mkdir(parents=True, exist_ok=True)
    scores: dict[str, list[Score]] = {"output": [], "copy_content": [], "copy_style": []}
    shown: list[list[np.ndarray]] = []
    for start in range(0, len(pairs), batch):
        rows = pairs[start : start + batch]
        content, style, truth = (
            [load(row[column], translator) for row in rows] for column in ("content", "style", "target")
        )
        codes = best_code(translator.model, translator.prepare(list(style)), search).style
        assert codes is not None
        pictures = translator.to_pictures(translator.translate(translator.prepare(list(content)), codes))
        for i, picture in enumerate(pictures):
            picture.save(out / f"{start + i:06d}.png")
            output = np.asarray(picture)
            for name, image in {"output": output, "copy_content": content[i], "copy_style": style[i]}.items():
                scores[name].append(score(image, truth[i]))
            if len(shown) < SHOWN:
                shown.append([content[i], style[i], output, truth[i]])
        if progress:
            progress(min(start + batch, len(pairs)), len(pairs))
    sheet(shown).save(out / "pairs.png")
    means = {
        f"{name}_{metric}": round(float(np.mean([row[metric] for row in rows])), 4)
        for name, rows in scores.items()
        for metric in ("psnr", "ssim")
    }
    report: dict[str, object] = {"n": len(pairs), "size": translator.frame.size, "search": search, **means}
    (out / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    return report


def load(path: Path, translator: Translator) -> np.ndarray:
    """An image in the translator's frame, uint8 `[size, size, 3]`."""
    frame = translator.frame
    try:
        return fit(read_image(path, background=frame.background), frame.size, frame.fit, frame.background)
    except UnreadableImage as error:
        raise SivaeError(f"cannot read {path}: {error}") from None
