"""Samples and reconstructions of a model against real images, as sets: KID and FID."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sivae_translate.data.listing import LeftOut, Listing, evenly_spread
from sivae_translate.errors import UsageError, shown
from sivae_translate.evaluation.extractors import Extractor
from sivae_translate.evaluation.set_distances import MINIMUM, distances, halves
from sivae_translate.inference.files import read
from sivae_translate.inference.inputs import list_inputs
from sivae_translate.inference.translator import Translator
from sivae_translate.models.random_vgg16 import centred
from sivae_translate.pictures import contact_sheet, save_picture, sheet
from sivae_translate.progress import Progress
from sivae_translate.reports import begin_report, report_folder, write_report

SAMPLES, COLUMNS = 64, 12  # in the pictures


def find_real(real: str | Path, count: int, out: str | Path) -> Listing:
    """At most `count` images of a folder, evenly spread over its sorted names, and what is left out.

    Raises:
        UsageError: no such folder, fewer than `MINIMUM` images in it or asked for, or `out` among them, or
            one that holds other files; see `report_folder`.
    """
    real, out = Path(real), Path(out)
    if count < MINIMUM:
        raise UsageError(f"count was {count}: expected {MINIMUM} or more")
    paths, left_out = list_inputs(real)
    if len(paths) < MINIMUM:
        raise UsageError(f"{shown(real)} holds too few images ({len(paths)}): expected a folder of {MINIMUM} or more")
    if real.resolve() in (out.resolve(), *out.resolve().parents):
        raise UsageError(f"{out} is among the images of {shown(real)}: choose another with --out")
    report_folder(out, "fidelity")
    return Listing(evenly_spread(paths, count), left_out)


def evaluate_fidelity(
    translator: Translator,
    paths: list[Path],
    extractor: Extractor,
    out: str | Path,
    bad: list[LeftOut],
    *,
    seed: int = 0,
    batch: int = 32,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Distances from reconstructions of image files, and from as many samples, to the images, all at 8 bits.

    The baseline `half_split` is the distance between two halves of the real images, a perfect sampler's at half the n.
    Reconstructions are compared with the very images they are of, so good ones may score below that baseline.

    Args:
        bad: unreadable files are appended to it.
        seed: of the samples, the halves and the subsets of KID.
        batch: images at a time.
        progress: gets the number of images done and their total, first of real ones, then of samples.

    Returns, and writes to `out/report.json`:
        size in pixels, extractor, seed, left_out (reasons by file), and `distances` of samples, reconstructions and
        half_split. `out/samples.png` shows samples, `out/reconstructions.png` originals over reconstructions.

    Raises:
        UsageError: too few of the files can be read, or all are alike; nothing has been written.
    """
    real, copies, shown_pairs = list[Tensor](), list[Tensor](), list[list[np.ndarray]]()
    n, step = 0, -(-len(paths) // COLUMNS)
    for _, x in read(translator, paths, bad, batch, progress):
        originals, copied = translator.to_pictures(x), translator.reconstruct(x)
        real.append(extractor(originals, translator.device))
        copies.append(extractor(copied, translator.device))
        shown_pairs += [[np.asarray(originals[i]), np.asarray(copied[i])] for i in range(len(x)) if (n + i) % step == 0]
        n += len(x)
    if n < MINIMUM:
        raise UsageError(
            f"only {n} of {len(paths)} images can be read ({shown(bad[-1].path)}: {bad[-1].reason}): "
            f"expected {MINIMUM} or more"
        )
    pictures, samples = translator.sample(n, seed=seed), list[Tensor]()
    for start in range(0, n, batch):
        samples.append(extractor(pictures[start : start + batch], translator.device))
        if progress:
            progress(min(start + batch, n), n)
    sets = {"real": torch.cat(real), "samples": torch.cat(samples), "reconstructions": torch.cat(copies)}
    if extractor.to_centre:
        sets = {name: centred(features, sets["real"]) for name, features in sets.items()}
    report: dict[str, Any] = {
        "size": translator.frame.size,
        "extractor": extractor.name,
        "seed": seed,
        "samples": distances(sets["samples"], sets["real"], extractor.name, seed),
        "reconstructions": distances(sets["reconstructions"], sets["real"], extractor.name, seed),
        "half_split": distances(*halves(sets["real"], seed), extractor.name, seed),
        "left_out": {str(each.path): each.reason for each in bad},
    }
    out = Path(out)
    begin_report(out, "fidelity")
    save_picture(contact_sheet(pictures[:SAMPLES]), out / "samples.png")
    save_picture(sheet(shown_pairs), out / "reconstructions.png")
    write_report(out, "fidelity", report)
    return report
