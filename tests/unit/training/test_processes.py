"""Launchers: the processes of torchrun are recognised, and variables left by others change nothing."""

from __future__ import annotations

import os

import pytest
import torch
from accelerate.utils import DistributedType

from sivae_translate.errors import UsageError
from sivae_translate.training.processes import LAUNCHER, is_first_process, launched, local_processes, new_accelerator

LAUNCHED = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "MASTER_ADDR": "localhost", "MASTER_PORT": "29500"}

LEFTOVERS = [
    {"ACCELERATE_MIXED_PRECISION": "fp16"},
    {"ACCELERATE_MIXED_PRECISION": "bogus"},
    {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2"},
    {"ACCELERATE_USE_DEEPSPEED": "true"},
    {"ACCELERATE_USE_MEGATRON_LM": "true"},
    {"ACCELERATE_USE_PARALLELISM_CONFIG": "true"},
    {"ACCELERATE_GRADIENT_ACCUMULATION_STEPS": "4"},
    {"ACCELERATE_DYNAMO_BACKEND": "inductor"},
    {"ACCELERATE_DYNAMO_BACKEND": "bogus"},
    {"ACCELERATE_USE_CPU": "bogus"},
    {"ACCELERATE_TORCH_DEVICE": "meta"},
    {"ACCELERATE_FP8_BACKEND": "bogus"},
    {"ACCELERATE_CPU_AFFINITY": "bogus"},
    {"WORLD_SIZE": "2"},
    {"RANK": "1"},
    {"LOCAL_RANK": "1"},
    {"FORK_LAUNCHED": "1"},
    {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1"},  # without an address
    LAUNCHED | {"MASTER_PORT": ""},
    {"PMI_SIZE": "2", "PMI_RANK": "1"},
    {"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_LOCAL_RANK": "1"},
    {"MV2_COMM_WORLD_SIZE": "2"},
    {"SLURM_NTASKS": "2", "SLURM_PROCID": "1"},
]


@pytest.fixture(autouse=True)
def without_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in LAUNCHER:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("variables", LEFTOVERS, ids=lambda variables: " ".join(variables))
def test_variables_that_others_have_left_change_nothing(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    before = dict(os.environ)
    accelerator = new_accelerator("cpu", "fp32")
    optimizer = accelerator.prepare(torch.optim.Adam([torch.nn.Parameter(torch.ones(1))]))
    with accelerator.autocast():
        assert not torch.is_autocast_enabled("cpu")
    assert dict(os.environ) == before
    assert (accelerator.num_processes, accelerator.process_index, accelerator.is_main_process) == (1, 0, True)
    assert accelerator.distributed_type == DistributedType.NO and accelerator.device == torch.device("cpu")
    assert (accelerator.mixed_precision, accelerator.gradient_accumulation_steps) == ("no", 1)
    assert accelerator.state.dynamo_plugin.backend.value == "NO" and optimizer.scaler is None
    assert not launched() and is_first_process()


@pytest.mark.parametrize(
    "variable",
    ["ACCELERATE_USE_FSDP", "ACCELERATE_USE_DEEPSPEED", "ACCELERATE_USE_MEGATRON_LM"],
)
def test_a_launcher_that_shards_a_model_is_one_line_of_error_with_another_launcher(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (LAUNCHED | {variable: "true"}).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match="torchrun --nproc-per-node 2 -m sivae_translate train") as caught:
        new_accelerator("cpu", "fp32")
    assert variable in str(caught.value) and "\n" not in str(caught.value)
    assert not torch.distributed.is_initialized()


LONE = {"ACCELERATE_USE_CPU": "True", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}


@pytest.mark.parametrize("added", [{}, {"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "0"}], ids=["", "mpi"])
def test_a_launcher_that_starts_one_process_for_several_is_one_line_of_error(
    added: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (LONE | added).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match="torchrun --nproc-per-node 2 -m sivae_translate train --device cpu") as caught:
        new_accelerator("cpu", "fp32")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("missing", LONE)
def test_a_launcher_of_a_single_process_is_not_refused(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in LONE.items():
        if name != missing:
            monkeypatch.setenv(name, value)
    assert new_accelerator("cpu", "fp32").num_processes == 1


def test_a_launcher_of_cpus_needs_the_device_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (LAUNCHED | {"ACCELERATE_USE_CPU": "true"}).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match="--device cpu"):
        new_accelerator("cuda", "fp32")


def test_a_launcher_is_known_by_all_its_variables_and_the_first_process_by_its_rank(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in LAUNCHED.items():
        assert not launched() and is_first_process()
        monkeypatch.setenv(name, value)
    assert launched() and not is_first_process()
    monkeypatch.setenv("RANK", "0")
    assert is_first_process()


@pytest.mark.parametrize(("stated", "count"), [("3", 3), ("", 1), ("many", 1), ("0", 1)])
def test_the_processes_here_are_counted_only_under_a_launcher(
    monkeypatch: pytest.MonkeyPatch, stated: str, count: int
) -> None:
    monkeypatch.setenv("LOCAL_WORLD_SIZE", stated)
    assert local_processes() == 1
    for name, value in LAUNCHED.items():
        monkeypatch.setenv(name, value)
    assert local_processes() == count
