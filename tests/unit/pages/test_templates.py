"""Pages from templates: names that are missing are errors, and a page refers to nothing elsewhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from jinja2 import UndefinedError

from sivae_translate.pages.templates import START, environment

PAGE = """{% extends "base.html.j2" %}{% import "parts.html.j2" as parts %}
{% block body %}{{ parts.slider(moments, "Time") }}{% endblock %}"""


def page(**values: object) -> str:
    return environment("pages").from_string(PAGE).render(**values)


class Seen(HTMLParser):
    """The captions outside hidden sections, as a reader without JavaScript sees them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.hidden, self.captions = False, list[str]()
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag in ("section", "label"):
            self.hidden = "hidden" in dict(attributes)

    def handle_data(self, data: str) -> None:
        if not self.hidden and data.startswith("at "):
            self.captions.append(data)


def test_without_javascript_the_last_moment_is_seen() -> None:
    moments = [(f"at {n}", [("data:image/png;base64,AAAA", "<kind>")]) for n in range(3)]
    html = page(title="<title>", moments=moments)
    assert html.startswith(START) and Seen(html).captions == ["at 2"]
    assert html.count("&lt;kind&gt;, at") == 3 and "&lt;title&gt;" in html and "<kind>" not in html


def test_a_page_refers_to_nothing_elsewhere() -> None:
    html = page(title="t", moments=[("at 0", [])])
    assert not re.search(r"<link|https?:|@import|url\(|<script [^>]*src", html)


def test_a_missing_value_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="moments"):
        page(title="t")
