"""A VAE whose encoder judges patches of translations: Soft-IntroVAE's game on the styles at the places of a layout.

A content with room for detail has a KL of thousands of nats, which says nothing of domains. This game is played on the
style alone, at every place, as PatchGAN judges patches (Isola et al. 2017, arXiv:1611.07004).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from sivae_translate.objectives.back_translation import BackTranslation
from sivae_translate.objectives.elbo import ELBO, Reconstructions, require_positive
from sivae_translate.objectives.functional import place_energy
from sivae_translate.objectives.introspective import LEAST_GAP
from sivae_translate.objectives.pairs import of_another_domain, swap_styles, whole_pairs
from sivae_translate.objectives.sampling import sample
from sivae_translate.objectives.shifts import random_shifts, shifted
from sivae_translate.objectives.vae import VAE
from sivae_translate.types import Batch, Code, Distribution, Gaussian, Model, Phase, Posterior, at_least_float32

ALPHA = 2.0  # scale of the exponent, as in the paper
REAL = 0.2  # weight of real patches; translations that pass for real balance at -ln(REAL) / ALPHA = .8 nats
BLOCK = 4  # pixels; side of the blocks whose colours translations keep
WON = 3.0  # mean nats of translations, from which on the exponential is saturated


@dataclass(frozen=True)
class PatchIntroVAE:
    """The negative ELBO, and a game over translations g of rows x of domain d to the style of a row of domain d'.

        encoder:  -ELBO(x) + critic mean_ij (REAL E_ij(x, d) + (1 / ALPHA) exp(-ALPHA E_ij(g, d')))
        decoder:  beta_rec L_r(x, D(z)) / N + adversarial mean_ij E_ij(g, d') + colour |blocks(g - x) - mean|^2
        -ELBO(x) = beta_rec L_r(x, D(z)) / N + beta_kl (KL(content) + beta_style KL(style))

    The KL of content is a mean over places. E_ij(x, d) is the KL at place ij of the style to that of domain d, see
    `place_energy`. For a given decoder the encoder's minimum is E_ij = max(0, ln(p_g / (REAL p_d)) / ALPHA), p being
    the densities of patches, so the decoder lowers KL(p_g || p_d), as in Soft-IntroVAE (Daniel & Tamar 2021,
    arXiv:2012.13253, theorem 1). Both parts are updated at once. The decoder's game has no gradient into the content
    of x, and none into the encoder but by the styles, so that styles tell domains apart. The style priors stay as they
    are, since means that follow the styles raise every energy without end.

    Images and translations are shifted at random by a few pixels before the encoder judges them. An encoder that folds
    and pools pixels is blind to some patterns of their grid, and the decoder would draw those, a weave. The squared
    error of colours in blocks of 4 x 4 pixels keeps colours where the game says nothing of them, as in SimGAN
    (Shrivastava et al. 2017, arXiv:1612.07828, section 2.1), but for the mean difference of each target domain.

    Translations are also reconstructed: the content of g, in the style of x, gives x (see `BackTranslation`).

    Without a style there are no translations, and this is the plain VAE.

    Attributes:
        vae: the objective without the game; its KL is the mean over places.
        critic: weight of the encoder's part of the game, > 0.
        adversarial: weight of the decoder's part of the game, > 0.
        colour: weight of the blocks' squared error, >= 0.
    """

    vae: VAE
    critic: float
    adversarial: float
    colour: float

    def __post_init__(self) -> None:
        require_positive(critic=self.critic, adversarial=self.adversarial)
        if not self.colour >= 0:
            raise ValueError("colour: must be >= 0")

    def play(
        self, model: Model, batch: Batch, progress: float, generator: torch.Generator, ema: Model
    ) -> Iterator[Phase]:
        """One step on a batch; see `types.Objective`."""
        prior = with_fixed_style(model.prior(batch.domains))
        if prior.style is None:
            yield from self.vae.play(model, batch, progress, generator, ema)
            return
        placed, judged = (random_shifts(len(batch), generator) for _ in range(2))
        batch = Batch(shifted(batch.images, placed), batch.domains, shifted(batch.targets, placed))
        features = model.features(batch.images)
        q = model.posterior(features)
        z, elbo = swap_styles(sample(q, generator)), self.elbo(places_of(q.content))
        assert z.style is not None
        rows = Reconstructions(batch.targets, model.decode(z), elbo.kl(q, prior))
        terms = {"rec": rows.error.mean(), "kl_real": rows.kl.mean() * (elbo.beta_kl / self.vae.elbo.beta_kl)}

        # Translations enter the encoder as leaves. The decoder's gradient is taken there, at the encoder's weights
        # before the update, and goes on to the decoder through the product with the translations.
        other = of_another_domain(batch.domains, generator)
        translations = model.decode(Code(z.content.detach(), z.style[other]))
        moved = shifted(translations, judged - placed)
        leaves = moved.detach().requires_grad_()
        made = model.features(leaves)
        real = place_energy(model.style_places(features), prior.style.mean)
        fake = place_energy(model.style_places(made), prior.style.mean[other])
        encoder = self.critic * (REAL * real + torch.exp(-ALPHA * fake) / ALPHA).mean()
        (gradient,) = torch.autograd.grad(fake.sum(), leaves, retain_graph=True)
        decoder = self.adversarial / fake.numel() * (moved * gradient).sum()
        decoder = decoder + self.colour * colour_error(translations, batch.targets, batch.domains[other])
        terms |= {"energy_real": real.mean(), "energy_translation": fake.mean(), "gap": fake.mean() - real.mean()}

        if self.vae.back_translation.fraction:
            n = whole_pairs(self.vae.back_translation.fraction, len(batch))
            content = Posterior(model.posterior({r: h[:n] for r, h in made.items()}).content)
            outputs = model.decode(sample(content, generator).with_style_of(z[:n]))
            targets = shifted(batch.targets[:n], (judged - placed)[:n])
            back = Reconstructions(targets, outputs, elbo.kl(content, model.prior(batch.domains[:n])))
            rows = Reconstructions.cat([rows, back])
        yield Phase(("encoder", "decoder"), elbo.loss(rows) + encoder + decoder, terms)

    def elbo(self, places: int) -> ELBO:
        """The weights per nat of the content's KL, which is summed over places."""
        elbo = self.vae.elbo
        return ELBO(elbo.beta_rec, elbo.beta_kl / places, elbo.beta_style * places)

    def stage(self, progress: float) -> str:
        """The one stage, "adversarial"; see `types.Objective`."""
        return "adversarial"

    def diagnose(self, terms: Mapping[str, float], numel: int) -> str | None:
        """Advice where one side of the game has won, or as in `VAE`; see `types.Objective`."""
        if terms.get("energy_translation", 0.0) > WON:
            fix = f"raise objective.adversarial (now {self.adversarial:g})"
            return f"patches of translations have {terms['energy_translation']:.1f} nats, none passes for real: {fix}"
        if terms.get("gap", 0.0) < LEAST_GAP:
            fix = f"raise objective.critic (now {self.critic:g})"
            return f"energy of translations - of real images = {terms['gap']:.1f} nats, fakes pass for real: {fix}"
        return self.vae.diagnose(terms, numel)


def places_of(content: Gaussian) -> int:
    """g x g for a content `[B, K, g, g]`."""
    return content.mean[0, 0].numel()


def colour_error(made: Tensor, given: Tensor, domains: Tensor) -> Tensor:
    """Mean squared difference of blocks of 4 x 4 pixels less its mean in each domain -> a scalar.

    A tint that all translations to a domain share costs nothing.

    Args:
        made: translations, `[B, C, H, W]`.
        given: their inputs, shaped as `made`.
        domains: of the translations, int64 `[B]`.
    """
    blocks = F.avg_pool2d(at_least_float32(made) - given, BLOCK)
    alike = (domains[:, None] == domains).to(blocks)
    tints = alike @ blocks.mean((2, 3)) / alike.sum(1, keepdim=True)
    return (blocks - tints[:, :, None, None]).square().mean()


def with_fixed_style(prior: Distribution) -> Distribution:
    """A prior whose style has no gradient."""
    return Distribution(prior.content, None if prior.style is None else prior.style.detach())


def patch_introvae(
    *,
    beta_rec: float = 1.0,
    beta_kl: float = 3e-5,
    beta_style: float = 0.1,
    back_translation: float = 0.25,
    critic: float = 0.03,
    adversarial: float = 0.005,
    colour: float = 0.2,
) -> PatchIntroVAE:
    """A VAE whose encoder judges patches of translations by the style at every place.

    Args:
        beta_rec: weight of the mean squared error, > 0. Leave it at 1 and change the others.
        beta_kl: weight per nat of the content's KL at a place, > 0. Lower: more detail, and more of the domain in the
            content.
        beta_style: weight of the style's KL, relative to that of a place's content, > 0. Higher: less information in
            the style.
        back_translation: fraction of the batch that is also reconstructed from its translations, 0..1.
        critic: weight of the encoder's judgement of patches, > 0. Higher: a stricter critic.
        adversarial: weight of the decoder's game against it, > 0. Higher: more of the target domain, less of the input.
        colour: weight of the squared error between the colours of translations and of their inputs, >= 0. A tint common
            to a domain costs nothing. Lower it where the target domain has other colours.
    """
    return PatchIntroVAE(
        VAE(ELBO(beta_rec, beta_kl, beta_style), BackTranslation(back_translation)), critic, adversarial, colour
    )
