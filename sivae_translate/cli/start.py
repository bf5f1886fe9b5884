"""Commands to start with: the demo, data sets, and the check of a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from sivae_translate.cli.common import SOME_FAILED, given_folders
from sivae_translate.cli.options import START, Device, Domains, MoreDomains, Set
from sivae_translate.cli.terminal import say, terminal
from sivae_translate.console import Terminal
from sivae_translate.errors import command, one_line
from sivae_translate.progress import counting

commands = typer.Typer()


@commands.command(rich_help_panel=START, epilog="Example: `sivae-translate demo --out runs/demo`")
def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder for everything the demo makes.")] = Path("runs/demo"),
    device: Device = "auto",
) -> None:
    """Draw cars, train on them, translate unseen cars and evaluate the result, in a few minutes on a laptop."""
    with terminal() as display:
        from sivae_translate.allocator import keep_memory
        from sivae_translate.cli.demo import run_demo
        from sivae_translate.evaluation.tables import as_text, summaries

        keep_memory()
        report = run_demo(out, device=device, display=display)
        say("\n\n".join(as_text(table) for table in summaries(report)))
        say(f"look at {out / 'translations' / 'pairs.png'}: content, style, translation, truth, from top to bottom")


@commands.command(
    rich_help_panel=START, epilog="Examples: `sivae-translate check photos/`, `sivae-translate check horses/ zebras/`"
)
def check(
    folders: Domains = None,
    domains: MoreDomains = None,
    recipe: Annotated[str, typer.Option("--recipe", help="Recipe of the estimate; as for train.")] = "style",
    set_: Set = None,
    device: Device = "auto",
    estimate: Annotated[
        bool,
        typer.Option("--estimate/--no-estimate", help="Estimate time and memory by some seconds of training."),
    ] = True,
) -> None:
    """Check folders before training: domains, counts, sizes, unreadable files, warnings, time and memory."""
    with terminal() as display:
        from sivae_translate.data.check import check_domains, report_lines
        from sivae_translate.data.domains import find_domains

        found = find_domains(given_folders(folders, domains, "check"))
        line = estimated(found, recipe, set_ or (), device, display) if estimate else ""
        report = check_domains(found, counting(display, "images"))
        for text in [*report_lines(report), *([line] if line else [])]:
            say(text)
    if any(each.lost for each in report.left_out):
        raise typer.Exit(SOME_FAILED)


def estimated(domains: Any, recipe: str, overrides: Sequence[str], device: str, display: Terminal) -> str:
    """Estimates of time and memory, as lines. They come before the images, whose decoding takes memory."""
    from sivae_translate.allocator import keep_memory
    from sivae_translate.data.holdout import hold_out
    from sivae_translate.device import pick_device
    from sivae_translate.training.configure import configure
    from sivae_translate.training.estimate import estimate, estimate_line
    from sivae_translate.training.out_of_memory import ran_out

    keep_memory()
    device = pick_device(device)
    complete, objective, notes = configure(recipe, overrides, domains, device, None)
    display.step(0.0, "training for some seconds, for the estimate")
    learnt, _ = hold_out(domains, complete.data.holdout)
    try:
        found = estimate(complete, objective, len(learnt.names), len(learnt.sources), device)
    except Exception as error:
        if not ran_out(error):
            raise
        text = f"warning: memory runs out with this data.batch ({one_line(error)}): training will compute it in slices"
        return "\n".join([*notes, f"{text}, which takes more time"])
    return "\n".join([*notes, estimate_line(complete, found, device)])


@commands.command(rich_help_panel=START, epilog="Example: `sivae-translate cars cars/ --cars 160 --size 64`")
def cars(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A new folder.")],
    cars: Annotated[int, typer.Option("--cars", help="Number of training cars.")] = 40,
    unseen: Annotated[int, typer.Option("--unseen", help="Number of unseen cars.")] = 8,
    size: Annotated[int, typer.Option("--size", help="Side of the images in pixels.")] = 64,
    seed: Annotated[int, typer.Option("--seed", help="The same seed draws the same cars.")] = 0,
) -> None:
    """Draw the built-in cars in 24 x 4 views, with held-out views, unseen cars and pairs of known truth."""
    with terminal() as display:
        from sivae_translate.datasets.cars import write_set

        write_set(out, cars=cars, unseen=unseen, size=size, seed=seed, progress=counting(display, "images"))
        say(f"drawn: train with: {command('train', '--domains', out / 'train')}")


@commands.command(rich_help_panel=START, epilog="Example: `sivae-translate dataset mnist mnist/ --download`")
def dataset(
    name: Annotated[str, typer.Argument(metavar="NAME", help="cifar10, fashion-mnist, mnist or svhn.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A new folder.")],
    root: Annotated[Path, typer.Option("--root", help="Folder of torchvision's data sets.")] = Path("data"),
    download: Annotated[bool, typer.Option("--download", help="Download missing files to --root.")] = False,
) -> None:
    """Write a published data set as plain folders: OUT/train and OUT/test, a sub-folder of PNGs per class."""
    with terminal() as display:
        from sivae_translate.datasets.published import SETS, write_published

        counted = write_published(name, out, root=root, download=download, progress=counting(display, "images"))
        train = command("train", "--domains", out / "train", "--recipe", SETS[name].recipe)
        say(f"written: {counted['train']:,} + {counted['test']:,} images: train with: {train}")
