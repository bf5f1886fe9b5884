"""Iterative back-translation: the decoder learns from translations of real images back to these images, and the encoder
judges patches of its own translations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from sivae_translate.objectives.elbo import require_positive
from sivae_translate.objectives.functional import absolute_error, entropy, place_energy, squared_error
from sivae_translate.objectives.introspective import LEAST_GAP
from sivae_translate.objectives.sampling import integers, sample, uniform
from sivae_translate.objectives.shifts import random_shifts, shifted
from sivae_translate.objectives.vae import VAE, vae
from sivae_translate.types import Batch, Code, Flow, Model, Phase

LEAST_SPREAD = 0.6  # of the scores of first translations
OWN = 0.25  # share of first translations that stay in their domain; without any, the decoder ignores the style
ALPHA = 2.0  # scale of the exponent, as in the paper
REAL = 0.2  # weight of real patches; translations that pass for real balance at -ln(REAL) / ALPHA = .8 nats
WON = 3.0  # mean nats of translations, from which on the exponential is saturated


@dataclass(frozen=True)
class IterativeBackTranslation:
    """Three stages: densities of pictures, translations by the densities, and a game over the decoder's translations.

        prior:         -log p(c | d) / N
        densities:     |x - D(c', m_d)|_1 / N
        adversarial:   the same, and over translations g = D(c, m_d') of half of the rows
            encoder:   critic (mean_ij (REAL E_ij(x, d) + (1 / ALPHA) exp(-ALPHA E_ij(g, d'))) + |s - m_d|^2 / 2)
            decoder:   adversarial mean_ij E_ij(g, d')

    x is a real image of domain d with content c and style s, and m_d is the mean of p(s | d). c' is the content of a
    translation of x to some domain d': the transport of c from p(c | d) to p(c | d'), and for the rows of the game g.
    So an input of the decoder is a translation, whose faults it learns to undo, and its target is always real. No
    gradient goes through c'. Iterative back-translation is that of unsupervised machine translation (Lample et al.
    2018, arXiv:1804.07755), whose first translations are word by word.

    Back-translation alone leaves traces of x's domain, which the way back reads. The game removes them. It is that of
    Soft-IntroVAE (Daniel & Tamar 2021, arXiv:2012.13253) on patches, as in PatchGAN (Isola et al. 2017,
    arXiv:1611.07004): E_ij is the KL of the style at place ij to that of the domain, see `place_energy`. For a given
    decoder the encoder's minimum is E_ij = max(0, ln(p_g / (REAL p_d)) / ALPHA), p being the densities of patches, so
    the decoder lowers KL(p_g || p_d). The style priors stay as they are, since means that follow the styles raise every
    energy without end. Images and translations are shifted at random before they are judged, so that the encoder's
    grid of places leaves no pattern in translations.

    Noise of random strength, up to that of the posterior, is added to c'.

    Models whose content prior is no `Flow` get the plain VAE.

    Attributes:
        vae: the objective of other models.
        prior_fraction: progress at which the first stage ends.
        adversarial_from: progress at which the third stage begins.
        critic: weight of the encoder's part of the game, > 0.
        adversarial: weight of the decoder's part of the game, > 0.
    """

    vae: VAE
    prior_fraction: float
    adversarial_from: float
    critic: float
    adversarial: float

    def __post_init__(self) -> None:
        require_positive(critic=self.critic, adversarial=self.adversarial)
        for name in ("prior_fraction", "adversarial_from"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name}: must be 0 to 1")

    def play(
        self, model: Model, batch: Batch, progress: float, generator: torch.Generator, ema: Model
    ) -> Iterator[Phase]:
        """One step on a batch; see `types.Objective`."""
        prior, stage = model.prior(batch.domains), self.stage(progress)
        if not isinstance(prior.content, Flow) or prior.style is None:
            yield from self.vae.play(model, batch, progress, generator, ema)
            return
        placed = random_shifts(len(batch), generator)
        batch = Batch(shifted(batch.images, placed), batch.domains, shifted(batch.targets, placed))
        features = model.features(batch.images)
        q = model.posterior(features)
        noise, numel = sample(q, generator).content - q.content.mean, batch.images[0].numel()
        if stage == "prior":
            nats = -prior.content.log_density(q.content.mean + noise)
            yield Phase(("decoder",), nats.mean() / numel, {"kl_content": (nats - entropy(q.content)).mean()})
            return
        style, content = prior.style.mean.detach(), q.content.mean
        terms: dict[str, Tensor] = {}
        loss = batch.images.new_zeros(())
        first = len(batch) if stage == "densities" else len(batch) // 2
        moved = self.transported(ema, batch.domains[:first], content[:first], generator)
        if stage == "adversarial":
            translations, loss, terms = self.game(model, batch.domains, features, style, content, first, generator)
            moved = torch.cat([moved, translations.detach().clamp(0, 1) - 0.5])  # the content is the picture
        moved = moved + uniform((len(batch), 1, 1, 1), generator) * noise
        outputs = model.decode(Code(moved, style))
        loss = loss + absolute_error(batch.targets, outputs).mean() / numel
        rec = squared_error(batch.targets, outputs).mean()
        yield Phase(("encoder", "decoder") if terms else ("decoder",), loss, {"rec": rec, **terms})

    @torch.no_grad()
    def transported(self, model: Model, domains: Tensor, content: Tensor, generator: torch.Generator) -> Tensor:
        """Contents `[n, 3, H, W]` of these domains, moved to the densities of other domains, or kept in theirs."""
        stay = uniform(domains.shape, generator) < OWN
        other = torch.where(stay, domains, another_domain(model, domains, generator))
        own, to = model.prior(domains).content, model.prior(other).content
        assert isinstance(own, Flow) and isinstance(to, Flow)
        spread = LEAST_SPREAD + (1 - LEAST_SPREAD) * uniform((len(content), 1, 1, 1), generator)
        return own.transport(content, to, spread).clamp(-0.5, 0.5)

    def game(
        self,
        model: Model,
        domains: Tensor,
        features: dict[int, Tensor],
        style: Tensor,
        content: Tensor,
        first: int,
        generator: torch.Generator,
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """The translations of the rows from `first` on, the losses of both networks' game, and its terms.

        Translations enter the encoder as leaves. The decoder's gradient is taken there, at the encoder's weights before
        the update, and goes on to the decoder through the product with the translations.

        Args:
            domains, features, content: of the images.
            style: mean styles of their domains.
        """
        to = model.prior(another_domain(model, domains[first:], generator)).style
        assert to is not None
        target = to.mean.detach()
        translations = model.decode(Code(content[first:], target))
        judged = shifted(translations, random_shifts(len(target), generator))
        leaves = judged.detach().requires_grad_()
        shown = model.posterior(features).style
        assert shown is not None
        own = place_energy(shown.mean[:, :, None, None], style).mean()
        real = place_energy(model.style_places(features), style)
        fake = place_energy(model.style_places(model.features(leaves)), target)
        (gradient,) = torch.autograd.grad(fake.sum(), leaves, retain_graph=True)
        encoder = self.critic * (REAL * real.mean() + torch.exp(-ALPHA * fake).mean() / ALPHA + own)
        decoder = self.adversarial / fake.numel() * (judged * gradient).sum()
        real, fake = real.mean(), fake.mean()
        terms = {"kl_style": own, "energy_real": real, "energy_translation": fake, "gap": fake - real}
        return translations, encoder + decoder, terms

    def stage(self, progress: float) -> str:
        """The stage at a progress, "prior", "densities" or "adversarial"; see `types.Objective`."""
        if progress < self.prior_fraction:
            return "prior"
        return "densities" if progress < self.adversarial_from else "adversarial"

    def diagnose(self, terms: Mapping[str, float], numel: int) -> str | None:
        """Advice where one side of the game has won, for other models that of the VAE; see `types.Objective`."""
        if terms.get("energy_translation", 0.0) > WON:
            fix = f"raise objective.adversarial (now {self.adversarial:g})"
            return f"patches of translations have {terms['energy_translation']:.1f} nats, none passes for real: {fix}"
        if terms.get("gap", 0.0) < LEAST_GAP:
            fix = f"raise objective.critic (now {self.critic:g})"
            return f"energy of translations - of real images = {terms['gap']:.1f} nats, fakes pass for real: {fix}"
        return self.vae.diagnose(terms, numel)  # None here, as `kl_content` may be thousands


def another_domain(model: Model, domains: Tensor, generator: torch.Generator) -> Tensor:
    """For each label another one at random, or itself where the model has one domain; int64 `[B]`."""
    count = len(model.domains)
    return (domains + integers(1, max(count, 2), domains.shape, generator)) % count


def iterative_back_translation(
    *,
    prior_fraction: float = 0.2,
    adversarial_from: float = 0.4,
    critic: float = 0.1,
    adversarial: float = 0.02,
) -> IterativeBackTranslation:
    """Densities of each domain's pictures, back-translation from them, then with a game over patches.

    Args:
        prior_fraction: fraction of the budget for the densities, 0..1. They need some 15,000 images.
        adversarial_from: progress from which on the encoder judges translations, 0..1.
        critic: weight of the encoder's judgement of patches, > 0. Higher: a stricter critic.
        adversarial: weight of the decoder's game against it, > 0. Higher: more of the target domain, less of the input.
    """
    return IterativeBackTranslation(vae(), prior_fraction, adversarial_from, critic, adversarial)
