"""Declarations that commands share: panels of `--help`, options, and suffixes of output files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

START, WORK, EXPLORE = "Start here", "Train and translate", "Explore the latent space"
EVALUATE, HELP = "Evaluate", "Look up"
PICTURES = (".png", ".jpg", ".webp")
VIDEOS = (".mp4", ".mov", ".mkv", ".webm")
STRIPS = (".png", ".jpg", ".gif", ".webp", *VIDEOS)

Domains = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="DIR",
        help="Folder with a sub-folder of images per domain; of several, each without sub-folders is a domain.",
        show_default=False,
    ),
]
MoreDomains = Annotated[
    list[Path] | None, typer.Option("--domains", metavar="DIR", help="The same as DIR; may be repeated.")
]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1 or mps.")]
Gpus = Annotated[
    int | None, typer.Option("--gpus", metavar="N", help="Work on N GPUs of this machine, in a process for each.")
]
InversionSteps = Annotated[
    int,
    typer.Option(
        "--inversion-steps",
        metavar="N",
        min=0,
        help="Steps of latent optimisation (inversion) for the style of references.",
    ),
]
StyleCorrection = Annotated[
    int,
    typer.Option(
        "--style-correction",
        metavar="N",
        min=0,
        help="Rounds of iterative style correction for the style of references, if the content has a layout.",
    ),
]
MODEL = "A run or model folder, `cars`, or user/name on the Hugging Face Hub."
Model = Annotated[Path | None, typer.Option("--model", help=f"{MODEL[:-1]} [newest under runs/].")]
ModelArgument = Annotated[Path | None, typer.Argument(metavar="MODEL", help="The same as --model.", show_default=False)]
What = Annotated[str, typer.Option("--what", help="The part of the code that changes: content, style or both.")]
Strip = Annotated[
    Path,
    typer.Option(
        "--out", help="Strip (.png, .jpg), or there and back as an animation (.gif, .webp) or a video (.mp4, .webm)."
    ),
]
Set = Annotated[
    list[str] | None, typer.Option("--set", help="Any setting, as `section.key=value`; may be repeated.", metavar="K=V")
]
