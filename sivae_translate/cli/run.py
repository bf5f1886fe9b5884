"""Commands that translate images, and add a domain to translate to."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from sivae_translate.cli.common import SOME_FAILED, load_translator, named_model, new_file, note_left_out
from sivae_translate.cli.launch import launch, require_gpus, together, without_gpus
from sivae_translate.cli.options import PICTURES, WORK, Device, Gpus, InversionSteps, Model, StyleCorrection
from sivae_translate.cli.terminal import say, terminal
from sivae_translate.cli.video import the_video, translate_one, video_file
from sivae_translate.errors import UsageError, command
from sivae_translate.names import as_text
from sivae_translate.progress import Silent

commands = typer.Typer()

OUT = Path("translated")


@commands.command(
    rich_help_panel=WORK,
    epilog="Examples: `sivae-translate run new_emoji/ --to twemoji`, "
    "`sivae-translate run photo.jpg --style reference.jpg --out translated.png`, `sivae-translate run *.jpg --to red`, "
    "`sivae-translate run frames/ --to car007 --styles 3`, `sivae-translate run film.mp4 --to red --out red.mp4`. All "
    "images get the same styles.",
)
def run(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="INPUT", help="Images and folders of images, or one video; of an animation the first frame."
        ),
    ],
    model: Model = None,
    to: Annotated[list[str] | None, typer.Option("--to", help="Target domain; may be repeated [every domain].")] = None,
    style: Annotated[
        Path | None, typer.Option("--style", help="Reference image, or a folder of them for their mean style.")
    ] = None,
    inversion_steps: InversionSteps = 0,
    style_correction: StyleCorrection = 2,
    styles: Annotated[
        int | None,
        typer.Option(
            "--styles", metavar="N", help="Number of random styles from the prior of each domain [its mean style]."
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="With --styles: seed of the random styles.")] = 0,
    truncation: Annotated[
        float,
        typer.Option(
            "--truncation",
            help="With --styles: factor of the noise around the mean; below 1 less variety, more quality.",
        ),
    ] = 1.0,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Folder for the translations, or the file of one image or video [translated, translated-2...].",
        ),
    ] = None,
    format: Annotated[
        str, typer.Option("--format", help="png, jpg, webp, or same: as the input, or png where that is not written.")
    ] = "png",
    size: Annotated[
        str | None,
        typer.Option(
            "--size",
            metavar="input|model|PX",
            help="Size of the outputs: that of each input, squares of the model's, or the longer side in pixels "
            "[input if the content has a layout, else model].",
        ),
    ] = None,
    fit: Annotated[
        str | None,
        typer.Option(
            "--fit",
            help="How a picture is put before the model: crop (the central square), pad, stretch, or whole (in "
            "overlapping squares) [as trained; whole instead of crop if the content has a layout].",
        ),
    ] = None,
    tile: Annotated[
        bool,
        typer.Option(
            "--tile",
            help="Translate pictures larger than the model at the size of the output, in overlapping tiles with one "
            "style: sharp, but the model sees parts alone.",
        ),
    ] = False,
    alpha: Annotated[
        str, typer.Option("--alpha", help="drop, or keep: put the transparency of the input into the output.")
    ] = "drop",
    batch: Annotated[int, typer.Option("--batch", help="Images at a time.")] = 32,
    reject_ood: Annotated[
        bool,
        typer.Option(
            "--reject-ood", help="Reject inputs whose bound on log p(x) is below the threshold stored by `ood`."
        ),
    ] = False,
    share: Annotated[
        str | None,
        typer.Option(
            "--share",
            metavar="I/N",
            help="Translate the I-th of N parts of the folder, as several processes or machines may do at once. "
            "Afterwards, the same command without --share merges their manifests. Under `torchrun` each process takes "
            "its part by itself.",
        ),
    ] = None,
    gallery: Annotated[
        bool, typer.Option("--gallery", help="Write gallery.html too: inputs and translations under a slider.")
    ] = False,
    device: Device = "auto",
    gpus: Gpus = None,
) -> None:
    """Translate images and folder trees; names are kept, and `manifest.jsonl` has a row for every file.

    A second call translates again what has changed since. A call with another model, target or option writes to a new
    folder, such as `translated-2`, unless `--out` is given.

    A video (MP4, MOV, MKV, WebM or AVI) is translated to one style with its audio; it needs the extra `video`.

    Exit code 3: some inputs failed, or some files or references are in a format that cannot be read. Rejected inputs do
    not count as failures.
    """
    with terminal() as display:
        from sivae_translate.inference.threshold import load_threshold
        from sivae_translate.inference.together import own_gpu

        names = [as_text(name) for name in to or ()]
        images_alone = {"--gallery": gallery, "--share": share is not None, "--reject-ood": reject_ood}
        images_alone |= {f"--alpha {alpha}": alpha != "drop", f"--format {format}": format != "png"}
        film = the_video(sources, names, images_alone | {"--gpus": gpus is not None})
        place = None if film is None else video_file(film, out)
        if gpus is not None:
            require_gpus(gpus, device, "run")
            device = "cuda"
            if gpus > 1:
                raise typer.Exit(launch(without_gpus(sys.argv[1:]), gpus))
        workers = together(share, out)
        if film is not None and workers is not None:
            raise UsageError(f"{film} is a video, and one process translates it: start without a launcher")
        shown = display if workers is None or workers.first else Silent()
        model = named_model(model, shown)
        translator = load_translator(model, own_gpu(device) if workers else device, shown)
        options: dict[str, Any] = {
            "style": style,
            "inversion_steps": inversion_steps,
            "style_correction": style_correction,
            "styles": styles,
            "seed": seed,
            "truncation": truncation,
            "size": size,
            "fit": fit,
            "tile": tile,
            "batch": batch,
            "display": shown,
        }
        if film is not None and place is not None:
            lost = translate_one(translator, film, place, {**options, "to": next(iter(names), None)}, display)
            raise typer.Exit(SOME_FAILED if lost else 0)
        reject = load_threshold(model) if reject_ood else None
        options |= {"to": names, "alpha": alpha, "reject": reject, "share": workers.share if workers else share}
        place, summary = translate(translator, sources, out, format, options, gallery)
        summary = workers.merged(place, summary) if workers else summary
        if summary is None:
            return
        lost = note_left_out(summary.reasons, display)
        say(f"{summary.written:,} translation{'' if summary.written == 1 else 's'} written to {place}{others(summary)}")
        if gallery:
            from sivae_translate.inference.gallery import write_gallery

            say(f"gallery: {write_gallery(place, summary.manifest, translator.frame, fit)}")
    if lost:
        raise typer.Exit(SOME_FAILED)


def translate(
    translator: Any, sources: list[Path], out: Path | None, format: str, options: dict[str, Any], gallery: bool
) -> tuple[Path, Any]:
    """Translate to a folder or, of one image, to a file: the place, and the summary.

    Without `out` the folder is the first of translated, translated-2 and so on without other translations.

    Args:
        gallery: whether the folder must be one that can get a gallery.
    """
    from sivae_translate.inference.folder import translate_folder
    from sivae_translate.inference.manifest import OtherJobError
    from sivae_translate.inference.plan import format_of
    from sivae_translate.inference.single import is_file_name, translate_file

    def translate_to(folder: Path) -> Any:
        if gallery:
            from sivae_translate.inference.gallery import require_gallery

            require_gallery(folder)
        return translate_folder(translator, sources, folder, format=format, **options)

    if out is not None and is_file_name(out):
        if gallery:
            raise UsageError(f"--gallery is a page in a folder, and --out {out} is a file: choose a folder with --out")
        if len(sources) > 1:
            raise UsageError(
                f"--out {out} is one file, and there are {len(sources)} inputs: choose a folder with --out"
            )
        if format not in ("png", format_of(out)):
            raise UsageError(f"--format {format} and --out {out} given: expected one format")
        return out, translate_file(translator, sources[0], new_file(out, (*PICTURES, ".jpeg"), *sources), **options)
    if out is not None:
        return out, translate_to(out)
    folder, number = OUT, 1
    while True:
        try:
            return folder, translate_to(folder)
        except OtherJobError:
            number += 1
            before, folder = folder, OUT.with_name(f"{OUT}-{number}")
            options["display"].note(f"{before} holds translations with another model or other options: trying {folder}")


def others(summary: Any) -> str:
    """The numbers of a summary that are not of written translations, as the end of a sentence."""
    text = f", {summary.skipped:,} done before" if summary.skipped else ""
    counts = {"rejected": summary.rejected, "failed": summary.failed, "left out": summary.left_out}
    listed = [f"{count:,} {what}" for what, count in counts.items() if count]
    return text + (f", {', '.join(listed)} (see {summary.manifest})" if listed else "")


@commands.command(
    "add-domain",
    rich_help_panel=WORK,
    epilog="Example: `sivae-translate add-domain vendor3 vendor3/ --out with-vendor3`, then "
    "`sivae-translate run new_emoji/ --to vendor3 --model with-vendor3`",
)
def add_domain(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the new domain.")],
    source: Annotated[Path, typer.Argument(metavar="FOLDER", help="A few images of the new domain; one is enough.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the new model.")],
    model: Model = None,
    inversion_steps: InversionSteps = 0,
    device: Device = "auto",
) -> None:
    """Add a domain to a copy of a model, from a few images and without training.

    Exit code 3: some pictures could not be read.
    """
    with terminal() as display:
        from sivae_translate.inference.files import read_all

        if os.path.lexists(out):
            raise UsageError(f"{out} exists, and is never overwritten: choose another with --out")
        translator, left_out = load_translator(model, device, display), list[Any]()
        images = read_all(translator, source, left_out)
        lost = note_left_out(left_out, display)
        translator.add_domain(as_text(name), images, inversion_steps=inversion_steps).save_pretrained(out)
        use = command("run", "INPUT", "--to", name, "--model", out)
        say(f"{name} from {len(images):,} images in {out}; translate with: {use}")
    if lost:
        raise typer.Exit(SOME_FAILED)
