"""Carry the audio of a video over to its translation: packets as they are, or encoded again."""

from __future__ import annotations

from typing import Any

from sivae_translate.extras import require
from sivae_translate.video import EXTRA, VideoWriter, copy_metadata


class Copied:
    """A track whose packets are written as they are."""

    def __init__(self, writer: VideoWriter, source: Any) -> None:
        """Raises ValueError where the codec is not copied."""
        codec, copied = source.codec_context and source.codec_context.codec.canonical_name, writer.format.copied
        if copied is not None and codec not in copied:
            raise ValueError(f"{codec} is not copied")
        self.container = writer.container
        self.target = self.container.add_stream_from_template(source)

    def take(self, packet: Any) -> None:
        if packet.dts is not None:  # the last packet of a track is empty
            packet.stream = self.target
            self.container.mux(packet)

    def finish(self) -> None: ...


class Encoded:
    """A track that is decoded, and encoded for a container that does not take its codec."""

    def __init__(self, writer: VideoWriter, source: Any) -> None:
        self.container, self.errors = writer.container, require("av", EXTRA).FFmpegError
        rate = 48_000 if writer.format.audio == "libopus" else source.codec_context.sample_rate
        self.target = self.container.add_stream(writer.format.audio, rate=rate)
        # One or two channels play everywhere, and every encoder takes them.
        self.target.codec_context.layout = "mono" if source.codec_context.channels == 1 else "stereo"
        self.target.codec_context.bit_rate = 192_000

    def take(self, packet: Any) -> None:
        try:
            frames = packet.decode()
        except self.errors:  # a damaged packet is a short silence
            return
        for frame in frames:
            self.container.mux(self.target.encode(frame))

    def finish(self) -> None:
        self.container.mux(self.target.encode(None))


Track = Copied | Encoded


def audio_track(writer: VideoWriter, source: Any) -> Track | None:
    """The track of the output for one of the input; None for a codec that is neither taken nor decoded."""
    try:
        track: Track = Copied(writer, source)
    except ValueError:
        if source.codec_context is None:
            return None
        track = Encoded(writer, source)
    copy_metadata(source, track.target)
    return track
