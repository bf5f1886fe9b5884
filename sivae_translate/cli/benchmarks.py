"""The benchmarks on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sivae_translate.cli.common import new_file
from sivae_translate.cli.options import HELP, Device
from sivae_translate.cli.terminal import say, terminal

commands = typer.Typer()


@commands.command(rich_help_panel=HELP, epilog="Example: `sivae-translate bench step --out bench.json`")
def bench(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Benchmarks to run [all].", show_default=False)
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="A new JSON file for the results.")] = None,
    device: Device = "auto",
) -> None:
    """Measure speeds as ratios to references in the same run. Let nothing else run on the machine."""
    with terminal():
        import json

        from sivae_translate.allocator import keep_memory
        from sivae_translate.atomic import write_text_atomic
        from sivae_translate.bench.report import run_benchmarks

        file = None if out is None else new_file(out, (".json",))
        keep_memory()  # as in training, for the references too
        report = run_benchmarks(names or (), device, lambda ratio: say(ratio.line()))
        if file is not None:
            write_text_atomic(file, json.dumps(report, indent=2) + "\n")
