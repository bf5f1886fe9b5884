"""`run --gallery`: a page of inputs and translations under a slider, for any names, any folder and several targets."""

from __future__ import annotations

import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from sivae_translate.inference import gallery

NAME = "a <b>&#%.png"


class Page(HTMLParser):
    """Pictures before and after, links, tags and text of a page."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.before, self.after, self.links = list[str](), list[str](), list[str]()
        self.tags, self.text = list[str](), ""
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attributes}
        self.tags.append(tag)
        if tag == "img":
            (self.before if found["class"] == "before" else self.after).append(found["src"])
        self.links += [found[name] for name in ("src", "href") if name in found]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def source(cars: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two images, one of an odd name, and with a file that is none."""
    monkeypatch.chdir(tmp_path)
    first, second = sorted((cars / "unseen/car003").glob("*.png"))[:2]
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    shutil.copy(first, folder / NAME)
    shutil.copy(second, folder / "sub/b.png")
    (folder / "note.png").write_text("no image")
    return folder


def translate(cli: Any, trained: Path, source: Path) -> Page:
    words = ("run", source, "--model", trained, "--device", "cpu", "--to", "car000", "--to", "car001", "--gallery")
    result = cli(*words)
    assert result.exit_code == 3, result.output  # as a file is no image
    assert "gallery.html" in result.stdout
    return Page(Path("translated/gallery.html"))


def test_every_translation_is_beside_its_input(cli: Any, trained: Path, source: Path) -> None:
    page = translate(cli, trained, source)
    outputs = {f"{target}/{name}" for target in ("car000", "car001") for name in (NAME, "sub/b.png")}
    assert {unquote(link) for link in page.after} == outputs
    assert all((Path("translated") / unquote(link)).is_file() for link in page.after)
    assert not any(set("#< ") & set(link) for link in page.after)  # a browser would take # for the end of the path
    assert len(page.before) == 4 and all(link.startswith("data:image/") for link in page.before)
    assert page.tags.count("input") == 4 and "b" not in page.tags and NAME in page.text
    assert not any(":" in link for link in page.links if not link.startswith("data:"))


def test_a_page_holds_the_first_pairs(cli: Any, trained: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery, "PAIRS", 3)
    page = translate(cli, trained, source)
    assert len(page.after) == 3 and "The first 3 of 4 translations" in page.text


def test_inputs_and_outputs_that_are_gone_do_not_hinder(cli: Any, trained: Path, source: Path, translator: Any) -> None:
    translate(cli, trained, source)
    (source / "sub/b.png").unlink()
    Path("translated/car000/sub/b.png").unlink()
    out = Path("translated")
    page = Page(gallery.write_gallery(out, out / "manifest.jsonl", translator.frame))
    assert len(page.after) == 3 and len(page.before) == 2 and "the input is gone" in page.text
