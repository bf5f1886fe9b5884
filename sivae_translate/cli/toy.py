"""`toy`: the objectives on points in the plane."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sivae_translate.cli.common import new_folder
from sivae_translate.cli.options import START, Set
from sivae_translate.cli.terminal import say, terminal
from sivae_translate.errors import UsageError

commands = typer.Typer()

toy_app = typer.Typer(invoke_without_command=True)
commands.add_typer(toy_app, name="toy", rich_help_panel=START)
Steps = Annotated[int | None, typer.Option("--steps", min=1, help="Steps of a run [6000].")]
Jobs = Annotated[int, typer.Option("--jobs", min=1, help="Runs at a time, each in a process.")]


@toy_app.callback(epilog="Example: `sivae-translate toy --dataset rings --set objective.beta_neg=1 --out runs/rings`")
def toy(
    context: typer.Context,
    objective: Annotated[str, typer.Option("--objective", help="vae, introvae, soft-introvae or bootstrap.")] = (
        "soft-introvae"
    ),
    dataset: Annotated[str, typer.Option("--dataset", help="8-gaussians, spirals, checkerboard or rings.")] = (
        "8-gaussians"
    ),
    steps: Steps = None,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same figures.")] = 0,
    set_: Set = None,
    out: Annotated[Path, typer.Option("--out", help="Folder for the picture, points and report.")] = Path("runs/toy"),
) -> None:
    """Train an objective on points in the plane, whose distribution is known, and draw the result, in a CPU minute."""
    with terminal() as display:
        if context.invoked_subcommand is not None:
            no_options_before(context)
            return
        from sivae_translate.toy.experiment import result_line, run_toy
        from sivae_translate.toy.settings import resolve

        training = {"seed": seed} if steps is None else {"seed": seed, "steps": steps}
        report = run_toy(resolve(objective, dataset, set_ or (), **training), out, display)
        say(f"{result_line(report)}; look at {out / 'density.png'}")


@toy_app.command("table", epilog="Example: `sivae-translate toy table --jobs 2 --out runs/toy-table`")
def toy_table(
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Runs of each.")] = 5,
    steps: Steps = None,
    jobs: Jobs = 1,
    out: Annotated[Path, typer.Option("--out", help="Folder for the table and its runs.")] = Path("runs/toy-table"),
) -> None:
    """Compare VAE, IntroVAE and Soft-IntroVAE on all four datasets. The same command resumes."""
    with terminal() as display:
        from sivae_translate.toy.table import write_table

        say(write_table(new_folder(out), seeds=seeds, steps=steps, jobs=jobs, display=display))
        say(f"this table is {out / 'table.md'}, with its runs in {out / 'cells'}")


@toy_app.command("sweep", epilog="Example: `sivae-translate toy sweep --jobs 2 --out runs/toy-sweep`")
def toy_sweep(
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Runs of each.")] = 1,
    steps: Steps = None,
    jobs: Jobs = 1,
    out: Annotated[Path, typer.Option("--out", help="Folder for the table and its runs.")] = Path("runs/toy-sweep"),
) -> None:
    """Count failures for weaker and stronger adversarial terms. The same command resumes."""
    with terminal() as display:
        from sivae_translate.toy.table import write_sweep

        say(write_sweep(new_folder(out), seeds=seeds, steps=steps, jobs=jobs, display=display))
        say(f"this table is {out / 'sweep.md'}, with its runs in {out / 'cells'}")


def no_options_before(context: typer.Context) -> None:
    """Raise UsageError for options before a sub-command, which would have no effect."""
    for name in context.params:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            command = f"{context.command_path} {context.invoked_subcommand}"
            raise UsageError(
                f"--{name.strip('_')} comes before {context.invoked_subcommand}: expected {command} OPTIONS"
            )
