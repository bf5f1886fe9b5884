"""Two processes under gloo, started as `torchrun` starts them, train one model and write one run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

WORKER = '''
import hashlib, json, os, sys
from pathlib import Path

cars, run, notes, *settings = sys.argv[1:]
written = set()

def audit(event, arguments):
    """Every file below the run that this process opens for writing."""
    if event == "open" and isinstance(arguments[0], (str, bytes)) and arguments[2] & (os.O_WRONLY | os.O_RDWR):
        path = Path(os.fsdecode(arguments[0]))
        if Path(run) in path.parents and path.name != ".lock":
            written.add(path.name)

sys.addaudithook(audit)

import torch
from sivae_translate.training import run as training

def digest(tensors):
    return hashlib.sha256(b"".join(t.detach().contiguous().numpy().tobytes() for t in tensors)).hexdigest()

class RecordedRun(training.Run):
    def train(self):
        first = digest(self.model.parameters())
        train_loop = training.train_loop
        seen = []
        def spy(model, objective, batches, *rest, **options):
            def recorded(batches):
                for batch in batches:
                    seen.append(digest([batch.images]))
                    yield batch
            train_loop(model, objective, recorded(batches), *rest, **options)
        training.train_loop = spy
        super().train()
        note = {
            "processes": self.accelerator.num_processes,
            "first": first,
            "seen": seen,
            "images": self.state.images,
            "model": digest(self.model.parameters()),
            "ema": digest(self.ema.module.parameters()),
            "optimizers": digest(
                value for adam in self.optimizers.adam.values()
                for values in adam.state.values() for value in values.values()
            ),
        }
        note["written"] = sorted(written)
        Path(notes, f"rank{self.accelerator.process_index}.json").write_text(json.dumps(note))

training.Run = RecordedRun
torch.set_num_threads(1)
training.train(cars, "tiny", run, set=settings, device="cpu")
'''


DIVERGING = '''
import hashlib, json, sys
from pathlib import Path

import torch
from sivae_translate.training import run as training

cars, out, notes, *settings = sys.argv[1:]
batches, poison = training.batches, iter([float("nan")])

def poisoned(images, sampler, **options):
    """The second process's fifth batch holds a NaN, once."""
    for t, batch in enumerate(batches(images, sampler, **options), start=sampler.start):
        if sampler.rank == 1 and t == 4:
            batch.images[0, 0, 0, 0] = next(poison, 0.5)
        yield batch

class RecordedRun(training.Run):
    def train(self):
        super().train()
        tensors = [*self.model.parameters(), *self.ema.module.parameters()]
        weights = hashlib.sha256(b"".join(t.detach().contiguous().numpy().tobytes() for t in tensors)).hexdigest()
        note = {"weights": weights, "lr_scale": self.state.lr_scale, "step": self.state.step}
        Path(notes, f"diverged{self.accelerator.process_index}.json").write_text(json.dumps(note))

training.batches, training.Run = poisoned, RecordedRun
torch.set_num_threads(1)
training.train(cars, "tiny", out, set=settings, device="cpu")
'''


def launch(*arguments: object) -> subprocess.CompletedProcess[str]:
    """A command under `torchrun` with two processes."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    words = [*torchrun, *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, timeout=240, env=environment)


@pytest.fixture(scope="module")
def ranks(
    cars: Path, tiny: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The notes of the two processes of one run."""
    folder = tmp_path_factory.mktemp("two")
    worker = folder / "worker.py"
    worker.write_text(WORKER)
    result = launch(worker, cars / "train", folder / "run", folder, *tiny, "training.images=128")
    assert result.returncode == 0, result.stderr
    first, second = (json.loads((folder / f"rank{rank}.json").read_text()) for rank in (0, 1))
    return first, second


def test_both_processes_end_with_the_same_weights_averages_and_optimizers(
    ranks: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    first, second = ranks
    assert first["processes"] == second["processes"] == 2
    for what in ("first", "model", "ema", "optimizers"):
        assert first[what] == second[what], what
    assert first["model"] != first["first"]


def test_each_process_sees_images_of_its_own_and_all_are_counted(ranks: tuple[dict[str, Any], dict[str, Any]]) -> None:
    first, second = ranks
    assert len(first["seen"]) == len(second["seen"]) == 8  # 128 images, 8 to a batch, 2 processes
    assert not set(first["seen"]) & set(second["seen"])
    assert first["images"] == second["images"] == 128


def test_only_the_first_process_writes(ranks: tuple[dict[str, Any], dict[str, Any]]) -> None:
    first, second = ranks
    assert second["written"] == []
    assert {"log.jsonl", "results.csv", "config.json", "model.safetensors"} <= set(first["written"])


def test_where_one_process_diverges_all_go_back_to_the_same_step(
    cars: Path, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    """The first process saves after every step, so that a snapshot of its own would be a later one."""
    worker, run = tmp_path / "worker.py", tmp_path / "run"
    worker.write_text(DIVERGING)
    settings = [*tiny, "training.images=128", "training.log_every=16", "training.save_minutes=1e-9"]
    result = launch(worker, cars / "train", run, tmp_path, *settings)
    assert result.returncode == 0, result.stderr
    first, second = (json.loads((tmp_path / f"diverged{rank}.json").read_text()) for rank in (0, 1))
    assert first == second
    assert first["lr_scale"] == 0.5 and first["step"] == 8
    logged = [json.loads(line)["images"] for line in (run / "log.jsonl").read_text().splitlines()]
    assert logged == list(range(16, 129, 16))


def test_gradients_are_averaged_in_the_memory_layout_of_the_weights() -> None:
    """Adam's fused step goes through memory, not through indices, so both layouts must be the same."""
    import torch
    from accelerate import Accelerator

    from sivae_translate.training.optimizers import Optimizers
    from sivae_translate.types import Phase

    class TwoProcesses(Accelerator):
        """As if another process had the same gradients."""

        num_processes = 2  # type: ignore[assignment]

    def step(accelerator: Accelerator, memory_format: torch.memory_format) -> torch.Tensor:
        torch.manual_seed(0)
        model = torch.nn.Module()
        model.encoder, model.decoder, model.lr_multipliers = torch.nn.Conv2d(3, 4, 3), torch.nn.Conv2d(3, 4, 3), {}
        model.to(memory_format=memory_format)  # type: ignore[call-overload]
        optimizers = Optimizers(model, accelerator, lr=0.1, betas=(0.9, 0.99))
        x = torch.randn(2, 3, 8, 8)
        optimizers.step(Phase(("encoder",), (model.encoder(x) ** 2 - model.encoder(x)).mean(), {}))
        return torch.cat([p.detach().flatten() for p in model.parameters()])

    alone = step(Accelerator(cpu=True), torch.contiguous_format)
    assert torch.equal(step(TwoProcesses(cpu=True), torch.contiguous_format), alone)
    assert torch.allclose(step(TwoProcesses(cpu=True), torch.channels_last), alone, atol=1e-6)


def test_the_command_line_trains_with_two_processes(cars: Path, options: Any, tmp_path: Path) -> None:
    run = tmp_path / "run"
    arguments = ("--domains", cars / "train", "--out", run, *options("training.images=64"))
    result = launch("-m", "sivae_translate", "train", *arguments)
    assert result.returncode == 0, result.stderr
    assert json.loads((run / "log.jsonl").read_text().splitlines()[-1])["images"] == 64
    assert result.stdout.count("trained: ") == 1
