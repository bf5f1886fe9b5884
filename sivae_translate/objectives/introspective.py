"""Introspective adversarial training, with the encoder as the critic: IntroVAE, Soft-IntroVAE, bootstrapped or not.

A step has two phases. The encoder phase lowers the negative ELBO of real images and raises that of generated images,
the fakes. The decoder phase trains the decoder against the updated encoder. Objectives differ in the adversarial term.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from sivae_translate.objectives.elbo import ELBO, Reconstructions
from sivae_translate.objectives.feature_matching import FeatureMatching
from sivae_translate.objectives.functional import kl_divergence
from sivae_translate.objectives.pairs import previous_pair, swap_styles, whole_pairs
from sivae_translate.objectives.sampling import integers, sample
from sivae_translate.objectives.vae import VAE
from sivae_translate.types import Batch, Code, Model, Phase, Posterior

LEAST_GAP = -1.0  # nats of KL(fake) - KL(real), below which fakes pass for real; >= 0 is Daniel & Tamar's advice


@dataclass(frozen=True)
class Fakes:
    """Generated images of one step and their posteriors: n reconstructions, n samples, n translations.

    Attributes:
        images: `[kinds n, C, H, W]`. The reconstructions among them are not detached: through L_r they carry a
            gradient to the encoder.
        q: posterior of the images.
        kl: KL(q || p) to the prior of each image's target domain, `[kinds n]`, nats.
        n: rows of each kind.
    """

    images: Tensor
    q: Posterior
    kl: Tensor
    n: int

    @property
    def numel(self) -> int:
        """N, the values of an image."""
        return self.images[0].numel()

    def kl_by_kind(self) -> tuple[Tensor, ...]:
        return torch.split(self.kl, self.n)


class AdversarialTerm(Protocol):
    """The adversarial terms of an objective for fakes."""

    def encoder_loss(self, fakes: Fakes, elbo: ELBO, model: Model, ema: Model, generator: torch.Generator) -> Tensor:
        """The encoder's term, a scalar; large while fakes have a high ELBO."""

    def decoder_loss(
        self, fakes: Fakes, elbo: ELBO, model: Model, ema: Model, generator: torch.Generator
    ) -> Tensor | float:
        """The decoder's term beside the KL of fakes, a scalar; 0 for none."""

    def advice(self, terms: Mapping[str, float]) -> str:
        """The weight to change where fakes have too low a KL, from the means of the logged terms."""


@dataclass(frozen=True)
class Introspective:
    """Adversarial training after a plain VAE; sg is stop-gradient, and g runs over the fakes.

        encoder:  -ELBO(x) + adversarial term of g, with q(z|sg g)
        decoder:  beta_rec L_r(x, D(sg z)) / N + beta_kl mean_g KL(g) + beta_kl beta_style KL(sg q(s|x) || p(s|d))
                  + feature matching + the adversarial term's own

    A translation, one row's content under the previous pair's style, is a third kind of fake beside reconstructions
    and samples. Its KL is taken to the prior of the domain it claims to show, so the encoder judges domains too.
    Adversarial steps train the style priors and keep the content prior, which learns in the VAE's steps alone.

    Attributes:
        vae: the objective of the first `vae_fraction` of the budget. Its ELBO and back-translation serve both stages.
        adversarial: the term over fakes.
        feature_matching: the decoder's term over reconstructions.
        vae_fraction: fraction of the budget that trains the plain VAE first, 0..1.
        fake_fraction: rows of each kind of fake, as a fraction of the batch, above 0 and up to 1.
    """

    vae: VAE
    adversarial: AdversarialTerm
    feature_matching: FeatureMatching
    vae_fraction: float
    fake_fraction: float

    def __post_init__(self) -> None:
        if not 0 <= self.vae_fraction <= 1:
            raise ValueError("vae_fraction: must be 0 to 1, a fraction of the budget")
        if not 0 < self.fake_fraction <= 1:
            raise ValueError("fake_fraction: must be above 0 and at most 1, a fraction of the batch")

    def play(
        self, model: Model, batch: Batch, progress: float, generator: torch.Generator, ema: Model
    ) -> Iterator[Phase]:
        """One step on a batch (Daniel & Tamar 2021, algorithm 1); see `types.Objective`."""
        if self.stage(progress) == "vae":
            yield from self.vae.play(model, batch, progress, generator, ema)
            return
        x, elbo, n = batch.images, self.vae.elbo, whole_pairs(self.fake_fraction, len(batch))

        # Real rows: z ~ q(z|x), x -> D(z).
        q = model.encode(x)
        z = swap_styles(sample(q, generator))
        prior = model.prior(batch.domains)

        # Fakes: reconstructions, samples, translations. Their prior is detached: they do not train it. Samples and
        # translations are decoded apart, as their codes are detached and the encoder phase does not go back to them.
        fake_codes, fake_domains = self.fake_codes(model, batch, z, n, generator)
        rec = model.decode(z)
        fake_images = torch.cat([rec[:n], model.decode(fake_codes)])
        fake_prior = model.prior(fake_domains).detach()

        # Encoder phase: lower the negative ELBO of real images, raise that of fakes. The graph of both decodings, which
        # the encoder's update does not change, serves the decoder phase too.
        real = Reconstructions(batch.targets, rec, elbo.kl(q, prior.detach()))
        rows = self.vae.back_translation.append(real, model, batch, z, elbo, generator)
        q_fake = model.encode(fake_images.detach())
        fakes = Fakes(fake_images, q_fake, elbo.kl(q_fake, fake_prior), n)
        adversarial = self.adversarial.encoder_loss(fakes, elbo, model, ema, generator)
        terms = {"rec": real.error.mean(), "kl_real": real.kl.mean(), "adversarial": adversarial}
        yield Phase(("encoder",), elbo.loss(rows) + adversarial, terms, retain_graph=True)

        # Decoder phase: lower the KL that the updated encoder gives to fakes.
        features = model.features(fake_images)
        q_fake = model.posterior(features)
        fakes = Fakes(fake_images, q_fake, elbo.kl(q_fake, fake_prior), n)
        loss = elbo.beta_rec * rows.error.mean() / rows.numel + elbo.beta_kl * fakes.kl.mean()
        if q.style is not None and prior.style is not None:
            loss = loss + elbo.beta_kl * elbo.beta_style * kl_divergence(q.style.detach(), prior.style).mean()
        loss = loss + self.feature_matching(model, batch.targets[:n], features)
        loss = loss + self.adversarial.decoder_loss(fakes, elbo, model, ema, generator)
        names = ("kl_rec", "kl_sample", "kl_translation")[: len(fakes.kl_by_kind())]  # no translations without style
        kinds = zip(names, fakes.kl_by_kind(), strict=True)
        terms = {name: kl.mean() for name, kl in kinds} | {"gap": fakes.kl.mean() - real.kl.mean()}
        yield Phase(("decoder",), loss, terms)

    def fake_codes(
        self, model: Model, batch: Batch, z: Code, n: int, generator: torch.Generator
    ) -> tuple[Code, Tensor]:
        """Codes of n samples and, with a style, of n translations; and the domains of all 2 or 3 kinds of fake."""
        sampled = integers(0, len(model.domains), (n,), generator)
        codes = [model.mix_styles(sample(model.prior(sampled), generator), generator).detach()]
        domains = [batch.domains[:n], sampled]
        if z.style is not None:
            codes.append(z[:n].with_style_of(z.map(previous_pair)[:n]).detach())
            domains.append(previous_pair(batch.domains)[:n])
        return Code.cat(codes), torch.cat(domains)

    def stage(self, progress: float) -> str:
        """ "vae" in the first `vae_fraction` of the budget, then "adversarial"; see `types.Objective`."""
        return "vae" if progress < self.vae_fraction else "adversarial"

    def diagnose(self, terms: Mapping[str, float], numel: int) -> str | None:
        """Advice where fakes have a lower KL than real images, or as in `VAE`; see `types.Objective`."""
        if terms.get("gap", 0.0) >= LEAST_GAP:
            return self.vae.diagnose(terms, numel)
        return f"KL(fake) - KL(real) = {terms['gap']:.1f} nats, fakes pass for real: {self.adversarial.advice(terms)}"
