"""Names and other texts are shown in Markdown as they are, and are never markup."""

from __future__ import annotations

import html

import pytest

from sivae_translate.sharing.markdown import environment, literal, plain

HOSTILE = [
    "<script>alert(1)</script>", "[x](javascript:alert(1))", "![](https://evil.example/x.png)", "a|b", "`code`",
    "**bold** _x_ ~~y~~ #z", "www.evil.example", "WWW.evil.example", "https://evil.example", "me@evil.example",
    "&lt;b&gt;", "a\n# b", "a\r---", "\\*x\\*", ":smile:", "$x$",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_markup_becomes_entities_that_show_the_text(text: str) -> None:
    made = str(plain(text))
    assert not set(made) & set("<>[]|`*_~\\\n\r@:/$!") and "www." not in made.lower()
    assert html.unescape(made) == text.replace("\n", "\\n").replace("\r", "\\r")


def test_ordinary_names_stay_readable() -> None:
    for text in ("car 007", "emoji-noto", "größe", "表情", "21.86", "84.6 %", "0.5 (random)"):
        assert str(plain(text)) == text


def test_every_value_of_a_template_is_escaped_by_default() -> None:
    assert environment().from_string("{{ x }}").render(x="<b>") == "&#60;b&#62;"


def test_a_line_of_a_block_cannot_end_it() -> None:
    assert "\n" not in literal("a\n```\n<script>")
