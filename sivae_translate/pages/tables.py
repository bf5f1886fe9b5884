"""A table of text, as reports have on a terminal and on a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """Cells of text.

    Attributes:
        head: headings of the columns; the first one is of the labels.
        rows: as many cells each, the first one the label.
        notes: how to read a row or a column, by its title.
    """

    title: str
    head: list[str]
    rows: list[list[str]]
    notes: Mapping[str, str]
