"""The translator: a trained model for images, styles, codes and scores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from sivae_translate.data.images import Frame
from sivae_translate.device import pick_device
from sivae_translate.errors import SivaeError, UsageError, did_you_mean
from sivae_translate.host import methods_in_own_torch_state
from sivae_translate.inference.arguments import (
    batch_of,
    code_of,
    contents_of,
    finite,
    is_real,
    one_style,
    styles_of,
    whole,
)
from sivae_translate.inference.edit import along, between
from sivae_translate.inference.inversion import invert
from sivae_translate.inference.prepare import Picture, each, prepare, several
from sivae_translate.inference.sampling import draw_codes, draw_styles
from sivae_translate.inference.style_correction import ROUNDS, corrected_style, rounds_for
from sivae_translate.models import Autoencoder
from sivae_translate.models.likelihood import BETA, score
from sivae_translate.models.pretrained import (
    load_model,
    model_directory,
    require_new_name,
    save_model,
    with_domain,
)
from sivae_translate.pictures import to_pictures
from sivae_translate.types import Code, Gaussian, Scores

BATCH = 32  # images or codes per pass of the network, which bounds memory


@methods_in_own_torch_state
class Translator:
    """A trained model with the frame its images are put into.

    Results do not depend on the batch of an image (to 1e-5), and the network computes at most 32 images at a time.
    Methods with images as arguments raise `UnreadableImage`, with the reason, for an unreadable file, and `UsageError`
    for an argument that is no image. Arguments of the wrong type, shape or range, or with NaN, raise `UsageError`.

    Attributes:
        domains: names of the model's domains.
        frame: size in pixels, fit and background of all images.
        device: device of the model, which computes in float32.
    """

    def __init__(self, model: Autoencoder, settings: dict[str, Any], frame: Frame) -> None:
        self.model = model.eval().requires_grad_(False)
        self.settings, self.frame, self.domains = settings, frame, model.domains
        self.device = torch.device("cpu")

    @classmethod
    def from_pretrained(cls, path: str | Path, device: str | torch.device = "auto") -> Translator:
        """The translator of a run or model directory. Nothing is unpickled.

        Raises:
            SivaeError: no model, or a model that is damaged, of another kind or of another format.
            UsageError: the device is not available.
        """
        device = pick_device(device)  # first, as it is quick
        return cls(*load_model(model_directory(path))).to(device)

    def save_pretrained(self, directory: str | Path) -> None:
        """Write `config.json` and `model.safetensors`, atomically."""
        save_model(Path(directory), self.model, self.settings, self.frame)

    def to(self, device: str | torch.device) -> Translator:
        """Move the model to a device, in place. Raises UsageError where the device is not available."""
        self.device = torch.device(pick_device(device))
        self.model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return self

    # --- translation ------------------------------------------------------------------------------------------------

    def __call__(
        self,
        images: Picture | Sequence[Picture],
        *,
        to: str | Tensor | None = None,
        style: Picture | Sequence[Picture] | None = None,
        inversion_steps: int = 0,
        style_correction: int = ROUNDS,
    ) -> Any:
        """Translate images to the style of a domain or of reference images.

        Args:
            images: one or several.
            to: name of a domain, for its mean style, or a style `[S]`, such as one of `random_styles`.
            style: one or several reference images, for their mean style.
            inversion_steps: steps of latent optimisation that refine the style of the references; see
                `inference.inversion`. 10 steps improve translations to unseen domains.
            style_correction: rounds of iterative style correction for the style of references, in models whose content
                has a layout; see `inference.style_correction`.

        Returns:
            A PIL image of the model's size, or a list of them where several images were given.

        Raises:
            UsageError: neither or both of `to` and `style`, no such domain, a style of another shape, negative steps
                or rounds, or a model with a single latent.
        """
        rounds = rounds_for(self.model.content_shape, style_correction)
        target = self.style_of(to=to, style=style, inversion_steps=inversion_steps)
        result = list[Image.Image]()
        for x in self._batches(images):
            result += to_pictures(self.translate(x, target, style_correction=0 if style is None else rounds))
        return result if several(images) else result[0]

    @torch.no_grad()
    def translate(self, x: Tensor, style: Tensor, *, style_correction: int = 0) -> Tensor:
        """Images `[B, 3, H, W]` in [0, 1] with a style `[S]` or `[B, S]` -> translations, of the same shape and range.

        Args:
            style_correction: see `__call__`; meant for the styles of references.
        """
        require_style(self.model)
        return self.restyle(self.contents(x), style, style_correction=style_correction)

    @torch.no_grad()
    def contents(self, x: Tensor) -> Tensor:
        """Images `[B, 3, H, W]` in [0, 1] -> their mean contents `[B, K, g, g]`, for several styles in turn."""
        x = self._on_device(batch_of(x, self.frame.size))
        return torch.cat([self.model.encode(part).mean.content for part in torch.split(x, BATCH)])

    @torch.no_grad()
    def restyle(self, content: Tensor, style: Tensor, *, style_correction: int = 0) -> Tensor:
        """Contents `[B, K, g, g]` with a style `[S]` or `[B, S]` -> images `[B, 3, H, W]` in [0, 1].

        Args:
            style_correction: see `__call__`; meant for the styles of references.
        """
        require_style(self.model)
        content = contents_of(content, self.model).to(self.device)
        style = styles_of(style, self.model.style_size, len(content)).to(self.device)
        rounds = rounds_for(content.shape, style_correction)
        parts = zip(torch.split(content, BATCH), torch.split(style, BATCH), strict=True)
        corrected = torch.cat([corrected_style(self.model, *part, rounds) for part in parts])
        return self.decode(Code(content, corrected))

    # --- styles and domains -----------------------------------------------------------------------------------------

    def style_of(
        self,
        *,
        to: str | Tensor | None = None,
        style: Picture | Sequence[Picture] | None = None,
        inversion_steps: int = 0,
    ) -> Tensor:
        """The mean style `[S]` of a domain's prior or of reference images; see `__call__`.

        Latent optimisation finds one style for each batch of 32 references; the result is the mean over batches.
        """
        require_style(self.model)
        if (to is None) == (style is None):
            raise UsageError("expected one of to='DOMAIN' and style=IMAGE")
        if style is not None:
            codes = [invert(self.model, x, inversion_steps, one_style=True).style for x in self._batches(style)]
            return torch.cat([code for code in codes if code is not None]).mean(0)
        if isinstance(to, Tensor):
            return one_style(to, self.model.style_size).to(self.device)
        assert to is not None
        return self._style_prior(to).mean[0]

    def random_styles(self, to: str, count: int, *, seed: int = 0, truncation: float = 1.0) -> Tensor:
        """Styles `[count, S]` drawn from the prior p(s | d) of a domain, each an argument `to` for a translation.

        The i-th style depends on domain and seed, not on the count or the device.

        Args:
            truncation: factor of the noise around the prior's mean; see `sample`.

        Raises:
            UsageError: no such domain, fewer than 1 style, a negative truncation, or a model with a single latent.
        """
        require_style(self.model)
        return draw_styles(self._style_prior(to), count, seed=seed, truncation=truncation)

    def add_domain(self, name: str, images: Picture | Sequence[Picture], *, inversion_steps: int = 0) -> Translator:
        """A new translator with a further domain, whose mean style is that of a few images.

        Args:
            name: name of the new domain, which must be a possible name of a folder.
            images: one or several of the new domain.
            inversion_steps: see `__call__`.

        Raises:
            UsageError: the name of a known domain, one that cannot name a folder, or a model with a single latent.
        """
        require_style(self.model)
        require_new_name(name, self.domains)
        style = self.style_of(style=images, inversion_steps=inversion_steps)
        return Translator(with_domain(self.model, name, style), self.settings, self.frame).to(self.device)

    # --- images and codes -------------------------------------------------------------------------------------------

    def prepare(self, images: Picture | Sequence[Picture]) -> Tensor:
        """One image or several -> float32 `[B, 3, H, W]` in [0, 1] in the model's frame, on its device."""
        return self._on_device(prepare(images, self.frame))

    @torch.no_grad()
    def encode(self, images: Picture | Sequence[Picture]) -> Code:
        """Mean content `[B, K, g, g]` and style `[B, S]`, None for a single latent, of one image or several."""
        return Code.cat([self.model.encode(x).mean for x in self._batches(images)])

    @torch.no_grad()
    def decode(self, code: Code) -> Tensor:
        """Code -> images `[B, 3, H, W]`, clamped to [0, 1].

        Raises:
            SivaeError: the images hold NaN or infinity.
        """
        code = code_of(code, self.model).map(lambda t: t.to(self.device))
        x = torch.cat([self.model.decode(code[i : i + BATCH]).float() for i in range(0, len(code), BATCH)])
        if not x.isfinite().all():
            raise SivaeError(
                "the decoded images hold NaN or infinity: the weights are damaged, or the code is far too large"
            )
        return x.clamp(0, 1)

    def reconstruct(self, images: Picture | Sequence[Picture], *, inversion_steps: int = 0) -> Any:
        """Reconstructions of images, from the encoder's codes or from codes of latent optimisation.

        Args:
            images: one or several.
            inversion_steps: steps of latent optimisation per image; see `inference.inversion`. No image gets worse.

        Returns:
            A PIL image of the model's size, or a list of them where several images were given.

        Raises:
            UsageError: a negative number of steps.
        """
        result = list[Image.Image]()
        for x in self._batches(images):
            result += self._decoded_pictures(invert(self.model, x, inversion_steps))
        return result if several(images) else result[0]

    @staticmethod
    def to_pictures(x: Tensor) -> list[Image.Image]:
        """Images `[B, 3, H, W]`, clamped to [0, 1] -> PIL images, rounded to 8 bits."""
        if not isinstance(x, Tensor) or x.ndim != 4 or x.shape[1] != 3:
            given = f"a tensor of shape {tuple(x.shape)}" if isinstance(x, Tensor) else f"a {type(x).__name__}"
            raise UsageError(f"{given} as images: expected floats [B, 3, H, W] in [0, 1]")
        return to_pictures(finite("a tensor of images", x))

    # --- sampling, editing, scoring ---------------------------------------------------------------------------------

    def sample(
        self, count: int, *, domain: str | None = None, seed: int = 0, truncation: float = 1.0
    ) -> list[Image.Image]:
        """Samples of the prior of one domain, or of all domains alternately. Equal seeds give equal images.

        Args:
            truncation: factor of the noise around the prior's mean (truncation trick, Brock et al. 2019). 1 samples the
                prior, lower values trade variety for quality.

        Raises:
            UsageError: no such domain, fewer than 1 sample, or a negative truncation.
        """
        whole("count", count, 1)
        labels = [i % len(self.domains) if domain is None else self._label(domain) for i in range(count)]
        prior = self.model.prior(torch.tensor(labels, device=self.device))
        return self._decoded_pictures(draw_codes(prior, self.device, seed=seed, truncation=truncation))

    def interpolate(
        self, a: Picture, b: Picture, *, what: str = "both", steps: int = 8, content: Picture | None = None
    ) -> list[Image.Image]:
        """Images on the path from one image's code to another's; the first is the reconstruction of `a`.

        Args:
            what: the part that changes, "content", "style" or "both"; the other part stays that of `a`.
            steps: number of images, including both ends.
            content: an image whose content is used for all images, for `what` = "style".

        Raises:
            UsageError: fewer than 2 steps, no such `what`, "style" for a model with a single latent, or a `content`
                for another `what` than "style".
        """
        start, end = self.encode([a]), self.encode([b])
        if content is not None:
            if what != "style":
                raise UsageError(f"a content was given, and what was {what!r}: expected style, all that changes then")
            start = self.encode([content]).with_style_of(start)
        return self._decoded_pictures(between(start, end, steps, what))

    def edit(
        self, image: Picture, direction: Code, strengths: Sequence[float], *, what: str = "both"
    ) -> list[Image.Image]:
        """Edits of an image along an attribute direction, one per strength; strength 0 is the reconstruction.

        Args:
            direction: code of one row; see `inference.direction`.
            strengths: factors of the direction.
            what: the part of the direction that is added, "content", "style" or "both".

        Raises:
            UsageError: no strength, no such `what`, or a direction of other dimensions.
        """
        if not isinstance(direction, Code):
            raise UsageError(f"direction was a {type(direction).__name__}: expected a Code; see load_direction")
        direction = direction.map(lambda t: finite("a direction", t).to(self.device))
        return self._decoded_pictures(along(self.encode([image]), direction, strengths, what))

    def score(
        self,
        images: Picture | Sequence[Picture],
        samples: int = 5,
        seed: int = 0,
        *,
        beta: float = BETA,
        batch: int = 32,
    ) -> Scores:
        """Bounds on log p(x) of one image or several, for out-of-distribution detection; see `types.Scores`.

        `kl` and `rec` do not depend on the batch or the order of the images, to a relative 1e-5.

        Args:
            samples: K, codes drawn for each image. More samples give a tighter bound and take longer.
            seed: seed of the noise, which also depends on the image's pixels.
            beta: twice the variance of p(x | z) = N(x; D(z), beta / 2 I).
            batch: images scored at a time.

        Raises:
            UsageError: no samples, or a beta that is not positive.
        """
        whole("samples", samples, 1)
        whole("batch", batch, 1)
        if not is_real(beta):
            raise UsageError(f"beta was {beta!r}: expected a positive number, twice the variance of p(x | z)")
        batches = self._batches(images, batch)
        return Scores.cat([score(self.model, x, samples=samples, seed=seed, beta=beta) for x in batches])

    def _batches(self, images: Picture | Sequence[Picture], size: int = BATCH) -> Iterator[Tensor]:
        """Images, prepared as many at a time."""
        items = each(images)
        for start in range(0, len(items), size):
            yield self.prepare(items[start : start + size])

    def _on_device(self, x: Tensor) -> Tensor:
        return x.to(self.device).contiguous(memory_format=torch.channels_last)

    def _label(self, domain: str) -> int:
        if not isinstance(domain, str):
            raise UsageError(f"domain was {domain!r}: expected a name; {did_you_mean('', list(self.domains))}")
        if domain not in self.domains:
            raise UsageError(f"no domain {domain!r} in this model: {did_you_mean(domain, list(self.domains))}")
        return self.domains.index(domain)

    def _style_prior(self, domain: str) -> Gaussian:
        """p(s | d), of one row."""
        prior = self.model.prior(torch.tensor([self._label(domain)], device=self.device)).style
        assert prior is not None
        return prior

    def _decoded_pictures(self, code: Code) -> list[Image.Image]:
        batches = (code[i : i + BATCH] for i in range(0, len(code), BATCH))
        return [picture for batch in batches for picture in to_pictures(self.decode(batch))]


def require_style(model: Autoencoder) -> None:
    """Raise UsageError for a model with a single latent, which has no style to exchange."""
    if not model.style_size:
        raise UsageError("this model has a single latent and cannot translate: train one with --recipe style")
