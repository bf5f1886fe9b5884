"""The translator people use: images in, translated images out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.functional import to_pil_image

from sivae_translate.data.domains import list_images
from sivae_translate.data.images import Frame, UnreadableImage, fit, read_image, to_rgb
from sivae_translate.errors import SivaeError, UsageError, did_you_mean
from sivae_translate.inference.edit import along, between
from sivae_translate.inference.inversion import best_code
from sivae_translate.inference.style_correction import ROUNDS, answered
from sivae_translate.models import Autoencoder
from sivae_translate.models.likelihood import BETA, score
from sivae_translate.models.pretrained import (
    load_model,
    model_directory,
    require_new_name,
    save_model,
    with_domain,
)
from sivae_translate.types import Code, Gaussian, Scores

if TYPE_CHECKING:
    from sivae_translate.inference.folder import Summary

Picture = str | Path | Image.Image | np.ndarray | Tensor
"""An image: a path, a PIL image, uint8 `[H, W]` or `[H, W, 3 or 4]`, or a float tensor `[3, H, W]` in [0, 1]."""


class Translator:
    """A trained model with the frame its images are put into.

    Results do not depend on the batch an image is in, nor on its neighbours (to 1e-5).

    Attributes:
        domains: names of the domains the model knows.
        frame: size and fit of every image that goes in or comes out.
        device: where it computes, in float32.
        feedback: rounds in which the encoder looks at a translation and its style is moved by what is missing, see
            `latent.feedback`. By default 2 where content has a layout and 0 where it is a vector.
    """

    def __init__(self, model: Autoencoder, settings: dict[str, Any], frame: Frame) -> None:
        self.model = model.eval().requires_grad_(False)
        self.settings, self.frame, self.domains = settings, frame, model.domains
        self.device = torch.device("cpu")
        self.feedback = ROUNDS if model.style_size and model.content_shape[-1] > 1 else 0

    @classmethod
    def from_pretrained(cls, path: str | Path, device: str = "auto") -> Translator:
        """The model in a `model/` directory, or in the run that holds one.

        Raises:
            SivaeError: there is none, or it is damaged, of another kind, or a pickle. Nothing is ever unpickled.
            UsageError: the device is not there.
        """
        from sivae_translate.device import pick_device

        return cls(*load_model(model_directory(path))).to(pick_device(device))

    def save_pretrained(self, directory: str | Path) -> None:
        """Write `config.json` and `model.safetensors`, atomically."""
        save_model(Path(directory), self.model, self.settings, self.frame)

    def to(self, device: str) -> Translator:
        """Move to a device, in place."""
        self.device = torch.device(device)
        self.model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return self

    def __call__(
        self,
        images: Picture | Sequence[Picture],
        *,
        to: str | Tensor | None = None,
        style: Picture | Sequence[Picture] | None = None,
        search: int = 0,
    ) -> Any:
        """The images' content in the style of a domain, or of a reference image.

        Args:
            images: one or several.
            to: name of a domain, for its mean style; or a style `[S]` itself, such as one of `random_styles`.
            style: a reference image, or several, whose mean style is taken.
            search: steps of Adam that look for the references' style from where the encoder puts it, see
                `latent.search`; 10 bring out more of a domain that was not trained on.

        Returns:
            A PIL image of the model's size, or a list of them where a list was given.

        Raises:
            UsageError: neither or both of `to` and `style`, no such domain, a style of another shape, or a model with
                a single latent.
            UnreadableImage: an image that cannot be read, with the reason.
        """
        x = self.prepare(images)
        result = self.to_pictures(self.translate(x, self.style_of(to=to, style=style, search=search)))
        return result if several(images) else result[0]

    def style_of(
        self, *, to: str | Tensor | None = None, style: Picture | Sequence[Picture] | None = None, search: int = 0
    ) -> Tensor:
        """The style `[S]` of a domain (its prior's mean) or of references (the mean over them); see `__call__`.

        A search looks for the one style that 32 references have in common; of more, the mean over each 32 is taken.
        """
        require_style(self.model)
        if (to is None) == (style is None):
            raise UsageError("expected one of to='DOMAIN' and style=IMAGE")
        if style is not None:
            items = each(style)
            batches = (self.prepare(items[i : i + 32]) for i in range(0, len(items), 32))  # there may be thousands
            codes = [best_code(self.model, x, search, one_style=True).style for x in batches]
            return torch.cat([code for code in codes if code is not None]).mean(0)
        if isinstance(to, Tensor):
            if to.shape != (self.model.style_size,):
                expected = f"expected one style, [{self.model.style_size}]"
                raise UsageError(f"a style of shape {list(to.shape)}: {expected}")
            return to.to(self.device, torch.float32)
        return self._style_prior(str(to)).mean[0]

    def random_styles(self, to: str, count: int, *, seed: int = 0, truncation: float = 1.0) -> Tensor:
        """Styles `[count, S]` of a domain, drawn from its prior p(s | d); each may be the `to` of a translation.

        The i-th style of a domain and a seed is the same whatever the count and the device.

        Args:
            truncation: how far they spread around the prior's mean, see `sample`.

        Raises:
            UsageError: no such domain, fewer than 1 style, a negative truncation, or a model with a single latent.
        """
        require_style(self.model)
        require_truncation(truncation)
        if count < 1:
            raise UsageError(f"styles was {count}: expected 1 or more")
        generator = seeded(seed)
        # One by one, as a draw of more numbers may begin with others.
        noise = torch.stack([torch.randn(self.model.style_size, generator=generator) for _ in range(count)])
        return self._style_prior(to).sample(truncation * noise.to(self.device))

    def add_domain(self, name: str, images: Picture | Sequence[Picture], *, search: int = 0) -> Translator:
        """A translator that knows one domain more, by a handful of its images; this one stays as it is.

        The new domain's style is theirs, as `style_of` finds it. The weights for all else are the same.

        Args:
            name: of the new domain, fit to name a folder.
            images: one or several of it.
            search: see `__call__`.

        Raises:
            UsageError: a name that is known already or cannot name a folder, or a model with a single latent.
            UnreadableImage: an image that cannot be read, with the reason.
        """
        require_style(self.model)
        require_new_name(name, self.domains)
        model = with_domain(self.model, name, self.style_of(style=images, search=search))
        translator = Translator(model, self.settings, self.frame).to(str(self.device))
        translator.feedback = self.feedback
        return translator

    @torch.no_grad()
    def translate(self, x: Tensor, style: Tensor) -> Tensor:
        """Images `[B, 3, H, W]` in [0, 1] under a style `[S]` (or `[B, S]`) -> the same shape, clamped."""
        return self.restyle(self.model.encode(x).mean.content, style)

    def restyle(self, content: Tensor, style: Tensor) -> Tensor:
        """Contents `[B, K, g, g]` under a style `[S]` (or `[B, S]`) -> images `[B, 3, H, W]` in [0, 1], with
        `feedback`."""
        style = style.expand(len(content), -1)
        return self.decode(Code(content, answered(self.model, content, style, self.feedback)))

    @torch.no_grad()
    def encode(self, images: Picture | Sequence[Picture]) -> Code:
        """Mean content `[B, K, g, g]` and style `[B, S]` (None for a single latent) of one image or several."""
        return self.model.encode(self.prepare(images)).mean

    @torch.no_grad()
    def decode(self, code: Code) -> Tensor:
        """Code -> images `[B, 3, H, W]` in [0, 1]."""
        return self.model.decode(code).float().clamp(0, 1)

    @torch.no_grad()
    def sample(
        self, count: int, *, domain: str | None = None, seed: int = 0, truncation: float = 1.0
    ) -> list[Image.Image]:
        """New images from the prior, of one domain or of domains in turn; the same seed draws the same.

        Args:
            truncation: how far the codes spread around the means of the prior; 1 is the prior, below it pictures are
                better and less varied, at 0 all of a domain are one (the truncation trick, Brock et al. 2019, by
                scaling).

        Raises:
            UsageError: no such domain, or a negative truncation.
        """
        require_truncation(truncation)
        labels = [i % len(self.domains) if domain is None else self._label(domain) for i in range(count)]
        prior = self.model.prior(torch.tensor(labels, device=self.device))
        generator = seeded(seed)
        return self._pictures(
            prior.draw(lambda shape: truncation * torch.randn(shape, generator=generator).to(self.device))
        )

    def interpolate(
        self, a: Picture, b: Picture, *, what: str = "both", steps: int = 8, content: Picture | None = None
    ) -> list[Image.Image]:
        """The way from one image to another; the first picture is the reconstruction of `a`.

        Args:
            what: what changes: "content" or "style", the other staying that of `a`, or "both", which ends in the
                reconstruction of `b`.
            steps: pictures, both ends among them.
            content: an image whose content all pictures have while the style goes from that of `a` to that of `b`.

        Raises:
            UsageError: fewer than 2 steps, no such `what`, "style" from a model with a single latent, or `content`
                where more than the style changes.
            UnreadableImage: an image that cannot be read, with the reason.
        """
        start, end = self.encode([a]), self.encode([b])
        if content is not None:
            if what != "style":
                raise UsageError(f"a content was given, and what was {what!r}: expected style, all that changes then")
            start = self.encode([content]).with_style_of(start)
        return self._pictures(between(start, end, steps, what))

    def edit(
        self, image: Picture, direction: Code, strengths: Sequence[float], *, what: str = "both"
    ) -> list[Image.Image]:
        """An image at several strengths along a direction; 0 is its reconstruction.

        Args:
            direction: of one row; see `latent.direction`. Strength 1 is its whole length.
            what: the part of the direction that is followed: "content", "style" or "both".

        Raises:
            UsageError: no strength, no such `what`, or a direction of another model's dimensions.
            UnreadableImage: an image that cannot be read, with the reason.
        """
        direction = direction.map(lambda t: t.to(self.device))
        return self._pictures(along(self.encode([image]), direction, strengths, what))

    def reconstruct(self, images: Picture | Sequence[Picture], *, steps: int = 0) -> Any:
        """The images as the model can show them, from the encoder's codes or from better ones found by search.

        Args:
            images: one or several.
            steps: of Adam on each image's code; see `latent.search`. No image gets worse by any, nor depends on its
                neighbours beyond a level of 255.

        Returns:
            A PIL image of the model's size, or a list of them where a list was given.

        Raises:
            UsageError: a negative number of steps.
            UnreadableImage: an image that cannot be read, with the reason.
        """
        result = self._pictures(best_code(self.model, self.prepare(images), steps))
        return result if several(images) else result[0]

    def score(
        self,
        images: Picture | Sequence[Picture],
        samples: int = 5,
        seed: int = 0,
        *,
        beta: float = BETA,
        batch: int = 32,
    ) -> Scores:
        """How likely the model finds one image or several, to tell those unlike the images it was trained on.

        In any batch and any order `kl` repeats to 1e-5 of itself, and so does `rec`; the bounds hold rec / beta.

        Args:
            samples: K, codes drawn for each image. More give a tighter bound and take longer.
            seed: of the noise, which each image draws by its own pixels.
            beta: twice the variance of p(x | z) = N(x; decoded z, beta / 2 I).
            batch: images scored at a time.

        Raises:
            UsageError: no samples, or no variance.
            UnreadableImage: an image that cannot be read, with the reason.
        """
        if samples < 1:
            raise UsageError(f"samples was {samples}: expected 1 or more")
        if not 0 < beta < math.inf:
            raise UsageError(f"beta was {beta}: expected a positive number, twice the variance of p(x | z)")
        items = each(images)
        batches = (self.prepare(items[i : i + batch]) for i in range(0, len(items), batch))
        return Scores.cat([score(self.model, x, samples=samples, seed=seed, beta=beta) for x in batches])

    def folder(self, source: str | Path, out: str | Path, **options: Any) -> Summary:
        """Translate a file or a folder tree into `out`; see `sivae_translate.inference.folder.translate_folder`."""
        from sivae_translate.inference.folder import translate_folder

        return translate_folder(self, Path(source), Path(out), **options)

    def prepare(self, images: Picture | Sequence[Picture]) -> Tensor:
        """Images of any kind -> float32 `[B, 3, H, W]` in [0, 1] in the model's frame, on its device."""
        x = torch.stack([self._prepare_one(item) for item in each(images)])
        return x.to(self.device).contiguous(memory_format=torch.channels_last)

    def _prepare_one(self, image: Any) -> Tensor:
        if isinstance(image, Tensor):
            if image.ndim != 3 or image.shape[0] != 3 or not image.is_floating_point():
                raise UsageError(
                    f"a tensor of shape {tuple(image.shape)}, {image.dtype}: expected floats [3, H, W] in [0, 1]"
                )
            if not image.isfinite().all():
                raise UsageError("a tensor that holds NaN or infinity: expected floats in [0, 1]")
            x: Tensor = image.detach().float().cpu().clamp(0, 1)
            if x.shape[1:] == (self.frame.size, self.frame.size):
                return x
            image = self.to_pictures(x[None])[0]
        if isinstance(image, np.ndarray):
            if image.dtype != np.uint8 or image.ndim < 2 or image.shape[2:] not in ((), (3,), (4,)):
                expected = "uint8 [H, W] or [H, W, 3 or 4]"
                raise UsageError(f"an array of shape {image.shape}, {image.dtype}: expected {expected}")
            image = Image.fromarray(image)
        if isinstance(image, Image.Image):
            pixels = np.asarray(to_rgb(image, self.frame.background))
        elif isinstance(image, str | Path):
            pixels = read_image(image, background=self.frame.background, min_side=self.frame.size)
        else:
            raise UsageError(f"a {type(image).__name__} is no image: expected a path, PIL image, array or tensor")
        if not pixels.size:
            raise UsageError(f"an image of shape {pixels.shape}: expected at least one pixel")
        pixels = fit(pixels, self.frame.size, self.frame.fit, self.frame.background)
        return torch.from_numpy(pixels).permute(2, 0, 1).float() / 255

    def _label(self, domain: str) -> int:
        if domain not in self.domains:
            raise UsageError(f"no domain {domain!r} in this model: {did_you_mean(domain, list(self.domains))}")
        return self.domains.index(domain)

    def _style_prior(self, domain: str) -> Gaussian:
        """p(s | d), of one row."""
        prior = self.model.prior(torch.tensor([self._label(domain)], device=self.device)).style
        assert prior is not None
        return prior

    def _pictures(self, code: Code) -> list[Image.Image]:
        batches = (code[i : i + 32] for i in range(0, len(code), 32))  # there may be thousands
        return [picture for batch in batches for picture in self.to_pictures(self.decode(batch))]

    @staticmethod
    def to_pictures(x: Tensor) -> list[Image.Image]:
        """`[B, 3, H, W]` in [0, 1] -> PIL images, rounded to 8 bits."""
        pixels = (x * 255).round().byte().cpu()
        return [to_pil_image(image) for image in pixels]


def require_style(model: Autoencoder) -> None:
    """Raise UsageError for a model that has no style to translate with."""
    if not model.style_size:
        raise UsageError("this model has a single latent and cannot translate: train one with --recipe style")


def require_truncation(truncation: float) -> None:
    if not 0 <= truncation < math.inf:
        raise UsageError(f"truncation was {truncation}: expected 0 or more, 1 for the prior as it is")


def seeded(seed: int) -> torch.Generator:
    """A generator on the CPU, so that every device draws the same. Raises UsageError for more than 64 bits."""
    if not -(2**63) <= seed < 2**63:
        raise UsageError(f"seed was {seed}: expected a whole number of 64 bits, such as 0")
    return torch.Generator().manual_seed(seed)


def several(images: Picture | Sequence[Picture]) -> bool:
    return isinstance(images, list | tuple) or (isinstance(images, Tensor) and images.ndim == 4)


def each(images: Picture | Sequence[Picture]) -> Sequence[Any]:
    """One image or several, as a sequence. Raises UsageError where it is empty."""
    items: Sequence[Any] = list(images) if several(images) else [images]  # type: ignore[arg-type]
    if not items:
        raise UsageError("no image given: expected one or more")
    return items


def references(path: Path) -> list[Path]:
    """The images a `--style` names: a file, or all that can be read in a folder.

    Raises:
        UsageError: there is none.
    """
    readable = []
    for image in list_images(path):
        try:
            read_image(image)
            readable.append(image)
        except UnreadableImage as error:
            if not path.is_dir():
                raise SivaeError(f"cannot read the style image {image}: {error}") from None
    if not readable:
        raise UsageError(f"{path} holds no readable image: expected a style image or a folder of them")
    return readable
