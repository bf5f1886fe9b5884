"""CPU seconds of new processes: the command line's help, the package's import, and one image from cold."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from sivae_translate.bench.ratio import Ratio
from sivae_translate.data.images import Frame
from sivae_translate.models.pretrained import build_model, save_model

ROUNDS = 5
SIZE = 64  # pixels
ONE_IMAGE = """
import sys
from sivae_translate import Translator
Translator.from_pretrained(sys.argv[1], device="cpu")(sys.argv[2], to="a")
"""


def startup_ratios(device: str) -> Iterator[Ratio]:
    """CPU seconds beside those of an empty program or of torch's import. All of it runs on the CPU."""
    with TemporaryDirectory() as folder:
        model, image = Path(folder, "model"), Path(folder, "image.png")
        settings = {"name": "style"}
        save_model(model, build_model(settings, ("a", "b"), SIZE), settings, Frame(SIZE, "crop", (255, 255, 255)))
        Image.new("RGB", (2 * SIZE, 2 * SIZE), "red").save(image)
        empty, torch, package, text, one_image = cpu_seconds(
            ["-c", "pass"],
            ["-c", "import torch"],
            ["-c", "import sivae_translate"],
            ["-m", "sivae_translate", "--help"],
            ["-c", ONE_IMAGE, str(model), str(image)],
        )
    for name, taken, reference, reference_name, goal in (
        ("import sivae_translate", package, empty, "an empty program", 0.1),
        ("sivae-translate --help", text, empty, "an empty program", 0.3),
        ("one image from cold", one_image, torch, "import torch", 2.5),
    ):
        yield Ratio(
            name, taken, reference, "CPU s", reference_name, reference / taken, detail=f"goal under {goal:g} CPU s"
        )


def cpu_seconds(*programs: list[str]) -> list[float]:
    """Median CPU seconds (user and system) of Python with these arguments. The programs take turns."""
    rounds = [[_cpu_seconds(arguments) for arguments in programs] for _ in range(1 + ROUNDS)]
    return [statistics.median(taken[1:]) for taken in zip(*rounds, strict=True)]  # the first round fills the caches


def _cpu_seconds(arguments: list[str]) -> float:
    # An installed package is compiled. A checkout is compiled by the first round, where the environment allows it.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], env=environment, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
