"""Texts of others in Markdown: a name is shown as it is, and is never markup."""

from __future__ import annotations

import re
from collections.abc import Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from sivae_translate.errors import shown


def environment() -> Environment:
    """The templates of this package. Every value is made `plain`, unless a filter says otherwise."""
    made = Environment(
        loader=PackageLoader("sivae_translate", "sharing"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=plain,
    )
    made.filters |= {"counted": counted, "join_cells": join_cells, "literal": literal, "verbatim": Markup}
    return made


def plain(value: object) -> object:
    """A text on one line without markup: characters that mean something in Markdown or HTML become entities.

    A full stop means something after "www" alone, which many renderers make a link.
    """
    if isinstance(value, Markup | int):
        return value
    return Markup(re.sub(r"[^\w ,.%()-]|_|(?<=www)\.", lambda match: f"&#{ord(match[0])};", shown(value), flags=re.I))


def literal(line: str) -> Markup:
    """A line of a fenced block, which shows every character and which a newline alone could end."""
    return Markup(shown(line))


def join_cells(cells: Sequence[object]) -> Markup:
    """Cells of a table's row."""
    return Markup(" | ".join(str(plain(cell)) for cell in cells))


def counted(number: int, what: str) -> str:
    """A number and what it counts, such as `1,600 images`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
