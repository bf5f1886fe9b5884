"""The command that exports a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from sivae_translate.cli.common import SOME_FAILED, chosen_model, load_translator, note_left_out
from sivae_translate.cli.options import WORK, Model, ModelArgument
from sivae_translate.cli.terminal import say, terminal

commands = typer.Typer()

VERIFIED = 64  # images; more take longer and find nothing else


@commands.command(
    rich_help_panel=WORK,
    epilog="Example: `sivae-translate export runs/emoji --out emoji-onnx --verify emoji/test`. The folder holds "
    "`encoder`, `decoder`, `translation` and `export.json`, with which other programs translate.",
)
def export(
    run: ModelArgument = None,
    model: Model = None,
    format: Annotated[str, typer.Option("--format", help="onnx or torch-export.")] = "onnx",
    out: Annotated[Path, typer.Option("--out", help="A new folder for the files.")] = Path("exported"),
    verify: Annotated[
        Path | None,
        typer.Option("--verify", metavar="FOLDER", help="Real images to verify the files on [the built-in cars]."),
    ] = None,
) -> None:
    """Export a model to files that other programs run, and verify them against PyTorch.

    ONNX needs the extra `onnx`. Exit code 1: a file differs by more than 0.001, and none is kept.
    """
    with terminal() as display:
        from sivae_translate.export.model import export_model
        from sivae_translate.inference.files import read_all

        translator, left_out = load_translator(chosen_model(run, model, display), "cpu", display), list[Any]()
        images = None if verify is None else read_all(translator, verify, left_out, VERIFIED)
        lost = note_left_out(left_out, display)
        about = export_model(translator, out, format=format, verify=images, display=display)
        for name, difference in about["verification"]["largest_difference"].items():
            file = out / about["graphs"][name]["file"]
            size = file.stat().st_size / 2**20
            say(f"{file.name:20} {size:6.1f} MB  largest difference from PyTorch {difference:.1e}")
        if "translation" not in about["graphs"]:
            say("this model has a single latent: it encodes and decodes, and has no styles to translate to")
        say(f"verified, in {out} with export.json")
    if lost:
        raise typer.Exit(SOME_FAILED)
