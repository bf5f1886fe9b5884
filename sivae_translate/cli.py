"""The command line: parse, one library call, one line of result. Heavy imports stay inside the commands."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from sivae_translate.errors import UsageError
from sivae_translate.terminal import Terminal, say, terminal

app = typer.Typer(
    name="sivae-translate",
    help="Unpaired image translation: folders of images in, one per domain; a translator out.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    epilog="Start with `sivae-translate demo`, then `sivae-translate train --domains FOLDER`.",
)

START, WORK, JUDGE, HELP = "Start here", "Train and translate", "Judge", "Look up"
SOME_FAILED = 3
PICTURES = (".png", ".jpg", ".webp")


Domains = Annotated[Path, typer.Option("--domains", help="Folder with a sub-folder of images per domain.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1 or mps.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", help="Any knob, as `section.key=value`; may be repeated.", metavar="K=V")
]


@app.command(rich_help_panel=START, epilog="Example: `sivae-translate demo --out runs/demo`")
def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder for everything the demo makes.")] = Path("runs/demo"),
    device: Device = "auto",
) -> None:
    """Draw cars, train on them, translate cars never seen, and show how well: a few minutes on a laptop."""
    with terminal() as screen:
        from sivae_translate.demo import run_demo

        report = run_demo(out, device=device, screen=screen)
        say(_scores(report))
        say(f"look at {out / 'translations' / 'pairs.png'}: content, style, translation, truth, from top to bottom")


@app.command(
    rich_help_panel=WORK,
    epilog="Example: `sivae-translate train --domains cars/train --recipe style --out runs/cars "
    "--set training.minutes=30`. The same command again resumes a run that was stopped.",
)
def train(
    domains: Domains,
    recipe: Annotated[str, typer.Option("--recipe", help="A name from `recipes`, or a TOML file.")] = "style",
    out: Annotated[Path | None, typer.Option("--out", help="The run's folder [runs/NAME-OF-DOMAINS].")] = None,
    set_: Set = None,
    device: Device = "auto",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the resolved recipe and stop.")] = False,
) -> None:
    """Train a translator on a folder of domains, or go on with a run that was stopped."""
    with terminal() as screen:
        from sivae_translate.recipe import dump_recipe, load_recipe
        from sivae_translate.training.run import resolve
        from sivae_translate.training.run import train as train_run

        loaded = load_recipe(recipe, set_ or ())
        if dry_run:
            say(dump_recipe(resolve(loaded)))
            return
        run = out or Path("runs") / (domains.resolve().name or "train")
        model = train_run(domains, loaded, run, device=device, screen=screen)
        if os.environ.get("RANK", "0") == "0":  # of the processes that a launcher starts, one speaks
            say(f"trained: {model}; translate with: sivae-translate run INPUT --model {run}")


@app.command(
    rich_help_panel=WORK,
    epilog="Examples: `sivae-translate run photos/ --to zebra`, "
    "`sivae-translate run photo.jpg --style reference.jpg --out translated`",
)
def run(
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="An image or a folder of images.")],
    model: Annotated[Path | None, typer.Option("--model", help="A run or model folder [newest under runs/].")] = None,
    to: Annotated[list[str] | None, typer.Option("--to", help="Domain; may be repeated [every domain].")] = None,
    style: Annotated[Path | None, typer.Option("--style", help="Reference image, or a folder of them.")] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder for the translations.")] = Path("translated"),
    format: Annotated[str, typer.Option("--format", help="png, jpg or webp.")] = "png",
    batch: Annotated[int, typer.Option("--batch", min=1, help="Images at a time.")] = 32,
    reject_ood: Annotated[
        bool, typer.Option("--reject-ood", help="Leave out inputs that score below the threshold that `ood` has set.")
    ] = False,
    device: Device = "auto",
) -> None:
    """Translate an image or a folder tree; names are kept, `manifest.jsonl` accounts for every input.

    Exit code 3: some inputs failed. Rejected ones are no failure.
    """
    with terminal() as screen:
        from sivae_translate.folder import translate_folder
        from sivae_translate.threshold import load_threshold

        model = _named(model, screen)
        translator = _load(model, device, screen)
        reject = load_threshold(model) if reject_ood else None
        summary = translate_folder(
            translator, source, out, to=to, style=style, format=format, batch=batch, reject=reject, screen=screen
        )
        skipped = f", {summary.skipped:,} done before" if summary.skipped else ""
        rejected = f", {summary.rejected:,} rejected (see {summary.manifest})" if summary.rejected else ""
        failed = f", {summary.failed:,} failed (see {summary.manifest})" if summary.failed else ""
        say(f"{summary.written:,} translations written to {out}{skipped}{rejected}{failed}")
    if summary.failed:
        raise typer.Exit(SOME_FAILED)


@app.command(rich_help_panel=WORK, epilog="Example: `sivae-translate sample --domain car007 --count 64`")
def sample(
    model: Annotated[Path | None, typer.Option("--model", help="A run or model folder [newest under runs/].")] = None,
    domain: Annotated[str | None, typer.Option("--domain", help="Domain to draw from [all in turn].")] = None,
    count: Annotated[int, typer.Option("--count", min=1, help="How many.")] = 32,
    seed: Annotated[int, typer.Option("--seed", help="The same seed draws the same.")] = 0,
    out: Annotated[Path, typer.Option("--out", help="The picture to write.")] = Path("samples.png"),
    device: Device = "auto",
) -> None:
    """Draw new images from the prior, as one picture."""
    with terminal() as screen:
        from sivae_translate.evaluation.pictures import contact_sheet, save_picture

        path = _new_picture(out)
        pictures = _load(model, device, screen).sample(count, domain=domain, seed=seed)
        save_picture(contact_sheet(pictures), path)
        say(f"{count} samples in {out}")


@app.command(
    rich_help_panel=JUDGE,
    epilog="Example: `sivae-translate evaluate runs/cars --pairs cars/pairs_novel.csv --root cars`",
)
def evaluate(
    model: Annotated[Path, typer.Argument(help="A run or model folder.")],
    pairs: Annotated[Path, typer.Option("--pairs", help="CSV with columns content,style,target.")],
    root: Annotated[Path, typer.Option("--root", help="Folder the CSV's paths start from.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for outputs and report.")] = Path("evaluation"),
    device: Device = "auto",
) -> None:
    """Score translations against the truth: PSNR and SSIM, beside the floors of copying an input."""
    with terminal() as screen:
        from sivae_translate.evaluation.pairs import evaluate_pairs, read_pairs

        rows = read_pairs(pairs, root)
        report = evaluate_pairs(_load(model, device, screen), rows, _new_folder(out), progress=_counts(screen, "pairs"))
        say(_scores(report))
        say(f"outputs, report.json and pairs.png are in {out}")


@app.command(
    rich_help_panel=JUDGE,
    epilog="Examples: `sivae-translate ood runs/cars --in cars/test --out-of toys`, "
    "`sivae-translate ood runs/cars --in cars/test --set-threshold 0.95`",
)
def ood(
    model: Annotated[Path, typer.Argument(help="A run or model folder.")],
    inside: Annotated[Path, typer.Option("--in", help="Images like the training images, but not the very ones.")],
    outside: Annotated[Path | None, typer.Option("--out-of", help="Images unlike them.")] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder for scores, report and histogram.")] = Path("ood"),
    samples: Annotated[int, typer.Option("--samples", min=1, help="Codes drawn for each image.")] = 5,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed draws the same.")] = 0,
    beta: Annotated[float, typer.Option("--beta", help="Twice the variance of a pixel around its decoding.")] = 0.01,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Images at a time.")] = 32,
    set_threshold: Annotated[
        float | None,
        typer.Option(
            "--set-threshold",
            metavar="SHARE",
            min=0.01,
            max=1,
            help="Store with the model the bound that this share of --in reaches, for `run --reject-ood`.",
        ),
    ] = None,
    device: Device = "auto",
) -> None:
    """Score how likely a model finds images, and tell those unlike its training images.

    The report of two sets needs the extras `evaluation` and `plots`. Exit code 3: some images could not be read.
    """
    with terminal() as screen:
        from sivae_translate.data.domains import shown
        from sivae_translate.evaluation.detection import evaluate_ood, find_sets, score_set
        from sivae_translate.threshold import save_threshold, threshold_of

        if outside is None and set_threshold is None:
            raise UsageError("one set alone has no AUROC: expected --out-of FOLDER too, or --set-threshold 0.95")
        sets, how = find_sets(inside, outside, _new_folder(out)), {"samples": samples, "seed": seed, "beta": beta}
        translator, progress = _load(model, device, screen), _counts(screen, "images scored")
        scored = {
            name: score_set(translator, paths, how, batch=batch, progress=progress) for name, paths in sets.items()
        }
        left_out = [bad for images in scored.values() for bad in images.bad]
        for bad in left_out:
            screen.note(f"left out {shown(bad.path)}: {bad.reason}")
        if outside is not None:
            say(_separation(evaluate_ood(scored["in"], scored["out"], out, how)))
            say(f"scores.csv, report.json and histogram.png are in {out}")
        if set_threshold is not None:
            threshold = threshold_of(model, scored["in"].scores.bound.tolist(), set_threshold, **how)
            say(f"threshold of {threshold.bound:.2f} nats stored in {save_threshold(model, threshold)}")
    if left_out:
        raise typer.Exit(SOME_FAILED)


@app.command(rich_help_panel=START, epilog="Example: `sivae-translate check photos/`")
def check(
    root: Annotated[Path, typer.Argument(metavar="DIR", help="Folder with a sub-folder of images per domain.")],
) -> None:
    """Look at a folder before training: domains, counts, sizes, bad files, warnings."""
    with terminal() as screen:
        from sivae_translate.data.domains import check as check_domains
        from sivae_translate.data.domains import find_domains, report_lines

        report = check_domains(find_domains(root), _counts(screen, "images"))
        for line in report_lines(report):
            say(line)
    if report.bad:
        raise typer.Exit(SOME_FAILED)


@app.command(rich_help_panel=START, epilog="Example: `sivae-translate cars cars/ --cars 160 --size 64`")
def cars(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A new folder.")],
    cars: Annotated[int, typer.Option("--cars", help="Cars to train on.")] = 40,
    novel: Annotated[int, typer.Option("--novel", help="Cars never trained on.")] = 8,
    size: Annotated[int, typer.Option("--size", help="Pixels on a side.")] = 64,
    seed: Annotated[int, typer.Option("--seed", help="The same seed draws the same cars.")] = 0,
) -> None:
    """Draw the built-in cars from 24 x 4 views, with held-out views, novel cars and pairs of known truth."""
    with terminal() as screen:
        from sivae_translate.data.cars import write_set

        write_set(out, cars=cars, novel=novel, size=size, seed=seed, progress=_counts(screen, "images"))
        say(f"drawn: train with: sivae-translate train --domains {out / 'train'}")


recipes_app = typer.Typer(help="The built-in recipes.", invoke_without_command=True)
app.add_typer(recipes_app, name="recipes", rich_help_panel=HELP)


@recipes_app.callback()
def recipes(context: typer.Context) -> None:
    """List the built-in recipes, or show one."""
    if context.invoked_subcommand is None:
        from sivae_translate.recipe import recipe_names, recipe_summary

        for name in recipe_names():
            say(f"{name:12} {recipe_summary(name)}")


@recipes_app.command("show")
def show_recipe(name: Annotated[str, typer.Argument(help="Its name.")]) -> None:
    """Print a recipe, as a start for one of your own."""
    with terminal():
        from sivae_translate.recipe import recipe_text

        say(recipe_text(name).rstrip())


@app.command(rich_help_panel=HELP)
def env() -> None:
    """Versions and devices: what a bug report needs."""
    with terminal():
        from sivae_translate.environment import describe

        for name, value in describe().items():
            say(f"{name:16} {value}")


def _version(show: bool) -> None:
    if show:
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


def _load(model: Path | None, device: str, screen: Terminal) -> Any:
    from sivae_translate.translator import Translator

    return Translator.from_pretrained(_named(model, screen), device=device)


def _named(model: Path | None, screen: Terminal) -> Path:
    """The model that was asked for, or the newest, which is then said."""
    if model is None:
        model = _newest_run()
        screen.note(f"model: {model}")
    return model


def _newest_run() -> Path:
    """The finished run under runs/ whose model was written last."""
    from sivae_translate.training.saved import finished

    found = [path for pattern in ("*", "*/*") for path in Path("runs").glob(f"{pattern}/model/config.json")]
    runs = [path.parent.parent for path in sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)]
    newest = next(filter(finished, runs), None)
    if newest is None:
        there = f"only unfinished ones ({runs[0]})" if runs else "none"
        raise UsageError(f"expected a finished run under runs/, found {there}: train one, or name one with --model RUN")
    return newest


def _new_picture(path: Path) -> Path:
    if path.is_dir():
        raise UsageError(f"{path} is a folder: expected a file to write; choose another with --out")
    if path.suffix.lower() not in PICTURES:
        raise UsageError(f"{path}: expected a name that ends in {' or '.join(PICTURES)}; choose another with --out")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _new_folder(path: Path) -> Path:
    if path.exists() and not path.is_dir():
        raise UsageError(f"{path} is a file: expected a folder; choose another with --out")
    return path


def _counts(screen: Terminal, what: str) -> Callable[[int, int], None]:
    return lambda done, total: screen.step(done / total, f"{done:,} of {total:,} {what}")


def _scores(report: dict[str, Any]) -> str:
    floors = {"copying the content image": "copy_content", "copying the style image": "copy_style"}
    lines = [f"{report['n']} pairs at {report['size']} px" + " " * 10 + "PSNR dB    SSIM"]
    for label, name in {"translation": "output", **floors}.items():
        lines.append(f"  {label:28} {report[f'{name}_psnr']:8.2f} {report[f'{name}_ssim']:8.3f}")
    return "\n".join(lines)


def _separation(report: dict[str, Any]) -> str:
    metrics, chance = ("auroc", "aupr"), report["chance"]
    counts = f"{report['n']['in']:,} in, {report['n']['out']:,} out"
    lines = [f"{counts:22}" + "".join(f"{metric.upper()} (95 % interval)".ljust(26) for metric in metrics).rstrip()]
    for name, row in report["scores"].items():
        label = f"  {name:6}{'lower' if row['sign'] < 0 else 'higher'} is in"
        cells = ("{:.3f} ({:.3f} to {:.3f})".format(row[m], *row[f"{m}_interval"]) for m in metrics)
        lines.append(f"{label:22}" + "".join(f"{cell:26}" for cell in cells).rstrip())
    return "\n".join([*lines, f"{'  chance':22}" + f"{chance['auroc']:.3f}".ljust(26) + f"{chance['aupr']:.3f}"])


if __name__ == "__main__":
    app()
