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
from sivae_translate.training import trainer

def digest(tensors):
    return hashlib.sha256(b"".join(t.detach().contiguous().numpy().tobytes() for t in tensors)).hexdigest()

class RecordedRun(training.Run):
    def train(self):
        first = digest(self.model.parameters())
        train_loop = trainer.train_loop
        seen = []
        def spy(model, objective, batches, *rest, **options):
            def recorded(batches):
                for batch in batches:
                    seen.append(digest([batch.images]))
                    yield batch
            train_loop(model, objective, recorded(batches), *rest, **options)
        trainer.train_loop = spy
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


APART = """
import hashlib, json, os, signal, sys
from pathlib import Path

from sivae_translate.training import run as training
from sivae_translate.training import trainer

cars, folder, note, signalled, *settings = sys.argv[1:]
rank = os.environ["RANK"]

class RecordedRun(training.Run):
    def train(self):
        batches = trainer.batches
        def counted(images, sampler, **options):
            for t, batch in enumerate(batches(images, sampler, **options), start=sampler.start):
                if rank == "1" and t == int(signalled):
                    os.kill(os.getpid(), signal.SIGTERM)
                yield batch
        trainer.batches = counted
        try:
            return super().train()
        finally:
            values = [*self.model.state_dict().values(), *self.ema.state_dict().values()]
            values += [v for adam in self.optimizers.adam.values() for of in adam.state.values() for v in of.values()]
            digest = hashlib.sha256(b"".join(v.detach().contiguous().numpy().tobytes() for v in values)).hexdigest()
            Path(folder, note + rank).write_text(json.dumps([digest, self.state.step]))

training.Run = RecordedRun
trainer.torch.set_num_threads(1)
training.train(cars, "tiny", Path(folder, "run" + rank), set=settings, device="cpu")
"""


DIVERGING = '''
import hashlib, json, sys
from pathlib import Path

import torch
from sivae_translate.training import run as training
from sivae_translate.training import trainer

cars, out, notes, *settings = sys.argv[1:]
batches, poison = trainer.batches, iter([float("nan")])

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

trainer.batches, training.Run = poisoned, RecordedRun
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


def test_each_process_sees_its_own_rows_of_the_batch_and_all_are_counted(
    ranks: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    first, second = ranks
    assert len(first["seen"]) == len(second["seen"]) == 16  # 128 images, 8 to a batch of both
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
    assert first["lr_scale"] == 0.5 and first["step"] == 16
    logged = [json.loads(line)["images"] for line in (run / "log.jsonl").read_text().splitlines()]
    assert logged == list(range(16, 129, 16))


def losses(run: Path) -> list[dict[str, float]]:
    """The terms in each line of the log."""
    rows = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [{name: value for name, value in row.items() if name not in ("seconds", "images_per_s")} for row in rows]


def test_two_processes_have_the_losses_of_one(cars: Path, options: Any, cli: Any, tmp_path: Path) -> None:
    """To five digits while rows are independent, in the first half; see test_sliced_curves.py on the second."""
    settings = ["training.images=128", "training.log_every=8", "training.warmup_images=0", "data.encoder_warp=0.5"]
    arguments = ["--domains", cars / "train", *options(*settings, "data.domain_aug=0.5")]
    result = launch("-m", "sivae_translate", "train", *arguments, "--out", tmp_path / "two")
    assert result.returncode == 0, result.stderr
    assert cli("train", *arguments, "--out", tmp_path / "one").exit_code == 0
    two, one = losses(tmp_path / "two"), losses(tmp_path / "one")
    assert len(two) == len(one) == 16
    for ours, expected in zip(two[:8], one[:8], strict=True):
        assert ours == pytest.approx(expected, rel=1e-5)
    for ours, expected in zip(two[8:], one[8:], strict=True):
        assert "gap" in ours and ours["rec"] == pytest.approx(expected["rec"], rel=0.01)


def notes(folder: Path, name: str) -> list[Any]:
    """What the process of each rank has noted: a digest of its state, and the step."""
    return [json.loads((folder / f"{name}{rank}").read_text()) for rank in (0, 1)]


@pytest.mark.slow
def test_a_run_resumes_where_only_the_first_process_has_its_files(
    cars: Path, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    """Each process has a folder of its own, as on machines without a shared file system."""
    worker = tmp_path / "worker.py"
    worker.write_text(APART)

    for images in (64, 128):
        result = launch(worker, cars / "train", tmp_path, images, -1, *tiny, f"training.images={images}")
        assert result.returncode == 0, result.stderr
        first, second = notes(tmp_path, str(images))
        assert first == second and first[1] == images // 8
    assert not (tmp_path / "run1").exists()


def test_a_signal_to_one_process_stops_all_at_the_same_step_and_is_saved(
    cars: Path, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    worker = tmp_path / "worker.py"
    worker.write_text(APART)
    launch(worker, cars / "train", tmp_path, "note", 6, *tiny, "training.images=100000")
    first, second = notes(tmp_path, "note")
    assert first == second and 6 < first[1] < 2000
    state = json.loads((tmp_path / "run0" / "state" / "trainer.json").read_text())["state"]
    assert state["step"] == first[1]


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


@pytest.mark.slow
def test_the_command_line_trains_with_two_processes(cars: Path, options: Any, tmp_path: Path) -> None:
    run = tmp_path / "run"
    arguments = ("--domains", cars / "train", "--out", run, *options("training.images=64"))
    result = launch("-m", "sivae_translate", "train", *arguments)
    assert result.returncode == 0, result.stderr
    assert json.loads((run / "log.jsonl").read_text().splitlines()[-1])["images"] == 64
    assert result.stdout.count("trained: ") == 1
