"""Write video files, frame by frame, with PyAV, which is optional. A file is whole, or is not there."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from sivae_translate.errors import SivaeError, UsageError, shown
from sivae_translate.extras import require

EXTRA = "video"


class Format(NamedTuple):
    """How the files of a suffix are written.

    Attributes:
        container: FFmpeg's name of it.
        encoder, options: of the pictures.
        audio: encoder of audio that is not copied.
        copied: codecs of audio that are copied, which play everywhere in this container. None: all that it takes.
    """

    container: str
    encoder: str
    options: dict[str, str]
    audio: str = "aac"
    copied: frozenset[str] | None = None


COMMON = frozenset({"aac", "ac3", "alac", "eac3", "mp3"})
PCM = frozenset({"pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_s32be", "pcm_f32le"})
H264 = {"crf": "18", "preset": "medium"}
VP9 = {"crf": "24", "b:v": "0", "deadline": "good", "cpu-used": "4", "row-mt": "1"}  # its crf is another scale
FORMATS = {
    ".mp4": Format("mp4", "libx264", H264, copied=COMMON | {"flac", "opus"}),
    ".mov": Format("mov", "libx264", H264, copied=COMMON | PCM),
    ".mkv": Format("matroska", "libx264", H264),
    ".webm": Format("webm", "libvpx-vp9", VP9, "libopus"),
}
BT709, LIMITED = 1, 1  # of FFmpeg's numbers of colour spaces and ranges


def local(path: Path) -> str:
    """The name of a file for FFmpeg, which would take a name such as `http:x.mp4` or `concat:a|b` for an address."""
    return f"file:{os.path.abspath(path)}"


class VideoWriter:
    """Writes frames of one size to a new file; see `new_video`.

    Attributes:
        container: the output of PyAV, to which audio may be added before the first frame.
        format: how the file is written.
    """

    def __init__(self, path: Path, format: Format, rate: Fraction, time_base: Fraction | None) -> None:
        av = require("av", EXTRA)
        # FFmpeg puts the index of MP4 and MOV in front, so that a browser plays while it loads.
        options = {"movflags": "+faststart"} if format.container in ("mp4", "mov") else {}
        self.container = av.open(local(path), "w", format=format.container, container_options=options)
        self.format, self.count = format, 0
        self.stream = self.container.add_stream(format.encoder, rate=rate, options=dict(format.options))
        self.stream.codec_context.time_base = self.time_base = time_base or 1 / rate
        self.size: tuple[int, int] | None = None
        self.frame_of = av.VideoFrame.from_ndarray

    def write(self, picture: Image.Image, pts: int | None = None) -> None:
        """Write a picture of mode RGB; a later one of another size is resized to the first.

        Args:
            pts: its time in units of the time base, larger than that of the one before. None: frames count.
        """
        if self.size is None:
            self.size = picture.size
            context = self.stream.codec_context
            context.width, context.height = (side + side % 2 for side in self.size)
            context.pix_fmt = "yuv420p"  # plays everywhere; it needs even sides
            context.color_range, context.colorspace = LIMITED, BT709
            context.color_primaries = context.color_trc = BT709
            self.container.start_encoding()  # writes the header, after which tracks of audio may be written too
        levels = np.asarray(picture if picture.size == self.size else picture.resize(self.size))
        even = np.pad(levels, [*((0, side % 2) for side in levels.shape[:2]), (0, 0)], mode="edge")
        rgb = self.frame_of(even, format="rgb24")
        frame = rgb.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
        frame.time_base = self.time_base
        frame.pts = self.count if pts is None else pts
        self.count += 1
        self.container.mux(self.stream.encode(frame))

    def finish(self) -> None:
        """Write what the encoder still holds, and the index."""
        self.container.mux(self.stream.encode(None))
        self.container.close()


@contextmanager
def new_video(path: Path, rate: Fraction, time_base: Fraction | None = None) -> Iterator[VideoWriter]:
    """A block that writes a video file. The file has its name once the block has ended without an error.

    Args:
        path: its suffix is one of `FORMATS`.
        rate: frames a second, by which software plans.
        time_base: the unit of times in seconds. None: a frame.

    Raises:
        UsageError: see `require_format`.
        SivaeError: the file cannot be written.
    """
    format, av = require_format(path), require("av", EXTRA)
    temporary = path.with_name(f".tmp-{secrets.token_hex(8)}")
    writer = None
    try:
        writer = VideoWriter(temporary, format, rate, time_base)
        yield writer
        writer.finish()
        os.replace(temporary, path)
    except av.FFmpegError as error:
        raise SivaeError(f"cannot write {shown(path)} ({error.strerror}): nothing is written") from None
    finally:
        if writer is not None:
            with suppress(Exception):  # after an error there is nothing to finish
                writer.container.close()
        temporary.unlink(missing_ok=True)


def require_format(path: Path) -> Format:
    """How a file is written. Raises UsageError for another suffix, no PyAV, or one without the encoder."""
    format = FORMATS.get(path.suffix.lower())
    if format is None:
        ends = " or ".join(FORMATS)
        raise UsageError(f"{shown(path)}: expected a name that ends in {ends}; choose another with --out")
    try:
        require("av", EXTRA).codec.Codec(format.encoder, "w")
    except ValueError:
        fix = "pip install --force-reinstall --only-binary av av"
        raise UsageError(f"this build of PyAV has no {format.encoder}, which writes the video: {fix}") from None
    return format


def save_video(frames: Iterable[Image.Image], path: Path, rate: int) -> None:
    """Write pictures of one size as a video of `rate` frames a second; see `new_video`."""
    with new_video(path, Fraction(rate)) as writer:
        for frame in frames:
            writer.write(frame)


def copy_metadata(source: Any, target: Any) -> None:
    """Give a stream the language of another; no other metadata is kept."""
    if language := source.metadata.get("language"):
        target.metadata["language"] = language
