"""Norms, variance bounds and local contrast, against their definitions."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from sivae_translate.models.autoencoder import StyleAutoencoder, standard_normal, unit_scale, with_detail
from sivae_translate.models.encoder import within_bounds
from sivae_translate.models.layers import AdaGN, AdaIN, FiLM, ResidualBlock, conv_of_upsampled
from sivae_translate.objectives.functional import kl_divergence
from sivae_translate.types import Gaussian


def test_adain_gives_each_channel_the_mean_and_deviation_of_the_style() -> None:
    torch.manual_seed(0)
    norm, h, style = AdaIN(6, 4), (3 * torch.randn(2, 6, 5, 5) + 7).requires_grad_(), torch.randn(2, 4)
    scale, shift = norm.affine(style).chunk(2, 1)
    y = norm(h, style)
    torch.testing.assert_close(y.mean((2, 3)), shift, atol=1e-5, rtol=0)
    torch.testing.assert_close(y.std((2, 3), correction=0), (1 + scale).abs(), atol=0, rtol=2e-3)
    expected = (1 + scale)[:, :, None, None] * F.instance_norm(h, eps=1e-2) + shift[:, :, None, None]
    torch.testing.assert_close(y, expected, atol=1e-5, rtol=0)
    gradients = [torch.autograd.grad((image**3).sum(), h, retain_graph=True)[0] for image in (y, expected)]
    torch.testing.assert_close(*gradients, atol=1e-4, rtol=1e-4)


def test_adain_of_a_flat_channel_is_finite_in_half_precision() -> None:
    norm = AdaIN(4, 3)
    y = norm(torch.full((1, 4, 4, 4), 9.0, dtype=torch.bfloat16), torch.zeros(1, 3))
    assert y.dtype == torch.bfloat16 and y.isfinite().all()


def test_detail_is_the_image_less_its_local_mean() -> None:
    x = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    seen = with_detail(x)
    torch.testing.assert_close(seen[:, :3], x - 0.5)
    torch.testing.assert_close(seen[0, 3, 8, 5], 2 * (x[0, 0, 8, 5] - x[0, 0, 6:11, 3:8].mean()))
    padded = F.pad(x, [2] * 4, mode="replicate")  # at a corner the edge is repeated
    torch.testing.assert_close(seen[1, 5, 0, 15], 2 * (x[1, 2, 0, 15] - padded[1, 2, :5, 15:].mean()))
    flat = with_detail(torch.full((1, 3, 16, 16), 0.8))
    torch.testing.assert_close(flat[:, 3:], torch.zeros(1, 3, 16, 16), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("stride", "norm"),
    [(0, AdaIN), (4, AdaGN)],
)
def test_vector_content_has_adain_and_a_layout_adagn(stride: int, norm: type) -> None:
    blocks = StyleAutoencoder(domains=("a", "b"), size=16, content_stride=stride, width=16).decoder["image"].blocks
    assert all(type(layer) is norm for block in blocks for layer in (block.norm1, block.norm2))


def test_film_scales_and_shifts_and_adagn_normalises_before() -> None:
    torch.manual_seed(0)
    h, style = 3 * torch.randn(2, 32, 5, 5) + 7, torch.randn(2, 4)
    plain, normalised = FiLM(32, 4), AdaGN(32, 4)
    normalised.affine = plain.affine
    scale, shift = plain.affine(style)[:, :, None, None].chunk(2, 1)
    torch.testing.assert_close(plain(h, style), (1 + scale) * h + shift)
    expected = (1 + scale) * F.group_norm(h, 2) + shift
    torch.testing.assert_close(normalised(h, style), expected, atol=1e-5, rtol=0)


def test_a_variance_out_of_bounds_is_clamped_and_its_gradient_leads_inwards() -> None:
    raw = torch.tensor([-1e9, -11.0, 0.5, 11.0, 1e30], requires_grad=True)
    q = Gaussian(torch.zeros(1, 5), within_bounds(raw)[None])
    assert torch.equal(q.logvar[0], torch.tensor([-10, -10, 0.5, 10, 10]))
    kl_divergence(q, standard_normal(q.mean)).sum().backward()
    assert raw.grad is not None
    assert (raw.grad[:2] < 0).all() and (raw.grad[2:] > 0).all()


def test_unit_scale_is_per_image_and_keeps_blank_images_at_zero() -> None:
    h = torch.stack([torch.full((2, 3, 3), 40.0), torch.full((2, 3, 3), -0.5), torch.zeros(2, 3, 3)])
    torch.testing.assert_close(unit_scale(h)[:, 0, 0, 0], torch.tensor([1.0, -1.0, 0.0]), rtol=1e-3, atol=0)
    torch.testing.assert_close(unit_scale(h)[:1], unit_scale(h[:1]))


@pytest.mark.parametrize(("stride", "moves"), [(0, True), (4, False)])
def test_vector_content_follows_the_scale_of_the_features_and_a_layout_does_not(stride: int, moves: bool) -> None:
    torch.manual_seed(0)
    model = StyleAutoencoder(domains=("a", "b"), size=16, content_stride=stride, width=16, max_width=16)
    x = torch.rand(2, 3, 16, 16)
    before = model.encode(x).mean.content
    features = model.encoder["features"]
    inside = features.forward
    features.forward = lambda x: {r: 50 * h for r, h in inside(x).items()}  # type: ignore[method-assign,operator]
    assert ((model.encode(x).mean.content - before).abs().max() > 0.1) == moves


def test_convolution_of_the_upsampled_input_is_that_of_its_copy() -> None:
    torch.manual_seed(0)
    conv, h = torch.nn.Conv2d(5, 7, 3, padding=1).double(), torch.randn(2, 5, 4, 6, dtype=torch.float64)
    inputs = [h.clone().requires_grad_() for _ in range(2)]
    outputs = [conv_of_upsampled(conv, inputs[0]), conv(F.interpolate(inputs[1], scale_factor=2))]
    torch.testing.assert_close(*outputs, rtol=0, atol=1e-13)
    gradients = [torch.autograd.grad((y**3).sum(), [x, conv.weight]) for y, x in zip(outputs, inputs, strict=True)]
    torch.testing.assert_close(*gradients, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("widths", [(6, 6), (6, 4)])
def test_upsampling_block_is_the_block_on_the_upsampled_input(widths: tuple[int, int]) -> None:
    torch.manual_seed(0)
    upsampling = ResidualBlock(*widths, upsample=True).double()
    plain = ResidualBlock(*widths).double()
    plain.load_state_dict(upsampling.state_dict())
    h = torch.randn(2, widths[0], 4, 4, dtype=torch.float64)
    torch.testing.assert_close(upsampling(h), plain(F.interpolate(h, scale_factor=2)), rtol=0, atol=1e-12)
