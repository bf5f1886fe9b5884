"""Augmentation in the workers: albumentations on single uint8 images.

A recipe lists the transforms by name, with their arguments: `augment = [{name = "flip"}, {name = "crop", keep = 0.8}]`.
The transforms are applied in the order of the list.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from typing import Annotated, Any, NamedTuple, get_type_hints

import numpy as np

from sivae_translate.errors import SivaeError, UsageError, did_you_mean


class Range(NamedTuple):
    """The closed interval of an argument's values."""

    low: float
    high: float


def flip(size: int, *, p: Annotated[float, Range(0, 1)] = 0.5) -> Any:
    """Mirror an image left to right.

    Args:
        p: probability, 0..1.
    """
    from albumentations import HorizontalFlip

    return HorizontalFlip(p=p)


def crop(size: int, *, keep: Annotated[float, Range(0.1, 1)] = 0.8) -> Any:
    """Cut out a square at a random place and scale it back to the image's size.

    Args:
        keep: least side of the square, as a fraction of the image's side, 0.1..1. Its area is drawn uniformly.
    """
    from albumentations import RandomResizedCrop

    return RandomResizedCrop((size, size), scale=(keep**2, 1.0), ratio=(1.0, 1.0))


def affine(
    size: int,
    *,
    rotate: Annotated[float, Range(0, 180)] = 10.0,
    scale: Annotated[float, Range(0, 0.5)] = 0.1,
    shift: Annotated[float, Range(0, 0.5)] = 0.05,
) -> Any:
    """Rotate, scale and translate an image; the border is mirrored.

    Args:
        rotate: largest angle to either side, in degrees, 0..180.
        scale: the factor is drawn uniformly from 1 - scale .. 1 + scale; 0..0.5.
        shift: largest translation along each axis, as a fraction of the side, 0..0.5.
    """
    import cv2
    from albumentations import Affine

    return Affine(
        rotate=(-rotate, rotate),
        scale=(1 - scale, 1 + scale),
        translate_percent=(-shift, shift),
        border_mode=cv2.BORDER_REFLECT_101,
        p=1.0,
    )


def colour(
    size: int,
    *,
    brightness: Annotated[float, Range(0, 1)] = 0.1,
    contrast: Annotated[float, Range(0, 1)] = 0.1,
    saturation: Annotated[float, Range(0, 1)] = 0.1,
    hue: Annotated[float, Range(0, 0.5)] = 0.0,
) -> Any:
    """Change an image's brightness, contrast, saturation and hue (colour jitter).

    Args:
        brightness, contrast, saturation: each factor is drawn uniformly from 1 - value .. 1 + value; 0..1.
        hue: largest rotation to either side, as a fraction of the colour circle, 0..0.5.
    """
    from albumentations import ColorJitter

    factors = [(1 - value, 1 + value) for value in (brightness, contrast, saturation)]
    return ColorJitter(*factors, hue=(-hue, hue), p=1.0)


def noise(size: int, *, std: Annotated[float, Range(0, 0.5)] = 0.05) -> Any:
    """Add Gaussian noise, drawn for each pixel and channel.

    Args:
        std: largest standard deviation, as a fraction of 255, 0..0.5. The deviation is drawn per image from 0..std.
    """
    from albumentations import GaussNoise

    return GaussNoise(std_range=(0.0, std), p=1.0)


def blur(size: int, *, sigma: Annotated[float, Range(0.1, 10)] = 1.0) -> Any:
    """Blur an image by a Gaussian.

    Args:
        sigma: largest standard deviation in pixels, 0.1..10. The deviation is drawn per image from 0..sigma.
    """
    from albumentations import GaussianBlur

    return GaussianBlur(blur_limit=0, sigma_limit=(0.0, sigma), p=1.0)


AUGMENTATIONS: dict[str, Callable[..., Any]] = {
    "flip": flip,
    "crop": crop,
    "affine": affine,
    "colour": colour,
    "noise": noise,
    "blur": blur,
}


class Augment:
    """Random transforms of an image; a seed determines all of them.

    Args:
        size: side of the images in pixels.
        augment: the transforms, each a `name` in `AUGMENTATIONS` and its arguments. An empty list changes no image.

    Raises:
        UsageError: see `check_augment`.
        SivaeError: `albumentationsx` is installed instead of `albumentations`.
    """

    def __init__(self, size: int, augment: Sequence[Mapping[str, Any]] = ()) -> None:
        check_augment(augment)
        self.pipeline = compose(size, augment) if augment else None

    def __call__(self, image: np.ndarray, seed: int) -> np.ndarray:
        """uint8 `[size, size, 3]` -> the same shape."""
        if self.pipeline is None:
            return image
        self.pipeline.set_random_seed(seed)
        augmented: np.ndarray = self.pipeline(image=image)["image"]
        return augmented


def compose(size: int, augment: Sequence[Mapping[str, Any]]) -> Any:
    """The albumentations pipeline of transforms that `check_augment` has accepted."""
    require_mit_albumentations()
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # else the import looks up the newest version on the network
    from albumentations import Compose

    steps = [(AUGMENTATIONS[step["name"]], arguments_of(step)) for step in augment]
    return Compose([transform(size, **arguments) for transform, arguments in steps])


def check_augment(augment: Sequence[Mapping[str, Any]]) -> None:
    """Check the transforms of a recipe; no image is read, and albumentations is not imported.

    Raises:
        UsageError: not a list of tables, an unknown name or argument, or a value out of range.
    """
    example = '[{name = "flip"}, {name = "crop", keep = 0.8}]'
    if not isinstance(augment, Sequence) or isinstance(augment, str):
        raise UsageError(f"data.augment = {augment!r}: expected a list of tables, such as {example}")
    for i, step in enumerate(augment):
        where = f"data.augment[{i}]"
        if not isinstance(step, Mapping) or not isinstance(step.get("name"), str):
            raise UsageError(f"{where} = {step!r}: expected a table with a name, as in {example}")
        if step["name"] not in AUGMENTATIONS:
            hint = did_you_mean(step["name"], list(AUGMENTATIONS))
            raise UsageError(f"{where}.name = {step['name']!r}: no such augmentation; {hint}")
        check_arguments(where, step)


def check_arguments(where: str, step: Mapping[str, Any]) -> None:
    """Raise UsageError where an argument of a transform is unknown or out of its range."""
    name, known = step["name"], ranges(AUGMENTATIONS[step["name"]])
    for argument, value in arguments_of(step).items():
        if argument not in known:
            raise UsageError(f"{where}.{argument}: {name} has no such argument; {did_you_mean(argument, list(known))}")
        low, high = known[argument]
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise UsageError(f"{where}.{argument} = {value!r}: expected a number in {low:g}..{high:g}")


def arguments_of(step: Mapping[str, Any]) -> dict[str, Any]:
    return {argument: value for argument, value in step.items() if argument != "name"}


def ranges(transform: Callable[..., Any]) -> dict[str, Range]:
    """The keyword arguments of a transform and their ranges, as its signature states them."""
    hints = get_type_hints(transform, include_extras=True)
    parameters = inspect.signature(transform).parameters.values()
    keywords = [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]
    return {name: hints[name].__metadata__[0] for name in keywords}


def require_mit_albumentations() -> None:
    """Raise SivaeError for `albumentationsx`, an AGPL package that is imported as `albumentations` too."""
    try:
        version = metadata.version("albumentationsx")
    except metadata.PackageNotFoundError:
        return
    raise SivaeError(
        f"albumentationsx {version} (AGPL) is installed instead of albumentations (MIT): run "
        "`pip uninstall -y albumentationsx albumentations && pip install 'albumentations>=2.0.8,<2.1'`"
    )
