"""Interpolation and edits of codes: by hand, and at both ends."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from sivae_translate.errors import UsageError
from sivae_translate.inference.edit import along, between, spherical, strengths
from sivae_translate.inference.translator import Translator
from sivae_translate.types import Code


def content(*values: float) -> Tensor:
    return torch.tensor(values).float().view(1, -1, 1, 1)


def code(values: tuple[float, ...], style: tuple[float, ...] | None = None) -> Code:
    return Code(content(*values), None if style is None else torch.tensor([style]).float())


@pytest.fixture
def pair(cars: Path) -> list[Path]:
    return [cars / "unseen/car003/el0_az00.png", cars / "unseen/car004/el2_az09.png"]


# --- by hand --------------------------------------------------------------------------------------------------------


def test_spherical_interpolation_by_hand() -> None:
    """Spherical interpolation from length 2 to length 4 over a right angle."""
    third, half = spherical(content(2, 0), content(0, 4), torch.tensor([1 / 3, 1 / 2])).flatten(1)
    assert third.tolist() == pytest.approx([8 / 3 * math.cos(math.pi / 6), 8 / 3 * math.sin(math.pi / 6)])
    assert half.tolist() == pytest.approx([3 / math.sqrt(2)] * 2)


def test_spherical_interpolation_stays_on_the_sphere_and_in_the_plane_of_its_ends() -> None:
    torch.manual_seed(0)
    a, b = torch.randn(2, 1, 8, 4, 4)
    a, b = (5 * t / t.norm() for t in (a, b))
    arc = spherical(a, b, torch.linspace(0, 1, 7)).flatten(1)
    assert torch.allclose(arc.norm(dim=1), torch.tensor(5.0), atol=1e-5)
    cosines = torch.cosine_similarity(arc[1:], arc[:-1])
    assert torch.allclose(cosines, cosines[0], atol=1e-5)
    assert torch.linalg.matrix_rank(arc, rtol=1e-5) == 2


@pytest.mark.parametrize(
    ("end", "middle"),
    [((3.0, 0.0), (2.0, 0.0)), ((1.0, 0.0), (1.0, 0.0)), ((-1.0, 0.0), (0.0, 0.0)), ((0.0, 0.0), (0.5, 0.0))],
    ids=["the same way", "the same", "opposite", "nothing"],
)
def test_parallel_and_opposite_codes_are_interpolated_linearly(
    end: tuple[float, float], middle: tuple[float, float]
) -> None:
    way = spherical(content(1, 0), content(*end), torch.tensor([0, 0.5, 1]))
    assert way.flatten(1).tolist() == [[1, 0], list(middle), list(end)]


def test_content_is_interpolated_spherically_and_style_linearly() -> None:
    a, b = code((2, 0), (0, 4)), code((0, 2), (2, 0))
    both = between(a, b, 3, "both")
    assert both.content[1].flatten().tolist() == pytest.approx([math.sqrt(2)] * 2)
    assert both.style is not None and both.style.tolist() == [[0, 4], [1, 2], [2, 0]]


@pytest.mark.parametrize(("what", "ends"), [("content", (1, 0)), ("style", (0, 1)), ("both", (1, 1))])
def test_only_the_requested_part_changes_and_both_ends_are_exact(what: str, ends: tuple[int, int]) -> None:
    torch.manual_seed(0)
    a, b = (Code(torch.randn(1, 8, 4, 4), torch.randn(1, 16)) for _ in range(2))
    way = between(a, b, 5, what)
    assert way.style is not None and a.style is not None and b.style is not None
    assert torch.equal(way.content[:1], a.content) and torch.equal(way.style[:1], a.style)
    assert torch.equal(way.content[-1:], (a, b)[ends[0]].content)
    assert torch.equal(way.style[-1:], ((a, b)[ends[1]]).style)  # type: ignore[arg-type]


def test_a_direction_is_added_in_the_requested_parts() -> None:
    start, direction = code((1, 1), (0, 0)), code((1, 0), (0, 3))
    for what, contents, styles in (
        ("both", [[-1, 1], [1, 1], [2, 1]], [[0, -6], [0, 0], [0, 3]]),
        ("content", [[-1, 1], [1, 1], [2, 1]], [[0, 0]] * 3),
        ("style", [[1, 1]] * 3, [[0, -6], [0, 0], [0, 3]]),
    ):
        moved = along(start, direction, [-2, 0, 1], what)
        assert moved.content.flatten(1).tolist() == contents
        assert moved.style is not None and moved.style.tolist() == styles


@pytest.mark.parametrize(
    ("text", "steps", "expected"),
    [("-2..2", 5, [-2, -1, 0, 1, 2]), ("0..0.5", 2, [0, 0.5]), ("3..1", 3, [3, 2, 1]), ("1.5", 5, [1.5])],
)
def test_strengths_are_a_range_or_a_number(text: str, steps: int, expected: list[float]) -> None:
    assert strengths(text, steps) == expected


# --- as pictures ----------------------------------------------------------------------------------------------------


def test_the_ends_are_the_reconstructions(translator: Translator, pair: list[Path]) -> None:
    way = translator.interpolate(*pair, steps=40)  # more than are decoded at a time
    assert len(way) == 40
    assert [way[0].tobytes(), way[-1].tobytes()] == [translator.reconstruct(path).tobytes() for path in pair]
    assert len({picture.tobytes() for picture in way}) > 20


def alike(a: Image.Image, b: Image.Image) -> bool:
    """Whether two pictures differ by at most one level of 255, as pictures of different batches may."""
    return bool(abs(np.asarray(a).astype(int) - np.asarray(b)).max() <= 1)


def test_the_ends_of_an_interpolation_are_reconstructions_and_translations(
    translator: Translator, pair: list[Path]
) -> None:
    first, last = translator.interpolate(*pair, what="style", steps=2)
    assert alike(first, translator.reconstruct(pair[0])) and alike(last, translator(pair[0], style=pair[1]))
    last = translator.interpolate(*pair, what="content", steps=2)[1]
    assert alike(last, translator(pair[1], style=pair[0]))


def test_between_two_styles_a_third_image_keeps_its_content(
    translator: Translator, pair: list[Path], cars: Path
) -> None:
    third = cars / "unseen/car004/el1_az07.png"
    way = translator.interpolate(*pair, what="style", steps=3, content=third)
    assert alike(way[0], translator(third, style=pair[0])) and alike(way[-1], translator(third, style=pair[1]))
    middle = (translator.style_of(style=pair[0]) + translator.style_of(style=pair[1])) / 2
    assert alike(way[1], translator(third, to=middle))
    with pytest.raises(UsageError, match=r"both.*style"):
        translator.interpolate(*pair, content=third)


def test_an_edit_of_strength_0_is_the_reconstruction(translator: Translator, pair: list[Path]) -> None:
    direction = translator.encode(pair[1])
    edited = translator.edit(pair[0], direction, [-1, 0, 1])
    assert alike(edited[1], translator.reconstruct(pair[0]))
    assert len({picture.tobytes() for picture in edited}) == 3


def test_a_single_latent_has_content_alone(untrained: Callable[..., Path], pair: list[Path]) -> None:
    conv = Translator.from_pretrained(untrained("conv", "a"), device="cpu")
    whole, content_alone = (conv.interpolate(*pair, what=what, steps=3) for what in ("both", "content"))
    assert [picture.tobytes() for picture in whole] == [picture.tobytes() for picture in content_alone]
    assert alike(whole[-1], conv.reconstruct(pair[1]))
    for call in (
        lambda: conv.interpolate(*pair, what="style"),
        lambda: conv.edit(pair[0], conv.encode(pair[1]), [1], what="style"),
    ):
        with pytest.raises(UsageError, match=r"content.*both"):
            call()


# --- expected errors ------------------------------------------------------------------------------------------------

BAD_CALLS: list[tuple[Callable[[Code], Any], str]] = [
    (lambda a: between(a, a, 1, "both"), "steps.*1"),
    (lambda a: between(a, a, -3, "both"), "steps.*-3"),
    (lambda a: between(a, a, 2, "styel"), "styel.*style"),
    (lambda a: along(a, a, [1], "all"), "all.*both, content, style"),
    (lambda a: along(a, a, [], "both"), "strength"),
    (lambda a: along(a, code((1, 2, 3), (1,)), [1], "both"), r"\[1, 3, 1, 1\].*\[1, 1\]"),
    (lambda a: along(a, code((1, 2)), [1], "both"), "style"),
    (lambda a: along(a, Code.cat([a, a]), [1], "both"), r"\[2,"),
    (lambda _: strengths("-2..2", 1), "steps.*1"),
    *(
        (lambda _, text=text: strengths(text, 5), "--strength")  # type: ignore[misc]
        for text in ("", "much", "1..", "1..2..3", "nan", "0..inf", "1-2")
    ),
]


@pytest.mark.parametrize(("call", "part"), BAD_CALLS)
def test_impossible_edits_are_errors(call: Callable[[Code], Any], part: str) -> None:
    with pytest.raises(UsageError, match=part):
        call(code((1, 2), (3, 4)))


def test_a_list_in_place_of_one_image_is_an_error(translator: Translator, pair: list[Path]) -> None:
    with pytest.raises(UsageError, match="list"):
        translator.interpolate(pair, pair[0])  # type: ignore[arg-type]
