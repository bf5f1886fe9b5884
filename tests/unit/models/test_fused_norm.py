"""The Triton kernels of normalisation, run by Triton's interpreter on the CPU, against the layers."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from sivae_translate.models.autoencoder import ConvAutoencoder, StyleAutoencoder
from sivae_translate.models.fused_norm import fuse_norms, normalise_and_activate, supported
from sivae_translate.models.layers import AdaGN, AdaIN, Norm, ResidualBlock, group_norm, no_norm
from sivae_translate.models.synthesis import NoisyBlock

NORMS: dict[str, Norm] = {
    "group": group_norm,
    "adagn": lambda channels: AdaGN(channels, 4),
    "adain": lambda channels: AdaIN(channels, 4),
}
kernels = pytest.mark.skipif("not __import__('importlib').util.find_spec('triton')", reason="Triton is not installed")


def passes(block: nn.Module, inputs: tuple[Tensor, ...]) -> list[Tensor]:
    """The output, and the gradients by the inputs and the parameters."""
    inputs = tuple(t.clone().requires_grad_() for t in inputs)
    y = block(*inputs)
    weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(2))
    wanted = [*inputs, *block.parameters()]
    return [y, *torch.autograd.grad((y.float() * weights).sum(), wanted)]


def both(block: ResidualBlock, inputs: tuple[Tensor, ...]) -> tuple[list[Tensor], list[Tensor]]:
    """The passes with the kernels, and with the layers."""
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))  # a group norm's gain and shift begin as 1 and 0
    fused = copy.deepcopy(block)
    fused.fused = normalise_and_activate
    return passes(fused, inputs), passes(block, inputs)


@kernels
@pytest.mark.parametrize("name", NORMS)
@pytest.mark.parametrize(("c_in", "c_out", "side"), [(32, 32, 4), (16, 48, 8), (16, 16, 32)])
def test_a_fused_block_is_the_block(name: str, c_in: int, c_out: int, side: int) -> None:
    torch.manual_seed(0)
    inputs = [torch.randn(2, c_in, side, side).to(memory_format=torch.channels_last)]
    inputs += [] if name == "group" else [torch.randn(2, 4)]
    found, expected = both(ResidualBlock(c_in, c_out, NORMS[name]), tuple(inputs))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=2e-4)
    assert found[0].is_contiguous(memory_format=torch.channels_last)


@kernels
def test_a_fused_block_with_noise_is_the_block() -> None:
    torch.manual_seed(0)
    inputs = (torch.randn(2, 16, 4, 4), torch.randn(2, 4), torch.randn(2, 16))
    found, expected = both(NoisyBlock(16, 16, 4, upsample=False), inputs)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@kernels
@pytest.mark.parametrize("name", NORMS)
def test_features_stay_bf16_and_are_as_close_as_bf16_allows(name: str) -> None:
    torch.manual_seed(0)
    h, style = torch.randn(2, 32, 8, 8, dtype=torch.bfloat16), [] if name == "group" else [torch.randn(2, 4)]
    norm, residual = NORMS[name](32), torch.randn_like(h)
    y = normalise_and_activate(norm, h, tuple(style), residual)
    assert y.dtype == torch.bfloat16 and y.is_contiguous(memory_format=torch.channels_last)
    exact = nn.functional.leaky_relu(norm(h.float(), *style) + residual.float(), 0.2)
    torch.testing.assert_close(y.float(), exact, rtol=2**-7, atol=1e-3)  # the interpreter does not round, it cuts off


@kernels
def test_a_mean_far_above_the_deviation_does_not_cancel() -> None:
    h = 1000 + torch.randn(1, 16, 32, 32, generator=torch.Generator().manual_seed(0))
    norm = group_norm(16)
    expected = nn.functional.leaky_relu(norm.double()(h.double()), 0.2)
    y = normalise_and_activate(norm.float(), h, ())
    torch.testing.assert_close(y.double(), expected, rtol=0, atol=1e-3)


@kernels
def test_a_whole_model_trains_through_the_kernels() -> None:
    torch.manual_seed(0)
    model = ConvAutoencoder(domains=("a",), size=16, latent=8, width=16, max_width=32)
    fused = copy.deepcopy(model)
    for block in fused.modules():
        if isinstance(block, ResidualBlock):
            block.fused = normalise_and_activate
    x, gradients = torch.rand(2, 3, 16, 16), []
    for each in (model, fused):
        z = each.encode(x).mean
        each.decode(z).square().sum().backward()
        gradients.append([parameter.grad for parameter in each.parameters()])
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-3, atol=1e-3)


def test_groups_are_a_power_of_two_channels() -> None:
    assert all(supported(norm(48)) for norm in (*NORMS.values(), no_norm))
    assert supported(AdaIN(24, 4)) and not supported(group_norm(24)) and not supported(AdaGN(40, 4))


def test_without_a_gpu_a_model_is_left_as_it_is_and_the_reason_told() -> None:
    model = StyleAutoencoder(domains=("a",), size=16, width=16, max_width=16)
    assert "GPU" in fuse_norms(model, "cpu")
    assert all(block.fused is None for block in model.modules() if isinstance(block, ResidualBlock))


def test_a_gpu_without_triton_is_told_and_one_with_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    model = StyleAutoencoder(domains=("a",), size=16, width=16, max_width=16)
    present: Callable[[str], bool | None] = {"triton": None}.get
    with monkeypatch.context() as missing:
        missing.setattr("importlib.util.find_spec", present)
        assert "pip install triton" in fuse_norms(model, "cuda:0")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: True)
    assert "powers of two" in fuse_norms(ResidualBlock(24, 24), "cuda:0")
    assert fuse_norms(model, "cuda:0") == ""
    assert all(block.fused for block in model.modules() if isinstance(block, ResidualBlock))
