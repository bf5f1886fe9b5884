"""What commands share in what they declare: panels of `--help`, options, endings of the files they write."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

START, WORK, EXPLORE, JUDGE, HELP = "Start here", "Train and translate", "Explore the latent space", "Judge", "Look up"
PICTURES = (".png", ".jpg", ".webp")
STRIPS = (".png", ".jpg", ".gif", ".webp")

Domains = Annotated[Path, typer.Option("--domains", help="Folder with a sub-folder of images per domain.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1 or mps.")]
Search = Annotated[
    int, typer.Option("--search", min=0, help="Steps that look for a reference's style from the encoder's guess on.")
]
Feedback = Annotated[
    int | None,
    typer.Option(
        "--feedback",
        metavar="N",
        min=0,
        help="Times that the encoder looks at a translation, for its style to be strengthened [2 for layouts, else 0].",
    ),
]
Model = Annotated[Path | None, typer.Option("--model", help="A run or model folder [newest under runs/].")]
What = Annotated[str, typer.Option("--what", help="What changes: content, style or both.")]
Strip = Annotated[Path, typer.Option("--out", help="A strip (.png, .jpg), or a loop there and back (.gif, .webp).")]
Set = Annotated[
    list[str] | None, typer.Option("--set", help="Any knob, as `section.key=value`; may be repeated.", metavar="K=V")
]
