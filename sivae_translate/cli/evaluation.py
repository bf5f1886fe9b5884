"""Commands that evaluate a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from sivae_translate.cli.common import (
    SOME_FAILED,
    chosen_model,
    load_translator,
    note_left_out,
    own_folder,
)
from sivae_translate.cli.options import EVALUATE, Device, InversionSteps, Model, ModelArgument, StyleCorrection
from sivae_translate.cli.terminal import say, terminal
from sivae_translate.errors import UsageError
from sivae_translate.progress import counting

commands = typer.Typer()


@commands.command(
    rich_help_panel=EVALUATE,
    epilog="Examples: `sivae-translate evaluate runs/cars --pairs cars/pairs_unseen.csv --root cars`, "
    "`sivae-translate evaluate runs/cars --domains cars/test --content-label 'az(\\d+)'`. AlexNet's weights are "
    "published at https://download.pytorch.org/models/alexnet-owt-7be5be79.pth; for Inception's see `fidelity`.",
)
def evaluate(
    run: ModelArgument = None,
    model: Model = None,
    pairs: Annotated[
        Path | None, typer.Option("--pairs", help="Pairs of known truth: a CSV with columns content,style,target.")
    ] = None,
    root: Annotated[Path | None, typer.Option("--root", help="Folder that the CSV's paths are relative to.")] = None,
    domains: Annotated[
        Path | None, typer.Option("--domains", help="Real images, such as held-out views: a sub-folder per domain.")
    ] = None,
    content_label: Annotated[
        str | None,
        typer.Option(
            "--content-label",
            metavar="REGEX",
            help="Pattern whose first group, in the names of --domains' files, is the content label [the whole name].",
        ),
    ] = None,
    lpips: Annotated[
        Path | None, typer.Option("--lpips", metavar="FILE", help="AlexNet's published weights, for LPIPS.")
    ] = None,
    inception: Annotated[
        Path | None,
        typer.Option("--inception", metavar="FILE", help="Inception's published weights, for FID and KID."),
    ] = None,
    count: Annotated[int, typer.Option("--count", help="Largest number of images of --domains, evenly spread.")] = 2000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of splits, subsets and random styles.")] = 0,
    inversion_steps: InversionSteps = 0,
    style_correction: StyleCorrection = 2,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Images at a time.")] = 64,
    out: Annotated[Path, typer.Option("--out", help="Folder for outputs and report.")] = Path("evaluation"),
    device: Device = "auto",
) -> None:
    """Evaluate translations: on pairs of known truth, on real images of several domains, or on both.

    With `--pairs`: PSNR, SSIM, perceptual distance, top-1 retrieval, gradient ratio, KID and a classifier two-sample
    test against the truths. With `--domains`: domain accuracy, KID to the target domain, leakage probes and diversity.
    `index.html` has every figure beside its baselines, and pictures; `report.html` of a run shows the figures too.

    `--domains` and some metrics need the extra `evaluation`. Exit code 3: some pictures could not be read.
    """
    with terminal() as display:
        from sivae_translate.data.listing import LeftOut
        from sivae_translate.evaluation.report import evaluate as evaluate_model
        from sivae_translate.evaluation.tables import as_text, summaries
        from sivae_translate.evaluation.verdict import verdict
        from sivae_translate.training.report import show_evaluation

        model = chosen_model(run, model, display)
        report = evaluate_model(
            load_translator(model, device, display),
            out=out,
            pairs=pairs,
            root=root,
            domains=domains,
            content_label=content_label,
            count=count,
            lpips=lpips,
            inception=inception,
            inversion_steps=inversion_steps,
            style_correction=style_correction,
            seed=seed,
            batch=batch,
            name=str(model),
            display=display,
        )
        left_out = [LeftOut(Path(path), reason) for path, reason in report["left_out"].items()]
        note_left_out(left_out, display)
        say("\n".join(finding.text for finding in verdict(report)) + "\n")
        tables = summaries(report)
        say("\n\n".join(as_text(table) for table in tables))
        for note in report["notes"]:
            display.note(f"note: {note}")
        run_folder = model.parent if model.name == "model" else model
        shown = (
            ", and the figures on the page of the run"
            if show_evaluation(run_folder, out / "index.html", tables)
            else ""
        )
        say(f"index.html, report.json and outputs/ are in {out}{shown}")
    if left_out:
        raise typer.Exit(SOME_FAILED)


@commands.command(
    rich_help_panel=EVALUATE,
    epilog="Examples: `sivae-translate ood runs/cars --in cars/test --out-of toys`, "
    "`sivae-translate ood runs/cars --in cars/test --set-threshold 0.95`",
)
def ood(
    inside: Annotated[Path, typer.Option("--in", help="Held-out images, distributed as the training images.")],
    run: ModelArgument = None,
    model: Model = None,
    outside: Annotated[Path | None, typer.Option("--out-of", help="Images distributed otherwise.")] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder for scores, report and histogram.")] = Path("ood"),
    samples: Annotated[int, typer.Option("--samples", min=1, help="Codes drawn for each image.")] = 5,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the codes.")] = 0,
    beta: Annotated[float, typer.Option("--beta", help="Twice the variance of p(x | z) per pixel.")] = 0.01,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Images at a time.")] = 32,
    set_threshold: Annotated[
        float | None,
        typer.Option(
            "--set-threshold",
            metavar="FRACTION",
            min=0.01,
            max=1,
            help="Store with the model the bound that this fraction of --in reaches, for `run --reject-ood`.",
        ),
    ] = None,
    device: Device = "auto",
) -> None:
    """Score images by their likelihood, and report how well the scores separate out-of-distribution images.

    The report of two sets needs the extras `evaluation` and `plots`. Exit code 3: some pictures could not be read.
    """
    with terminal() as display:
        from sivae_translate.evaluation.detection import evaluate_ood, find_sets, score_set
        from sivae_translate.inference.threshold import save_threshold, threshold_of, weights_of

        if outside is None and set_threshold is None:
            raise UsageError("one set alone has no AUROC: expected --out-of FOLDER too, or --set-threshold 0.95")
        sets, how = find_sets(inside, outside, out), {"samples": samples, "seed": seed, "beta": beta}
        given = model if run is None else run
        model = chosen_model(run, model, display)
        if set_threshold is not None and given is not None:
            own_folder(given, model)
        weights = weights_of(model)
        translator, progress = load_translator(model, device, display), counting(display, "images scored")
        scored = {
            name: score_set(translator, images, how, batch=batch, progress=progress) for name, images in sets.items()
        }
        left_out = [bad for images in scored.values() for bad in images.bad]
        note_left_out(left_out, display)
        if outside is not None:
            say(separation_table(evaluate_ood(scored["in"], scored["out"], out, how)))
            say(f"scores.csv, report.json and histogram.png are in {out}")
        if set_threshold is not None:
            threshold = threshold_of(weights, scored["in"].scores.bound.tolist(), set_threshold, **how)
            say(f"threshold of {threshold.bound:.2f} nats stored in {save_threshold(model, threshold)}")
    if left_out:
        raise typer.Exit(SOME_FAILED)


@commands.command(
    rich_help_panel=EVALUATE,
    epilog="Example: `sivae-translate fidelity runs/cars --real cars/test`. Inception's weights are published at "
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
)
def fidelity(
    real: Annotated[Path, typer.Option("--real", help="Real images to compare with, such as held-out views.")],
    run: ModelArgument = None,
    model: Model = None,
    count: Annotated[
        int, typer.Option("--count", help="Largest number of images of each kind, the real ones evenly spread.")
    ] = 1000,
    inception: Annotated[
        Path | None,
        typer.Option("--inception", metavar="FILE", help="Inception's published weights, for FID and KID."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of samples, halves and subsets.")] = 0,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Images at a time.")] = 32,
    out: Annotated[Path, typer.Option("--out", help="Folder for report and pictures.")] = Path("fidelity"),
    device: Device = "auto",
) -> None:
    """Compare a model's samples and reconstructions with real images: KID, and with `--inception` FID.

    Without `--inception`, KID is taken in the features of a random VGG-16 and does not compare with published KIDs. The
    baseline is the distance between two halves of the real images. Needs the extra `evaluation`. Exit code 3: some
    images cannot be read.
    """
    with terminal() as display:
        from sivae_translate.evaluation.extractors import load_extractor
        from sivae_translate.evaluation.fidelity import evaluate_fidelity, find_real

        model = chosen_model(run, model, display)
        images, extractor = find_real(real, count, out), load_extractor(inception)
        translator, left_out = load_translator(model, device, display), images.lost
        progress = counting(display, "images")
        report = evaluate_fidelity(
            translator, images.images, extractor, out, left_out, seed=seed, batch=batch, progress=progress
        )
        note_left_out(left_out, display)
        say(fidelity_table(report))
        say(f"report.json, samples.png and reconstructions.png are in {out}")
    if left_out:
        raise typer.Exit(SOME_FAILED)


def separation_table(report: dict[str, Any]) -> str:
    from sivae_translate.evaluation.detection import FEWEST

    metrics, chance = ("auroc", "aupr"), report["chance"]
    counts = f"{report['n']['in']:,} in, {report['n']['out']:,} out"
    lines = [f"{counts:22}" + "".join(f"{metric.upper()} (95 % interval)".ljust(26) for metric in metrics).rstrip()]
    for name, row in report["scores"].items():
        label = f"  {name:6}{'lower' if row['sign'] < 0 else 'higher'} is in"
        cells = (with_interval(row[m], row[f"{m}_interval"]) for m in metrics)
        lines.append(f"{label:22}" + "".join(f"{cell:26}" for cell in cells).rstrip())
    lines.append(f"{'  chance':22}" + f"{chance['auroc']:.3f}".ljust(26) + f"{chance['aupr']:.3f}")
    if any(row[f"{m}_interval"] is None for row in report["scores"].values() for m in metrics):
        lines.append(f"(*) no interval: it takes {FEWEST} images of each set or more, and scores that overlap")
    return "\n".join(lines)


def with_interval(figure: float, interval: list[float] | None) -> str:
    return f"{figure:.3f} (*)" if interval is None else f"{figure:.3f} ({interval[0]:.3f} to {interval[1]:.3f})"


def fidelity_table(report: dict[str, Any]) -> str:
    measures = {"fid": "FID", "kid": "KID", "kid_random_vgg16": "KID (random VGG-16)"}
    names = [name for name in measures if name in report["half_split"]]
    head = f"{report['extractor']} at {report['size']} px"
    lines = [f"{head:28}     n   " + "".join(f"{measures[name]:24}" for name in names).rstrip()]
    rows = {"samples": "samples", "reconstructions": "reconstructions", "real, half to half": "half_split"}
    for label, row in ((label, report[name]) for label, name in rows.items()):
        cells = (f"{row[name]:.4f}" + (f" (std {row[f'{name}_std']:.4f})" if name != "fid" else "") for name in names)
        lines.append(f"  {label:26}{row['n']:6,}   " + "".join(f"{cell:24}" for cell in cells).rstrip())
    return "\n".join(lines)
