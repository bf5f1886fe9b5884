"""The command that trains."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sivae_translate.cli.options import WORK, Device, Domains, Set
from sivae_translate.cli.terminal import say, terminal

commands = typer.Typer()


@commands.command(
    rich_help_panel=WORK,
    epilog="Example: `sivae-translate train --domains cars/train --recipe style --out runs/cars "
    "--set training.minutes=30`. The same command resumes a stopped run.",
)
def train(
    domains: Domains,
    recipe: Annotated[str, typer.Option("--recipe", help="Name of a recipe, or a TOML file.")] = "style",
    out: Annotated[Path | None, typer.Option("--out", help="The run's folder [runs/NAME-OF-DOMAINS].")] = None,
    set_: Set = None,
    grow: Annotated[
        Path | None,
        typer.Option("--grow", metavar="RUN", help="Initialise with weights of a run at half the size."),
    ] = None,
    device: Device = "auto",
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
    """Train a translator on a folder of domains, or resume a stopped run."""
    with terminal() as display:
        from sivae_translate.allocator import keep_memory
        from sivae_translate.data.domains import find_domains
        from sivae_translate.device import pick_device
        from sivae_translate.recipe import dump_recipe, load_recipe
        from sivae_translate.training.configure import configure
        from sivae_translate.training.processes import is_first_process, leave_processes
        from sivae_translate.training.run import train as train_run

        run = out or default_run(domains)
        if dry_run:
            resolved, _, notes = configure(recipe, set_ or (), find_domains(domains), pick_device(device), run)
            say("".join(f"# {note}\n" for note in notes) + dump_recipe(resolved))
            return
        keep_memory()
        model = train_run(
            domains,
            recipe,
            run,
            set=set_ or (),
            grow=grow,
            device=device,
            display=display,
            allow_changed=allow_changed,
            log=log or (),
        )
        if is_first_process():
            translates = load_recipe(run / "recipe.toml").model["name"] == "style"
            use = "translate with: sivae-translate run INPUT" if translates else "draw with: sivae-translate sample"
            say(f"trained: {model}; {use} --model {run}")
        leave_processes()


def default_run(domains: Path) -> Path:
    """runs/NAME for a folder of domains: its name, or for a split such as cars/train the name of the set."""
    from sivae_translate.data.layout import TRAIN

    folder = domains.resolve()
    while folder.name.lower() in TRAIN:
        folder = folder.parent
    return Path("runs") / (folder.name or "train")
