"""The step on inputs in fixed places, which a CUDA graph captures, against the step of the loop."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from regression.curves import ADVERSARIAL, DOMAINS, KINDS, LAYOUT, ROWS, SIZE, WEIGHTS, synthetic_batches
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from sivae_translate.errors import SivaeError, UsageError
from sivae_translate.models import MODELS
from sivae_translate.objectives import OBJECTIVES
from sivae_translate.recipe import Training
from sivae_translate.training.augment import augment_batch
from sivae_translate.training.captured import WARM_UP, CapturedStep, StaticStep, check_capture, found_inf
from sivae_translate.training.loop import Terms, train_loop
from sivae_translate.training.optimizers import NonFiniteLossError, Optimizers, moving_average
from sivae_translate.training.processes import new_accelerator
from sivae_translate.training.snapshot import Snapshot
from sivae_translate.training.state import Budget, Schedule, State
from sivae_translate.types import Batch

STEPS, DECAY, LR = 4, 0.9, 2e-3
LOSS = torch.tensor(3.0)


class Parts:
    """A small model in float64, its optimizers and its moving average."""

    def __init__(self, kind: str, name: str, clip: float = 0.1) -> None:
        torch.manual_seed(0)
        settings = {key: value for key, value in KINDS[kind].items() if key != "name"}
        self.model: Any = MODELS[KINDS[kind]["name"]](domains=DOMAINS, size=SIZE, **settings)
        self.model.double().to(memory_format=torch.channels_last)
        extra = LAYOUT.get(name, {}) if kind == "style-layout" else {}
        self.objective = OBJECTIVES[name](**(WEIGHTS[name] | extra))
        self.accelerator = new_accelerator("cpu", "fp32")
        self.optimizers = Optimizers(self.model, self.accelerator, lr=LR, betas=(0.9, 0.99), clip=clip)
        self.ema: AveragedModel = moving_average(self.model, DECAY)

    def static_step(self) -> StaticStep:
        parts = (self.model, self.objective, self.optimizers, self.ema, self.accelerator)
        return StaticStep(*parts, decay=DECAY)

    def train(self, static: bool) -> list[Terms]:
        """All steps of a short run; the terms of each step."""
        rows: list[Terms] = []
        train_loop(
            self.model,
            self.objective,
            synthetic_batches(),
            self.optimizers,
            self.ema,
            accelerator=self.accelerator,
            budget=Budget(images=STEPS * ROWS, minutes=0),
            schedule=Schedule(LR, warmup_images=2 * ROWS),
            state=State(),
            augment=augment_and_double,
            monitor=lambda state, progress, terms: bool(rows.append(terms)),  # type: ignore[func-returns-value]
            seed=3,
            captured=self.static_step() if static else None,
        )
        return rows[1:]

    def tensors(self) -> list[Tensor]:
        """Everything that a step changes."""
        moments = [value for adam in self.optimizers.adam.values() for s in adam.state.values() for value in s.values()]
        return [*self.model.state_dict().values(), *self.ema.state_dict().values(), *moments]


def augment_and_double(batch: Batch, progress: float, generator: torch.Generator) -> Batch:
    batch = augment_batch(batch, progress, generator, domain_aug=0.5, encoder_warp=0.5)
    return Batch(batch.images.double(), batch.domains, batch.targets.double())


def doubled(batches: Iterator[Batch]) -> Iterator[Batch]:
    return (Batch(batch.images.double(), batch.domains) for batch in batches)


@pytest.mark.parametrize(
    ("kind", "name"),
    [("conv", "soft-introvae"), ("style-vector", "soft-introvae"), ("style-layout", "bootstrap"), ("synthesis", "vae")],
)
def test_terms_weights_moments_and_average_are_those_of_the_loop(kind: str, name: str) -> None:
    assert 0 < ADVERSARIAL["vae_fraction"] < 1  # both stages
    eager, static = Parts(kind, name), Parts(kind, name)
    expected, found = eager.train(static=False), static.train(static=True)
    assert len(found) == STEPS and [set(terms) for terms in found] == [set(terms) for terms in expected]
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(static.tensors(), eager.tensors(), rtol=0, atol=1e-6)
    moved = [(a - b).abs().max() for a, b in zip(eager.tensors(), Parts(kind, name).tensors(), strict=False)]
    assert max(moved) > 1e-3


class PoisonedDecoder(nn.Module):
    """A decoder whose images have a gradient of NaN, to the codes as well."""

    def __init__(self, decoder: nn.Module) -> None:
        super().__init__()
        self.decoder, self.active = decoder, False

    def forward(self, code: Any) -> Tensor:
        images: Tensor = self.decoder(code)
        if self.active:
            images = images + (images * 0).sqrt() * 0  # the square root's slope at 0 is infinite
        return images


def test_a_step_that_is_not_finite_updates_nothing_and_is_told_once() -> None:
    parts = Parts("conv", "soft-introvae")
    step, batches, generator = parts.static_step(), doubled(synthetic_batches()), torch.Generator()
    poisoned = parts.model.decoder["image"] = PoisonedDecoder(parts.model.decoder["image"])
    for _ in range(2):  # the moving average then differs from the weights
        step(next(batches), 1.0, generator)
    step.require_finite()
    before, count = copy.deepcopy(parts.tensors()), int(parts.ema.n_averaged)
    poisoned.active = True
    assert step(next(batches), 1.0, generator)["rec"].isfinite()  # the gradient alone is not
    parts.ema.n_averaged.fill_(count)
    torch.testing.assert_close(parts.tensors(), before, rtol=0, atol=0)
    assert all(parameter.grad is None for parameter in parts.model.parameters())
    poisoned.active = False
    step(next(batches), 1.0, generator)
    assert not torch.equal(parts.tensors()[0], before[0])
    with pytest.raises(NonFiniteLossError, match="in a step"):
        step.require_finite()
    step.require_finite()


def test_between_steps_the_optimizers_hold_plain_numbers() -> None:
    parts = Parts("style-vector", "vae")
    before = [copy.deepcopy(adam.state_dict()["param_groups"]) for adam in parts.optimizers.adam.values()]
    parts.static_step()(next(doubled(synthetic_batches())), 0.0, torch.Generator())
    assert [adam.state_dict()["param_groups"] for adam in parts.optimizers.adam.values()] == before
    assert not any(hasattr(adam.optimizer, "found_inf") for adam in parts.optimizers.adam.values())


def test_a_run_goes_on_from_a_snapshot_as_it_did_before() -> None:
    parts, generator = Parts("conv", "vae"), torch.Generator()
    batch = next(doubled(synthetic_batches()))
    step = parts.static_step()
    step(batch, 0.0, generator)
    snapshot = Snapshot(parts.model, parts.ema, parts.optimizers, State())
    ends = []
    for again in (step, parts.static_step()):
        snapshot.restore(parts.model, parts.ema, parts.optimizers)
        for seed in range(2):
            again(batch, 0.0, generator.manual_seed(seed))
        ends.append(copy.deepcopy(parts.tensors()))
    torch.testing.assert_close(*ends, rtol=0, atol=0)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_any_value_that_is_not_finite_is_found(value: float) -> None:
    assert found_inf([torch.tensor(1.0), torch.tensor(value)]) == 1
    assert found_inf([torch.tensor(1.0), torch.tensor(-2.0, dtype=torch.float64)]) == 0


@pytest.mark.parametrize(("device", "precision"), [("cpu", "fp32"), ("mps", "fp32"), ("cuda", "fp16")])
def test_a_step_that_cannot_be_captured_is_refused(device: str, precision: Any) -> None:
    check_capture(Training(precision=precision), device)
    with pytest.raises(UsageError, match=r"training\.capture = true .*: expected"):
        check_capture(Training(capture=True, precision=precision), device)


def test_several_processes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    check_capture(Training(capture=True), "cuda:1")
    for name, value in {"RANK": "0", "LOCAL_RANK": "0", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="2 processes"):
        check_capture(Training(capture=True), "cuda")


class Recorder:
    """Stands for `torch.cuda`: notes captures and replays, and computes nothing in them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[str] = []
        stream = SimpleNamespace(wait_stream=lambda other: None)
        graph = SimpleNamespace(
            register_generator_state=lambda generator: self.calls.append("register"),
            replay=lambda: self.calls.append("replay"),
        )
        names = {
            "Stream": lambda device: stream,
            "current_stream": lambda device: stream,
            "stream": lambda stream: nullcontext(),
            "synchronize": lambda device: None,
            "CUDAGraph": lambda: graph,
            "graph": lambda graph, stream, capture_error_mode: nullcontext(self.calls.append("capture")),
        }
        for name, value in names.items():
            monkeypatch.setattr(torch.cuda, name, value)


def test_a_stage_warms_up_is_captured_once_and_then_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder, parts = Recorder(monkeypatch), Parts("conv", "soft-introvae")
    step = CapturedStep(parts.model, parts.objective, parts.optimizers, parts.ema, parts.accelerator, decay=DECAY)
    monkeypatch.setattr(step, "compute", lambda progress, generator: recorder.calls.append("compute") or {"rec": LOSS})
    batch, generator = next(doubled(synthetic_batches())), torch.Generator()
    warm = ["compute"] * WARM_UP
    for progress in (0.1, 0.9):
        recorder.calls.clear()
        terms = [step(batch, progress, generator) for _ in range(WARM_UP + 2)]
        assert recorder.calls == [*warm, "register", "capture", "compute", "replay", "replay"]
        assert all(row["rec"] == LOSS and row["rec"] is not LOSS for row in terms)  # a replay overwrites its own
    assert int(parts.ema.n_averaged) == 2 * len(terms)


@pytest.mark.parametrize(
    ("error", "raised", "text"),
    [
        (RuntimeError("operation not permitted when stream is capturing"), SivaeError, "training.capture=false"),
        (torch.OutOfMemoryError("CUDA out of memory"), torch.OutOfMemoryError, "out of memory"),
    ],
)
def test_a_capture_that_fails_is_told_and_memory_that_runs_out_is_left_to_the_run(
    monkeypatch: pytest.MonkeyPatch, error: Exception, raised: type[Exception], text: str
) -> None:
    Recorder(monkeypatch)
    parts = Parts("conv", "vae")
    step = CapturedStep(parts.model, parts.objective, parts.optimizers, parts.ema, parts.accelerator, decay=DECAY)
    batch, generator = next(doubled(synthetic_batches())), torch.Generator()
    monkeypatch.setattr(step, "compute", lambda progress, generator: {})
    for _ in range(WARM_UP):
        step(batch, 0.0, generator)

    def fail(progress: float, generator: torch.Generator) -> Terms:
        raise error

    monkeypatch.setattr(step, "compute", fail)
    with pytest.raises(raised, match=text):
        step(batch, 0.0, generator)
