"""Growing: the weights that a model of twice the size takes over."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from sivae_translate.models import MODELS
from sivae_translate.models.growing import check_growth, grow
from sivae_translate.types import Code

EVEN = {"width": 32, "max_width": 32}  # equal widths at every level, so all shapes agree
SMALL: dict[str, dict[str, Any]] = {
    "conv": {"latent": 8, "patch": 2},
    "style": {"content": 8, "style": 6},
    "synthesis": {"latent": 8, "mapping": 1},
}


def model(name: str, size: int, seed: int, **settings: Any) -> Any:
    torch.manual_seed(seed)
    return MODELS[name](**{"domains": ("a", "b"), "size": size, **SMALL[name], **EVEN, **settings})


@pytest.mark.parametrize("name", SMALL)
def test_levels_keep_their_weights_by_their_resolution(name: str) -> None:
    smaller, larger = model(name, 16, 0), model(name, 32, 1)
    fresh = {key: value.clone() for key, value in larger.state_dict().items()}
    fraction = grow(larger, smaller)
    before, after = smaller.state_dict(), larger.state_dict()
    for key, value in before.items():
        if key.startswith("decoder") or "content" in key or "style" in key:
            assert torch.equal(after[key], value), key
    blocks = "encoder.features.blocks"  # finest first: 8 -> 4 pixels is the last of both
    assert torch.equal(after[f"{blocks}.1.conv1.weight"], before[f"{blocks}.0.conv1.weight"])
    assert torch.equal(after[f"{blocks}.0.conv1.weight"], fresh[f"{blocks}.0.conv1.weight"])
    assert 0.5 < fraction < 1


def test_a_grown_synthesis_model_begins_with_the_enlarged_image() -> None:
    smaller, larger = model("synthesis", 16, 0), model("synthesis", 32, 1)
    for block in smaller.decoder["image"].blocks:
        torch.nn.init.normal_(block.norm1.affine.weight)
    grow(larger, smaller)
    code = Code(torch.randn(3, 8, 1, 1))
    enlarged = F.interpolate(smaller.decode(code), scale_factor=2, mode="bilinear")
    torch.testing.assert_close(larger.decode(code), enlarged, rtol=0, atol=1e-5)
    larger.decode(code).square().sum().backward()
    assert larger.decoder["image"].to_rgb[-1].weight.grad.abs().max() > 0


@pytest.mark.parametrize(("size", "patch"), [(16, 2), (32, 4)])
def test_with_a_doubled_patch_each_pixel_becomes_four(size: int, patch: int) -> None:
    smaller, larger = model("conv", size, 0, patch=patch), model("conv", 2 * size, 1, patch=2 * patch)
    assert grow(larger, smaller) == 1
    x, code = torch.rand(3, 3, size, size), Code(torch.randn(3, 8, 1, 1))
    twice = torch.nn.UpsamplingNearest2d(scale_factor=2)
    torch.testing.assert_close(larger.encode(twice(x)).content.mean, smaller.encode(x).content.mean)
    torch.testing.assert_close(larger.decode(code), twice(smaller.decode(code)))


def test_weights_of_another_shape_stay_new() -> None:
    smaller, larger = model("style", 16, 0, width=16), model("style", 32, 1, width=16)
    block = larger.decoder["image"].blocks[-1].conv1.weight.clone()
    grow(larger, smaller)
    assert torch.equal(larger.decoder["image"].blocks[-1].conv1.weight, block)


def test_another_size_or_kind_of_model_is_an_error() -> None:
    smaller = model("conv", 16, 0)
    check_growth(smaller, MODELS["conv"], 32)
    with pytest.raises(ValueError, match=r"16.*32"):
        check_growth(smaller, MODELS["conv"], 64)
    with pytest.raises(ValueError):
        check_growth(smaller, MODELS["style"], 32)


def test_domains_must_agree_where_the_model_has_styles() -> None:
    with pytest.raises(ValueError, match="domains"):
        grow(model("style", 32, 1), model("style", 16, 0, domains=("a", "c")))
    grow(model("conv", 32, 1), model("conv", 16, 0, domains=("a", "c")))
