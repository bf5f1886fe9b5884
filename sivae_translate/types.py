"""Types that the packages share: batches, codes, distributions, and the protocols of models and objectives.

Images are float32 `[B, C, H, W]` in [0, 1], RGB. Shapes throughout the package: B batch, C image channels, H W pixels,
D domains, S style dimensions, K content channels on a g x g grid. A content with g = 1 is a vector, one with g > 1 is
a layout.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

import torch
from torch import Tensor


def at_least_float32(x: Tensor) -> Tensor:
    """x in float32, or unchanged in a wider type: half precision is too coarse for norms, KL and errors."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


@dataclass(frozen=True)
class Batch:
    """The rows that one training step learns from.

    Rows come in pairs: rows 2i and 2i + 1 are two images of one domain, and share one style.

    Attributes:
        images: x, float32 `[B, C, H, W]` in [0, 1], B even.
        domains: d, int64 `[B]` in 0..D-1, or -1 for no known domain.
        unwarped: reconstruction targets, shaped as `images`, where `images` were warped for the encoder; else None.
    """

    images: Tensor
    domains: Tensor
    unwarped: Tensor | None = None

    @property
    def targets(self) -> Tensor:
        """Targets of the reconstructions, like `images`."""
        return self.images if self.unwarped is None else self.unwarped

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True, repr=False)
class Code:
    """A point in the latent space: the content that the decoder starts from, and the style that modulates the decoder.

    Attributes:
        content: c, `[B, K, g, g]`; `[B, K, levels, 1]` where each level of the decoder has a latent of its own.
        style: s, `[B, S]`, or None for a model with a single latent.
        noise: per-pixel noise of all levels of the decoder, `[B, P]`. None: the decoder gets no noise.
    """

    content: Tensor
    style: Tensor | None = None
    noise: Tensor | None = None

    def map(self, f: Callable[[Tensor], Tensor]) -> Code:
        """The code with f applied to content, style and noise, in this order."""
        content = f(self.content)
        style, noise = (None if part is None else f(part) for part in (self.style, self.noise))
        return Code(content, style, noise)

    def detach(self) -> Code:
        return self.map(Tensor.detach)

    def __repr__(self) -> str:
        shapes = (
            f"{part.name} {list(t.shape)}" for part in fields(Code) if (t := getattr(self, part.name)) is not None
        )
        return f"<Code: {', '.join(shapes)}, on {self.content.device}>"

    def __getitem__(self, rows: slice) -> Code:
        return self.map(lambda t: t[rows])

    def with_style_of(self, other: Code) -> Code:
        """This content with the style of `other`; its decoding is a translation."""
        return Code(self.content, other.style, self.noise)

    @staticmethod
    def cat(codes: list[Code]) -> Code:
        """All rows."""

        def join(parts: list[Tensor | None]) -> Tensor | None:
            tensors = [part for part in parts if part is not None]
            return torch.cat(tensors) if tensors else None

        content = torch.cat([code.content for code in codes])
        return Code(content, join([code.style for code in codes]), join([code.noise for code in codes]))

    def __len__(self) -> int:
        return len(self.content)


Randn = Callable[[torch.Size], Tensor]


@dataclass(frozen=True)
class Gaussian:
    """N(mean, diag exp(logvar)); both `[B, ...]`, float32."""

    mean: Tensor
    logvar: Tensor

    def sample(self, noise: Tensor) -> Tensor:
        """mean + sigma * noise, for noise ~ N(0, I) of the mean's shape."""
        return self.mean + torch.exp(0.5 * self.logvar) * noise

    def draw(self, randn: Randn) -> Tensor:
        """A sample; `randn` returns standard normal noise of a shape."""
        return self.sample(randn(self.mean.shape))

    def map(self, f: Callable[[Tensor], Tensor]) -> Gaussian:
        return Gaussian(f(self.mean), f(self.logvar))

    @staticmethod
    def cat(parts: Sequence[Gaussian]) -> Gaussian:
        """The rows of all parts."""
        return Gaussian(torch.cat([part.mean for part in parts]), torch.cat([part.logvar for part in parts]))

    def detach(self) -> Gaussian:
        return self.map(Tensor.detach)


@dataclass(frozen=True)
class Mixture:
    """A mixture of M Gaussians N(m_k, I) with equal weights, independent at each place of a content.

    Attributes:
        means: m, `[M, K]`.
        shape: of the contents, `(B, K, g, g)`.
    """

    means: Tensor
    shape: tuple[int, int, int, int]

    def draw(self, randn: Randn) -> Tensor:
        """A sample; see `Gaussian.draw`."""
        rows, _, *grid = self.shape
        # The argmax of independent normals is a uniform choice, so `randn` is the only source of randomness.
        which = randn(torch.Size((rows, *grid, len(self.means)))).argmax(-1)
        return self.means[which].movedim(-1, 1) + randn(torch.Size(self.shape))

    def detach(self) -> Mixture:
        return Mixture(self.means.detach(), self.shape)


class Flow(ABC):
    """A density of pictures in a domain, for a content that is the picture: each value is an affine map of a score.

    Scores are standard normal, and pictures of two domains with equal scores correspond to each other.
    """

    @abstractmethod
    def draw(self, randn: Randn) -> Tensor:
        """A sample; see `Gaussian.draw`."""

    @abstractmethod
    def log_density(self, content: Tensor, variance: float | Tensor = 0.0) -> Tensor:
        """log p(c | d) of contents `[B, 3, H, W]` -> `[B]`, nats; its mean under noise of a variance on each value.

        What noise on coarse values changes in the density of finer ones is left out.
        """

    @abstractmethod
    def transport(self, content: Tensor, to: Flow, spread: Tensor) -> Tensor:
        """Contents of this density -> contents of another one, `[B, 3, H, W]`.

        For Gaussians this is the optimal transport (AlignFlow, Grover et al. 2020, arXiv:1905.12892, translates so).

        Args:
            spread: factors of the scores, `[B, 1, 1, 1]`. 1 keeps them; lower values give more probable pictures.
        """

    @abstractmethod
    def detach(self) -> Flow: ...

    @abstractmethod
    def __getitem__(self, rows: Tensor | slice) -> Flow:
        """The densities of these rows, of indices int64 `[n]` or a slice."""


@dataclass(frozen=True)
class Distribution:
    """A distribution over codes, such as the prior p(c, s | d).

    Attributes:
        content, style: see `Code`.
        noise: N(0, I) in the prior. The encoder infers no noise, so the posterior is N(0, I) too, and the KL is 0.
    """

    content: Gaussian | Mixture | Flow
    style: Gaussian | None = None
    noise: Gaussian | None = None

    def draw(self, randn: Randn) -> Code:
        """A sample; `randn` returns standard normal noise of a shape, for content, style and noise in this order."""
        content = self.content.draw(randn)
        style, noise = (None if part is None else part.draw(randn) for part in (self.style, self.noise))
        return Code(content, style, noise)

    def detach(self) -> Distribution:
        style, noise = (None if part is None else part.detach() for part in (self.style, self.noise))
        return Distribution(self.content.detach(), style, noise)


@dataclass(frozen=True)
class Posterior(Distribution):
    """A distribution whose parts are all diagonal Gaussians, such as the encoder's posterior q(c, s | x)."""

    content: Gaussian

    def map(self, f: Callable[[Tensor], Tensor]) -> Posterior:
        style, noise = (None if part is None else part.map(f) for part in (self.style, self.noise))
        return Posterior(self.content.map(f), style, noise)

    def detach(self) -> Posterior:
        return self.map(Tensor.detach)

    def sample(self, standard: Code) -> Code:
        """The sample that standard normal noise of the code's shape gives, by reparametrisation."""
        style, noise = (
            None if part is None or given is None else part.sample(given)
            for part, given in ((self.style, standard.style), (self.noise, standard.noise))
        )
        return Code(self.content.sample(standard.content), style, noise)

    @property
    def mean(self) -> Code:
        style, noise = (None if part is None else part.mean for part in (self.style, self.noise))
        return Code(self.content.mean, style, noise)


@dataclass(frozen=True, repr=False)
class Scores:
    """Likelihood scores of images; all float64 `[B]` on the CPU, nats unless said.

    Attributes:
        bound: importance-weighted lower bound on log p(x). Higher: more like the training images.
        elbo: the looser bound -rec / beta - kl + a constant. Higher: more like the training images.
        kl: KL(q(z | x) || p(z)), or its upper bound for a mixture of domains. Lower: more like the training images.
        rec: L_r, the squared error summed over the image, mean over samples. Lower: more like the training images.
    """

    bound: Tensor
    elbo: Tensor
    kl: Tensor
    rec: Tensor

    def __repr__(self) -> str:
        means = (f"{score.name} {getattr(self, score.name).mean():.2f}" for score in fields(Scores))
        return f"<Scores of {len(self.bound)}, mean {', '.join(means)}>"

    @staticmethod
    def cat(scores: list[Scores]) -> Scores:
        return Scores(*(torch.cat([getattr(s, field.name) for s in scores]) for field in fields(Scores)))


@dataclass(frozen=True)
class Phase:
    """One phase of a training step: a loss, and the parts of the model that the loss updates.

    Attributes:
        updates: names of the parts, of "encoder" and "decoder".
        loss: scalar, float32.
        terms: scalars by name, means over rows, for the log. `rec` is L_r, summed over an image; `kl_*` are nats with
            the style's times beta_style; `adversarial` is weighted; `gap` is KL(fakes) - KL(real).
        retain_graph: whether a later phase of the step also goes back through this one's passes.
    """

    updates: tuple[str, ...]
    loss: Tensor
    terms: dict[str, Tensor]
    retain_graph: bool = False


class Model(Protocol):
    """The interface of an autoencoder that objectives, the training loop and translation use.

    Attributes:
        encoder, decoder: the two parts, each with an optimizer. The prior's weights belong to the decoder.
        domains: names, in the order of their labels.
    """

    encoder: Any
    decoder: Any
    domains: tuple[str, ...]

    def features(self, x: Tensor) -> dict[int, Tensor]:
        """Images `[B, C, H, W]` in [0, 1] -> the encoder's features `[B, F, r, r]` by resolution r, finest first."""

    def posterior(self, features: dict[int, Tensor]) -> Posterior:
        """q(code | x), read from the features of x."""

    def style_places(self, features: dict[int, Tensor]) -> Tensor:
        """The style's mean at every place, `[B, S, r, r]`; their average is that of q(s | x). r is 1 for a vector."""

    def encode(self, x: Tensor) -> Posterior:
        """Images `[B, C, H, W]` in [0, 1] -> q(code | x)."""

    def decode(self, code: Code) -> Tensor:
        """Code -> images `[B, C, H, W]`, nominally in [0, 1] but not clamped."""

    def prior(self, domains: Tensor) -> Distribution:
        """p(code | d) for labels `domains`, int64 `[B]` in 0..D-1, or -1 for no known domain."""

    def mix_styles(self, samples: Code, generator: torch.Generator) -> Code:
        """Samples as training decodes them. The model `synthesis` mixes two samples by level, others change none."""


class Objective(Protocol):
    """A training objective: the losses of one step on a batch."""

    def play(
        self, model: Model, batch: Batch, progress: float, generator: torch.Generator, ema: Model
    ) -> Iterator[Phase]:
        """The phases of one step, in order. The caller updates the weights of a phase before it asks for the next.

        Args:
            model: the model in training.
            progress: fraction of the budget that is spent, in [0, 1].
            generator: the only source of randomness, on the batch's device.
            ema: the moving average of the model's weights; no loss updates it.
        """

    def stage(self, progress: float) -> str:
        """The stage of training at a progress. All steps of one stage do the same operations on the device."""

    def diagnose(self, terms: Mapping[str, float], numel: int) -> str | None:
        """Advice for training that goes wrong, None where it goes well.

        Args:
            terms: means of the logged terms.
            numel: N = C H W, the values of an image.
        """
