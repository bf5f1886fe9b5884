"""How near a model's images come to real ones, as sets: KID and FID in the features of a network.

KID is the squared MMD under the kernel (x.y / F + 1)^3 of F features, without bias: of two sets of one kind it is as
often below 0 as above (Binkowski et al. 2018, arXiv:1801.01401). FID is the Frechet distance of two Gaussians (Heusel
et al. 2017, arXiv:1706.08500); it falls as the images grow in number, so that FIDs of different n do not compare. Both
are torchmetrics'. They bear these names in Inception's features alone.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sivae_translate.data.domains import Bad, evenly_spread, list_images, shown
from sivae_translate.errors import UsageError
from sivae_translate.evaluation.extractors import Extractor, centred
from sivae_translate.extras import require
from sivae_translate.inference.files import read
from sivae_translate.inference.translator import Translator
from sivae_translate.pictures import contact_sheet, save_picture, sheet

MINIMUM = 20  # images; KID then has subsets of 10, and 5 in the floor
SUBSETS, SUBSET_SIZE = 100, 1000  # of KID, torchmetrics' own; smaller subsets where there are fewer images
SAMPLES, COLUMNS = 64, 12  # in the pictures

MEASURES = {"inception": ("fid", "kid"), "random-vgg16": ("kid_random_vgg16",)}  # as reports name them


def find_real(real: Path, count: int, out: Path) -> list[Path]:
    """At most `count` images of a folder, evenly spread over its sorted names.

    Raises:
        UsageError: no such folder, too few images in it or asked for, or `out` among them.
    """
    if count < MINIMUM:
        raise UsageError(f"count was {count}: expected {MINIMUM} or more")
    paths = list_images(real)
    if len(paths) < MINIMUM:
        found = f"too few images ({len(paths)})" if paths else "no image"
        raise UsageError(f"{shown(real)} holds {found}: expected a folder of {MINIMUM} or more")
    if real.resolve() in (out.resolve(), *out.resolve().parents):
        raise UsageError(f"{out} is among the images of {shown(real)}: choose another with --out")
    return evenly_spread(paths, count)


def evaluate_fidelity(
    translator: Translator,
    paths: list[Path],
    extractor: Extractor,
    out: Path,
    bad: list[Bad],
    *,
    seed: int = 0,
    batch: int = 32,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Compare reconstructions of image files, and as many samples, with the images themselves, all at 8 bits.

    Reconstructions are compared with the very images they are of, as is the custom, so that good ones may come below
    the floor. That is the distance between two halves of the images, what a perfect sampler scores at half the n.

    Args:
        bad: where unreadable files go, which are left out.
        seed: of the samples, the halves and the subsets of KID.
        batch: images at a time.
        progress: is called with the number of images done and their total, first of the real ones, then of samples.

    Returns, and writes to `out/report.json`:
        size in pixels, extractor, seed, the files left out, and for samples, reconstructions and floor what `distance`
        tells. `out/samples.png` and `out/reconstructions.png`, originals over reconstructions, show some.

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
            f"only {n} of {len(paths)} images can be read ({shown(bad[0].path)}: {bad[0].reason}): "
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
        "samples": distance(sets["samples"], sets["real"], extractor.name, seed),
        "reconstructions": distance(sets["reconstructions"], sets["real"], extractor.name, seed),
        "floor": floor(sets["real"], extractor.name, seed),
        "left_out": {str(each.path): each.reason for each in bad},
    }
    out.mkdir(parents=True, exist_ok=True)
    save_picture(contact_sheet(pictures[:SAMPLES]), out / "samples.png")
    save_picture(sheet(shown_pairs), out / "reconstructions.png")
    (out / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    return report


def distance(a: Tensor, b: Tensor, extractor: str, seed: int = 0) -> dict[str, Any]:
    """How far apart two sets of features `[n, F]` are, float64 on the CPU.

    Returns:
        n, of the first set; each of the extractor's measures; for KID, the mean over random subsets, also its standard
        deviation over them, their number and their size.
    """
    figures: dict[str, Any] = {"n": len(a)}
    for measure in MEASURES[extractor]:
        if measure == "fid":
            figures[measure] = round(fid(a, b), 4)
        else:
            subset_size = min(SUBSET_SIZE, min(len(a), len(b)) // 2)
            mean, deviation = kid(a, b, subset_size=subset_size, seed=seed)
            figures |= {measure: round(mean, 6), f"{measure}_std": round(deviation, 6)}
            figures |= {"subsets": SUBSETS, "subset_size": subset_size}
    return figures


def floor(real: Tensor, extractor: str, seed: int = 0) -> dict[str, Any]:
    """The `distance` between two halves, drawn by the seed, of the features `[n, F]` of real images."""
    shuffled, half = real[np.random.default_rng(seed).permutation(len(real))], len(real) // 2
    return distance(shuffled[:half], shuffled[len(real) - half :], extractor, seed)


def kid(a: Tensor, b: Tensor, *, subsets: int = SUBSETS, subset_size: int, seed: int = 0) -> tuple[float, float]:
    """torchmetrics' KID of features `[n, F]` and `[m, F]`: mean and standard deviation over random subsets."""
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")  # that it keeps all features, which we hold anyway
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would reseed the GPUs too
        metric = require("torchmetrics.image.kid", "evaluation").KernelInceptionDistance(
            nn.Identity(), subsets=subsets, subset_size=subset_size
        )
        metric.update(b, real=True)
        metric.update(a, real=False)
        mean, deviation = metric.compute()
    return float(mean), float(deviation)


def fid(a: Tensor, b: Tensor) -> float:
    """torchmetrics' FID of features `[n, F]` and `[m, F]`."""
    features: Any = nn.Identity()
    features.num_features = a.shape[1]
    metric = require("torchmetrics.image.fid", "evaluation").FrechetInceptionDistance(features)
    metric.update(b, real=True)
    metric.update(a, real=False)
    return float(metric.compute())
