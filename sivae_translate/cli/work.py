"""The command that trains."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from sivae_translate.cli.common import given_folders
from sivae_translate.cli.launch import launch, require_gpus, without_gpus
from sivae_translate.cli.options import WORK, Device, Domains, Gpus, MoreDomains, Set
from sivae_translate.cli.terminal import say, terminal
from sivae_translate.errors import UsageError, command
from sivae_translate.names import MAX_NAME

commands = typer.Typer()


@commands.command(
    rich_help_panel=WORK,
    epilog="Examples: `sivae-translate train cars/train --out runs/cars --set training.minutes=30`, "
    "`sivae-translate train photos/ paintings/`. The same command resumes a stopped run.",
)
def train(
    folders: Domains = None,
    domains: MoreDomains = None,
    recipe: Annotated[str, typer.Option("--recipe", help="Name of a recipe, or a TOML file.")] = "style",
    out: Annotated[Path | None, typer.Option("--out", help="The run's folder [runs/NAME-OF-DOMAINS].")] = None,
    set_: Set = None,
    batch: Annotated[
        str | None,
        typer.Option(
            "--batch", metavar="N|auto", help="Images of a step, short for --set data.batch=N; auto: by the device."
        ),
    ] = None,
    grow: Annotated[
        Path | None,
        typer.Option("--grow", metavar="RUN", help="Initialise with weights of a run at half the size."),
    ] = None,
    device: Device = "auto",
    gpus: Gpus = None,
    allow_changed: Annotated[
        bool,
        typer.Option(
            "--allow-changed", help="Resume with other images, training.lr, training.clip, data.batch or data.workers."
        ),
    ] = False,
    log: Annotated[
        list[str] | None,
        typer.Option(
            "--log",
            metavar="TRACKER",
            help="Also log to tensorboard, wandb or trackio; may be repeated. Each needs the extra of its name.",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the resolved recipe and exit.")] = False,
) -> None:
    """Train a translator on a folder of domains or on several, or resume a stopped run.

    Where memory runs out, the batch stays, and is computed in slices.
    """
    with terminal() as display:
        from sivae_translate.allocator import keep_memory
        from sivae_translate.data.domains import find_domains
        from sivae_translate.device import pick_device
        from sivae_translate.recipe import dump_recipe, load_recipe
        from sivae_translate.training.configure import configure
        from sivae_translate.training.constructors import has_style
        from sivae_translate.training.processes import is_first_process, leave_processes
        from sivae_translate.training.run import train as train_run
        from sivae_translate.training.slices import require_equal_slices

        given = given_folders(folders, domains, "train")
        run = out or default_run(given)
        settings = [*(set_ or ()), *batch_setting(batch)]
        if gpus is not None:
            require_gpus(gpus, device, "train")
            device = "cuda"
        if dry_run or (gpus or 1) > 1:  # before a launch too, so that a mistake is told once
            resolved, _, notes = configure(recipe, settings, find_domains(given), pick_device(device), run)
        if dry_run:
            say("".join(f"# {note}\n" for note in notes) + dump_recipe(resolved))
            return
        if gpus is not None and gpus > 1:
            require_equal_slices(resolved, gpus)
            raise typer.Exit(launch(without_gpus(sys.argv[1:]), gpus))
        keep_memory()
        model = train_run(
            given,
            recipe,
            run,
            set=settings,
            grow=grow,
            device=device,
            display=display,
            allow_changed=allow_changed,
            log=log or (),
        )
        if is_first_process():
            translates = has_style(load_recipe(run / "recipe.toml"))
            use = "translate with" if translates else "draw with"
            words = ("run", "INPUT") if translates else ("sample",)
            say(f"trained: {model}; {use}: {command(*words, '--model', run)}")
        leave_processes()


def batch_setting(batch: str | None) -> list[str]:
    """The setting of --batch. Raises UsageError for what is neither "auto" nor a number of images from 1 on."""
    if batch is None:
        return []
    if batch != "auto" and not (re.fullmatch("[0-9]{1,9}", batch) and int(batch)):
        raise UsageError(f"--batch {batch}: expected auto or an even number of images, such as --batch 64")
    return [f"data.batch={0 if batch == 'auto' else int(batch)}"]


def default_run(domains: Sequence[Path]) -> Path:
    """runs/NAME for folders of domains: their names, or for a split such as cars/train the name of the set."""
    from sivae_translate.data.layout import TRAIN

    names = dict[str, None]()
    for folder in map(Path.resolve, domains):
        while folder.name.lower() in TRAIN:
            folder = folder.parent
        names[folder.name] = None
    name = "-".join(filter(None, names))
    return Path("runs") / (name if 0 < len(os.fsencode(name)) <= MAX_NAME else "train")
