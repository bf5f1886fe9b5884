"""Short videos made with PyAV: a bar of blue that grows over red from the left, and a tone."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

RED, BLUE = (200, 40, 60), (30, 90, 220)
UPRIGHT = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)  # the matrix of a track of MP4
CLOCKWISE = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
TICK = Fraction(1, 9000)


def bar(i: int, frames: int, size: tuple[int, int]) -> np.ndarray:
    pixels = np.full((size[1], size[0], 3), RED, np.uint8)
    pixels[:, : (i + 1) * size[0] // (frames + 1)] = BLUE
    return pixels


def clip(
    path: Path,
    frames: int = 12,
    size: tuple[int, int] = (48, 32),
    *,
    codec: str = "libx264",
    sound: str | None = None,
    times: Sequence[int] | None = None,
    aspect: Fraction | None = None,
    gop: int = 4,
) -> Path:
    """Write a video of 10 frames a second, or with frames at `times` in units of `TICK`; `sound` is a codec."""
    options = {"movflags": "+faststart"} if path.suffix == ".mp4" else {}
    with av.open(str(path), "w", container_options=options) as container:
        stream: Any = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = *size, "yuv420p", gop
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        if times is not None:
            stream.codec_context.time_base = TICK
        track: Any = container.add_stream(sound, rate=48_000) if sound else None
        if track:
            track.codec_context.layout = "mono"
        container.start_encoding()
        for i in range(frames):
            frame = av.VideoFrame.from_ndarray(bar(i, frames, size), format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = times[i], TICK
            container.mux(stream.encode(frame))
            if track:
                container.mux(track.encode(tone(i)))
        container.mux(stream.encode(None))
        if track:
            container.mux(track.encode(None))
    return path


def tone(i: int) -> Any:
    """A tenth of a second of 400 Hz, after i others."""
    wave = 8000 * np.sin(2 * np.pi * 400 / 48_000 * np.arange(4800))
    frame = av.AudioFrame.from_ndarray(wave.astype(np.int16)[None], format="s16", layout="mono")
    frame.rate, frame.pts, frame.time_base = 48_000, 4800 * i, Fraction(1, 48_000)
    return frame


def turned(path: Path) -> Path:
    """Mark an MP4 file as one to be shown turned clockwise, as telephones do."""
    data = path.read_bytes()
    path.write_bytes(data.replace(UPRIGHT, CLOCKWISE).replace(CLOCKWISE, UPRIGHT, 1))  # the first is the file's
    return path


def sound_alone(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        track: Any = container.add_stream("aac", rate=48_000)
        track.codec_context.layout = "mono"
        container.mux([*track.encode(tone(0)), *track.encode(None)])
    return path


def shown(path: Path) -> tuple[list[np.ndarray], list[float]]:
    """The frames of a video, uint8 `[H, W, 3]`, and their times in seconds."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        return [frame.to_ndarray(format="rgb24") for frame in frames], [float(frame.time) for frame in frames]


def sound_of(path: Path) -> tuple[str, bytes]:
    """The codec of a video's audio, and its packets."""
    with av.open(str(path)) as container:
        (track,) = container.streams.audio
        return track.codec.canonical_name, b"".join(bytes(packet) for packet in container.demux(track))
