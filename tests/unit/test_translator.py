"""The translator: images of any kind in, the same translation out whatever company an image is in."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from sivae_translate.data.images import UnreadableImage
from sivae_translate.errors import SivaeError, UsageError
from sivae_translate.translator import Translator

SIZE = 16


@pytest.fixture
def paths(cars: Path) -> list[Path]:
    """Eight views of a car the model has never seen."""
    return sorted((cars / "novel/car003").glob("*.png"))[::12]


def array(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)


def as_tensor(path: Path) -> Tensor:
    return torch.from_numpy(np.array(Image.open(path))).permute(2, 0, 1) / 255


# --- what goes in, what comes out -----------------------------------------------------------------------------------

KINDS: dict[str, Callable[[Path], Any]] = {
    "text": str,
    "PIL": Image.open,
    "array": lambda path: np.array(Image.open(path)),
    "array with alpha": lambda path: np.array(Image.open(path).convert("RGBA")),
    "tensor": as_tensor,
    "float64 tensor": lambda path: as_tensor(path).double(),
    "tensor with a gradient": lambda path: as_tensor(path).requires_grad_(),
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_kind_of_image_gives_what_its_path_gives(
    translator: Translator, paths: list[Path], kind: Callable[[Path], Any]
) -> None:
    expected = translator(paths[0], to="car001")
    result = translator(kind(paths[0]), to="car001")
    assert (array(result) == array(expected)).all()


def test_every_level_of_a_tensor_arrives_as_it_is(translator: Translator) -> None:
    levels = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3).repeat(2, 0).repeat(2, 1)  # twice the size
    expected = translator.prepare(levels)
    assert torch.equal(translator.prepare(torch.from_numpy(levels).permute(2, 0, 1) / 255), expected)
    assert torch.equal((expected * 255).round().byte().unique(), torch.arange(256, dtype=torch.uint8))


def test_a_tensor_between_two_levels_is_rounded(translator: Translator) -> None:
    between = torch.full((3, 2 * SIZE, 2 * SIZE), 100.6 / 255)
    assert (translator.prepare(between) * 255).round().unique().tolist() == [101]


def test_grey_is_colour_with_equal_channels(translator: Translator) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (40, 30), dtype=np.uint8)
    colour = np.stack([grey] * 3, 2)
    for same in (grey, Image.fromarray(grey), Image.fromarray(grey).convert("LA")):
        assert torch.equal(translator.prepare(same), translator.prepare(colour))


def test_what_is_transparent_shows_the_background(translator: Translator) -> None:
    clear = np.zeros((20, 20, 4), np.uint8)
    assert (translator.prepare(clear) == 1).all()


def test_a_tensor_beyond_the_range_is_clamped_at_any_size(translator: Translator) -> None:
    for size in (SIZE, 2 * SIZE):
        wild = torch.full((3, size, size), 1.5)
        wild[:, 0] = -0.5
        x = translator.prepare(wild)
        assert x.min() >= 0 and x.max() == 1


def test_one_gives_one_and_several_give_a_list(translator: Translator, paths: list[Path]) -> None:
    one = translator(paths[0], to="car001")
    assert isinstance(one, Image.Image) and one.size == (SIZE, SIZE) and one.mode == "RGB"
    stack = torch.stack([as_tensor(path) for path in paths[:2]])
    for several in (paths[:2], tuple(paths[:2]), stack):
        result = translator(several, to="car001")
        assert isinstance(result, list) and len(result) == 2
        assert (array(result[0]) == array(one)).all()
    assert len(translator(paths[:1], to="car001")) == 1


def test_encode_and_decode_give_the_shapes_they_document(translator: Translator, paths: list[Path]) -> None:
    code = translator.encode(paths[:3])
    assert code.content.shape == (3, *translator.model.content_shape)
    assert code.style is not None and code.style.shape == (3, translator.model.style_size)
    images = translator.decode(code)
    assert images.shape == (3, 3, SIZE, SIZE) and images.min() >= 0 and images.max() <= 1


# --- independence ---------------------------------------------------------------------------------------------------


def test_outputs_depend_neither_on_the_batch_nor_on_the_neighbours(translator: Translator, paths: list[Path]) -> None:
    style = translator.style_of(to="car002")
    x = translator.prepare(paths)
    together = translator.translate(x, style)
    alone = torch.cat([translator.translate(x[i : i + 1], style) for i in range(len(x))])
    reversed_ = translator.translate(x.flip(0), style).flip(0)
    among_others = translator.translate(torch.cat([x[:1], torch.rand(7, 3, SIZE, SIZE)]), style)[:1]
    assert (together - alone).abs().max() < 1e-5
    assert (together - reversed_).abs().max() < 1e-5
    assert (together[:1] - among_others).abs().max() < 1e-5
    assert (together[0] - together[1]).abs().max() > 1e-3  # there is something to mix up


def test_training_mode_and_eval_mode_agree(translator: Translator, paths: list[Path]) -> None:
    x = translator.prepare(paths)
    expected = translator.model.encode(x).mean.content
    translator.model.train()
    try:
        assert (translator.model.encode(x).mean.content - expected).abs().max() < 1e-5
    finally:
        translator.model.eval()


# --- styles ---------------------------------------------------------------------------------------------------------


def test_the_style_of_references_is_the_mean_over_them_however_many(translator: Translator, paths: list[Path]) -> None:
    each = torch.stack([translator.style_of(style=path) for path in paths])
    assert torch.allclose(translator.style_of(style=paths), each.mean(0), atol=1e-5)
    many = [*paths[:1] * 40, *paths[1:2] * 40]  # more than are encoded at a time
    assert torch.allclose(translator.style_of(style=many), each[:2].mean(0), atol=1e-5)


def test_a_domain_s_style_is_its_prior_s_mean(translator: Translator, paths: list[Path]) -> None:
    label = torch.tensor([translator.domains.index("car002")])
    prior = translator.model.prior(label).style
    assert prior is not None and torch.equal(translator.style_of(to="car002"), prior.mean[0])
    assert not torch.equal(translator.style_of(to="car002"), translator.style_of(to="car001"))


def test_samples_follow_their_seed_and_their_domain(translator: Translator) -> None:
    def draw(count: int = 4, **how: Any) -> bytes:
        return b"".join(image.tobytes() for image in translator.sample(count, **how))

    assert draw(seed=3) == draw(seed=3)
    assert draw(seed=3) != draw(seed=4)
    assert draw(seed=3, domain="car000") != draw(seed=3, domain="car001")
    assert draw(1, seed=3, domain="car000") == draw(1, seed=3)  # in turn, from the first


def test_truncation_draws_samples_towards_the_mean_of_their_domain(translator: Translator) -> None:
    def spread(truncation: float) -> float:
        images = translator.sample(24, domain="car001", truncation=truncation)
        return float(np.stack([array(image) for image in images]).std(0).mean())

    assert spread(0) == 0
    assert 0 < spread(0.5) < spread(1)
    pictures = translator.sample(4, domain="car001"), translator.sample(4, domain="car001", truncation=1.0)
    assert [image.tobytes() for image in pictures[0]] == [image.tobytes() for image in pictures[1]]


@pytest.mark.parametrize("truncation", [-0.1, float("nan"), float("inf")])
def test_a_truncation_that_is_none_is_refused(translator: Translator, truncation: float) -> None:
    with pytest.raises(UsageError, match="truncation was"):
        translator.sample(1, truncation=truncation)


# --- on disk --------------------------------------------------------------------------------------------------------


def test_what_is_saved_and_loaded_is_bit_for_bit_the_same(
    translator: Translator, paths: list[Path], tmp_path: Path
) -> None:
    translator.save_pretrained(tmp_path / "model")
    loaded = Translator.from_pretrained(tmp_path / "model", device="cpu")
    before, after = translator.model.state_dict(), loaded.model.state_dict()
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    assert (loaded.domains, loaded.frame, loaded.settings) == (
        translator.domains,
        translator.frame,
        translator.settings,
    )
    assert loaded(paths[0], to="car001").tobytes() == translator(paths[0], to="car001").tobytes()
    assert not any(parameter.requires_grad for parameter in loaded.model.parameters())


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_files_have_the_mode_that_the_umask_gives(
    translator: Translator, paths: list[Path], tmp_path: Path, umask: int, mode: int
) -> None:
    before = os.umask(umask)
    try:
        translator.save_pretrained(tmp_path / "model")
        translator.folder(paths[0], tmp_path / "out", to=["car001"])
    finally:
        os.umask(before)
    written = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != ".lock"]
    assert {path.suffix for path in written} == {".json", ".safetensors", ".png", ".jsonl"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in written} == {mode}


def test_a_run_s_folder_stands_for_its_model(translator: Translator, trained: Path) -> None:
    loaded = Translator.from_pretrained(str(trained / "model"), device="cpu")
    assert loaded.domains == translator.domains == ("car000", "car001", "car002")


# --- what it refuses ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (np.zeros((4, 4, 3), np.float32), "float32: expected uint8"),
        (np.zeros((4, 4, 2), np.uint8), r"\(4, 4, 2\)"),
        (np.zeros((4, 4, 1), np.uint8), r"\(4, 4, 1\)"),
        (np.zeros((2, 4, 4, 3), np.uint8), r"\(2, 4, 4, 3\)"),
        (np.zeros((0, 4, 3), np.uint8), r"\(0, 4, 3\)"),
        (torch.zeros(1, 4, 4), r"\(1, 4, 4\)"),
        (torch.zeros(3, 4, 4, dtype=torch.uint8), "uint8: expected floats"),
        (torch.zeros(3, 0, 4), r"\(0, 4, 3\)"),
        (torch.full((3, 4, 4), float("nan")), "NaN"),
        ([], "no image given"),
        (7, "int is no image"),
        (None, "NoneType is no image"),
    ],
)
def test_what_is_no_image_is_refused_in_words(translator: Translator, image: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        translator(image, to="car001")


def test_a_file_that_cannot_be_read_says_why(translator: Translator, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_text("text")
    with pytest.raises(UnreadableImage, match="not an image"):
        translator(tmp_path / "bad.png", to="car001")
    with pytest.raises(UnreadableImage, match="no such file"):
        translator(tmp_path / "none.png", to="car001")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "expected one of"),
        ({"to": "car001", "style": np.zeros((4, 4), np.uint8)}, "expected one of"),
        ({"to": "car01"}, "did you mean car001"),
        ({"style": []}, "no image given"),
    ],
)
def test_a_translation_needs_one_style(translator: Translator, paths: list[Path], options: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        translator(paths[0], **options)


def test_a_single_latent_encodes_and_samples_but_does_not_translate(
    untrained: Callable[..., Path], paths: list[Path]
) -> None:
    conv = Translator.from_pretrained(untrained("conv", "a", "b"), device="cpu")
    assert conv.encode(paths[0]).style is None
    assert len(conv.sample(3)) == 3
    for options in ({"to": "a"}, {"style": paths[0]}):
        with pytest.raises(UsageError, match="single latent"):
            conv(paths[0], **options)


def test_a_folder_that_holds_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SivaeError, match=r"model\.safetensors"):
        Translator.from_pretrained(tmp_path)
