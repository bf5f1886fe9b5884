"""Content labels from file names."""

from __future__ import annotations

import re

import numpy as np
import pytest

from sivae_translate.errors import UsageError
from sivae_translate.evaluation.content_labels import compile_label, content_labels, find_labels

NAMES = ["a_az9", "b_az10", "c_az9", "d_az10", "e_az11", "other"]
DOMAINS = np.array([0, 0, 1, 1, 1, 0])


def test_labels_are_found_in_names_and_numbers_are_sorted_as_such() -> None:
    found = content_labels(NAMES, DOMAINS, compile_label(r"az(\d+)"))
    assert found is not None and found.rows.tolist() == [0, 1, 2, 3] and found.labels.tolist() == [0, 1, 0, 1]
    assert "2 of 6" in found.note and not found.circular  # of two labels
    four = [f"x{i % 4 + 8}" for i in range(8)]
    found = content_labels(four, np.arange(8) // 4, compile_label(r"x(\d+)"))
    assert found is not None and found.labels.tolist() == [0, 1, 2, 3] * 2 and found.circular and not found.note


def test_without_a_pattern_names_must_recur_across_domains() -> None:
    found = content_labels(["u", "v", "w", "u", "v", "z"], np.array([0, 0, 0, 1, 1, 1]), None)
    assert found is not None and found.rows.tolist() == [0, 1, 3, 4] and found.labels.tolist() == [0, 1, 0, 1]
    assert content_labels(["u", "u", "v", "v"], np.array([0, 0, 1, 1]), None) is None
    assert content_labels(["u", "v", "u", "w"], np.array([0, 0, 1, 1]), None) is None  # a single label


def test_more_labels_than_the_limit_are_thinned() -> None:
    found = content_labels([f"n{i % 500}" for i in range(1000)], np.arange(1000) // 500, None)
    assert found is not None and len(set(found.labels.tolist())) == 200 and len(found.rows) == 400
    assert "200 of 500" in found.note


@pytest.mark.parametrize("pattern", ["az(", "az", r"(\d{9})"])
def test_a_pattern_without_a_label_is_an_error(pattern: str) -> None:
    with pytest.raises(UsageError, match=re.escape(f"--content-label {pattern!r}")):
        find_labels(NAMES, compile_label(pattern))
