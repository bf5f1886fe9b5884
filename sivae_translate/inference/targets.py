"""The styles that a folder is translated to, fixed before the first image is read, so that all inputs get the same."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from sivae_translate.data.listing import LeftOut
from sivae_translate.errors import UsageError, shown
from sivae_translate.inference.arguments import whole
from sivae_translate.inference.files import reference_style
from sivae_translate.inference.inputs import list_inputs
from sivae_translate.inference.shape import Shape
from sivae_translate.inference.style_correction import rounds_for
from sivae_translate.inference.threshold import Threshold
from sivae_translate.inference.translator import Translator
from sivae_translate.names import as_path


@dataclass(frozen=True)
class Target:
    """A style to translate to.

    Attributes:
        name: name of the style in the manifest.
        folder: folder of the outputs, relative to `out`.
        style: s, `[S]`.
        rounds: rounds of style correction; 0 for the styles of domains.
    """

    name: str
    folder: str
    style: Tensor
    rounds: int = 0


def check_options(
    to: Sequence[str], style: Path | None, *, inversion_steps: int, styles: int | None, seed: int, truncation: float
) -> None:
    """Raise UsageError for arguments of `translate_folder` that exclude each other, and for no image of `style`."""
    if styles is None and (seed or truncation != 1):
        raise UsageError("--seed and --truncation are for random styles: expected --styles N too")
    if style is not None and (to or styles is not None):
        other = "--to" if to else "--styles"
        raise UsageError(f"{other} and --style both given: expected one of them")
    if style is None and inversion_steps:
        raise UsageError("--inversion-steps refine the style of references: expected --style IMAGE too")
    if style is not None:
        list_inputs(style)


def domain_targets(
    translator: Translator, to: Sequence[str], *, styles: int | None, seed: int, truncation: float
) -> list[Target]:
    """The mean or random styles of domains; see `translate_folder`. Raises UsageError for no such domain or style."""
    if len(translator.domains) == 1 and styles is None:
        raise UsageError(
            f"this model knows a single domain ({translator.domains[0]}): there is no other to translate to; "
            "give a reference with --style IMAGE, or draw styles with --styles N"
        )
    if styles is not None:
        whole("styles", styles, 1)
    names = list(dict.fromkeys(to or translator.domains))
    if styles is None:
        return [Target(name, as_path(name) if len(names) > 1 else "", translator.style_of(to=name)) for name in names]
    return [
        Target(f"{name}/style-{i}", f"{as_path(name)}/style-{i}" if len(names) > 1 else f"style-{i}", drawn)
        for name in names
        for i, drawn in enumerate(translator.random_styles(name, styles, seed=seed, truncation=truncation), start=1)
    ]


def reference_target(
    translator: Translator, style: Path, left_out: list[LeftOut], *, inversion_steps: int, style_correction: int
) -> Target:
    """The mean style of reference images; see `reference_style`."""
    rounds = rounds_for(translator.model, style_correction)
    found = reference_style(translator, style, left_out, inversion_steps=inversion_steps)
    return Target(shown(style), "", found, rounds)


def fingerprint(
    translator: Translator, targets: list[Target], format: str, shape: Shape, reject: Threshold | None
) -> str:
    """A hash of all that determines an output besides the input, from the weights to the format."""
    settings = (format, shape, reject, translator.frame, [target.rounds for target in targets])
    digest = hashlib.sha256(repr(settings).encode())
    for tensor in [*translator.model.state_dict().values(), *(target.style for target in targets)]:
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
