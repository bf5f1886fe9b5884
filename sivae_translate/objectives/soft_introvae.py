"""Soft-IntroVAE: the encoder is its own critic, telling real images from generated ones by their ELBO.

Daniel & Tamar, CVPR 2021 (arXiv:2012.13253), and its extension to domains: a translation, the content of one image
under the style of another, is a third kind of generated image beside reconstructions and samples. Its KL is taken to
the prior of the domain it claims to show, which makes the encoder a critic of domains too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from sivae_translate.objectives.functional import kl_divergence, negative_elbo, repulsion, squared_error
from sivae_translate.objectives.vae import VAE, draw, kl_to_prior, partners, require_positive
from sivae_translate.types import Batch, Code, Round


@dataclass(frozen=True)
class SoftIntroVAE:
    """The two-player game, with s = 1 / (C H W), sg = stop-gradient, and g over the kinds of generated image:

        encoder:  s (beta_rec L_r(x, rec) + beta_kl KL(x)) + mean_g (1/alpha) exp(-alpha s (beta_rec L_r(g, D(z_g)) + beta_neg KL(sg g)))
        decoder:  s (beta_rec L_r(x, D(sg z)) + beta_kl mean_g KL(g)) + gamma_r s beta_rec mean_g L_r(sg g, D(sg z_g))

    The decoder also learns the domains' priors, from KL(sg q(s|x) || p(s|d)). Its pass over z and the noise is computed
    once and serves both rounds: the encoder's update does not change it.

    Attributes:
        beta_rec, beta_kl, beta_style: as in `VAE`.
        beta_neg: weight of the KL of generated images in the exponential. Where those pass for real, pull and push on
            the encoder balance at KL = ln(beta_neg / beta_kl) / (alpha s beta_neg): choose it so that this is not
            above the plain VAE's KL, or the encoder inflates every KL up to it.
        alpha: sharpness of the exponential, 2 in the paper.
        gamma_r: weight of the decoder's own reconstruction of generated images; the paper's code has 1e-8, which
            buys nothing measurable for a fifth of the time, hence 0.
        warmup: share of the budget trained as a plain VAE first.
        share: share of the batch drawn for each kind of generated image in a step.
    """  # noqa: E501 - the equations stay on one line each

    beta_rec: float = 1.0
    beta_kl: float = 1.0
    beta_style: float = 0.02
    beta_neg: float = 256.0
    alpha: float = 2.0
    gamma_r: float = 0.0
    warmup: float = 0.0
    share: float = 1.0

    def __post_init__(self) -> None:
        require_positive(beta_neg=self.beta_neg, alpha=self.alpha)
        if self.gamma_r < 0:
            raise ValueError("gamma_r: must be >= 0")
        if not 0 <= self.warmup <= 1:
            raise ValueError("warmup: must be 0 to 1, a share of the budget")
        if not 0 < self.share <= 1:
            raise ValueError("share: must be above 0 and at most 1, a share of the batch")
        self.vae  # noqa: B018 - checks the weights the two objectives have in common

    @property
    def vae(self) -> VAE:
        return VAE(self.beta_rec, self.beta_kl, self.beta_style)

    def play(self, model: Any, batch: Batch, progress: float, generator: torch.Generator) -> Iterator[Round]:
        """One step on a batch, `progress` in [0, 1] of the budget: yields each round's player and loss.

        The player must be updated before the next round is asked for, as the decoder answers the updated encoder.
        """
        if progress < self.warmup:
            yield from self.vae.play(model, batch, progress, generator)
            return
        x, scale = batch.images, 1 / batch.images[0].numel()
        n = max(2, round(self.share * len(batch) / 2) * 2)  # of each kind, in whole pairs

        q = model.encode(x)
        z = partners(draw(q, generator))
        prior = model.prior(batch.domains)
        codes, domains = self.generated(model, batch, z, n, generator)
        images = model.decode(Code.cat([z, codes]))
        rec, fakes = images[: len(x)], torch.cat([images[:n], images[len(x) :]])
        target = model.prior(domains).detach()  # generated images move to the prior, never the prior to them

        # Encoder: real images down, generated images up.
        error, kl = squared_error(x, rec), kl_to_prior(q, prior.detach(), self.beta_style)
        q_fake = model.encode(fakes.detach())
        kl_fake = kl_to_prior(q_fake, target, self.beta_style)
        error_fake = squared_error(fakes, model.decode(draw(q_fake, generator)))
        repelled = repulsion(
            error_fake, kl_fake, scale=scale, beta_rec=self.beta_rec, beta_neg=self.beta_neg, alpha=self.alpha
        )
        elbo = negative_elbo(error, kl, scale=scale, beta_rec=self.beta_rec, beta_kl=self.beta_kl)
        terms = {"rec": error.mean(), "kl_real": kl.mean(), "exp": repelled.mean()}
        yield Round(("encoder",), elbo.mean() + repelled.mean(), terms, shares_graph=True)

        # Decoder: the updated encoder must take its images for real.
        q_fake = model.encode(fakes)
        kl_fake = kl_to_prior(q_fake, target, self.beta_style)
        loss = scale * (self.beta_rec * squared_error(x, rec).mean() + self.beta_kl * kl_fake.mean())
        if q.style is not None and prior.style is not None:
            kl_style = kl_divergence(q.detach().style, prior.style)
            loss = loss + scale * self.beta_kl * self.beta_style * kl_style.mean()
        if self.gamma_r:
            again = squared_error(fakes.detach(), model.decode(draw(q_fake, generator).detach()))
            loss = loss + self.gamma_r * scale * self.beta_rec * again.mean()
        names = ("kl_rec", "kl_fake", "kl_swap")
        terms = {name: part.mean() for name, part in zip(names, torch.split(kl_fake, n), strict=False)}
        yield Round(("decoder",), loss, terms | {"gap": kl_fake.mean() - kl.mean()})

    def generated(
        self, model: Any, batch: Batch, z: Code, n: int, generator: torch.Generator
    ) -> tuple[Code, torch.Tensor]:
        """Codes of samples and, where there is a style, translations; the domains of rec, samples, translations.

        Each kind has n rows. A translation takes the content of a row and the style of the next pair's.
        """
        domains = torch.randint(len(model.domains), (n,), generator=generator, device=batch.domains.device)
        samples = draw(model.prior(domains), generator).detach()
        codes, labels = [samples], [batch.domains[:n], domains]
        if z.style is not None:
            codes.append(z[:n].with_style_of(z.map(lambda t: t.roll(2, 0))[:n]).detach())
            labels.append(batch.domains.roll(2, 0)[:n])
        return Code.cat(codes), torch.cat(labels)
