"""The translator: images of any type, and the same translation in any batch."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from sivae_translate.data.images import Frame, UnreadableImage
from sivae_translate.errors import SivaeError, UsageError
from sivae_translate.inference.folder import translate_folder
from sivae_translate.inference.translator import Translator
from sivae_translate.models.pretrained import build_model
from sivae_translate.types import Code

SIZE = 16


@pytest.fixture
def paths(cars: Path) -> list[Path]:
    """Eight views of an unseen car."""
    return sorted((cars / "unseen/car003").glob("*.png"))[::12]


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


def test_every_level_of_a_tensor_is_kept(translator: Translator) -> None:
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


def test_an_overshoot_of_resampling_is_clamped_at_any_size(translator: Translator) -> None:
    for size in (SIZE, 2 * SIZE):
        wild = torch.full((3, size, size), 1.009)
        wild[:, 0] = -0.009
        x = translator.prepare(wild)
        assert x.min() >= 0 and x.max() == 1


@pytest.mark.parametrize(
    ("low", "high", "fix"),
    [
        (-1, 1, "(x + 1) / 2"),
        (-0.5, 0.9, "(x + 1) / 2"),
        (0, 255, "x / 255"),
        (0, 1.02, "x / 255"),
        (-2.1, 2.6, "x * std + mean"),
    ],
)
@pytest.mark.parametrize("size", [SIZE, 2 * SIZE])
def test_the_error_of_another_range_has_the_range_and_a_fix(
    translator: Translator, low: float, high: float, fix: str, size: int
) -> None:
    x = torch.linspace(low, high, 3 * size * size).view(3, size, size)
    for call in (translator.prepare, translator.encode, lambda x: translator(x[None], to="car001")):
        with pytest.raises(UsageError, match=re.escape(fix)) as caught:
            call(x)
        assert f"from {low:g} to {high:g}" in str(caught.value)


def test_one_image_gives_a_picture_and_a_list_gives_a_list(translator: Translator, paths: list[Path]) -> None:
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
    assert (together[0] - together[1]).abs().max() > 1e-3  # the images of the batch differ


def test_training_mode_and_eval_mode_agree(translator: Translator, paths: list[Path]) -> None:
    x = translator.prepare(paths)
    expected = translator.model.encode(x).mean.content
    translator.model.train()
    try:
        assert (translator.model.encode(x).mean.content - expected).abs().max() < 1e-5
    finally:
        translator.model.eval()


# --- styles ---------------------------------------------------------------------------------------------------------


def test_the_style_of_references_is_their_mean(translator: Translator, paths: list[Path]) -> None:
    each = torch.stack([translator.style_of(style=path) for path in paths])
    assert torch.allclose(translator.style_of(style=paths), each.mean(0), atol=1e-5)
    many = [*paths[:1] * 40, *paths[1:2] * 40]  # more than are encoded at a time
    assert torch.allclose(translator.style_of(style=many), each[:2].mean(0), atol=1e-5)


def test_a_domain_s_style_is_its_prior_s_mean(translator: Translator, paths: list[Path]) -> None:
    label = torch.tensor([translator.domains.index("car002")])
    prior = translator.model.prior(label).style
    assert prior is not None and torch.equal(translator.style_of(to="car002"), prior.mean[0])
    assert not torch.equal(translator.style_of(to="car002"), translator.style_of(to="car001"))


def test_a_random_style_depends_on_its_domain_seed_and_number_alone(translator: Translator) -> None:
    five = translator.random_styles("car001", 5, seed=3)
    assert five.shape == (5, translator.model.style_size) and len(five.unique(dim=0)) == 5
    torch.manual_seed(77)
    assert torch.equal(translator.random_styles("car001", 5, seed=3), five)
    for count in (1, 2, 40):
        styles = translator.random_styles("car001", count, seed=3)
        assert torch.equal(styles[:5], five[:count])
    assert not torch.isclose(translator.random_styles("car001", 5, seed=4), five).any(1).all()
    assert not torch.equal(translator.random_styles("car002", 5, seed=3), five)


def test_a_random_style_does_not_change_with_the_count_where_a_longer_draw_does() -> None:
    """A longer draw of torch changes the first numbers with 10 dimensions, but not with a multiple of 16."""
    settings = {"name": "style", "width": 16, "max_width": 32, "style": 10}
    model = build_model(settings, ("a", "b"), SIZE)
    translator = Translator(model, settings, Frame(SIZE, "crop", (255, 255, 255)))
    assert torch.equal(translator.random_styles("b", 7)[:2], translator.random_styles("b", 2))


def test_random_styles_are_draws_from_the_domain_s_prior(translator: Translator) -> None:
    prior = translator.model.prior(torch.tensor([translator.domains.index("car001")])).style
    assert prior is not None
    mean, deviation = prior.mean[0], torch.exp(prior.logvar[0] / 2)
    assert torch.equal(mean, translator.style_of(to="car001"))
    for spread in (1, 0.3):
        distance = (translator.random_styles("car001", 400, truncation=spread) - mean) / deviation
        assert distance.mean().abs() < 0.02 * spread and abs(distance.std() / spread - 1) < 0.02
    assert torch.equal(translator.random_styles("car001", 2, truncation=0), torch.stack([mean, mean]))


def test_a_style_vector_may_be_the_target(translator: Translator, paths: list[Path]) -> None:
    for style in translator.random_styles("car001", 2):
        assert torch.equal(translator.style_of(to=style), style)
        pictures = translator(paths[:2], to=style)
        expected = translator.to_pictures(translator.translate(translator.prepare(paths[:2]), style))
        assert [picture.tobytes() for picture in pictures] == [picture.tobytes() for picture in expected]
    mean = translator.style_of(to="car002")
    assert translator(paths[0], to=mean.double()).tobytes() == translator(paths[0], to="car002").tobytes()


def test_samples_follow_their_seed_and_their_domain(translator: Translator) -> None:
    def draw(count: int = 4, **how: Any) -> bytes:
        return b"".join(image.tobytes() for image in translator.sample(count, **how))

    assert draw(seed=3) == draw(seed=3)
    assert draw(seed=3) != draw(seed=4)
    assert draw(seed=3, domain="car000") != draw(seed=3, domain="car001")
    assert draw(1, seed=3, domain="car000") == draw(1, seed=3)  # the domains in order, from the first


def test_truncation_draws_samples_towards_the_means_of_the_prior(translator: Translator) -> None:
    def samples(truncation: float) -> np.ndarray:
        images = translator.sample(24, domain="car001", truncation=truncation)
        return np.stack([array(image) for image in images]).astype(float)

    means = samples(1e-6)  # of the parts of the contents' mixture that were drawn, and of the domain's styles
    assert 0 < abs(samples(0.3) - means).mean() < abs(samples(1) - means).mean()
    assert samples(0).std(0).max() == 0
    pictures = translator.sample(4, domain="car001"), translator.sample(4, domain="car001", truncation=1.0)
    assert [image.tobytes() for image in pictures[0]] == [image.tobytes() for image in pictures[1]]


@pytest.mark.parametrize("truncation", [-0.1, float("nan"), float("inf")])
def test_a_negative_or_infinite_truncation_is_an_error(translator: Translator, truncation: float) -> None:
    for draw in (translator.sample, lambda count, **how: translator.random_styles("car001", count, **how)):
        with pytest.raises(UsageError, match="truncation"):
            draw(1, truncation=truncation)


# --- one domain more ------------------------------------------------------------------------------------------------


def test_an_added_domain_has_the_style_of_its_images_and_changes_no_other(
    translator: Translator, paths: list[Path], tmp_path: Path
) -> None:
    weights = {name: value.clone() for name, value in translator.model.state_dict().items()}
    domains, references = translator.domains, paths[:3]
    added = translator.add_domain("okapi", references)
    assert added.domains == added.model.domains == (*domains, "okapi") and translator.domains == domains
    assert all(torch.equal(value, weights[name]) for name, value in translator.model.state_dict().items())
    assert torch.equal(added.style_of(to="okapi"), translator.style_of(style=references))
    for domain in domains:
        assert torch.equal(added.style_of(to=domain), translator.style_of(to=domain))
        assert added(paths[3], to=domain).tobytes() == translator(paths[3], to=domain).tobytes()
    assert not any(parameter.requires_grad for parameter in added.model.parameters())

    added.save_pretrained(tmp_path / "model")
    loaded = Translator.from_pretrained(tmp_path / "model", device="cpu")
    before, after = added.model.state_dict(), loaded.model.state_dict()
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    assert loaded.domains == added.domains and loaded.settings == translator.settings
    assert loaded(paths[3], to="okapi").tobytes() == translator(paths[3], style=references).tobytes()
    assert loaded.sample(1, domain="okapi")[0].tobytes() == added.sample(1, domain="okapi")[0].tobytes()


def test_an_added_domain_s_style_is_refined_by_inversion_when_asked(translator: Translator, paths: list[Path]) -> None:
    added = translator.add_domain("okapi", paths[:3], inversion_steps=5)
    assert torch.equal(added.style_of(to="okapi"), translator.style_of(style=paths[:3], inversion_steps=5))
    assert not torch.equal(added.style_of(to="okapi"), translator.style_of(style=paths[:3]))


@pytest.mark.parametrize("name", ["car001", "a/b", "", ".", "..", "a\0b"])
def test_a_name_that_no_new_domain_can_have_is_an_error(translator: Translator, paths: list[Path], name: str) -> None:
    with pytest.raises(UsageError, match=re.escape(repr(name))):
        translator.add_domain(name, paths[0])


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
        translate_folder(translator, paths[0], tmp_path / "out", to=["car001"])
    finally:
        os.umask(before)
    written = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != ".lock"]
    assert {path.suffix for path in written} == {".json", ".safetensors", ".png", ".jsonl"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in written} == {mode}


def test_the_folder_of_a_run_loads_its_model(translator: Translator, trained: Path) -> None:
    loaded = Translator.from_pretrained(str(trained / "model"), device="cpu")
    assert loaded.domains == translator.domains == ("car000", "car001", "car002")


# --- expected errors ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "part"),
    [
        (np.zeros((4, 4, 3), np.float32), "float32"),
        (np.zeros((4, 4, 2), np.uint8), r"\(4, 4, 2\)"),
        (np.zeros((4, 4, 1), np.uint8), r"\(4, 4, 1\)"),
        (np.zeros((2, 4, 4, 3), np.uint8), r"\(2, 4, 4, 3\)"),
        (np.zeros((0, 4, 3), np.uint8), r"\(0, 4, 3\)"),
        (torch.zeros(1, 4, 4), r"\(1, 4, 4\)"),
        (torch.zeros(4, 5, 3), r"\(4, 5, 3\).*permute\(2, 0, 1\)"),
        (torch.zeros(3, 4, 4, dtype=torch.uint8), r"uint8.*x / 255"),
        (torch.zeros(2, 3, 4, 4, dtype=torch.uint8), r"uint8.*x / 255"),
        (torch.zeros(3, 4, 4, dtype=torch.int64), r"int64.*x / 255"),
        (torch.zeros(3, 0, 4), r"\(3, 0, 4\)"),
        (torch.full((3, 16, 16), float("inf")), "NaN or infinity"),
        (torch.full((3, 4, 4), 1e300, dtype=torch.float64), r"float64.*1e\+300"),
        (torch.full((3, 4, 4), float("nan")), "NaN"),
        ([], "image"),
        (7, "int"),
        (None, "NoneType"),
    ],
)
def test_the_error_of_an_array_that_is_no_image_has_its_shape(translator: Translator, image: Any, part: str) -> None:
    with pytest.raises(UsageError, match=part):
        translator(image, to="car001")


def test_a_file_that_cannot_be_read_is_an_error(translator: Translator, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_text("text")
    with pytest.raises(UnreadableImage):
        translator(tmp_path / "bad.png", to="car001")
    with pytest.raises(UnreadableImage):
        translator(tmp_path / "none.png", to="car001")


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({}, "to.*style"),
        ({"to": "car001", "style": np.zeros((4, 4), np.uint8)}, "to.*style"),
        ({"to": "car01"}, "car01.*car001"),
        ({"style": []}, "image"),
        ({"to": torch.zeros(5, 64)}, r"\[5, 64\].*\[64\]"),
        ({"to": torch.zeros(3)}, r"\[3\].*\[64\]"),
        ({"to": 3}, "3.*car000"),
        ({"to": ["car001"]}, r"\['car001'\]"),
        ({"style": 3}, "int"),
        ({"to": torch.full((64,), float("nan"))}, "NaN"),
        ({"to": torch.full((64,), 1e300, dtype=torch.float64)}, "infinity"),
        ({"to": torch.zeros(64, dtype=torch.int64)}, "int64"),
        ({"to": "car001", "style_correction": -1}, "style_correction was -1"),
        ({"style": np.zeros((4, 4), np.uint8), "inversion_steps": 1.5}, "inversion_steps was 1.5"),
    ],
)
def test_a_translation_needs_one_style(translator: Translator, paths: list[Path], options: Any, part: str) -> None:
    with pytest.raises(UsageError, match=part):
        translator(paths[0], **options)


BAD_CALLS: dict[str, tuple[Callable[[Translator, Tensor], Any], str]] = {
    "no sample": (lambda t, x: t.sample(0), "count was 0"),
    "fewer than none": (lambda t, x: t.sample(-2), "count was -2"),
    "half a sample": (lambda t, x: t.sample(1.5), "count was 1.5"),  # type: ignore[arg-type]
    "a sample's text": (lambda t, x: t.sample("3"), "count was '3'"),  # type: ignore[arg-type]
    "a domain's number": (lambda t, x: t.sample(1, domain=3), "domain was 3"),  # type: ignore[arg-type]
    "a seed's text": (lambda t, x: t.sample(1, seed="1"), "seed was '1'"),  # type: ignore[arg-type]
    "a truncation's text": (lambda t, x: t.sample(1, truncation="1"), "truncation"),  # type: ignore[arg-type]
    "no style": (lambda t, x: t.random_styles("car001", 0), "count was 0"),
    "a style's domain": (lambda t, x: t.random_styles(3, 1), "to was 3"),  # type: ignore[arg-type]
    "a negative batch": (lambda t, x: t.score(x, batch=-1), "batch was -1"),
    "no batch": (lambda t, x: t.score(x, batch=0), "batch was 0"),
    "half a code": (lambda t, x: t.score(x, samples=0.5), "samples was 0.5"),  # type: ignore[arg-type]
    "a beta's text": (lambda t, x: t.score(x, beta="1"), "beta was '1'"),  # type: ignore[arg-type]
    "negative steps": (lambda t, x: t.reconstruct(x, inversion_steps=-1), "inversion_steps was -1"),
    "steps as text": (lambda t, x: t.interpolate(x[0], x[0], steps="4"), "steps was '4'"),  # type: ignore[arg-type]
    "a number's name": (lambda t, x: t.add_domain(3, x), "3"),  # type: ignore[arg-type]
    "a surrogate's name": (lambda t, x: t.add_domain("\ud800", x), "folder"),
    "an image in another size": (lambda t, x: t.translate(x[:, :, 1:], t.style_of(to="car001")), r"\[B, 3, 16, 16\]"),
    "an image without a batch": (lambda t, x: t.translate(x[0], t.style_of(to="car001")), r"\[B, 3, 16, 16\]"),
    "an image of -1..1": (lambda t, x: t.translate(2 * x - 2, t.style_of(to="car001")), r"\(x \+ 1\) / 2"),
    "an array": (lambda t, x: t.translate(x.numpy(), t.style_of(to="car001")), "ndarray"),  # type: ignore[arg-type]
    "another style": (lambda t, x: t.translate(x, torch.zeros(3)), r"\[3\].*\[64\]"),
    "a name as style": (lambda t, x: t.translate(x, "car001"), "str"),  # type: ignore[arg-type]
    "NaN in a style": (lambda t, x: t.translate(x, torch.full((64,), torch.nan)), "NaN"),
    "NaN in a content": (lambda t, x: t.restyle(t.encode(x).content * torch.nan, torch.zeros(64)), "NaN"),
    "a flat content": (lambda t, x: t.restyle(torch.zeros(1, 8), torch.zeros(64)), r"\[1, 8\]"),
    "an infinite code": (lambda t, x: t.decode(t.encode(x).map(lambda p: p * torch.inf)), "NaN"),
    "a code without style": (lambda t, x: t.decode(Code(t.encode(x).content)), "NoneType"),
    "a tensor as code": (lambda t, x: t.decode(x), "Tensor"),  # type: ignore[arg-type]
    "NaN in a direction": (lambda t, x: t.edit(x[0], t.encode(x).map(lambda p: p * torch.nan), [1]), "NaN"),
    "a tensor as direction": (lambda t, x: t.edit(x[0], x, [1]), "Tensor"),  # type: ignore[arg-type]
    "a strength of NaN": (lambda t, x: t.edit(x[0], t.encode(x), [float("nan")]), "strengths"),
    "a strength's text": (lambda t, x: t.edit(x[0], t.encode(x), "12"), "strengths"),
    "NaN in a picture": (lambda t, x: t.to_pictures(x * torch.nan), "NaN"),
    "levels as picture": (lambda t, x: t.to_pictures((255 * x).byte()), "uint8"),
    "a picture without a batch": (lambda t, x: t.to_pictures(x[0]), r"\(3, 16, 16\)"),
    "no device": (lambda t, x: t.to("gpu"), "gpu"),
    "the meta device": (lambda t, x: t.to(torch.device("meta")), "meta"),
}


@pytest.mark.parametrize(("call", "part"), BAD_CALLS.values(), ids=BAD_CALLS)
def test_an_impossible_argument_is_one_line_of_error(
    translator: Translator, call: Callable[[Translator, Tensor], Any], part: str
) -> None:
    with pytest.raises(UsageError, match=part) as caught:
        call(translator, torch.full((1, 3, SIZE, SIZE), 0.5))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16, torch.float32])
def test_pictures_of_any_float_are_clamped_and_never_wrap(translator: Translator, dtype: torch.dtype) -> None:
    x = torch.tensor([1.2, -0.2, 1.0, 0.0, 300.0, -300.0]).to(dtype).view(2, 3, 1, 1)
    assert [picture.getpixel((0, 0)) for picture in translator.to_pictures(x)] == [(255, 0, 255), (0, 255, 0)]


def test_images_that_are_not_finite_are_an_error_and_no_black_picture(
    untrained: Callable[..., Path], paths: list[Path]
) -> None:
    broken = Translator.from_pretrained(untrained("conv", "a"), device="cpu")
    next(broken.model.decoder.parameters()).fill_(torch.nan)
    for call in (lambda: broken.reconstruct(paths[0]), lambda: broken.sample(1)):
        with pytest.raises(SivaeError, match="NaN"):
            call()


def test_a_device_may_be_an_object(translator: Translator, trained: Path, paths: list[Path]) -> None:
    expected = translator(paths[0], to="car001").tobytes()
    for device in (torch.device("cpu"), torch.device("cpu", 0), "cpu:0"):
        loaded = Translator.from_pretrained(trained, device=device)
        assert loaded.device == torch.device("cpu") and loaded(paths[0], to="car001").tobytes() == expected
        assert loaded.to(device) is loaded


# --- memory ---------------------------------------------------------------------------------------------------------


def test_the_network_sees_a_batch_at_a_time_and_results_are_equal(
    translator: Translator, paths: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    many, style, seen = paths * 9, translator.style_of(to="car001"), list[int]()  # 72 images
    encode, decode = translator.model.encode, translator.model.decode
    monkeypatch.setattr(translator.model, "encode", lambda x: seen.append(len(x)) or encode(x))
    monkeypatch.setattr(translator.model, "decode", lambda code: seen.append(len(code)) or decode(code))
    x = translator.prepare(many)
    code = translator.encode(many)
    images = {
        "call": torch.stack([as_pixels(p) for p in translator(many, style=paths[0])]),
        "reconstruct": torch.stack([as_pixels(p) for p in translator.reconstruct(many, inversion_steps=1)]),
        "translate": translator.translate(x, style, style_correction=1),
        "restyle": translator.restyle(code.content, style),
        "decode": translator.decode(code),
        "score": translator.score(many, samples=1).rec[:, None] / 1000,
    }
    assert max(seen) == 32 and len(code) == 72
    for name, rows in images.items():
        assert len(rows) == 72, name
        for start in range(0, 72, 8):  # the paths again
            assert (rows[start : start + 8] - rows[:8]).abs().max() <= (1.01 / 255 if len(rows[0].shape) else 1e-5), (
                name
            )


def as_pixels(picture: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(picture)).float() / 255


def test_a_single_latent_encodes_and_samples_but_does_not_translate(
    untrained: Callable[..., Path], paths: list[Path]
) -> None:
    conv = Translator.from_pretrained(untrained("conv", "a", "b"), device="cpu")
    assert conv.encode(paths[0]).style is None
    assert len(conv.sample(3)) == 3
    for call in (
        lambda: conv(paths[0], to="a"),
        lambda: conv(paths[0], style=paths[0]),
        lambda: conv.random_styles("a", 2),
        lambda: conv.add_domain("c", paths[0]),
    ):
        with pytest.raises(UsageError, match="--recipe style"):
            call()


def test_a_folder_without_a_model_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SivaeError, match=r"model\.safetensors"):
        Translator.from_pretrained(tmp_path)


# --- iterative style correction -------------------------------------------------------------------------------------


@pytest.fixture
def with_layout(untrained: Callable[..., Path]) -> Translator:
    """A translator whose content has a layout, of 4 x 4 places."""
    return Translator.from_pretrained(untrained("style", "a", "b", content_stride=4), device="cpu")


def test_each_iteration_adds_the_difference_to_the_encoded_style(with_layout: Translator, paths: list[Path]) -> None:
    style, x = with_layout.style_of(style=paths[1]), with_layout.prepare(paths)
    plain = with_layout.translate(x, style)
    found = with_layout.encode(plain).style
    assert found is not None
    by_hand = with_layout.decode(Code(with_layout.encode(x).content, 2 * style - found))
    corrected = with_layout.translate(x, style, style_correction=1)
    torch.testing.assert_close(corrected, by_hand, atol=1e-5, rtol=0)
    assert (corrected - plain).abs().max() > 1e-3


def test_the_style_of_a_reference_is_corrected_twice_by_default(with_layout: Translator, paths: list[Path]) -> None:
    x, style = with_layout.prepare(paths[0]), with_layout.style_of(style=paths[1])
    by_hand = with_layout.to_pictures(with_layout.translate(x, style, style_correction=2))[0]
    assert (array(with_layout(paths[0], style=paths[1])) == array(by_hand)).all()
    assert (array(with_layout(paths[0], style=paths[1], style_correction=0)) != array(by_hand)).any()


def test_the_styles_of_domains_are_not_corrected(with_layout: Translator, paths: list[Path]) -> None:
    for to in ("a", with_layout.random_styles("b", 1)[0]):
        pictures = [with_layout(paths[0], to=to, style_correction=iterations).tobytes() for iterations in (0, 3)]
        assert pictures[0] == pictures[1]


def test_a_vector_content_is_not_corrected(translator: Translator, paths: list[Path]) -> None:
    pictures = [translator(paths[0], style=paths[1], style_correction=iterations).tobytes() for iterations in (0, 3)]
    assert pictures[0] == pictures[1]
