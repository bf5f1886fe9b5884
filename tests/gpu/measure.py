"""All that needs a GPU in one go: whether the captured step and the fused kernels are right, then how fast they are.

    python tests/gpu/measure.py [--minutes 8] [--out FILE]

Prints a JSON object a line, as soon as it is known. A part that fails says so, and the next one runs; a part that would
begin after the time is left out.
`--rehearse` runs the parts in tiny sizes on a CPU, without graphs.

Needs torch with Triton, accelerate, safetensors, pydantic and kornia. Without a network, unzip their wheels
(pydantic, pydantic-core, annotated-types, typing-inspection, kornia, kornia-rs) into a folder on PYTHONPATH.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

Part = tuple[str, Callable[[], Iterator[dict[str, Any]]]]


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=8.0, help="no part begins after these")
    parser.add_argument("--out", type=Path, help="also write the lines to this file")
    parser.add_argument("--rehearse", action="store_true", help="tiny sizes on a CPU")
    options = parser.parse_args(words)
    began = time.monotonic()
    if options.rehearse:
        os.environ["TRITON_INTERPRET"] = "1"

    import torch

    if not (options.rehearse or torch.cuda.is_available()):
        print("no CUDA GPU is there: run this on a machine with one, or add --rehearse", file=sys.stderr)
        return 2

    def write(line: dict[str, Any]) -> None:
        text = json.dumps({**line, "at_s": round(time.monotonic() - began, 1)})
        print(text, flush=True)
        if options.out:
            with options.out.open("a", encoding="utf-8") as file:
                file.write(text + "\n")

    failed = 0
    for name, part in parts("cpu" if options.rehearse else "cuda"):
        if time.monotonic() - began > 60 * options.minutes:
            write({"part": name, "left_out": "no time is left"})
            continue
        try:
            for line in part():
                write({"part": name, **line})
        except Exception as error:  # whatever fails, the other parts are still worth the machine's time
            failed += 1
            where = traceback.extract_tb(error.__traceback__)[-3:]
            places = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in where]
            write({"part": name, "failed": f"{type(error).__name__}: {error}"[:2000], "where": places})
    return min(failed, 1)


def parts(device: str) -> list[Part]:
    """The parts in the order of their worth."""
    sys.path.insert(0, str(Path(__file__).parents[2]))
    from gpu.checks import CHECKS

    from sivae_translate.bench import gpu
    from sivae_translate.bench.report import machine
    from sivae_translate.bench.step import Size

    def check(each: Callable[[str], dict[str, float]]) -> Iterator[dict[str, Any]]:
        yield {"ok": True, "figures": each(device)}

    def ratios(measure: Callable[..., Iterator[Any]], *arguments: Any) -> Part:
        name = " ".join([measure.__name__, *(str(each) for each in arguments if isinstance(each, str | int | Size))])
        return name, lambda: (asdict(ratio) for ratio in measure(*arguments, device))

    cuda = device == "cuda"
    small, large = (Size(32, 256, 32), Size(128, 512, 32)) if cuda else (Size(16, 64, 2), Size(16, 64, 2))
    huge = Size(128, 512, 256) if cuda else small
    both = [gpu.EAGER, gpu.CAPTURED]
    norms = [gpu.EAGER, gpu.FUSED, gpu.BOTH] if cuda else both
    compiled = [gpu.Variant(compiled=True), gpu.Variant(capture=True, compiled=True)]
    recipes = [(name, pixels, rows) for pixels, rows in ((32, 64), (64, 64)) for name in ("objects", "pictures")]
    found: list[Part] = [("machine", lambda: iter([machine(device)]))]
    found += [(each.__name__, partial(check, each)) for each in CHECKS]
    found += [
        ratios(partial_named(gpu.ratios_to_literal, goal=gpu.SMALL_GOAL), small, both),
        ratios(partial_named(gpu.ratios_to_literal, goal=gpu.LARGE_GOAL), large, norms),
    ]
    found += [ratios(gpu.recipe_ratios, *recipe, both) for recipe in (recipes if cuda else [("objects", 16, 2)])]
    found += [ratios(gpu.peak_ratio, huge, norms[-1])]
    if cuda:
        found += [
            ratios(gpu.memory_ratio, large, [gpu.EAGER, gpu.FUSED]),
            ("matrix product", matrix_product),
            ratios(gpu.recipe_ratios, "objects", 64, 256, both),
            ratios(partial_named(gpu.ratios_to_literal, goal=gpu.SMALL_GOAL), small, compiled),
            ratios(partial_named(gpu.ratios_to_literal, goal=gpu.LARGE_GOAL), large, compiled),
        ]
    return found


def partial_named(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """A partial function that keeps its name."""
    bound = partial(function, **options)
    bound.__name__ = function.__name__  # type: ignore[attr-defined]
    return bound


def matrix_product() -> Iterator[dict[str, Any]]:
    """The rate of a large bf16 matrix product, the practical peak."""
    import torch

    from sivae_translate.bench.ratio import in_turn

    a, b = (torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    (taken,) = in_turn(lambda: a @ b)
    yield {"value": 2 * 8192**3 / taken / 1e12, "unit": "Tflop/s"}


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    raise SystemExit(main())
