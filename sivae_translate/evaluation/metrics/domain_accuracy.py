"""Domain accuracy: how often a classifier trained on real images assigns translations to their target domain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sivae_translate.evaluation.metrics.metric import Figure, Metric, mean_of
from sivae_translate.evaluation.sets import EvaluationSet, NotMeasuredError, present


def of_pairs(s: EvaluationSet) -> Figure:
    """Over the pairs whose truth lies in a folder that is named as a domain of the classifier."""
    classifier, names = s.classifier, [path.parent.name for path in present(s.pairs).targets]
    rows = [row for row, name in enumerate(names) if name in classifier.names]
    if not rows:
        raise NotMeasuredError("no truth of a pair lies in a folder named as one of the domains")
    wanted = [names[row] for row in rows]
    output, content = (
        classifier.accuracy_on(s.pair_features[column].numpy()[rows], wanted) for column in ("output", "content")
    )
    return Figure(output, len(rows), {"copy_content": content, "real": classifier.accuracy}, details(s))


def of_domain_pairs(s: EvaluationSet) -> Figure:
    """Over domain pairs."""
    real, classifier, each = s.large_domains, s.classifier, []
    for pair in s.domain_pairs:
        source = real.features[real.rows(pair.source)]
        output, content = (
            classifier.accuracy_on(features.numpy(), [pair.target] * len(features))
            for features in (pair.features, source)
        )
        baselines = {"copy_content": content, "real": classifier.accuracy}
        each.append(Figure(output, len(source), baselines, name=pair.name))
    if not each:
        raise NotMeasuredError("the model knows fewer than two of these domains by name")
    return mean_of(each, **details(s))


def details(s: EvaluationSet) -> Mapping[str, Any]:
    """How the classifier was trained."""
    classifier = s.classifier
    return {
        "domains": len(classifier.names), "n_train": classifier.n_train, "n_test": classifier.n_test,
        "chance": round(classifier.chance, 6), "features": s.extractor.read_as,
    }  # fmt: skip


DOMAIN_ACCURACY = Metric(
    name="domain_accuracy",
    title="domain accuracy",
    needs=("pairs", "classifier"),
    direction="higher",
    ideal=None,
    digits=1,
    percent=True,
    baselines=("copy_content", "real"),
    note=(
        "How often a logistic regression, trained on real images, assigns a translation to its target domain. "
        "Beside it: untranslated images assigned to the target, and real held-out images assigned to their own domain."
    ),
    compute=of_pairs,
    modules=("sklearn",),
)

DOMAIN_PAIRS_ACCURACY = replace(
    DOMAIN_ACCURACY, name="domain_pairs_accuracy", needs=("domains", "classifier"), compute=of_domain_pairs
)
