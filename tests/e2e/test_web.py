"""The web page in a real headless browser: pictures, errors, files, the token, and that nothing leaves this machine."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_output import expect_error
from PIL import Image

from sivae_translate.inference.threshold import Threshold, save_threshold, weights_of

BROWSER, DRIVER = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
FLAGS = (
    "headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking",
    "disable-component-update", "disable-sync", "window-size=1240,1400",
)  # fmt: skip
SECONDS = 120  # that a step may take on a busy machine

WATCHED = """
import sys

def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        print("network:", event, arguments[1:] if event != "socket.getaddrinfo" else arguments, file=sys.stderr)

sys.addaudithook(watch)
from sivae_translate.cli import app
app()
"""


def test_without_gradio_one_line_says_so(cli: Any, trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gradio", None)
    expect_error(cli("web", trained, "--port", 0), 2, "gradio", "pip install 'sivae-translate[web]'")


def until(found: Callable[[], Any], what: str) -> Any:
    """What `found` returns once that is true."""
    end = time.monotonic() + SECONDS
    while not (value := found()):
        assert time.monotonic() < end, what
        time.sleep(0.1)
    return value


class Server:
    """A server in a process of its own, with its temporary files in a folder of its own."""

    def __init__(self, temporary: Path, *words: object) -> None:
        pytest.importorskip("gradio")
        self.temporary = temporary
        self.errors = (temporary.parent / f"{temporary.name}.txt").open("w+")
        self.process = subprocess.Popen(
            [sys.executable, "-c", WATCHED, "web", *map(str, words), "--port", "0", "--device", "cpu"],
            env={**os.environ, "TMPDIR": str(temporary)},
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
        )
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert "http://" in line, self.stderr()
        self.url = re.findall(r"http://\S+", line)[0]

    def stderr(self) -> str:
        self.errors.seek(0)
        return self.errors.read()

    def end(self, number: int = signal.SIGINT) -> tuple[int, str, str]:
        """Exit code, stdout after the first line, and stderr of the server, once it has got a signal."""
        self.process.send_signal(number)
        out, _ = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, out, self.stderr()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    started = list[Server]()

    def start(*words: object) -> Server:
        temporary = tmp_path / f"server{len(started)}"
        temporary.mkdir()
        started.append(Server(temporary, *words))
        return started[-1]

    yield start
    for server in started:
        server.process.kill()
        server.process.wait()
        server.errors.close()


class Browser:
    """A headless browser that notes all requests."""

    def __init__(self) -> None:
        webdriver = pytest.importorskip("selenium.webdriver")
        if not BROWSER or not DRIVER:
            pytest.skip("needs chromium and chromedriver")
        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        options = webdriver.ChromeOptions()
        options.binary_location = BROWSER
        for flag in (*FLAGS, f"user-data-dir={self.profile.name}"):
            options.add_argument(f"--{flag}")
        options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))

    def open(self, url: str) -> None:
        self.driver.get(url)
        until(lambda: self.shown("button.gallery-item"), "the examples")

    def shown(self, selector: str, text: str = "") -> list[Any]:
        """The visible elements of a CSS selector, with a text."""
        script = """return [...document.querySelectorAll(arguments[0])].filter(
            e => e.checkVisibility() && e.textContent.includes(arguments[1]))"""
        return list(self.driver.execute_script(script, selector, text))

    def click(self, selector: str, text: str = "", index: int = 0) -> None:
        found = until(lambda: self.shown(selector, text)[index:], f"{selector} with {text!r}")
        self.driver.execute_script("arguments[0].click()", found[0])

    def upload(self, label: str, *files: Path) -> None:
        """Give files to the upload with a label, once it has a place for them."""
        script = """return [...document.querySelectorAll('.block')].filter(e => e.checkVisibility()
            && e.querySelector('label')?.textContent.includes(arguments[0])).map(
            e => e.querySelector('input[type=file]')).filter(e => e)"""
        found = until(lambda: self.driver.execute_script(script, label), label)
        found[0].send_keys("\n".join(map(str, files)))

    def pictures(self) -> list[tuple[str, bytes]]:
        """Captions and files of the results, all of which are loaded."""
        script = """return [...document.querySelectorAll('.pictures .thumbnail-lg')].filter(
            e => e.checkVisibility()).map(e => [e.textContent.trim(), e.querySelector('img').src])"""
        return [(caption, self.fetch(url)) for caption, url in self.driver.execute_script(script)]

    def fetch(self, url: str, body: bytes | None = None) -> bytes:
        """What the server answers to a request, or to JSON, with the browser's cookies."""
        cookies = "; ".join(f"{cookie['name']}={cookie['value']}" for cookie in self.driver.get_cookies())
        headers = {"Cookie": cookies, "Content-Type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as answer:
            return bytes(answer.read())

    def changed(self, before: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
        """The results, once they differ from those before."""
        return until(lambda: (now := self.pictures()) and now != before and now, "other pictures")  # type: ignore[no-any-return]

    def requests(self) -> set[str]:
        """Addresses of all requests but those of the browser's own pages."""
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        sent = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
        return {url for url in sent if not url.startswith(("chrome", "data:", "blob:"))}


@pytest.fixture
def browser() -> Iterator[Browser]:
    started = Browser()
    yield started
    started.driver.quit()
    started.profile.cleanup()


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


@pytest.mark.slow
def test_a_visitor_translates_pictures(
    serve: Callable[..., Server], browser: Browser, trained: Path, cars: Path, translator: Any, tmp_path: Path
) -> None:
    server = serve(trained, "--examples", cars / "unseen")
    browser.open(server.url)

    browser.click("button.gallery-item")  # an example
    domains = browser.changed([])
    assert [caption for caption, _ in domains] == ["input", "car000", "car001", "car002"]
    browser.click("label", "Random styles of domains")
    random = browser.changed(domains)
    assert [caption for caption, _ in random][:3] == ["input", "car000 #1", "car000 #2"]
    browser.click("button", "Draw others")
    others = browser.changed(random)
    assert random[0] == others[0] and random[1] != others[1]

    view, reference = sorted((cars / "unseen/car004").iterdir())[7], sorted((cars / "unseen/car003").iterdir())[40]
    browser.click("button[aria-label='Clear'], button[aria-label='Remove Image']")
    browser.upload("Your picture", view)
    browser.click("label", "A reference picture")
    browser.upload("Reference picture", reference)
    (_, seen), (caption, result) = until(
        lambda: (now := browser.pictures()) and len(now) == 2 and now[0][1] != random[0][1] and now, "a translation"
    )
    assert caption == "reference"
    assert np.abs(pixels(result) - np.asarray(translator(view, style=reference)).astype(int)).max() <= 1
    assert np.abs(pixels(result) - pixels(seen)).max() > 10

    assert {re.match(r"\w+://[^/]+/", url).group() for url in browser.requests()} == {server.url}  # type: ignore[union-attr]
    files = list(server.temporary.rglob("*.png"))
    assert files and all("sivae-web-" in str(file) for file in files)
    code, out, errors = server.end()
    assert code == 0 and out.strip() == "stopped; all uploads are deleted"
    assert not [line for line in errors.splitlines() if not line.startswith("network: ")], errors
    outside = [line for line in errors.splitlines() if "127.0.0.1" not in line and "localhost" not in line]
    assert not outside
    assert not list(server.temporary.rglob("*.png"))


@pytest.mark.slow
def test_errors_interpolation_and_a_zip(
    serve: Callable[..., Server], browser: Browser, trained: Path, cars: Path, tmp_path: Path
) -> None:
    model = tmp_path / "model"
    shutil.copytree(trained / "model", model)
    settings = {"share": 0.95, "images": 9, "samples": 2, "seed": 0, "beta": 0.01}
    save_threshold(model, Threshold(bound=1e9, weights=weights_of(model), **settings))
    server = serve(model)  # with samples as examples
    browser.open(server.url)
    bad = tmp_path / "bad.png"
    bad.write_text("no image")
    browser.upload("Your picture", bad)
    until(lambda: browser.shown(".toast-body", "cannot read bad.png (not an image (text)): expected an image"), "error")

    browser.click("button[aria-label='Clear'], button[aria-label='Remove Image']")
    browser.click("button.gallery-item")
    assert browser.changed([])
    until(lambda: browser.shown(".prose", "Unlike the training images"), "the warning")

    browser.click("button[role=tab]", "Between two references")
    browser.click("tr.tr-body")
    path = browser.changed([])
    assert len(path) == 8 and path[0][1] != path[-1][1]

    browser.click("button[role=tab]", "Many files")
    browser.upload("Pictures, up to", *sorted((cars / "unseen/car004").iterdir())[:3], bad)
    until(lambda: browser.shown("td[aria-label='bad.png']"), "the uploads")
    browser.click("button", "Translate all")
    until(lambda: browser.shown(".prose li", "bad.png: not an image (text)"), "the account")
    (link,) = until(lambda: browser.shown("a[download='translated.zip']"), "the zip")
    with zipfile.ZipFile(io.BytesIO(browser.fetch(link.get_attribute("href")))) as file:
        assert len(file.namelist()) == 9 and file.namelist()[0].startswith("car000/")
    code, _, errors = server.end(signal.SIGTERM)
    assert code == 143 and "Traceback" not in errors and errors.splitlines()[-1].startswith("error: interrupted")
    assert not list(server.temporary.rglob("*.png"))


@pytest.mark.slow
def test_a_token_and_uploads_alone(
    serve: Callable[..., Server], browser: Browser, trained: Path, tmp_path: Path
) -> None:
    server = serve(trained, "--token", "open sesame")
    base = server.url.split("?")[0]
    assert server.url == f"{base}?token=open%20sesame"
    for path in ("", "config", "theme.css", "gradio_api/info"):
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(base + path)
    browser.open(server.url)
    assert browser.driver.current_url == base  # without the token, which others could read over a shoulder
    browser.click("button.gallery-item")
    assert browser.changed([])

    secret = tmp_path / "secret.png"
    Image.new("RGB", (16, 16)).save(secret)
    for named in (secret, "http://127.0.0.1:9/x.png"):
        file = {"path": str(named), "meta": {"_type": "gradio.FileData"}}
        data = json.dumps({"data": [file], "fn_index": 0, "session_hash": "x"}).encode()
        for path in ("gradio_api/queue/join", "gradio_api/run/predict", "gradio_api/call/translate"):
            with pytest.raises(urllib.error.HTTPError, match="400"):
                browser.fetch(base + path, data)
    with pytest.raises(urllib.error.HTTPError, match="403"):
        browser.fetch(f"{base}gradio_api/file={secret}")
