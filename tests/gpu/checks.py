"""The captured step and the fused kernels against the eager step and PyTorch's layers, on a GPU.

Each check takes a device and returns figures; it raises AssertionError where they are off. On a CPU the checks are
rehearsed: the step has its inputs in fixed places but is not captured, and Triton's interpreter runs the kernels.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from sivae_translate.bench.gpu import CAPTURED, EAGER, Trainer, Variant, recipe_trainer
from sivae_translate.models.fused_norm import normalise_and_activate
from sivae_translate.models.layers import AdaGN, AdaIN, ResidualBlock, group_norm
from sivae_translate.training.captured import WARM_UP
from sivae_translate.training.optimizers import NonFiniteLossError
from sivae_translate.training.snapshot import Snapshot
from sivae_translate.training.state import State
from sivae_translate.types import Batch

STEPS = WARM_UP + 3  # of a stage: warm-up, capture, replays
STAGES = (0.1, 0.95)  # progress in the VAE's stage and in the adversarial one
NORMS = {"group": group_norm, "adagn": lambda c: AdaGN(c, 64), "adain": lambda c: AdaIN(c, 64)}
Figures = dict[str, float]


def trainer(name: str, device: str, variant: Variant) -> Trainer:
    small = () if device.startswith("cuda") else ("model.width=16", "model.max_width=16")
    pixels, rows = (64, 32) if device.startswith("cuda") else (16, 4)
    if name == "pictures" and not device.startswith("cuda"):
        small += ("model.content_stride=2",)
    return recipe_trainer(name, pixels, rows, device, Variant(variant.capture, precision="fp32"), *small)


def fused_norms_are_the_layers(device: str) -> Figures:
    """Output and gradients of a block. In bf16 the kernels may be twice as far from float32 as PyTorch's layers."""
    figures = {}
    cuda = device.startswith("cuda")
    shapes = ((8, 64, 64), (4, 512, 4), (6, 48, 16), (2, 64, 128)) if cuda else ((2, 16, 4), (1, 48, 8))
    for name, norm in NORMS.items():
        exact, half, plain_half = [0.0], [0.0], [0.0]
        for rows, channels, side in shapes:
            torch.manual_seed(0)
            block = ResidualBlock(channels // 2, channels, norm).to(device, memory_format=torch.channels_last)
            fused = copy.deepcopy(block)
            fused.fused = normalise_and_activate
            h = torch.randn(rows, channels // 2, side, side, device=device)
            style = () if name == "group" else (torch.randn(rows, 64, device=device),)
            with torch.backends.cudnn.flags(allow_tf32=False):
                expected = block_passes(block, h, style, torch.float32)
                exact.append(largest_error(block_passes(fused, h, style, torch.float32), expected))
            half.append(largest_error(block_passes(fused, h, style, torch.bfloat16), expected))
            plain_half.append(largest_error(block_passes(block, h, style, torch.bfloat16), expected))
        figures |= {f"{name} fp32": max(exact), f"{name} bf16": max(half), f"{name} bf16, layers": max(plain_half)}
        assert max(exact) < 1e-3 and max(half) < 2 * max(plain_half), figures
    return figures


def largest_error(found: list[Tensor], expected: list[Tensor]) -> float:
    """Largest difference of outputs and gradients, relative to the largest value of each tensor.

    A bias before an instance norm has a gradient of 0, so a tenth of the largest value of all is the least divisor.
    """
    least = 0.1 * max(float(b.detach().abs().max()) for b in expected)
    return max(error(a, b, least) for a, b in zip(found, expected, strict=True))


def block_passes(block: ResidualBlock, h: Tensor, style: tuple[Tensor, ...], precision: torch.dtype) -> list[Tensor]:
    """The output, and the gradients by the input, the style and the parameters."""
    inputs = [t.detach().clone().requires_grad_() for t in (h, *style)]
    with torch.autocast(h.device.type, torch.bfloat16, enabled=precision == torch.bfloat16):
        y = block(*inputs)
    weights = torch.randn(y.shape, generator=torch.Generator(h.device).manual_seed(1), device=h.device)
    return [y, *torch.autograd.grad((y.float() * weights).sum(), [*inputs, *block.parameters()])]


def captured_terms_are_the_eager_ones(device: str) -> Figures:
    """Terms and weights through both stages, in float32; a captured step draws the same random numbers."""
    figures = {}
    for name in ("objects", "pictures"):
        eager, captured = (trainer(name, device, variant) for variant in (EAGER, CAPTURED))
        worst = 0.0
        for step, progress in enumerate(progress for progress in STAGES for _ in range(STEPS)):
            expected, found = (each.step(progress, seed=step) for each in (eager, captured))
            assert set(found) == set(expected)
            worst = max([worst, *(error(found[key], expected[key]) for key in expected)])
        figures[f"{name}: terms"] = worst
        pairs = zip(captured.model.parameters(), eager.model.parameters(), strict=True)
        figures[f"{name}: weights"] = max(float((a - b).detach().abs().max()) for a, b in pairs)
        assert worst < 2e-2, figures
    return figures


def a_step_that_is_not_finite_updates_nothing(device: str) -> Figures:
    each = trainer("objects", device, CAPTURED)
    assert each.captured is not None
    for step in range(STEPS):
        each.step(STAGES[0], seed=step)
    each.captured.require_finite()
    before = [tensor.clone() for tensor in each.tensors()]
    each.step(STAGES[0], seed=9, batch=Batch(each.batch.images * 1e30, each.batch.domains))
    assert all(torch.equal(a, b) for a, b in zip(before, each.tensors(), strict=True))
    try:
        each.captured.require_finite()
    except NonFiniteLossError:
        each.step(STAGES[0], seed=10)
        assert not torch.equal(before[0], each.tensors()[0])
        return {}
    raise AssertionError("the step was not told")


def a_step_does_not_wait_for_the_device(device: str) -> Figures:
    """Augmentation and replay of both stages, in PyTorch's mode that raises where the processor waits."""
    for name in ("objects", "pictures"):
        each = trainer(name, device, CAPTURED)
        for progress in STAGES:
            for step in range(STEPS):
                each.step(progress, seed=step)
            with no_waiting(device):
                each.step(progress, seed=STEPS)
    return {}


@contextmanager
def no_waiting(device: str) -> Iterator[None]:
    if not device.startswith("cuda"):
        yield
        return
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def a_resumed_run_goes_on_as_before(device: str) -> Figures:
    """A captured run that is restored from a snapshot, and captured anew, against itself."""
    each = trainer("objects", device, CAPTURED)
    for step in range(STEPS):
        each.step(STAGES[0], seed=step)
    snapshot = Snapshot(each.model, each.ema, each.optimizers, State())
    ends = []
    for _ in range(2):
        snapshot.restore(each.model, each.ema, each.optimizers)
        each.captured = each.static_step()
        for step in range(STEPS):
            each.step(STAGES[1], seed=100 + step)
        ends.append([tensor.clone() for tensor in each.tensors()])
    worst = max(float((a - b).abs().max()) for a, b in zip(*ends, strict=True))
    assert worst < 1e-3, worst
    return {"largest difference": worst}


def a_replay_draws_from_the_seed(device: str) -> Figures:
    """Replays of one state on one batch: equal terms for equal seeds alone."""
    each = trainer("objects", device, CAPTURED)
    for step in range(STEPS):
        each.step(STAGES[0], seed=step)
    for adam in each.optimizers.adam.values():
        for group in adam.param_groups:
            group["lr"] = 0.0
    first, again, other = (float(each.step(STAGES[0], seed=seed)["rec"]) for seed in (1, 1, 2))
    assert math.isclose(first, again, rel_tol=1e-4) and not math.isclose(first, other, rel_tol=1e-4), (first, again)
    return {"same seed": again / first, "other seed": other / first}


def error(a: Tensor, b: Tensor, least: float = 1e-6) -> float:
    """Largest difference, relative to the largest value of b or to `least`."""
    a, b = a.detach().float(), b.detach().float()
    return float((a - b).abs().max() / b.abs().max().clamp(min=least))


CHECKS: tuple[Callable[[str], Figures], ...] = (
    fused_norms_are_the_layers,
    captured_terms_are_the_eager_ones,
    a_replay_draws_from_the_seed,
    a_step_that_is_not_finite_updates_nothing,
    a_resumed_run_goes_on_as_before,
    a_step_does_not_wait_for_the_device,
)
