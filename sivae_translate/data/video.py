"""Read the frames of one untrusted video file with PyAV, which is optional, as upright 8-bit RGB of square pixels."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from sivae_translate.data.decoding import require_pixels
from sivae_translate.data.unreadable import UnreadableImage, regular_file
from sivae_translate.extras import require
from sivae_translate.video import EXTRA, local

VIDEO_SUFFIXES = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi")
START = 512  # first bytes of a file, by which it is recognised
BOXES = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide"}  # with which MP4 and MOV begin
UNSPECIFIED = 2  # of FFmpeg's colour spaces
HD = 720  # rows from which an unspecified colour space is taken for BT.709, as video software does
HDR = {16, 18}  # transfer curves: PQ and HLG
DURATION = re.compile(r"(\d+):(\d+):(\d+\.?\d*)")  # of a track in MKV and WebM
QUARTER = 90  # degrees
SLACK = 0.5  # seconds by which a whole file may be shorter than its header states


def is_video_name(path: Path) -> bool:
    """Whether a path is meant as a video: one with a video's suffix that is no folder."""
    return path.suffix.lower() in VIDEO_SUFFIXES and not path.is_dir()


def demuxer_of(path: Path) -> str:
    """FFmpeg's reader of a regular file, by its first bytes.

    FFmpeg is told the reader. By itself it would take a text for a playlist, and open the files and addresses that
    the playlist names.

    Raises:
        UnreadableImage: the file is none of MP4, MOV, Matroska, WebM and AVI.
    """
    regular_file(path)
    with path.open("rb") as file:
        start = file.read(START)
    if start[4:8] in BOXES:
        return "mov"
    if start.startswith(b"\x1a\x45\xdf\xa3"):
        return "matroska"
    if start.startswith(b"RIFF") and start[8:11] == b"AVI":
        return "avi"
    text = all(byte >= 32 or byte in b"\t\n\f\r" for byte in start)
    raise UnreadableImage(f"not a video{' (text)' if text else ''}: expected MP4, MOV, MKV, WebM or AVI")


class Video:
    """An open video file; see `open_video`.

    Attributes:
        container, stream: of PyAV: the file, and the track of pictures.
        rate: frames a second, on average.
        time_base: the unit of the times of frames in seconds.
        aspect: width of a pixel over its height.
        damaged: number of packets and frames that could not be decoded as they are.
        end: time of the last picture in seconds.
    """

    def __init__(self, container: Any, stream: Any) -> None:
        self.container, self.stream = container, stream
        self.rate = Fraction(stream.average_rate or stream.guessed_rate or 25)
        self.time_base = Fraction(stream.time_base)
        self.aspect = Fraction(stream.sample_aspect_ratio or 1)
        self.damaged, self.end = 0, 0.0

    @property
    def audio(self) -> list[Any]:
        """The tracks of audio."""
        return list(self.container.streams.audio)

    @property
    def hdr(self) -> bool:
        """Whether colours are of high dynamic range, which 8-bit RGB shows flat."""
        return self.stream.codec_context.color_trc in HDR

    @property
    def length(self) -> float | None:
        """Seconds that the track states, or the file; None where neither does."""
        if self.stream.duration:
            return float(self.stream.duration * self.time_base)
        if tag := DURATION.match(self.stream.metadata.get("DURATION", "")):
            hours, minutes, seconds = map(float, tag.groups())
            return 3600 * hours + 60 * minutes + seconds
        return self.container.duration / 1e6 if self.container.duration else None

    @property
    def expected(self) -> int:
        """The number of frames that the header states or suggests; 0 where it does neither."""
        return self.stream.frames or round((self.length or 0) * self.rate)

    def packets(self) -> Iterator[Any]:
        """The packets of pictures and audio in the order of the file, up to its end or to a fault there."""
        av = require("av", EXTRA)
        with suppress(av.FFmpegError):  # `faults` tells that the file is cut
            for packet in self.container.demux(self.stream, *self.audio):
                if packet.pts is not None and packet.stream is self.stream:
                    self.end = max(self.end, float(packet.pts * packet.time_base))
                yield packet

    def frames(self, packet: Any) -> list[Any]:
        """The frames that a packet completes. One that cannot be decoded is counted in `damaged`."""
        av = require("av", EXTRA)
        try:
            frames = packet.decode()
        except av.error.EOFError:  # of a decoder that is told the end twice
            return []
        except av.FFmpegError:
            self.damaged += 1
            return []
        self.damaged += sum(bool(frame.is_corrupt) for frame in frames)
        return list(frames)

    def faults(self) -> list[str]:
        """What could not be read, once all packets have been."""
        found = [f"{self.damaged:,} damaged frame{'' if self.damaged == 1 else 's'}"] if self.damaged else []
        begin = float((self.stream.start_time or 0) * self.time_base)
        if self.length and self.end - begin + SLACK + float(2 / self.rate) < self.length:
            found.append(f"truncated: pictures end after {self.end - begin:.1f} of {self.length:.1f} s")
        return found


@contextmanager
def open_video(path: Path) -> Iterator[Video]:
    """A block that reads a video file.

    Raises:
        UnreadableImage: the file is no video, holds no pictures, is damaged at its start, or has frames that are too
            large.
        UsageError: no PyAV.
    """
    av = require("av", EXTRA)
    demuxer = demuxer_of(path)
    try:
        # The name is one of a local file, and nothing that the file names is opened by another protocol.
        container = av.open(local(path), "r", format=demuxer, container_options={"protocol_whitelist": "file"})
    except av.FFmpegError as error:
        raise UnreadableImage(f"corrupt or truncated: {error.strerror}") from None
    with container:
        pictures = [stream for stream in container.streams.video if not is_cover(stream)]
        if not pictures:
            raise UnreadableImage(
                "a file without a track of pictures" if len(container.streams) else "a video without a frame"
            )
        stream = pictures[0]
        if stream.codec_context is None:
            raise UnreadableImage("pictures of a codec that this build of PyAV does not decode")
        require_pixels((stream.codec_context.width, stream.codec_context.height))
        stream.thread_type = "AUTO"
        yield Video(container, stream)


def is_cover(stream: Any) -> bool:
    """Whether a track is a still picture that belongs to audio."""
    return bool(stream.disposition & type(stream.disposition).attached_pic)


def pixels_of_frame(frame: Any, aspect: Fraction) -> np.ndarray:
    """A frame as uint8 `[H, W, 3]`: upright, with square pixels, so that the model sees true proportions.

    Args:
        aspect: width of a pixel over its height. A side is enlarged, none is reduced.

    Raises:
        UnreadableImage: more pixels than are read.
    """
    width, height = round(frame.width * max(aspect, 1)), round(frame.height / min(aspect, 1))
    require_pixels((width, height))
    unspecified = frame.colorspace == UNSPECIFIED
    space = {"src_colorspace": "ITU709"} if unspecified and frame.height >= HD else {}
    rgb = frame.reformat(width, height, "rgb24", **space).to_ndarray()
    return np.ascontiguousarray(np.rot90(rgb, round(frame.rotation / QUARTER)))
