"""The shape of a metric and of its result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from sivae_translate.evaluation.sets import EvaluationSet, present

BASELINES = {
    "copy_content": "copy of content",
    "copy_style": "copy of style",
    "half_split": "real, half to half",
    "real": "real images",
    "chance": "chance",
}
"""Every baseline with its heading in tables."""


@dataclass(frozen=True)
class Figure:
    """A value over n images, beside the values of its baselines.

    Attributes:
        value: in the metric's unit.
        n: images or pairs the value is over.
        baselines: values of some of `BASELINES`, in the same unit.
        details: the conditions a reader needs for a comparison, such as a subset size.
        name: of a part of a metric, such as a domain pair.
        each: the parts that the value is the mean or the summary of.
    """

    value: float
    n: int
    baselines: Mapping[str, float] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    each: tuple[Figure, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """As `report.json` has it, rounded to 6 decimals."""
        found: dict[str, Any] = {"name": self.name} if self.name else {}
        found |= {"value": round(self.value, 6), "n": self.n}
        found["baselines"] = {name: round(value, 6) for name, value in self.baselines.items()}
        found["details"] = dict(self.details)
        return found if self.name else found | {"each": [part.as_json() for part in self.each]}


@dataclass(frozen=True)
class Metric:
    """A metric: a function of an evaluation set, and how people read its value.

    Attributes:
        name: key in `METRICS` and in `report.json`.
        title: heading in tables, with the unit.
        needs: of `EvaluationSet.offers`, those without which the metric is left out; the first one, "pairs" or
            "domains", is the table it stands in.
        direction: which values are better; "ideal" for the values nearest to `ideal`.
        ideal: value of a perfect translator; None where none is known.
        digits: decimals shown.
        percent: whether the value is a fraction, shown in percent.
        baselines: of `BASELINES`, those that may stand beside the value.
        note: the value's definition and how to read it, in one or two sentences.
        compute: raises NotMeasuredError where the data does not allow the metric.
        modules: packages of the extra `evaluation` that it imports.
    """

    name: str
    title: str
    needs: tuple[str, ...]
    direction: Literal["higher", "lower", "ideal"]
    ideal: float | None
    digits: int
    baselines: tuple[str, ...]
    note: str
    compute: Callable[[EvaluationSet], Figure]
    percent: bool = False
    modules: tuple[str, ...] = ()

    def shown(self, value: float | None) -> str:
        """A value as tables show it; "-" for None."""
        if value is None:
            return "-"
        return f"{100 * value:.{self.digits}f} %" if self.percent else f"{value:,.{self.digits}f}"


def mean_over_pairs(
    s: EvaluationSet, compare: Callable[[np.ndarray, np.ndarray], np.ndarray], details: Mapping[str, Any] | None = None
) -> Figure:
    """Mean of `compare(images, truths)` over pairs, beside the copies of content and style.

    Args:
        compare: uint8 `[n, H, W, 3]` and the same -> float64 `[n]`.
    """
    images = present(s.pairs).images
    output, content, style = (
        float(compare(images[column], images["target"]).mean()) for column in ("output", "content", "style")
    )
    return Figure(output, len(images["output"]), {"copy_content": content, "copy_style": style}, details or {})


def mean_of(each: list[Figure], **details: Any) -> Figure:
    """The unweighted mean of one figure or more, and of their common baselines; n is their sum."""
    return Figure(
        float(np.mean([part.value for part in each])),
        sum(part.n for part in each),
        {name: float(np.mean([part.baselines[name] for part in each])) for name in each[0].baselines},
        details,
        each=tuple(each),
    )
