"""The command line: parse, one library call, one line of result. Heavy imports stay inside the commands."""

from __future__ import annotations

from typing import Annotated

import typer

from sivae_translate.cli import benchmarks, evaluation, explore, export, lookup, run, sharing, start, toy, web, work
from sivae_translate.cli.once import once
from sivae_translate.cli.terminal import say, terminal

app = typer.Typer(
    name="sivae-translate",
    help="Unpaired image translation, trained on one folder of images per domain.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    epilog="Start with `sivae-translate demo`, then `sivae-translate train FOLDER` and `sivae-translate run IMAGES`.",
)


# In the order of `--help`.
for room in (start, toy, work, run, web, sharing, export, explore, evaluation, lookup, benchmarks):
    app.add_typer(room.commands)
once(app)


def _version(show: bool) -> None:
    if show:
        with terminal():
            from importlib.metadata import version

            say(version("sivae-translate"))
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    pass
