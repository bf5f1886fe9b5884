"""The web page on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from sivae_translate.cli.common import chosen_model, load_translator
from sivae_translate.cli.options import WORK, Device, Model, ModelArgument
from sivae_translate.cli.terminal import say, terminal
from sivae_translate.console import Terminal
from sivae_translate.errors import SivaeError

commands = typer.Typer()

EXAMPLES = 8


@commands.command(
    rich_help_panel=WORK,
    epilog="Examples: `sivae-translate web`, `sivae-translate web runs/emoji --examples emoji/test`, "
    "`sivae-translate web --host 0.0.0.0`. Ctrl-C ends it, and deletes all uploads.",
)
def web(
    run: ModelArgument = None,
    model: Model = None,
    examples: Annotated[
        Path | None, typer.Option("--examples", help="Images to pick from, eight of a folder [samples of the model].")
    ] = None,
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on; 0.0.0.0 for other machines, which then need a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="Port to listen on; 0 picks a free one.")] = 7860,
    token: Annotated[
        str | None,
        typer.Option(
            "--token", envvar="SIVAE_WEB_TOKEN", help="Token that visitors need [other machines: a random one]."
        ),
    ] = None,
    device: Device = "auto",
) -> None:
    """Translate pictures on a web page, on this machine alone unless --host says otherwise."""
    with terminal() as display:
        from sivae_translate.extras import require
        from sivae_translate.web.server import address, listen, token_for

        asked = token_for(host, token)
        with listen(host, port) as server:
            require("gradio", "web")  # before the model is loaded, which takes longer
            from sivae_translate.data.listing import evenly_spread
            from sivae_translate.inference.files import images_of
            from sivae_translate.web.serve import serve

            given = model if run is None else run
            model = chosen_model(run, model, display)
            translator, threshold = load_translator(model, device, display), stored_threshold(model, display)
            pictures = [] if examples is None else evenly_spread(images_of(examples, []), EXAMPLES)
            name = model if given is None else given
            title = name.name if name.is_absolute() else str(name)  # no folders of this machine
            try:
                serve(
                    translator, threshold, server, token=asked, title=title, examples=pictures,
                    announce=lambda: say(f"open {address(server, asked)} in a browser; Ctrl-C ends this server"),
                )  # fmt: skip
            except KeyboardInterrupt as interrupt:
                if interrupt.args:  # by another signal than Ctrl-C
                    raise
        say("stopped; all uploads are deleted")


def stored_threshold(model: Path, display: Terminal) -> Any:
    """The threshold beside a model's weights; None where there is none, or with a note where it cannot be used."""
    from sivae_translate.inference.threshold import FILE, directory_of, load_threshold

    try:
        return load_threshold(model) if (directory_of(model) / FILE).exists() else None
    except SivaeError as error:
        display.note(f"no warnings about unlike pictures: {error}")
        return None
