"""Perceptual distances against plain loops; LPIPS by its formula, from a file and without a network."""

from __future__ import annotations

import hashlib
import socket
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from torch import Tensor
from torchvision.models import alexnet

from sivae_translate.errors import UsageError
from sivae_translate.evaluation import perceptual
from sivae_translate.evaluation.perceptual import ALEXNET_URL, Lpips, RandomPerceptual, load_perceptual, stack
from sivae_translate.models.random_vgg16 import RandomVGG16

CPU = torch.device("cpu")


def noise(count: int, size: int = 16, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8, generator=generator)


def plain(a: list[np.ndarray], b: list[np.ndarray]) -> float:
    """Mean over pixels of the squared difference of unit channel vectors of two maps `[C, H, W]`."""
    total = 0.0
    for x, y in zip(a, b, strict=True):
        _, height, width = x.shape
        for i in range(height):
            for j in range(width):
                u, v = x[:, i, j].astype(np.float64), y[:, i, j].astype(np.float64)
                difference = u / (np.sqrt((u**2).sum()) + 1e-10) - v / (np.sqrt((v**2).sum()) + 1e-10)
                total += (difference**2).sum() / (height * width)
    return total


def test_without_weights_the_distance_is_that_of_unit_channel_vectors() -> None:
    a, b, net = noise(3), noise(3, seed=1), RandomVGG16()
    maps = [[[level[i].numpy() for level in net.maps(x)] for i in range(3)] for x in (a, b)]
    expected = [plain(x, y) for x, y in zip(*maps, strict=True)]
    ours = RandomPerceptual(CPU)(a, b)
    assert ours.dtype == torch.float64 and ours.tolist() == pytest.approx(expected, rel=1e-5)
    assert [level.shape[1:] for level in net.maps(a)] == [(64, 16, 16), (128, 8, 8)]


def test_equal_images_are_at_no_distance_and_the_order_does_not_matter() -> None:
    measure, a, b = RandomPerceptual(CPU), noise(4), noise(4, seed=1)
    assert measure(a, a).tolist() == [0, 0, 0, 0]
    torch.testing.assert_close(measure(a, b), measure(b, a))
    assert min(measure(a, b)) > 0.01


def test_pairwise_is_the_mean_over_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    measure, x = RandomPerceptual(CPU), noise(5)
    expected = np.mean([float(measure(x[[i]], x[[j]])) for i in range(5) for j in range(i)])
    assert measure.pairwise(x) == pytest.approx(expected, rel=1e-5)
    together = measure(x, x.flip(0))
    monkeypatch.setattr(perceptual, "PIXELS", 2 * 16**2)  # two at a time
    assert measure.pairwise(x) == pytest.approx(expected, rel=1e-5)
    torch.testing.assert_close(measure(x, x.flip(0)), together)


def test_a_blurred_car_is_nearer_than_another_car(cars: Path) -> None:
    paths = sorted((cars / "unseen/car003").glob("*.png"))[::8]
    pictures = [Image.open(path).convert("RGB") for path in paths]
    truth, blurred, more = (
        stack([np.asarray(image.filter(ImageFilter.GaussianBlur(radius))) for image in pictures])
        for radius in (0, 0.5, 1)
    )
    others = stack([np.asarray(Image.open(cars / "unseen/car004" / path.name).convert("RGB")) for path in paths])
    measure = RandomPerceptual(CPU)
    distances = [measure(truth, each) for each in (truth, blurred, more, others)]
    for near, far in pairwise(distances):
        assert (near < far).all()


# --- LPIPS ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file accepted as the published one, with other weights."""
    file = tmp_path / "alexnet.pth"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        torch.save({f"features.{name}": value for name, value in alexnet().features.state_dict().items()}, file)
    monkeypatch.setattr(perceptual, "ALEXNET_SHA256", hashlib.sha256(file.read_bytes()).hexdigest()[:8])
    return file


@torch.no_grad()
def lpips_by_hand(a: Tensor, b: Tensor, file: Path) -> list[float]:
    """Zhang et al. 2018, eq. 1, on AlexNet's five ReLUs, inputs scaled as theirs, weighted by the published heads."""
    package = Path(import_module("torchmetrics").__file__ or "").parent
    heads = torch.load(package / "functional/image/lpips_models/alex.pth", map_location="cpu", weights_only=True)
    net = alexnet().features
    net.load_state_dict({k.removeprefix("features."): v for k, v in torch.load(file, weights_only=True).items()})
    shift, scale = (torch.tensor(v)[:, None, None] for v in ([-0.030, -0.088, -0.188], [0.458, 0.448, 0.450]))
    x, y = (((image / 127.5 - 1) - shift) / scale for image in (a, b))
    total, level = torch.zeros(len(a)), 0
    for i, layer in enumerate(net[:12]):
        x, y = layer(x), layer(y)
        if i in (1, 4, 7, 9, 11):
            u, v = (t / t.square().sum(1, keepdim=True).sqrt().clamp(min=1e-4) for t in (x, y))
            total += (heads[f"lin{level}.model.1.weight"] * (u - v).square()).sum(1).mean((1, 2))
            level += 1
    return [float(each) for each in total]


def test_lpips_is_the_formula_with_the_weights_of_the_file(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket.socket, "connect", None)  # any download would fail
    state = torch.get_rng_state()
    measure = load_perceptual(weights, 48, CPU)
    assert torch.equal(torch.get_rng_state(), state)
    assert isinstance(measure, Lpips) and (measure.name, measure.measure) == ("LPIPS", "lpips")
    assert not measure.net.training and not any(p.requires_grad for p in measure.net.parameters())
    a, b = noise(3, 48), noise(3, 48, seed=1)
    expected = lpips_by_hand(a, b, weights)
    assert measure(a, b).tolist() == pytest.approx(expected, rel=1e-3) and min(expected) > 0
    assert measure.pairwise(torch.cat([a[:1], b[:1]])) == pytest.approx(expected[0], rel=1e-3)
    assert measure(noise(1, 32), noise(1, 32)).tolist() == [0]  # the smallest


def test_a_distance_of_random_weights_is_not_named_lpips() -> None:
    measure = load_perceptual(None, 16, CPU)
    assert "lpips" not in (measure.name + measure.measure).lower() and "random VGG-16" in measure.name


def test_other_weights_are_an_error(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"16.*32.*LPIPS"):
        load_perceptual(weights, 16, CPU)
    with pytest.raises(UsageError, match=r"none\.pth"):
        load_perceptual(tmp_path / "none.pth", 32, CPU)
    other = tmp_path / "other.pth"
    torch.save({"features.0.weight": torch.zeros(2)}, other)
    with pytest.raises(UsageError, match=r"other\.pth") as error:
        load_perceptual(other, 32, CPU)
    assert ALEXNET_URL in str(error.value)
    monkeypatch.setattr(perceptual, "ALEXNET_SHA256", hashlib.sha256(other.read_bytes()).hexdigest()[:8])
    with pytest.raises(UsageError, match=r"other\.pth.*AlexNet"):
        load_perceptual(other, 32, CPU)


def test_the_name_of_the_published_file_contains_its_hash() -> None:
    assert f"-{perceptual.ALEXNET_SHA256}.pth" in ALEXNET_URL == perceptual.ALEXNET_URL
