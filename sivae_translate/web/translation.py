"""What the page computes: translations of one uploaded picture, and the path between the styles of two references."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from sivae_translate.data.images import UnreadableImage
from sivae_translate.errors import UsageError, shown
from sivae_translate.inference.arguments import is_real, whole
from sivae_translate.inference.prepare import prepare_one
from sivae_translate.inference.style_correction import ROUNDS, rounds_for
from sivae_translate.inference.targets import Target, domain_targets
from sivae_translate.inference.threshold import Threshold
from sivae_translate.inference.translator import Translator

MAX_PICTURES = 48  # translations of a picture
MAX_STEPS = 24  # pictures between two references

Captioned = tuple[Image.Image, str]


@dataclass(frozen=True)
class Style:
    """The style that a visitor asks for: of a reference picture, or of domains.

    Attributes:
        domains: names of domains; ignored with a reference.
        count: number of random styles of each domain; None for its mean style.
        seed: seed of the random styles.
        reference: an uploaded picture whose style is taken.
        strength: 0 keeps the picture's own style, 1 takes the target's; linear interpolation between them.
    """

    domains: tuple[str, ...] = ()
    count: int | None = None
    seed: int = 0
    reference: Path | None = None
    strength: float = 1.0


def read_upload(translator: Translator, path: Path) -> Tensor:
    """An uploaded picture in the translator's frame, `[3, H, W]`. Raises UsageError, without the path on the server."""
    try:
        return prepare_one(path, translator.frame)
    except UnreadableImage as error:
        raise UsageError(f"cannot read {shown(path.name)} ({error}): expected an image") from None


def targets_of(translator: Translator, style: Style) -> list[Target]:
    """The styles to translate to.

    Raises:
        UsageError: no domain, an unknown one, more than `MAX_PICTURES` styles, a strength outside [0, 1], or an
            unreadable reference.
    """
    if not is_real(style.strength) or not 0 <= style.strength <= 1:
        raise UsageError(f"strength was {style.strength!r}: expected a number from 0 to 1")
    if style.reference is not None:
        code = translator.style_of(style=read_upload(translator, style.reference))
        return [Target("reference", "", code, rounds_for(translator.model, ROUNDS))]
    if not style.domains:
        raise UsageError("no domain is chosen: choose one or more")
    each = 1 if style.count is None else whole("styles", style.count, 1)
    if len(style.domains) * each > MAX_PICTURES:
        raise UsageError(f"{len(style.domains) * each} translations: expected {MAX_PICTURES} or fewer of each picture")
    return domain_targets(translator, style.domains, styles=style.count, seed=style.seed, truncation=1.0)


def restyled(translator: Translator, x: Tensor, targets: Sequence[Target], strength: float) -> Tensor:
    """Images `[B, 3, H, W]` under T styles -> translations `[B, T, 3, H, W]`; see `Style.strength`."""
    code = translator.encode(x)
    assert code.style is not None
    wanted = torch.stack([target.style for target in targets]).to(code.style.device)
    styles = torch.lerp(code.style[:, None], wanted[None], strength)  # [B, T, S]
    content = code.content[:, None].expand(-1, len(targets), -1, -1, -1)
    flat = translator.restyle(content.flatten(0, 1), styles.flatten(0, 1), style_correction=targets[0].rounds)
    return flat.view(len(x), len(targets), *flat.shape[1:])


def translations(translator: Translator, picture: Path, style: Style) -> list[Captioned]:
    """The picture as the model sees it, and its translations, each with a caption. Raises as `targets_of`."""
    x = read_upload(translator, picture)[None]
    targets = targets_of(translator, style)
    pictures = translator.to_pictures(torch.cat([x, restyled(translator, x, targets, style.strength)[0].to(x)]))
    return list(zip(pictures, ["input", *map(caption, targets)], strict=True))


def caption(target: Target) -> str:
    """The name of a style in a few letters, as captions are narrow: `car001/style-2` as `car001 #2`."""
    return target.name.replace("/style-", " #")


def path_between(translator: Translator, picture: Path, first: Path, last: Path, steps: int) -> list[Captioned]:
    """The picture in `steps` styles that lie evenly between those of two references, with both ends.

    Raises:
        UsageError: a picture that cannot be read, or a number of steps outside 2..`MAX_STEPS`.
    """
    if whole("steps", steps, 2) > MAX_STEPS:
        raise UsageError(f"steps was {steps}: expected {MAX_STEPS} or fewer")
    content = translator.contents(read_upload(translator, picture)[None])
    start, end = (translator.style_of(style=read_upload(translator, path)) for path in (first, last))
    fractions = torch.linspace(0, 1, steps, device=start.device)
    images = translator.restyle(
        content.expand(steps, -1, -1, -1),
        torch.lerp(start, end, fractions[:, None]),
        style_correction=rounds_for(translator.model, ROUNDS),
    )
    captions = [f"{fraction:.0%}" for fraction in fractions.tolist()]
    return list(zip(translator.to_pictures(images), captions, strict=True))


def doubt(translator: Translator, threshold: Threshold | None, x: Tensor) -> list[str | None]:
    """For each image of `[B, 3, H, W]` the reason why it is out of distribution; None without one or a threshold."""
    if threshold is None:
        return [None] * len(x)
    scores = translator.score(x, threshold.samples, threshold.seed, beta=threshold.beta)
    return [threshold.rejection(bound) for bound in scores.bound.tolist()]
