"""Kernel inception distance (Binkowski et al. 2018), and the same distance in a random VGG-16."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from sivae_translate.evaluation.metrics.between_sets import to_target_domains, to_truths
from sivae_translate.evaluation.metrics.metric import Metric

RANDOM = "KID in the features of a VGG-16 with random weights. It does not compare with published KIDs. "
BASELINE = "A perfect translator scores as two halves of the real images do."

KID = Metric(
    name="kid",
    title="KID",
    needs=("pairs", "inception"),
    direction="lower",
    ideal=0.0,
    digits=4,
    baselines=("copy_content", "half_split"),
    note=f"Kernel inception distance of all translations to all truths. {BASELINE}",
    compute=partial(to_truths, name="kid"),
    modules=("torchmetrics",),
)

KID_RANDOM_VGG16 = replace(
    KID,
    name="kid_random_vgg16",
    title="KID (random VGG-16)",
    needs=("pairs", "random-vgg16"),
    note=f"Distance of all translations to all truths: {RANDOM}{BASELINE}",
    compute=partial(to_truths, name="kid_random_vgg16"),
)

DOMAIN_PAIRS_KID = replace(
    KID,
    name="domain_pairs_kid",
    needs=("domains", "inception"),
    note=(
        "Kernel inception distance of a domain's translations to real images of the target domain, mean over domain "
        f"pairs. {BASELINE}"
    ),
    compute=partial(to_target_domains, name="kid"),
)

DOMAIN_PAIRS_KID_RANDOM_VGG16 = replace(
    KID_RANDOM_VGG16,
    name="domain_pairs_kid_random_vgg16",
    needs=("domains", "random-vgg16"),
    note=(
        "Distance of a domain's translations to real images of the target domain, mean over domain pairs: "
        f"{RANDOM}{BASELINE}"
    ),
    compute=partial(to_target_domains, name="kid_random_vgg16"),
)
