"""Features depend on the image alone; weights are read without running code."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from torch import Tensor, nn
from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3
from torchmetrics.image.fid import NoTrainInceptionV3

from sivae_translate.errors import UsageError
from sivae_translate.evaluation import extractors
from sivae_translate.evaluation.extractors import (
    INCEPTION_SHA256,
    INCEPTION_URL,
    Extractor,
    load_extractor,
)
from sivae_translate.evaluation.set_distances import distance
from sivae_translate.models.meta import on_meta
from sivae_translate.models.random_vgg16 import LEVELS, centred, first_levels

CPU = torch.device("cpu")


def features(seed: int, n: int = 30, size: int = 6) -> Tensor:
    return torch.randn(n, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# --- the random VGG-16 ----------------------------------------------------------------------------------------------


def pictures(count: int, size: int = 32) -> list[Image.Image]:
    random = np.random.default_rng(0)
    return [Image.fromarray(random.integers(0, 256, (size, size, 3), np.uint8)) for _ in range(count)]


def test_random_features_are_always_the_same() -> None:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    extractor = load_extractor(None)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    images = pictures(3)
    ours = extractor(images, CPU)
    assert ours.shape == (3, 192) and ours.dtype == torch.float64
    assert torch.equal(load_extractor(None)(images, CPU), ours)
    assert not extractor.net.training and not any(p.requires_grad for p in extractor.net.parameters())
    code = (
        "import numpy, torch\nfrom PIL import Image\n"
        "from sivae_translate.evaluation.extractors import load_extractor\n"
        "torch.set_num_threads(1)\nrandom = numpy.random.default_rng(0)\n"
        "x = [Image.fromarray(random.integers(0, 256, (32, 32, 3), numpy.uint8)) for _ in range(3)]\n"
        "print(load_extractor(None)(x, torch.device('cpu')).numpy().tobytes().hex())"
    )
    theirs = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert theirs.strip() == ours.numpy().tobytes().hex()


def test_the_levels_are_those_of_torchvision() -> None:
    from torchvision.models import vgg16

    with on_meta():
        theirs = vgg16(weights=None, init_weights=False).features
    assert str(first_levels()) == str(theirs[: LEVELS[-1] + 1])


def test_random_features_are_those_of_the_published_results() -> None:
    grey = load_extractor(None)([Image.new("RGB", (64, 64), (200, 100, 50))], CPU)[0]
    assert [float(grey[:64].mean()), float(grey[64:].mean())] == pytest.approx([0.38418, 0.43492], rel=1e-4)


def test_features_depend_neither_on_the_batch_nor_on_the_neighbours() -> None:
    extractor, images = load_extractor(None), pictures(7)
    together = extractor(images, CPU)
    assert together.std(0).mean() > 0.01  # the images of the batch differ
    alone = torch.cat([extractor([image], CPU) for image in images])
    torch.testing.assert_close(alone, together, rtol=1e-5, atol=1e-6)
    assert extractor(pictures(2, 16), CPU).shape == (2, 192)  # the smallest frame


@pytest.fixture
def far(cars: Path) -> Callable[..., float]:
    """The distance of one half of the real cars, each changed by `change`, to the other half: `far(change)`."""
    extractor, paths = load_extractor(None), sorted((cars / "unseen").rglob("*.png"))
    real = [Image.open(paths[i]).convert("RGB") for i in np.random.default_rng(0).permutation(len(paths))]
    half = len(real) // 2
    reference = extractor(real[:half], CPU)

    def measure(change: Callable[[Image.Image], Image.Image]) -> float:
        changed = extractor([change(image) for image in real[half:]], CPU)
        return distance(centred(changed, reference), centred(reference, reference), "kid_random_vgg16")[0]

    return measure


def test_more_blur_and_more_noise_are_further_from_real_cars(far: Callable[..., float]) -> None:
    blurs = [far(lambda image, s=s: image.filter(ImageFilter.GaussianBlur(s))) for s in (0.5, 1, 2)]
    flat = far(lambda image: image.resize((1, 1), Image.Resampling.BOX).resize(image.size))
    assert far(lambda image: image) < blurs[0] < blurs[1] < blurs[2] < flat
    random = np.random.default_rng(0)

    def noisy(image: Image.Image, strength: float) -> Image.Image:
        pixels = np.asarray(image) + random.normal(0, strength, (*image.size, 3))
        return Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8))

    noises = [far(lambda image, s=s: noisy(image, s)) for s in (5, 15, 40)]
    assert far(lambda image: image) < noises[0] < noises[1] < noises[2]


def test_broken_samples_are_further_from_real_cars_than_blurred_ones(far: Callable[..., float]) -> None:
    random = np.random.default_rng(0)

    def tinted(image: Image.Image) -> Image.Image:
        """The pictures, every second one tinted in a colour of its own."""
        tint = Image.new("RGB", image.size, tuple(random.integers(0, 256, 3).tolist()))
        return Image.blend(image, tint, 0.7 * random.integers(2))

    assert far(tinted) > 5 * far(lambda image: image.filter(ImageFilter.GaussianBlur(1)))


def test_centring_takes_off_the_mean_and_the_scale() -> None:
    real = features(0) * 3 + 5
    ours = centred(real, real)
    assert float(ours.mean(0).abs().max()) < 1e-12 and float(ours.square().mean().sqrt()) == pytest.approx(0.5)
    torch.testing.assert_close(centred(7 * features(1) - 2, 7 * real - 2), centred(features(1), real))
    with pytest.raises(UsageError):
        centred(real, real[:1].expand(30, -1))


# --- Inception ------------------------------------------------------------------------------------------------------


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, nn.Module]:
    """A file accepted as the published one, with other weights in the legacy format of torch; and its network."""
    with monkeypatch.context() as patch, torch.random.fork_rng():
        torch.manual_seed(0)
        patch.setattr("torch_fidelity.feature_extractor_inceptionv3.load_state_dict_from_url", lambda *_, **__: {})
        patch.setattr(NoTrainInceptionV3, "load_state_dict", lambda *_: None)
        net = NoTrainInceptionV3("inception-v3-compat", ["2048"])
    file = tmp_path / "weights.pth"
    torch.save(net.state_dict(), file, _use_new_zipfile_serialization=False)
    monkeypatch.setattr(extractors, "INCEPTION_SHA256", hashlib.sha256(file.read_bytes()).hexdigest())
    return file, net


def test_inception_has_the_weights_of_the_file(published: tuple[Path, nn.Module]) -> None:
    file, net = published
    state = torch.get_rng_state()
    extractor = load_extractor(file)
    assert torch.equal(torch.get_rng_state(), state)
    assert extractor.name == "inception" and not extractor.net.training
    images = pictures(2)
    ours = extractor(images, CPU)
    assert ours.shape == (2, 2048) and ours.std(0).max() > 0
    x = torch.stack([torch.from_numpy(np.array(image)).permute(2, 0, 1) for image in images])
    torch.testing.assert_close(ours, net(x).double(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(extractor(images[:1], CPU), ours[:1], rtol=1e-4, atol=1e-5)  # as in eval mode


def test_the_published_inception_is_that_of_torch_fidelity() -> None:
    assert INCEPTION_URL == URL_INCEPTION_V3 and INCEPTION_SHA256[:8] in INCEPTION_URL


class Canary:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return Path.mkdir, (self.folder,)


@pytest.mark.parametrize("zipped", [False, True])
def test_no_code_in_the_file_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zipped: bool) -> None:
    file, folder = tmp_path / "weights.pth", tmp_path / "run"
    torch.save({"fc.bias": Canary(folder)}, file, _use_new_zipfile_serialization=zipped)
    torch.load(file, weights_only=False)
    folder.rmdir()  # made by the line before: the file would run code
    monkeypatch.setattr(extractors, "INCEPTION_SHA256", hashlib.sha256(file.read_bytes()).hexdigest())
    with pytest.raises(UnpicklingError):
        load_extractor(file)
    assert not folder.exists()


def test_any_other_file_is_an_error_and_never_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "load", None)
    (tmp_path / "damaged.pth").write_bytes(b"weights")
    begins_alike = hashlib.sha256(b"weights").hexdigest()[:8] + "0" * 56
    monkeypatch.setattr(extractors, "INCEPTION_SHA256", begins_alike)
    for name in ("damaged.pth", "none.pth", "."):
        with pytest.raises(UsageError, match=re.escape(str(tmp_path / name))) as error:
            load_extractor(tmp_path / name)
        assert INCEPTION_URL in str(error.value) and "\n" not in str(error.value)


# --- any network -----------------------------------------------------------------------------------------------------


def test_an_extractor_takes_pictures_as_bytes() -> None:
    seen: list[Tensor] = []

    class Net(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(x)
            return x.float().mean((2, 3))

    image = Image.new("RGB", (4, 2), (1, 2, 255))
    assert Extractor("mean", Net())([image, image], CPU).tolist() == [[1, 2, 255], [1, 2, 255]]
    assert seen[0].dtype == torch.uint8 and seen[0].shape == (2, 3, 2, 4)
