"""The page of a run, end to end: self-contained, written while training, and never in its way."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from sivae_translate.progress import Silent
from sivae_translate.training import report as report_module
from sivae_translate.training.run import train
from sivae_translate.training.stop import InterruptedRunError

VOID = ("meta", "img", "br", "input")
Train = Callable[..., Path]


class Page(HTMLParser):
    """Sources, links, and text outside hidden elements; tags must close."""

    def __init__(self, run: Path) -> None:
        super().__init__()
        self.sources, self.links, self.open, self.text = list[str](), list[str](), list[str](), ""
        self.html = (run / "report.html").read_text(encoding="utf-8")
        self.feed(self.html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self.sources += [given["src"] or ""] if "src" in given else []
        self.links += [given["href"] or ""] if "href" in given else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self.open):
            self.text += data


class Screen(Silent):
    """A display that keeps its notes, and acts at a line of the log."""

    def __init__(self, images: int = -1, act: Callable[[], object] = lambda: None) -> None:
        self.images, self.act, self.notes = images, act, list[str]()

    def note(self, text: str) -> None:
        self.notes.append(text)

    def step(self, fraction: float, text: str) -> None:
        if text.startswith(f"{self.images} images"):
            self.act()


@pytest.fixture
def go(cars: Path, tiny: tuple[str, ...], tmp_path: Path) -> Train:
    """Trains on 64 images, the second half of them adversarial, with a line of the log for each step."""

    def call(*overrides: str, out: str = "run", **options: Any) -> Path:
        settings = [*tiny, "training.images=64", "training.log_every=8", "training.samples=2", *overrides]
        return train(cars / "train", "tiny", tmp_path / out, set=settings, device="cpu", **options).parent

    return call


def test_a_finished_run_has_a_page_that_needs_nothing_else(go: Train) -> None:
    run = go()
    page = Page(run)
    assert len(page.sources) == 6 and all(source.startswith("data:image/png;base64,") for source in page.sources)
    assert not page.links and not re.search(r"https?:|@import|url\(|<link", page.html)
    for text in ("Finished: 64 images", "VAE phase", "adversarial phase", "KL to the prior", "Gap", "peak memory"):
        assert text in page.text
    assert "vae_fraction = 0.5" in page.text and 'name = "soft-introvae"' in page.text
    assert json.loads((run / "report.json").read_text())["status"] == "finished"


def test_a_run_that_is_stopped_and_resumed_continues_its_page(
    go: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_module, "FRESH", 0.0)
    monkeypatch.setattr(report_module, "COST", 1e9)
    seen = list[str]()
    with pytest.raises(InterruptedRunError):
        go(display=Screen(24, lambda: signal.raise_signal(signal.SIGTERM)))
    run = tmp_path / "run"
    assert "Interrupted at" in Page(run).text
    started = json.loads((run / "report.json").read_text())["started"]
    go(display=Screen(56, lambda: seen.append(Page(run).text)))
    assert "Running" in seen[0] and "48 images seen" in seen[0]
    report = json.loads((run / "report.json").read_text())
    assert report["started"] == started and report["images"] == 64
    rows = (run / "log.jsonl").read_text().count("\n")
    first = re.search(r'class="curve c0" d="M([^"]*)"', Page(run).html)
    assert first is not None and first[1].count("L") == rows - 1  # of both parts of the run


def test_a_page_that_cannot_be_written_changes_nothing_but_a_note(go: Train, tmp_path: Path) -> None:
    def losses(run: Path) -> list[dict[str, float]]:
        rows = map(json.loads, (run / "log.jsonl").read_text().splitlines())
        return [{name: row[name] for name in row if name not in ("seconds", "images_per_s")} for row in rows]

    (tmp_path / "other/report.html").mkdir(parents=True)
    screen = Screen()
    assert losses(go(out="other", display=screen)) == losses(go())
    assert sum("report.html" in note for note in screen.notes) == 1
