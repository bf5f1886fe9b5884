"""Commands that share a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sivae_translate.cli.common import named_model
from sivae_translate.cli.options import MODEL, WORK
from sivae_translate.cli.terminal import say, terminal

commands = typer.Typer()


@commands.command(
    rich_help_panel=WORK,
    epilog="Example: `sivae-translate push runs/emoji me/emoji --license cc-by-4.0 --dry-run --out card`, then without "
    "`--dry-run --out card`. Others use it by its name: `sivae-translate run INPUT --model me/emoji`.",
)
def push(
    model: Annotated[Path, typer.Argument(help=MODEL)],
    repository: Annotated[str, typer.Argument(metavar="USER/NAME", help="Repository on the Hugging Face Hub.")],
    license: Annotated[
        str, typer.Option("--license", metavar="ID", help="Licence of the weights: cc-by-4.0, apache-2.0, other, ...")
    ],
    private: Annotated[bool, typer.Option("--private", help="Make a new repository private.")] = False,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            help="Folder written by `evaluate`: its figures and its pictures, which show your images [the figures of a "
            "report beside the run].",
        ),
    ] = None,
    data: Annotated[
        str | None, typer.Option("--data", metavar="TEXT", help="What your images are, and where they are from.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write the files to --out, and upload nothing.")] = False,
    out: Annotated[Path, typer.Option("--out", help="With --dry-run: a new folder.")] = Path("card"),
) -> None:
    """Upload a model to the Hugging Face Hub, with pictures and a model card of figures, data and recipe.

    Needs a token with the right to write: `hf auth login`, or HF_TOKEN.
    """
    with terminal() as display:
        from sivae_translate.models.hub import hub_target
        from sivae_translate.sharing.push import push_to_hub
        from sivae_translate.sharing.repository import model_card

        hub_target(repository)
        folder = named_model(model, display)
        if dry_run:
            card = model_card(folder, repository, license=license, out=out, report=report, data=data)
            say(f"written: {card} and what would be uploaded beside it; nothing was uploaded")
            return
        display.note(f"drawing pictures and writing the card of {model}")
        pushed = push_to_hub(folder, repository, license=license, private=private, report=report, data=data)
        say(f"pushed: {pushed.url} at {pushed.commit[:12]}, {len(pushed.files)} files of {pushed.size / 1e6:,.1f} MB")
