"""Pages from templates: self-contained HTML, every text escaped, and no script, style or picture from elsewhere.

The template of a page lies in the room that writes the page. It begins with `{% extends "base.html.j2" %}`, and imports
what it needs from `parts.html.j2`: tables, charts, a slider of pictures.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

START = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="generator" content="sivae-translate">"""
"""How a page begins, which tells our pages from those of others."""


def render(room: str, template: str, **values: Any) -> str:
    """The page that a template of a room makes of these values.

    Args:
        room: the package of the template, such as "training".
        template: the file's name, such as "page.html.j2".
        values: `title` for the base template, and those of the template.
    """
    return environment(room).get_template(template).render(**values)


@cache
def environment(room: str) -> Environment:
    """The templates of this room and those that all share. A name that is not given is an error."""
    found = Environment(
        loader=ChoiceLoader([PackageLoader("sivae_translate", each) for each in (room, "pages")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.globals["start"] = START
    return found
