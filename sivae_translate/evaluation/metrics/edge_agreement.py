"""Edge agreement: whether the edges of a translation lie where those of its input do. It needs no truth."""

from __future__ import annotations

from dataclasses import replace

from sivae_translate.evaluation.edges import edge_agreement
from sivae_translate.evaluation.metrics.metric import Figure, Metric, mean_of
from sivae_translate.evaluation.sets import EvaluationSet, NotMeasuredError, present


def of_pairs(s: EvaluationSet) -> Figure:
    """Over pairs. The truths have an agreement of their own, as a domain has edges that another has not."""
    images = present(s.pairs).images
    output, style, truth = (
        float(edge_agreement(images[column], images["content"]).mean()) for column in ("output", "style", "target")
    )
    return Figure(output, len(images["output"]), {"copy_style": style, "real": truth})


def of_domain_pairs(s: EvaluationSet) -> Figure:
    """Over domain pairs."""
    each = [
        Figure(
            float(pair.edges.mean()), len(pair.edges), {"chance": float(pair.unrelated_edges.mean())}, name=pair.name
        )
        for pair in s.domain_pairs
    ]
    if not each:
        raise NotMeasuredError("the model knows fewer than two of these domains by name")
    return mean_of(each)


EDGE_AGREEMENT = Metric(
    name="edge_agreement",
    title="edge agreement",
    needs=("pairs",),
    direction="higher",
    ideal=None,
    digits=3,
    baselines=("copy_style", "real"),
    note=(
        "Correlation of the strength of edges over the image, translation against content, both blurred by a pixel; "
        "an unchanged content has 1. Beside it, real images: the truths against their contents."
    ),
    compute=of_pairs,
)

DOMAIN_PAIRS_EDGE_AGREEMENT = replace(
    EDGE_AGREEMENT,
    name="domain_pairs_edge_agreement",
    needs=("domains",),
    baselines=("chance",),
    note=(
        "Correlation of the strength of edges over the image, translation against content, both blurred by a pixel; "
        "an unchanged content has 1. Chance is a translation against the content of another."
    ),
    compute=of_domain_pairs,
)
