"""The process that calls us: its settings change no pixel and no weight, and our calls change no setting of it."""

from __future__ import annotations

import hashlib
import os
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, GradientState
from torch import Tensor

from sivae_translate import Translator, evaluate, train, translate_folder
from sivae_translate.errors import SivaeError, UsageError
from sivae_translate.host import own_torch_state
from sivae_translate.inference import threshold
from sivae_translate.inference.direction import load_direction, save_direction
from sivae_translate.types import Code

Host = Callable[[], AbstractContextManager[Any]]


@contextmanager
def dtype(default: torch.dtype) -> Iterator[None]:
    torch.set_default_dtype(default)
    yield
    torch.set_default_dtype(torch.float32)


@contextmanager
def device(default: str) -> Iterator[None]:
    torch.set_default_device(default)
    yield
    torch.set_default_device(None)


@contextmanager
def grad_mode() -> Iterator[None]:
    torch.set_grad_enabled(False)
    yield
    torch.set_grad_enabled(True)


@contextmanager
def everything() -> Iterator[None]:
    with dtype(torch.float64), device("meta"), torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        yield


HOSTS: dict[str, Host] = {
    "float64": lambda: dtype(torch.float64),
    "float16": lambda: dtype(torch.float16),
    "meta": lambda: device("meta"),
    "meta context": lambda: torch.device("meta"),  # type: ignore[dict-item, return-value]
    "no_grad": torch.no_grad,
    "set_grad_enabled": grad_mode,
    "inference_mode": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "everything": everything,
}


def settings() -> tuple[Any, ...]:
    """The settings of torch that a host may choose."""
    modes = torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.is_autocast_enabled("cpu")
    return torch.get_default_dtype(), torch.get_default_device(), *modes


def random_states() -> tuple[Any, ...]:
    name, keys, *rest = np.random.get_state()
    return random.getstate(), name, bytes(keys), *rest, bytes(torch.get_rng_state())  # type: ignore[arg-type]


def digest(value: Any) -> str:
    """A hash of the bytes of tensors and pictures in nested lists and codes."""
    if isinstance(value, Tensor):
        data = str(value.dtype).encode() + value.detach().cpu().contiguous().numpy().tobytes()
    elif isinstance(value, Code):
        data = digest([value.content, value.style]).encode()
    elif isinstance(value, list):
        data = "".join(map(digest, value)).encode()
    else:
        data = value if isinstance(value, bytes) else value.tobytes()
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def pictures(cars: Path) -> list[Path]:
    return sorted((cars / "unseen/car003").glob("*.png"))[::24]


def results(trained: Path, pictures: list[Path], out: Path) -> dict[str, str]:
    """The results of every public call, which start from files or from the results of other calls."""
    t = Translator.from_pretrained(trained, device="cpu")
    a, b = pictures[:2]
    x, style, code = t.prepare(pictures), t.style_of(to="car001"), t.encode(pictures)
    t.save_pretrained(out / "saved")
    save_direction(out / "direction.safetensors", code[:1], trained, threshold.weights_of(trained))
    translate_folder(t, a.parent, out / "folder", to=["car001"], batch=4)
    score = t.score(pictures, samples=2)
    found = {
        "weights": list(t.model.state_dict().values()),
        "saved": (out / "saved/model.safetensors").read_bytes(),
        "call": t(pictures, to="car001"),
        "style": t(pictures, style=a, inversion_steps=2),
        "translate": t.translate(x, style, style_correction=1),
        "restyle": t.restyle(code.content, style),
        "style_of": t.style_of(style=pictures, inversion_steps=2),
        "random_styles": t.random_styles("car001", 3),
        "add_domain": t.add_domain("new", a)(b, to="new"),
        "prepare": x,
        "encode": code,
        "decode": t.decode(code),
        "reconstruct": t.reconstruct(pictures, inversion_steps=2),
        "to_pictures": t.to_pictures(x),
        "sample": t.sample(3, seed=1),
        "interpolate": t.interpolate(a, b, steps=3),
        "edit": t.edit(a, load_direction(out / "direction.safetensors", trained), [-1.0, 1.0]),
        "score": [score.bound, score.elbo, score.kl, score.rec],
        "folder": [path.read_bytes() for path in sorted((out / "folder").glob("*.png"))],
        "to": t.to("cpu").sample(1),
    }
    tensors = [t.style_of(to="car001"), t.encode(a).content, t.decode(code), t.random_styles("car001", 1), score.rec]
    assert not any(tensor.is_inference() for tensor in [*tensors, *t.model.parameters()])
    return {name: digest(value) for name, value in found.items()}


@pytest.fixture(scope="module")
def expected(trained: Path, cars: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    pictures = sorted((cars / "unseen/car003").glob("*.png"))[::24]
    return results(trained, pictures, tmp_path_factory.mktemp("plain"))


@pytest.mark.parametrize("host", HOSTS.values(), ids=HOSTS)
def test_no_setting_of_the_host_changes_a_result_and_no_call_changes_the_setting(
    host: Host, expected: dict[str, str], trained: Path, pictures: list[Path], tmp_path: Path
) -> None:
    with host():
        before, seeds = settings(), random_states()
        found = results(trained, pictures, tmp_path)
        assert settings() == before and random_states() == seeds
    assert {name for name in expected if found[name] != expected[name]} == set()


def test_an_evaluation_is_the_same_in_every_host(translator: Translator, cars: Path, tmp_path: Path) -> None:
    def report(out: Path) -> dict[str, Any]:
        return evaluate(translator, out=out, pairs=cars / "pairs_unseen.csv", root=cars, inversion_steps=1)

    expected = report(tmp_path / "plain")
    with everything():
        before, seeds = settings(), random_states()
        assert report(tmp_path / "host") == expected
        assert settings() == before and random_states() == seeds


@pytest.mark.parametrize("host", HOSTS.values(), ids=HOSTS)
def test_a_call_that_fails_leaves_the_setting(host: Host, translator: Translator, trained: Path, cars: Path) -> None:
    failing: list[tuple[Callable[[], Any], type[SivaeError]]] = [
        (lambda: translator("none.png", to="car001"), SivaeError),
        (lambda: translator.sample(0), UsageError),
        (lambda: Translator.from_pretrained(cars), SivaeError),
        (lambda: train(cars / "none", out=cars / "run"), UsageError),
        (lambda: evaluate(translator, out=cars / "out"), UsageError),
        (lambda: translate_folder(translator, cars / "none", cars / "out"), UsageError),
    ]
    with host():
        before, seeds = settings(), random_states()
        for call, error in failing:
            with pytest.raises(error):
                call()
            assert settings() == before and random_states() == seeds


def test_every_public_method_runs_in_settings_of_our_own() -> None:
    owners = Translator.__mro__[:-1]  # without `object`
    every = [item for owner in owners for item in vars(owner).items()]
    methods = {name: method for name, method in every if name[0] != "_" or name == "__call__"}
    undecorated = {name for name, method in methods.items() if not hasattr(method, "__wrapped__")}
    assert len(methods) > 15 and undecorated == set()


def test_the_default_dtype_is_the_host_s_again_when_the_last_of_two_calls_ends() -> None:
    entered, leave, seen = threading.Barrier(3), [threading.Event(), threading.Event()], list[torch.dtype]()

    def call(number: int) -> None:
        with own_torch_state():
            entered.wait()
            leave[number].wait()
            seen.append(torch.ones(1).dtype)

    with dtype(torch.float64):
        threads = [threading.Thread(target=call, args=(number,)) for number in (0, 1)]
        for thread in threads:
            thread.start()
        entered.wait()
        for number in (0, 1):
            assert torch.get_default_dtype() == torch.float32
            leave[number].set()
            threads[number].join()
        assert torch.get_default_dtype() == torch.float64
    assert seen == [torch.float32, torch.float32]


# --- training -------------------------------------------------------------------------------------------------------

LEFTOVER = {
    "ACCELERATE_MIXED_PRECISION": "fp16",
    "ACCELERATE_USE_FSDP": "true",
    "ACCELERATE_USE_DEEPSPEED": "true",
    "ACCELERATE_GRADIENT_ACCUMULATION_STEPS": "4",
    "ACCELERATE_DYNAMO_BACKEND": "inductor",
    "ACCELERATE_FP8_BACKEND": "TE",
    "ACCELERATE_TORCH_DEVICE": "meta",
    "ACCELERATE_USE_CPU": "no answer",
    "RANK": "1",
    "WORLD_SIZE": "2",
    "OMPI_COMM_WORLD_SIZE": "2",
    "SLURM_NTASKS": "2",
    "SLURM_PROCID": "1",
}


def test_an_accelerator_of_the_host_is_as_it_was_after_training(weights_of: Callable[[], str], plain: str) -> None:
    AcceleratorState._reset_state(reset_partial_state=True)
    mine = Accelerator(mixed_precision="bf16", gradient_accumulation_steps=4, cpu=True)
    mine.gradient_state._set_sync_gradients(False)  # amid an accumulation, in which an optimizer's step does nothing
    assert weights_of() == plain
    assert (mine.mixed_precision, mine.gradient_accumulation_steps, mine.sync_gradients) == ("bf16", 4, False)
    assert mine.device == torch.device("cpu") and mine.num_processes == 1
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()


@pytest.fixture(scope="module")
def weights_of(cars: Path, tiny: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Callable[[], str]:
    """Trains for some steps and returns a hash of the weights and the optimizers."""

    def run() -> str:
        out = tmp_path_factory.mktemp("run")
        train(cars / "train", "tiny", out, set=(*tiny, "training.images=64"), device="cpu")
        return digest([path.read_bytes() for path in sorted(out.rglob("*.safetensors"))])

    return run


@pytest.fixture(scope="module")
def plain(weights_of: Callable[[], str]) -> str:
    return weights_of()


@pytest.mark.parametrize("host", ["float64", "meta", "no_grad", "everything"])
def test_training_gives_the_same_weights_in_every_host(host: str, plain: str, weights_of: Callable[[], str]) -> None:
    random.seed(5)
    np.random.seed(5)
    torch.manual_seed(5)
    with HOSTS[host]():
        before, seeds = settings(), random_states()
        assert weights_of() == plain
        assert settings() == before and random_states() == seeds


def test_training_ignores_what_launchers_have_left(
    plain: str, weights_of: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in LEFTOVER.items():
        monkeypatch.setenv(name, value)
    before = dict(os.environ)
    assert weights_of() == plain
    assert dict(os.environ) == before
