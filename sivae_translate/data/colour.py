"""Colours of any mode as 8-bit sRGB on a background."""

from __future__ import annotations

import functools
import io

from PIL import Image, ImageCms


def on_background(image: Image.Image, background: tuple[int, int, int], profile: bytes | None) -> Image.Image:
    """An image of at most 8 bits per channel as RGB: a colour profile applied, composited onto a background."""
    colour, alpha = _split_alpha(image)
    rgb = _to_srgb(colour, profile)
    if alpha is None:
        return rgb
    canvas = Image.new("RGB", rgb.size, background)
    canvas.paste(rgb, mask=alpha)
    return canvas


def alpha_of(image: Image.Image) -> Image.Image:
    """The alpha channel of an image with transparency, in mode L."""
    alpha = _split_alpha(image)[1]
    return Image.new("L", image.size, 255) if alpha is None else alpha


def _split_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """The colour channels, in a mode that colour management accepts, and the alpha channel, if any."""
    colour = "L" if image.mode in ("1", "L", "LA", "La") else "RGB"
    if image.has_transparency_data:  # an alpha channel, or transparent colours or palette entries
        both = image.convert(colour + "A")
        return both.convert(colour), both.getchannel("A")
    return (image if image.mode == "CMYK" else image.convert(colour)), None


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    transform = _srgb_transform(profile, image.mode) if profile else None
    return transform.apply(image) if transform else image.convert("RGB")


@functools.lru_cache(maxsize=8)  # building a transform takes longer than applying it to a small image
def _srgb_transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The transform from a profile to sRGB. None: the profile is damaged or of another mode."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError):
        return None
