"""Frechet inception distance (Heusel et al. 2017)."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from sivae_translate.evaluation.metrics.between_sets import to_target_domains, to_truths
from sivae_translate.evaluation.metrics.metric import Metric

FID = Metric(
    name="fid",
    title="FID",
    needs=("pairs", "inception"),
    direction="lower",
    ideal=0.0,
    digits=2,
    baselines=("copy_content", "half_split"),
    note="Frechet inception distance of all translations to all truths. It compares at equal n alone.",
    compute=partial(to_truths, name="fid"),
    modules=("torchmetrics",),
)

DOMAIN_PAIRS_FID = replace(
    FID,
    name="domain_pairs_fid",
    needs=("domains", "inception"),
    note=(
        "Frechet inception distance of a domain's translations to real images of the target domain, mean over domain "
        "pairs. It compares at equal n alone."
    ),
    compute=partial(to_target_domains, name="fid"),
)
