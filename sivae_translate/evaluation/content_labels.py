"""Content labels, such as a pose, read from the names of image files."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sivae_translate.data.listing import evenly_spread
from sivae_translate.errors import UsageError

MOST_LABELS = 200  # more labels take minutes to probe and have few images each


@dataclass(frozen=True)
class ContentLabels:
    """The labels of m of n images.

    Attributes:
        rows: the images that have a label, int64 `[m]`.
        labels: ranks among the sorted labels, int64 `[m]`.
        circular: whether all labels are numbers, such as azimuths, so that neighbouring ranks are one step apart on
            a circle.
        note: the labels or images left out; empty if there are none.
    """

    rows: np.ndarray
    labels: np.ndarray
    circular: bool
    note: str = ""


def compile_label(pattern: str | None) -> re.Pattern[str] | None:
    """A regular expression with a group; None for None. Raises UsageError for a pattern without a group."""
    if pattern is None:
        return None
    example = r"expected one with a group, such as --content-label 'az(\d+)'"
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise UsageError(f"--content-label {pattern!r} is no regular expression ({error}): {example}") from None
    if not compiled.groups:
        raise UsageError(f"--content-label {pattern!r} has no group: {example}")
    return compiled


def find_labels(names: Sequence[str], pattern: re.Pattern[str] | None) -> list[str | None]:
    """The pattern's first group in each name, None where it does not match; without a pattern, the names themselves.

    Raises:
        UsageError: the pattern matches none of the names.
    """
    if pattern is None:
        return list(names)
    found = [match.group(1) if (match := pattern.search(name)) else None for name in names]
    if not any(found):
        expected = "expected a pattern that some file's name matches"
        raise UsageError(f"--content-label {pattern.pattern!r} is in no file's name, such as {names[0]!r}: {expected}")
    return found


def content_labels(names: Sequence[str], domains: np.ndarray, pattern: re.Pattern[str] | None) -> ContentLabels | None:
    """The labels of two images or more; without a pattern, those that occur in two domains or more.

    Args:
        names: the files' names without suffix, n of them.
        domains: of the images, int64 `[n]`.

    Returns:
        None where fewer than two labels are left.
    """
    found = find_labels(names, pattern)
    domains_of: dict[str, set[int]] = {}
    for label, domain in zip(found, domains.tolist(), strict=True):
        if label:
            domains_of.setdefault(label, set()).add(domain)
    counts = Counter(label for label in found if label)
    usable = [label for label in counts if counts[label] > 1 and (pattern or len(domains_of[label]) > 1)]
    if len(usable) < 2:
        return None
    numeric = all(re.fullmatch(r"-?\d+(\.\d+)?", label) for label in usable)
    kept = evenly_spread(sorted(usable, key=float if numeric else None), MOST_LABELS)
    rank = {label: place for place, label in enumerate(kept)}
    ranked = [(row, rank[label]) for row, label in enumerate(found) if label in rank]
    rows, ranks = (np.array(column, dtype=np.int64) for column in zip(*ranked, strict=True))
    note = ""
    if len(kept) < len(usable):
        note = f"{len(kept)} of {len(usable)} content labels, evenly spread"
    elif len(rows) < len(found):
        note = f"{len(found) - len(rows)} of {len(found)} images have no content label that recurs"
    return ContentLabels(rows, ranks, numeric and len(kept) > 3, note)
