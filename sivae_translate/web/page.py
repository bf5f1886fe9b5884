"""The page in the browser, by gradio: its layout, and what each control asks of `translation` and `archive`.

Events that take files have preprocess=False, as gradio would decode the files with settings of its own. `uploads` has
made sure that they name uploaded files alone, and our reader decodes them.
"""

from __future__ import annotations

import functools
import html
from collections.abc import Callable, Sequence
from pathlib import Path
from secrets import token_hex
from typing import Any

from sivae_translate.errors import SivaeError, UsageError
from sivae_translate.extras import require
from sivae_translate.inference.arguments import is_real
from sivae_translate.inference.codec import require_style
from sivae_translate.inference.threshold import Threshold
from sivae_translate.inference.translator import Translator
from sivae_translate.training.out_of_memory import ran_out
from sivae_translate.web.archive import MAX_FILES, translate_files
from sivae_translate.web.examples import example_files
from sivae_translate.web.translation import (
    MAX_STEPS,
    Captioned,
    Style,
    doubt,
    path_between,
    translations,
)

gr: Any = require("gradio", "web")  # the command imports this module last, so that nothing else waits for gradio

MAX_FILE = "100mb"  # of an uploaded picture
WAITING = 32  # requests that wait for their turn
DELETE_EVERY, DELETE_AFTER = 600, 3600  # seconds between looks for old files, and their age
SHOWN_AT_FIRST = 7  # domains, which with the picture itself fill two rows of results
File = dict[str, Any]
"""An upload as the browser names it: "path" is the file on the server."""

DOMAINS, RANDOM, REFERENCE = "Domains", "Random styles of domains", "A reference picture"
START = "Upload a picture, or click an example: its translations appear here at once."
FONT = ["system-ui", "sans-serif"]  # of the visitor's machine
CSS = """
.gradio-container { width: 100%; max-width: 1200px !important; margin: auto; }
.upload img { width: 100% !important; height: 100% !important; object-fit: contain !important; }
.pictures .grid-wrap { max-height: none !important; overflow: visible !important; }
.pictures .caption-label { font-size: 0.75rem; }
.pictures .grid-container { grid-template-columns: repeat(4, 1fr) !important; }
"""


class Page:
    """The page of one translator.

    Args:
        threshold: below its bound a picture is out of distribution; None for no warning.
        examples: pictures to pick from, in `folder`.
        folder: temporary files; uploads lie in it too.
    """

    def __init__(
        self, translator: Translator, threshold: Threshold | None, examples: Sequence[Path], folder: Path
    ) -> None:
        self.translator, self.threshold, self.folder = translator, threshold, folder.resolve()
        self.examples = [str(path) for path in examples]

    # --- what the controls ask for ----------------------------------------------------------------------------------

    def translate(self, picture: File | None, *style: Any) -> tuple[list[Captioned], str]:
        """Translations of the picture with a note below them; none while a picture is still missing."""
        if picture is None:
            return [], START
        if style[0] == REFERENCE and style[4] is None:
            return [], "Add a reference picture, or click one of the examples."
        pictures = translations(self.translator, path_of(picture), style_from(*style))
        (reason,) = doubt(self.translator, self.threshold, self.translator.prepare([pictures[0][0]]))
        return pictures, warning(reason)

    def between(self, picture: File | None, first: File | None, last: File | None, steps: Any) -> list[Captioned]:
        """The pictures between two references; none while a picture is still missing."""
        if picture is None or first is None or last is None:
            return []
        content, start, end = map(path_of, (picture, first, last))
        return path_between(self.translator, content, start, end, whole_number("steps", steps))

    def translate_all(self, files: list[File] | None, *style: Any, progress: Any = None) -> tuple[str, str]:
        """The zip of all files, and its account."""
        if not files:
            raise UsageError("no files yet: upload one or more")
        if style[0] == REFERENCE and style[4] is None:
            raise UsageError("no reference picture yet: upload one")
        out = self.folder / token_hex(16) / "translated.zip"
        out.parent.mkdir()
        summary = translate_files(
            self.translator, self.threshold, [path_of(file) for file in files], style_from(*style), out, progress
        )
        lines = [f"**{summary.written:,} translations** of {len(files) - len(summary.left_out):,} pictures."]
        lines += [f"- Left out: {html.escape(each)}" for each in summary.left_out]
        lines += [f"- Out of distribution: {html.escape(each)}" for each in summary.doubtful]
        return str(out), "\n".join(lines)

    # --- layout -----------------------------------------------------------------------------------------------------

    def picture(self, label: str, height: int = 240) -> Any:
        """A picture to upload; an event gets it as {"path": file}."""
        return gr.Image(
            label=label, type="filepath", sources=["upload", "clipboard"], height=height, elem_classes="upload"
        )

    def style_controls(self) -> list[Any]:
        """The controls of a style, in the order of the arguments of `style_from`."""
        names = list(self.translator.domains)
        modes = [DOMAINS, RANDOM, REFERENCE] if len(names) > 1 else [RANDOM, REFERENCE]
        mode = gr.Radio(modes, value=modes[0], label="Take the style from")
        with gr.Group() as of_domains:
            first = names[:: max(1, len(names) // SHOWN_AT_FIRST)][:SHOWN_AT_FIRST]
            domains = gr.Dropdown(names, value=first, multiselect=True, label="Domains", filterable=True)
        with gr.Row(visible=modes[0] == RANDOM) as of_random:
            count = gr.Slider(1, 8, value=4, step=1, label="Styles of each domain")
            seed = gr.Number(0, label="Seed", precision=0, min_width=80)
            other = gr.Button("Draw others", min_width=80)
        with gr.Row(visible=False) as of_reference:
            reference = self.picture("Reference picture", 200)
            with gr.Column(min_width=300):
                self.example_row([reference], [[path] for path in self.examples[::-1]], "Or click an example")
        strength = gr.Slider(0, 1, value=1, step=0.05, label="Strength", info="0 keeps the style of the picture itself")

        def shown_for(chosen: str) -> tuple[Any, ...]:
            return tuple(
                gr.update(visible=visible) for visible in (chosen != REFERENCE, chosen == RANDOM, chosen == REFERENCE)
            )

        mode.change(shown_for, mode, [of_domains, of_random, of_reference], **QUICK)
        other.click(lambda seed: int(seed or 0) + 1, seed, seed, **QUICK)
        return [mode, domains, count, seed, reference, strength]

    def example_row(self, inputs: list[Any], rows: list[list[str]], label: str) -> None:
        gr.Examples(rows, inputs, label=label, examples_per_page=12, cache_examples=False, api_visibility="private")

    def one_picture(self) -> None:
        """The tab that translates a picture as soon as anything changes."""
        with gr.Row():
            with gr.Column(scale=2, min_width=300):
                picture = self.picture("Your picture")
                self.example_row([picture], [[path] for path in self.examples], "Or click an example")
            with gr.Column(scale=3, min_width=300):
                style = self.style_controls()
                note = gr.Markdown(START)
                gallery = results()
        changes = [control.change for control in (picture, *style)]
        gr.on(changes, answered(self.translate), [picture, *style], [gallery, note], show_progress_on=gallery, **LIVE)

    def two_references(self) -> None:
        """The tab that interpolates between two references."""
        with gr.Row():
            labels = ("Your picture", "First reference", "Second reference")
            picture, first, last = (self.picture(label, 200) for label in labels)
        with gr.Row():
            with gr.Column(scale=1, min_width=300):
                count = len(self.examples)
                rows = [[self.examples[(i + step) % count] for step in range(3)] for i in range(0, count, 2)]
                self.example_row([picture, first, last], rows, "Or click a row of examples")
            with gr.Column(scale=1, min_width=300):
                steps = gr.Slider(2, MAX_STEPS, value=8, step=1, label="Number of pictures")
                gallery = results()
        asked = [picture, first, last, steps]
        gr.on([control.change for control in asked], answered(self.between), asked, gallery, **LIVE)

    def many_files(self) -> None:
        """The tab that translates files into a zip."""
        with gr.Row():
            with gr.Column(scale=2, min_width=300):
                files = gr.File(label=f"Pictures, up to {MAX_FILES}", file_count="multiple", height=300)
            with gr.Column(scale=3, min_width=300):
                style = self.style_controls()
                button = gr.Button("Translate all", variant="primary")
                archive = gr.File(label="Translations", interactive=False)
                note = gr.Markdown()

        def work(*values: Any, progress: Any = gr.Progress()) -> tuple[str, str]:  # noqa: B008
            return self.translate_all(*values, progress=lambda done, total: progress((done, total), unit="pictures"))

        button.click(answered(work), [files, *style], [archive, note], preprocess=False, api_visibility="private")

    def blocks(self, title: str) -> Any:
        """The whole page. Requests are answered one after the other."""
        with gr.Blocks(
            title="sivae-translate", analytics_enabled=False, delete_cache=(DELETE_EVERY, DELETE_AFTER)
        ) as page:
            size, count = self.translator.frame.size, len(self.translator.domains)
            gr.Markdown(f"# Translate pictures\nModel {html.escape(title)}: {count:,} domains, {size} x {size} pixels")
            for name, tab in (
                ("One picture", self.one_picture),
                ("Between two references", self.two_references),
                ("Many files", self.many_files),
            ):
                with gr.Tab(name):
                    tab()
        page.queue(max_size=WAITING, default_concurrency_limit=1)
        return page


LIVE = {"preprocess": False, "trigger_mode": "always_last", "show_progress": "minimal", "api_visibility": "private"}
QUICK = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}


def results() -> Any:
    """Pictures with captions, in their own size for a download, enlarged by the browser."""
    return gr.Gallery(
        show_label=False, columns=4, object_fit="contain", height="auto", format="png", elem_classes="pictures",
        interactive=False, buttons=["download", "fullscreen"],
    )  # fmt: skip


def style_from(
    mode: str, domains: Sequence[str] | None, count: Any, seed: Any, reference: File | None, strength: Any
) -> Style:
    """The style that the controls ask for."""
    if mode == REFERENCE and reference is not None:
        return Style(reference=path_of(reference), strength=strength)
    number = whole_number("styles", count) if mode == RANDOM else None
    return Style(tuple(domains or ()), number, whole_number("seed", seed or 0), strength=strength)


def path_of(file: File) -> Path:
    return Path(file["path"])


def whole_number(name: str, value: Any) -> int:
    """The number of a control, which sends it as JSON. Raises UsageError where it is none."""
    if not is_real(value) or value != value // 1:
        raise UsageError(f"{name} was {value!r}: expected a whole number")
    return int(value)


def warning(reason: str | None) -> str:
    """The note below the translations of a picture that is out of distribution."""
    if reason is None:
        return ""
    return f"⚠ **Unlike the training images:** this picture {reason}. Its translations may mean nothing."


def answered(work: Callable[..., Any]) -> Callable[..., Any]:
    """The function with its expected errors shown on the page, in one line each."""

    @functools.wraps(work)
    def answer(*values: Any, **options: Any) -> Any:
        try:
            return work(*values, **options)
        except SivaeError as error:
            raise gr.Error(html.escape(str(error)), print_exception=False) from None
        except (MemoryError, RuntimeError) as error:
            if not ran_out(error):
                raise
            raise gr.Error("memory ran out: take smaller pictures, or fewer styles", print_exception=False) from None

    return answer


def application(
    translator: Translator, threshold: Threshold | None, title: str, examples: Sequence[Path], folder: Path
) -> Any:
    """The page as an ASGI app. Raises UsageError for a model with a single latent, or examples that cannot be read."""
    require_style(translator.model)
    page = Page(translator, threshold, example_files(translator, examples, folder), folder).blocks(title)
    app = require("fastapi", "web").FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    return gr.mount_gradio_app(
        app, page, path="/", footer_links=[], run_history=False, show_error=False, max_file_size=MAX_FILE,
        ssr_mode=False, enable_monitoring=False, pwa=False, mcp_server=False, theme=gr.themes.Soft(font=FONT), css=CSS,
    )  # fmt: skip
