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

START, WORK, EXPLORE, JUDGE, HELP = "Start here", "Train and translate", "Explore the latent space", "Judge", "Look up"
SOME_FAILED = 3
PICTURES = (".png", ".jpg", ".webp")
STRIPS = (".png", ".jpg", ".gif", ".webp")


Domains = Annotated[Path, typer.Option("--domains", help="Folder with a sub-folder of images per domain.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1 or mps.")]
Search = Annotated[
    int, typer.Option("--search", min=0, help="Steps that look for a reference's style from the encoder's guess on.")
]
Model = Annotated[Path | None, typer.Option("--model", help="A run or model folder [newest under runs/].")]
What = Annotated[str, typer.Option("--what", help="What changes: content, style or both.")]
Strip = Annotated[Path, typer.Option("--out", help="A strip (.png, .jpg), or a loop there and back (.gif, .webp).")]
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
    model: Model = None,
    to: Annotated[list[str] | None, typer.Option("--to", help="Domain; may be repeated [every domain].")] = None,
    style: Annotated[Path | None, typer.Option("--style", help="Reference image, or a folder of them.")] = None,
    search: Search = 0,
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
            translator,
            source,
            out,
            to=to,
            style=style,
            search=search,
            format=format,
            batch=batch,
            reject=reject,
            screen=screen,
        )
        skipped = f", {summary.skipped:,} done before" if summary.skipped else ""
        rejected = f", {summary.rejected:,} rejected (see {summary.manifest})" if summary.rejected else ""
        failed = f", {summary.failed:,} failed (see {summary.manifest})" if summary.failed else ""
        say(f"{summary.written:,} translations written to {out}{skipped}{rejected}{failed}")
    if summary.failed:
        raise typer.Exit(SOME_FAILED)


@app.command(rich_help_panel=WORK, epilog="Example: `sivae-translate sample --domain car007 --count 64`")
def sample(
    model: Model = None,
    domain: Annotated[str | None, typer.Option("--domain", help="Domain to draw from [all in turn].")] = None,
    count: Annotated[int, typer.Option("--count", min=1, help="How many.")] = 32,
    seed: Annotated[int, typer.Option("--seed", help="The same seed draws the same.")] = 0,
    out: Annotated[Path, typer.Option("--out", help="The picture to write.")] = Path("samples.png"),
    device: Device = "auto",
) -> None:
    """Draw new images from the prior, as one picture."""
    with terminal() as screen:
        from sivae_translate.evaluation.pictures import contact_sheet, save_picture

        path = _new_file(out, PICTURES)
        pictures = _load(model, device, screen).sample(count, domain=domain, seed=seed)
        save_picture(contact_sheet(pictures), path)
        say(f"{count} samples in {out}")


@app.command(
    rich_help_panel=EXPLORE,
    epilog="Examples: `sivae-translate interpolate a.png b.png`, "
    "`sivae-translate interpolate a.png b.png --what style --steps 24 --out loop.gif`",
)
def interpolate(
    a: Annotated[Path, typer.Argument(metavar="A", help="The image to start from.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="The image to go to.")],
    model: Model = None,
    what: What = "both",
    steps: Annotated[int, typer.Option("--steps", help="Pictures, both ends among them.")] = 8,
    out: Strip = Path("interpolation.png"),
    device: Device = "auto",
) -> None:
    """Draw the way from one image to another, as a strip or an animation."""
    with terminal() as screen:
        from sivae_translate.evaluation.pictures import save_frames
        from sivae_translate.latent.files import read_one

        path = _new_file(out, STRIPS, a, b)
        translator = _load(model, device, screen)
        ends = [read_one(translator, image) for image in (a, b)]
        save_frames(translator.interpolate(*ends, what=what, steps=steps), path)
        say(f"{steps} pictures in {out}")


@app.command(rich_help_panel=EXPLORE, epilog="Example: `sivae-translate mix poses/ cars/ --out mix.png`")
def mix(
    contents: Annotated[Path, typer.Argument(metavar="CONTENT_DIR", help="Images whose content is taken.")],
    styles: Annotated[Path, typer.Argument(metavar="STYLE_DIR", help="Images whose style is taken.")],
    model: Model = None,
    count: Annotated[int, typer.Option("--count", help="At most so many of each, evenly spread over the folder.")] = 8,
    out: Annotated[Path, typer.Option("--out", help="The picture to write.")] = Path("mix.png"),
    device: Device = "auto",
) -> None:
    """Draw every content in every style: contents down, styles across, the originals at the margins.

    Exit code 3: some images could not be read.
    """
    with terminal() as screen:
        from sivae_translate.evaluation.pictures import save_picture
        from sivae_translate.latent.files import read_some
        from sivae_translate.latent.mixing import mixing_grid
        from sivae_translate.training.grids import draw_grid
        from sivae_translate.translator import require_style

        path, left_out = _new_file(out, PICTURES, contents, styles), list[Any]()
        translator = _load(model, device, screen)
        require_style(translator.model)
        down, across = (read_some(translator, folder, count, left_out) for folder in (contents, styles))
        _note(left_out, screen)
        save_picture(draw_grid(mixing_grid(translator.model, down, across), len(across) + 1), path)
        say(f"{len(down)} contents in {len(across)} styles in {out}")
    if left_out:
        raise typer.Exit(SOME_FAILED)


@app.command(
    rich_help_panel=EXPLORE, epilog="Example: `sivae-translate direction smiling/ neutral/ --out smile.safetensors`"
)
def direction(
    with_: Annotated[Path, typer.Argument(metavar="WITH_DIR", help="Images that have the attribute.")],
    without: Annotated[Path, typer.Argument(metavar="WITHOUT_DIR", help="Images otherwise alike that do not.")],
    model: Model = None,
    out: Annotated[Path, typer.Option("--out", help="The file to write.")] = Path("direction.safetensors"),
    batch: Annotated[int, typer.Option("--batch", min=1, help="Images at a time.")] = 32,
    device: Device = "auto",
) -> None:
    """Find the direction of an attribute, for `edit`: the mean difference of two folders' codes.

    Exit code 3: some images could not be read.
    """
    with terminal() as screen:
        from sivae_translate.latent.direction import SUFFIX, difference, save_direction
        from sivae_translate.latent.files import mean_code

        path, left_out = _new_file(out, (SUFFIX,), with_, without), list[Any]()
        if path.exists():  # it may be the weights of a model
            raise UsageError(f"{out} exists, and is never overwritten: choose another with --out")
        model = _named(model, screen)
        translator, progress = _load(model, device, screen), _counts(screen, "images")
        (a, n), (b, m) = (
            mean_code(translator, folder, left_out, batch=batch, progress=progress) for folder in (with_, without)
        )
        _note(left_out, screen)
        found = difference(a, b)
        save_direction(path, found, model)
        style = "" if found.style is None else f", style {found.style.norm():.2f}"
        say(f"from {m:,} images to {n:,} in {out}: content {found.content.norm():.2f}{style} long")
    if left_out:
        raise typer.Exit(SOME_FAILED)


@app.command(
    rich_help_panel=EXPLORE,
    epilog="Example: `sivae-translate edit photo.jpg --direction smile.safetensors --strength -2..2`",
)
def edit(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="The image to edit.")],
    along: Annotated[Path, typer.Option("--direction", help="A file that `direction` has written.")],
    strength: Annotated[
        str, typer.Option("--strength", metavar="LOW..HIGH", help="A range, or a number for one picture.")
    ] = "-2..2",
    steps: Annotated[int, typer.Option("--steps", help="Pictures of a range, both ends among them.")] = 5,
    model: Model = None,
    what: What = "both",
    out: Strip = Path("edit.png"),
    device: Device = "auto",
) -> None:
    """Move an image along the direction of an attribute; 1 is the mean difference of the two folders."""
    with terminal() as screen:
        from sivae_translate.evaluation.pictures import save_frames
        from sivae_translate.latent.direction import load_direction
        from sivae_translate.latent.files import read_one
        from sivae_translate.latent.paths import strengths

        path, chosen = _new_file(out, STRIPS, image, along), strengths(strength, steps)
        model = _named(model, screen)
        found, translator = load_direction(along, model), _load(model, device, screen)
        save_frames(translator.edit(read_one(translator, image), found, chosen, what=what), path)
        say(f"strength {strength} in {out}")


@app.command(rich_help_panel=EXPLORE, epilog="Example: `sivae-translate reconstruct photos/ --steps 100`")
def reconstruct(
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="An image or a folder of images.")],
    model: Model = None,
    steps: Annotated[int, typer.Option("--steps", help="Of the search for a better code; 0 is the encoder's.")] = 100,
    out: Annotated[Path, typer.Option("--out", help="Folder for the reconstructions.")] = Path("reconstructed"),
    batch: Annotated[int, typer.Option("--batch", min=1, help="Images at a time.")] = 32,
    device: Device = "auto",
) -> None:
    """Reconstruct images from the best codes that a search from the encoder's finds; PSNR before and after.

    Exit code 3: some images could not be read.
    """
    with terminal() as screen:
        from statistics import fmean

        from sivae_translate.latent.files import reconstruct_folder

        translator, progress = _load(model, device, screen), _counts(screen, "images")
        result = reconstruct_folder(translator, source, out, steps=steps, batch=batch, progress=progress)
        _note(result.bad, screen)
        before, after = fmean(result.before), fmean(result.after)
        say(f"{len(result.after):,} images in {out}: PSNR {before:.2f} dB before, {after:.2f} dB after {steps} steps")
    if result.bad:
        raise typer.Exit(SOME_FAILED)


@app.command(
    rich_help_panel=JUDGE,
    epilog="Example: `sivae-translate evaluate runs/cars --pairs cars/pairs_novel.csv --root cars`",
)
def evaluate(
    model: Annotated[Path, typer.Argument(help="A run or model folder.")],
    pairs: Annotated[Path, typer.Option("--pairs", help="CSV with columns content,style,target.")],
    root: Annotated[Path, typer.Option("--root", help="Folder the CSV's paths start from.")],
    search: Search = 0,
    out: Annotated[Path, typer.Option("--out", help="Folder for outputs and report.")] = Path("evaluation"),
    device: Device = "auto",
) -> None:
    """Score translations against the truth: PSNR and SSIM, beside the floors of copying an input."""
    with terminal() as screen:
        from sivae_translate.evaluation.pairs import evaluate_pairs, read_pairs

        rows, translator = read_pairs(pairs, root), _load(model, device, screen)
        report = evaluate_pairs(translator, rows, _new_folder(out), search=search, progress=_counts(screen, "pairs"))
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
        _note(left_out, screen)
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


toy_app = typer.Typer(invoke_without_command=True)
app.add_typer(toy_app, name="toy", rich_help_panel=START)
Steps = Annotated[int | None, typer.Option("--steps", min=1, help="Steps of a run [6000].")]
Jobs = Annotated[int, typer.Option("--jobs", min=1, help="Runs at a time, a process each.")]


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
    """Play an objective on points in the plane, where the truth is known, and draw what it learnt: a CPU minute."""
    with terminal() as screen:
        if context.invoked_subcommand is not None:
            _no_options_before(context)
            return
        from sivae_translate.toy.experiment import result_line, run_toy
        from sivae_translate.toy.settings import settle

        training = {"seed": seed} if steps is None else {"seed": seed, "steps": steps}
        report = run_toy(settle(objective, dataset, set_ or (), **training), _new_folder(out), screen)
        say(f"{result_line(report)}; look at {out / 'density.png'}")


@toy_app.command("table", epilog="Example: `sivae-translate toy table --jobs 2 --out runs/toy-table`")
def toy_table(
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Runs of each.")] = 5,
    steps: Steps = None,
    jobs: Jobs = 1,
    out: Annotated[Path, typer.Option("--out", help="Folder for the table and its runs.")] = Path("runs/toy-table"),
) -> None:
    """VAE, IntroVAE and Soft-IntroVAE on all four datasets; the same command again goes on where it was stopped."""
    with terminal() as screen:
        from sivae_translate.toy.table import write_table

        say(write_table(_new_folder(out), seeds=seeds, steps=steps, jobs=jobs, screen=screen))
        say(f"this table is {out / 'table.md'}, with its runs in {out / 'cells'}")


@toy_app.command("sweep", epilog="Example: `sivae-translate toy sweep --jobs 2 --out runs/toy-sweep`")
def toy_sweep(
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Runs of each.")] = 1,
    steps: Steps = None,
    jobs: Jobs = 1,
    out: Annotated[Path, typer.Option("--out", help="Folder for the table and its runs.")] = Path("runs/toy-sweep"),
) -> None:
    """How often the games fail as what repels is made weaker and stronger; goes on where it was stopped."""
    with terminal() as screen:
        from sivae_translate.toy.table import write_sweep

        say(write_sweep(_new_folder(out), seeds=seeds, steps=steps, jobs=jobs, screen=screen))
        say(f"this table is {out / 'sweep.md'}, with its runs in {out / 'cells'}")


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


def _new_file(path: Path, suffixes: tuple[str, ...], *inputs: Path) -> Path:
    """A path to write such a file to, which is no input and in no folder of inputs."""
    real = path.resolve()
    for place in inputs:
        if place.resolve() in (real, *real.parents):
            raise UsageError(f"{path} is among the inputs, which are never overwritten: choose another with --out")
    if path.is_dir():
        raise UsageError(f"{path} is a folder: expected a file to write; choose another with --out")
    if path.suffix.lower() not in suffixes:
        raise UsageError(f"{path}: expected a name that ends in {' or '.join(suffixes)}; choose another with --out")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _new_folder(path: Path) -> Path:
    if path.exists() and not path.is_dir():
        raise UsageError(f"{path} is a file: expected a folder; choose another with --out")
    return path


def _note(left_out: list[Any], screen: Terminal) -> None:
    from sivae_translate.data.domains import shown

    for bad in left_out:
        screen.note(f"left out {shown(bad.path)}: {bad.reason}")


def _counts(screen: Terminal, what: str) -> Callable[[int, int], None]:
    return lambda done, total: screen.step(done / total, f"{done:,} of {total:,} {what}")


def _no_options_before(context: typer.Context) -> None:
    """Options of a group are not its commands': say so, rather than drop them."""
    for name in context.params:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            command = f"{context.command_path} {context.invoked_subcommand}"
            raise UsageError(
                f"--{name.strip('_')} comes before {context.invoked_subcommand}: expected {command} OPTIONS"
            )


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
