"""The game that IntroVAE, Soft-IntroVAE and its bootstrapped form share: the encoder is its own critic.

They differ in how the encoder repels generated images, which each says in its own file. A translation, the content of
one image under the style of another, is a third kind of generated image beside reconstructions and samples. Its KL is
taken to the prior of the domain it claims to show, which makes the encoder a critic of domains too.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sivae_translate.objectives.functional import feature_error, kl_divergence
from sivae_translate.objectives.vae import VAE, Rebuilt, draw, in_pairs, kl_to_prior, partners, targets
from sivae_translate.types import Batch, Code, Latents, Round

HEALTHY_GAP = -1.0  # nats; Daniel & Tamar's advice for KL(generated) - KL(real)


@dataclass(frozen=True)
class Generated:
    """Generated images of one step, kind after kind, n of each: reconstructions, samples, translations.

    Attributes:
        images: `[kinds * n, C, H, W]`; in the encoder's round gradients reach the encoder through reconstructions.
        q: what the encoder says of them.
        kl: KL(q || p) to the prior of the domain each claims to show, `[kinds * n]`, in nats.
        n: rows of each kind.
        scale: s = 1 / (C H W).
    """

    images: Tensor
    q: Latents
    kl: Tensor
    n: int
    scale: float

    def kl_by_kind(self) -> tuple[Tensor, ...]:
        return torch.split(self.kl, self.n)


@dataclass(frozen=True)
class Introspective(VAE, ABC):
    """The two-player game, with s = 1 / (C H W), sg = stop-gradient, and g over the kinds of generated image:

        encoder:  s (beta_rec L_r(x, rec) + beta_kl KL(x)) + adversarial(sg g)
        decoder:  s (beta_rec L_r(x, D(sg z)) + beta_kl mean_g KL(g)) + feature_matching L_f + regularised(g)

    L_f is the error of reconstructions in the features of the encoder, which is their critic (`feature_error`; a
    learned similarity as in VAE/GAN, Larsen et al. 2016, arXiv:1512.09300): what the game teaches the encoder to look
    at, the decoder has to get right.

    With `back_translation`, rows rebuilt from their translations count among the x of both rounds.

    The decoder also learns the domains' priors, from KL(sg q(s|x) || p(s|d)). Its pass over z and the noise is computed
    once and serves both rounds: the encoder's update does not change it.

    Attributes:
        beta_rec, beta_kl, beta_style, back_translation: as in `VAE`.
        feature_matching: weight of L_f. The squared error of a good reconstruction is some thousandths of a value, its
            L_f some tenths.
        vae_fraction: fraction of the budget trained as a plain VAE first.
        fake_fraction: fraction of the batch drawn for each kind of generated image in a step.
    """

    feature_matching: float = 0.0
    vae_fraction: float = 0.0
    fake_fraction: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.feature_matching < 0:
            raise ValueError("feature_matching: must be >= 0")
        if not 0 <= self.vae_fraction <= 1:
            raise ValueError("vae_fraction: must be 0 to 1, a share of the budget")
        if not 0 < self.fake_fraction <= 1:
            raise ValueError("fake_fraction: must be above 0 and at most 1, a fraction of the batch")

    @abstractmethod
    def adversarial(self, generated: Generated, model: Any, average: Any, generator: torch.Generator) -> Tensor:
        """The encoder's term for generated images, a scalar: large while it takes them for real."""

    def regularised(self, generated: Generated, model: Any, average: Any, generator: torch.Generator) -> Tensor | float:
        """The decoder's own term beside the game, a scalar; none unless an objective has one."""
        return 0.0

    @abstractmethod
    def remedy(self, terms: dict[str, float]) -> str:
        """What repels generated images more, given the means of the terms that were logged."""

    def health(self, terms: dict[str, float]) -> str | None:
        """The remedy, where generated images pass for more real than real ones, or as in `VAE`; None elsewhere."""
        if terms.get("gap", 0.0) >= HEALTHY_GAP:
            return super().health(terms)
        return f"KL(generated) - KL(real) = {terms['gap']:.1f}, should be >= 0: {self.remedy(terms)}"

    def play(
        self, model: Any, batch: Batch, progress: float, generator: torch.Generator, average: Any
    ) -> Iterator[Round]:
        """One step on a batch, `progress` in [0, 1] of the budget: yields each round's player and loss.

        The player must be updated before the next round is asked for, as the decoder answers the updated encoder.
        """
        if progress < self.vae_fraction:
            yield from super().play(model, batch, progress, generator, average)
            return
        x, scale = batch.images, 1 / batch.images[0].numel()
        n = in_pairs(self.fake_fraction, len(batch))  # of each kind

        q = model.encode(x)
        z = partners(draw(q, generator))
        y = targets(batch, z)
        prior = model.prior(batch.domains)
        codes, domains = self.generated_codes(model, batch, z, n, generator)
        images = model.decode(Code.cat([z, codes]))
        rec, fakes = images[: len(x)], torch.cat([images[:n], images[len(x) :]])
        target = model.prior(domains).detach()  # generated images move to the prior, never the prior to them

        # Encoder: real images down, generated images up.
        real = Rebuilt(y, rec, kl_to_prior(q, prior.detach(), self.beta_style))
        rows = self.with_back(real, model, batch, z, generator)
        q_fake = model.encode(fakes.detach())
        seen = Generated(fakes, q_fake, kl_to_prior(q_fake, target, self.beta_style), n, scale)
        adversarial = self.adversarial(seen, model, average, generator)
        terms = {"rec": real.error.mean(), "kl_real": real.kl.mean(), "adversarial": adversarial}
        yield Round(("encoder",), self.elbo(rows) + adversarial, terms, shares_graph=True)

        # Decoder: the updated encoder must take its images for real.
        features = model.features(fakes)
        q_fake = model.posterior(features)
        seen = Generated(fakes, q_fake, kl_to_prior(q_fake, target, self.beta_style), n, scale)
        loss = scale * (self.beta_rec * rows.error.mean() + self.beta_kl * seen.kl.mean())
        if q.style is not None and prior.style is not None:
            kl_style = kl_divergence(q.detach().style, prior.style)
            loss = loss + scale * self.beta_kl * self.beta_style * kl_style.mean()
        loss = loss + self.missed(model, y[:n], features) + self.regularised(seen, model, average, generator)
        names = ("kl_rec", "kl_fake", "kl_swap")
        terms = {name: part.mean() for name, part in zip(names, seen.kl_by_kind(), strict=False)}
        yield Round(("decoder",), loss, terms | {"gap": seen.kl.mean() - real.kl.mean()})

    def missed(self, model: Any, wanted: Tensor, features: dict[int, Tensor]) -> Tensor | float:
        """feature_matching L_f, of the rows that were to become `wanted`; their features come first."""
        if not self.feature_matching:
            return 0.0
        with torch.no_grad():
            real = model.features(wanted)
        made = {resolution: h[: len(wanted)] for resolution, h in features.items()}
        return self.feature_matching * feature_error(real, made).mean()

    def generated_codes(
        self, model: Any, batch: Batch, z: Code, n: int, generator: torch.Generator
    ) -> tuple[Code, Tensor]:
        """Codes of samples and, where there is a style, translations; the domains of rec, samples, translations.

        Each kind has n rows. A translation takes the content of a row and the style of the next pair's.
        """
        domains = torch.randint(len(model.domains), (n,), generator=generator, device=batch.domains.device)
        samples = model.mixed(draw(model.prior(domains), generator), generator).detach()
        codes, labels = [samples], [batch.domains[:n], domains]
        if z.style is not None:
            codes.append(z[:n].with_style_of(z.map(lambda t: t.roll(2, 0))[:n]).detach())
            labels.append(batch.domains.roll(2, 0)[:n])
        return Code.cat(codes), torch.cat(labels)
