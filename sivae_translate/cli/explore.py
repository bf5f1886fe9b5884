"""Commands that explore the latent space: samples, interpolation, style mixing, attribute directions, inversion."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from sivae_translate.cli.common import (
    SOME_FAILED,
    chosen_model,
    load_translator,
    named_model,
    new_file,
    note_left_out,
)
from sivae_translate.cli.options import EXPLORE, PICTURES, STRIPS, VIDEOS, Device, Model, ModelArgument, Strip, What
from sivae_translate.cli.terminal import say, terminal
from sivae_translate.names import as_text
from sivae_translate.progress import counting

commands = typer.Typer()

VIDEO_STEPS = 49  # there and back in 4 seconds


@commands.command(rich_help_panel=EXPLORE, epilog="Example: `sivae-translate sample --domain car007 --count 64`")
def sample(
    run: ModelArgument = None,
    model: Model = None,
    domain: Annotated[str | None, typer.Option("--domain", help="Domain to sample [all alternately].")] = None,
    count: Annotated[int, typer.Option("--count", min=1, help="Number of images.")] = 32,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the noise.")] = 0,
    truncation: Annotated[
        float,
        typer.Option("--truncation", help="Factor of the noise around the mean; below 1 less variety, more quality."),
    ] = 1.0,
    out: Annotated[Path, typer.Option("--out", help="The picture to write.")] = Path("samples.png"),
    device: Device = "auto",
) -> None:
    """Sample images from the prior, as one picture."""
    with terminal() as display:
        from sivae_translate.pictures import contact_sheet, save_picture

        path = new_file(out, PICTURES)
        translator = load_translator(chosen_model(run, model, display), device, display)
        pictures = translator.sample(count, domain=domain and as_text(domain), seed=seed, truncation=truncation)
        save_picture(contact_sheet(pictures), path)
        say(f"{count} samples in {out}")


@commands.command(
    rich_help_panel=EXPLORE,
    epilog="Examples: `sivae-translate interpolate a.png b.png`, "
    "`sivae-translate interpolate a.png b.png --what style --content c.png --steps 24 --out loop.gif`, "
    "`sivae-translate interpolate a.png b.png --out loop.mp4`",
)
def interpolate(
    a: Annotated[Path, typer.Argument(metavar="A", help="The image to start from.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="The image to go to.")],
    model: Model = None,
    what: What = "both",
    content: Annotated[
        Path | None,
        typer.Option("--content", help="With --what style: image for the content of all pictures [A]."),
    ] = None,
    steps: Annotated[
        int | None, typer.Option("--steps", help=f"Number of pictures, with both ends [8; {VIDEO_STEPS} of a video].")
    ] = None,
    out: Strip = Path("interpolation.png"),
    device: Device = "auto",
) -> None:
    """Interpolate between the codes of two images, as a strip or an animation."""
    with terminal() as display:
        from sivae_translate.inference.files import read_one
        from sivae_translate.pictures import save_frames

        images = [a, b] if content is None else [a, b, content]
        path, count = strip_file(out, *images), steps_of(out, steps, 8)
        translator = load_translator(model, device, display)
        start, end, *third = (read_one(translator, image) for image in images)
        frames = translator.interpolate(start, end, what=what, steps=count, content=third[0] if third else None)
        save_frames(frames, path)
        say(f"{count} pictures in {out}")


def strip_file(out: Path, *inputs: Path) -> Path:
    """A path for a strip, an animation or a video. Raises UsageError as `new_file`, and for a video without PyAV."""
    path = new_file(out, STRIPS, *inputs)
    if path.suffix.lower() in VIDEOS:
        from sivae_translate.video import require_format

        require_format(path)
    return path


def steps_of(out: Path, steps: int | None, usual: int) -> int:
    """The number of pictures: `steps`, or without it that of a video, or the usual one."""
    if steps is not None:
        return steps
    return VIDEO_STEPS if out.suffix.lower() in VIDEOS else usual


@commands.command(rich_help_panel=EXPLORE, epilog="Example: `sivae-translate mix poses/ cars/ --out mix.png`")
def mix(
    contents: Annotated[Path, typer.Argument(metavar="CONTENT_DIR", help="Images whose content is taken.")],
    styles: Annotated[Path, typer.Argument(metavar="STYLE_DIR", help="Images whose style is taken.")],
    model: Model = None,
    count: Annotated[int, typer.Option("--count", help="Largest number of images of each folder, evenly spread.")] = 8,
    out: Annotated[Path, typer.Option("--out", help="The picture to write.")] = Path("mix.png"),
    device: Device = "auto",
) -> None:
    """Draw the style-mixing grid: every content in every style, with the originals in the first row and column.

    Exit code 3: some pictures could not be read.
    """
    with terminal() as display:
        from sivae_translate.inference.files import mix_folders
        from sivae_translate.pictures import contact_sheet, save_picture

        path, left_out = new_file(out, PICTURES, contents, styles), list[Any]()
        translator = load_translator(model, device, display)
        grid, down, across = mix_folders(translator, contents, styles, left_out, count=count)
        lost = note_left_out(left_out, display)
        save_picture(contact_sheet(translator.to_pictures(grid), across + 1), path)
        say(f"{down} contents in {across} styles in {out}")
    if lost:
        raise typer.Exit(SOME_FAILED)


@commands.command(
    rich_help_panel=EXPLORE, epilog="Example: `sivae-translate direction smiling/ neutral/ --out smile.safetensors`"
)
def direction(
    with_: Annotated[Path, typer.Argument(metavar="WITH_DIR", help="Images that have the attribute.")],
    without: Annotated[Path, typer.Argument(metavar="WITHOUT_DIR", help="Similar images that do not have it.")],
    model: Model = None,
    out: Annotated[Path, typer.Option("--out", help="The file to write.")] = Path("direction.safetensors"),
    batch: Annotated[int, typer.Option("--batch", min=1, help="Images at a time.")] = 32,
    device: Device = "auto",
) -> None:
    """Find an attribute direction for `edit`: the difference of the mean codes of two folders.

    Exit code 3: some pictures could not be read.
    """
    with terminal() as display:
        from sivae_translate.inference.direction import SUFFIX, save_direction
        from sivae_translate.inference.files import direction_between
        from sivae_translate.inference.threshold import weights_of

        path, left_out = new_file(out, (SUFFIX,), with_, without), list[Any]()
        model = named_model(model, display)
        weights = weights_of(model)
        translator, progress = load_translator(model, device, display), counting(display, "images")
        found, n, m = direction_between(translator, with_, without, left_out, batch=batch, progress=progress)
        lost = note_left_out(left_out, display)
        save_direction(path, found, model, weights)
        style = "" if found.style is None else f", style {found.style.norm():.2f}"
        say(f"from {m:,} images to {n:,} in {out}: content {found.content.norm():.2f}{style} long")
    if lost:
        raise typer.Exit(SOME_FAILED)


@commands.command(
    rich_help_panel=EXPLORE,
    epilog="Example: `sivae-translate edit photo.jpg --direction smile.safetensors --strength -2..2`",
)
def edit(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="The image to edit.")],
    along: Annotated[Path, typer.Option("--direction", help="File written by `direction`.")],
    strength: Annotated[
        str, typer.Option("--strength", metavar="LOW..HIGH", help="Range, or a number for one picture.")
    ] = "-2..2",
    steps: Annotated[
        int | None,
        typer.Option("--steps", help=f"Number of pictures of a range, with both ends [5; {VIDEO_STEPS} of a video]."),
    ] = None,
    model: Model = None,
    what: What = "both",
    out: Strip = Path("edit.png"),
    device: Device = "auto",
) -> None:
    """Edit an image along an attribute direction; strength 1 adds the direction once."""
    with terminal() as display:
        from sivae_translate.inference.direction import load_direction
        from sivae_translate.inference.edit import strengths
        from sivae_translate.inference.files import read_one
        from sivae_translate.pictures import save_frames

        path, chosen = strip_file(out, image, along), strengths(strength, steps_of(out, steps, 5))
        model = named_model(model, display)
        found, translator = load_direction(along, model), load_translator(model, device, display)
        save_frames(translator.edit(read_one(translator, image), found, chosen, what=what), path)
        say(f"strength {strength} in {out}")


@commands.command(
    rich_help_panel=EXPLORE, epilog="Example: `sivae-translate reconstruct photos/ --inversion-steps 100`"
)
def reconstruct(
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="An image or a folder of images.")],
    model: Model = None,
    inversion_steps: Annotated[
        int,
        typer.Option("--inversion-steps", metavar="N", help="Steps of latent optimisation; 0 for the encoder's code."),
    ] = 100,
    out: Annotated[Path, typer.Option("--out", help="Folder for the reconstructions.")] = Path("reconstructed"),
    batch: Annotated[int, typer.Option("--batch", min=1, help="Images at a time.")] = 32,
    device: Device = "auto",
) -> None:
    """Reconstruct images by latent optimisation (inversion) from the encoder's codes, with PSNR before and after.

    Exit code 3: some pictures could not be read.
    """
    with terminal() as display:
        from statistics import fmean

        from sivae_translate.inference.files import reconstruct_folder

        translator, progress = load_translator(model, device, display), counting(display, "images")
        result = reconstruct_folder(
            translator, source, out, inversion_steps=inversion_steps, batch=batch, progress=progress
        )
        lost = note_left_out(result.left_out, display)
        before, after = fmean(result.before), fmean(result.after)
        say(
            f"{len(result.after):,} images in {out}: "
            f"PSNR {before:.2f} dB before, {after:.2f} dB after {inversion_steps} steps"
        )
    if lost:
        raise typer.Exit(SOME_FAILED)
