"""Translate a video frame by frame in constant memory: one style, the times of the frames and the audio are kept."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from PIL import Image

from sivae_translate.console import shows_progress
from sivae_translate.data.listing import LeftOut
from sivae_translate.data.unreadable import UnreadableImage
from sivae_translate.data.video import Video, open_video, pixels_of_frame
from sivae_translate.errors import SivaeError, UsageError, shown
from sivae_translate.host import own_torch_state
from sivae_translate.inference.audio import Encoded, Track, audio_track
from sivae_translate.inference.canvas import decode, encode
from sivae_translate.inference.codec import require_style
from sivae_translate.inference.folder import size_note, writing_to
from sivae_translate.inference.passes import BATCH
from sivae_translate.inference.shape import Placed, Shape, finished, has_layout, put, shape_of
from sivae_translate.inference.style_correction import ROUNDS
from sivae_translate.inference.targets import Target, check_options, domain_targets, reference_target
from sivae_translate.inference.translator import Translator
from sivae_translate.progress import Display, Progress, Silent, counting
from sivae_translate.reports import require_writable
from sivae_translate.video import new_video, require_format


@dataclass(frozen=True)
class VideoSummary:
    """The result of `translate_video`.

    Attributes:
        frames: number of frames that were translated.
        seconds: from the first frame to the last.
        faults: what of the input could not be read, and references that could not be read.
        notes: what else the output lacks, such as subtitles.
    """

    frames: int
    seconds: float
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@shows_progress
@own_torch_state()
def translate_video(
    translator: Translator,
    source: str | Path,
    out: str | Path,
    *,
    to: str | None = None,
    style: str | Path | None = None,
    inversion_steps: int = 0,
    style_correction: int = ROUNDS,
    styles: int | None = None,
    seed: int = 0,
    truncation: float = 1.0,
    size: str | int | None = None,
    fit: str | None = None,
    tile: bool = False,
    batch: int = BATCH,
    display: Display | None = None,
    quiet: bool = False,
) -> VideoSummary:
    """Translate a video to the new file `out`, frame by frame and all frames with one style. Needs the extra `video`.

    The times of the frames are kept, also of a variable rate. Audio is copied, or encoded again where the format of
    `out` does not take it. Frames are turned upright and get square pixels; subtitles and metadata are left out. The
    video is H.264, or VP9 in WebM, with 4:2:0 chroma; an odd side is one pixel longer. Memory does not depend on the
    length.

    Args:
        source: an MP4, MOV, MKV, WebM or AVI file.
        out: a name that ends in .mp4, .mov, .mkv or .webm. The file is there once it is whole.
        to: a domain. Without `to` and `style`: that of a model with one domain.
        style, inversion_steps, style_correction: as in `translate_folder`.
        styles: 1 for a random style of the domain, with `seed` and `truncation` as in `translate_folder`.
        size, fit, tile: as in `translate_folder`.
        batch: frames translated at a time, at least 1.
        display, quiet: as in `translate_folder`.

    Raises:
        UsageError: wrong arguments, several styles, an `out` that exists, or no PyAV.
        SivaeError: the source is no video that can be read, or `out` cannot be written. No file is left.
    """
    source, out, style = Path(source), Path(out), None if style is None else Path(style)
    display = display or Silent()
    if batch < 1:
        raise UsageError(f"batch was {batch}: expected 1 or more")
    require_style(translator.model)
    shape = shape_of(translator.frame, has_layout(translator.model), size=size, fit=fit, tile=tile)
    names = [] if to is None else [to]
    check_options(names, style, inversion_steps=inversion_steps, styles=styles, seed=seed, truncation=truncation)
    require_new(source, out)
    references = list[LeftOut]()
    if style is None:
        found = domain_targets(translator, names, styles=styles, seed=seed, truncation=truncation)
        target = only(found, len(names))
    else:
        how = {"inversion_steps": inversion_steps, "style_correction": style_correction}
        target = reference_target(translator, style, references, **how)
    if size is None:
        display.note(size_note(shape, translator.frame.size))
    with unreadable_named(source), writing_to(out), open_video(source) as video:
        work = Work(translator, target, shape, 1 if tile else batch, counting(display, "frames"))
        summary = written(video, out, work)
    summary.faults.extend(f"{shown(each.path)}: {each.reason}" for each in references)
    return summary


@dataclass(frozen=True)
class Work:
    """What is done with every frame.

    Attributes:
        batch: frames at a time.
        show: called with the number of frames done, and with their total.
    """

    translator: Translator
    target: Target
    shape: Shape
    batch: int
    show: Progress


def written(video: Video, out: Path, work: Work) -> VideoSummary:
    """Translate an open video; see `translate_video`. Raises UnreadableImage for a video without a frame."""
    with new_video(out, video.rate, video.time_base) as writer:
        tracks = {stream.index: audio_track(writer, stream) for stream in video.audio}
        heard = deque[Any]()  # packets of audio, which follow the frames that were read before them
        frames, count, times = placed_frames(video, work, heard), 0, [0]
        while chunk := list(islice(frames, work.batch)):
            pictures = translated(work, [placed for _, placed in chunk])
            for (pts, _), picture in zip(chunk, pictures, strict=True):
                writer.write(picture, pts)
            times, count = [chunk[0][0] if not count else times[0], chunk[-1][0]], count + len(chunk)
            carry(heard, tracks)
            if count < video.expected:
                work.show(count, video.expected)
        if not count:
            raise UnreadableImage("a video without a frame that can be decoded")
        carry(heard, tracks)
        for track in tracks.values():
            if track:
                track.finish()
    work.show(count, count)
    seconds = float((times[-1] - times[0]) * video.time_base + 1 / video.rate)
    return VideoSummary(count, seconds, video.faults(), notes_of(video, tracks))


def placed_frames(video: Video, work: Work, heard: deque[Any]) -> Iterator[tuple[int, Placed]]:
    """Time and picture of each frame, as the model gets it. `heard` receives the packets of audio on the way."""
    times = Times(max(1, round(1 / (video.rate * video.time_base))))
    for packet in video.packets():
        if packet.stream.type == "audio":
            heard.append(packet)
            continue
        for frame in video.frames(packet):
            pixels = pixels_of_frame(frame, video.aspect)
            placed = put(pixels, (pixels.shape[1], pixels.shape[0]), work.translator.frame, work.shape)
            yield times.after(frame.pts), placed


class Times:
    """Times that rise, as encoders require: frames of AVI have none, and those of damaged files can repeat."""

    def __init__(self, step: int) -> None:
        """`step` is the usual distance of two frames."""
        self.step = step
        self.last: int | None = None

    def after(self, pts: int | None) -> int:
        """The time of the next frame: `pts` if it is later than the last time."""
        if self.last is None:
            self.last = pts or 0
        elif pts is None:
            self.last += self.step
        else:
            self.last = max(pts, self.last + 1)
        return self.last


def translated(work: Work, pictures: list[Placed]) -> Iterator[Image.Image]:
    """The outputs of frames."""
    target = work.target
    contents = encode(work.translator, pictures, target.rounds > 0)
    canvases = decode(work.translator, contents, pictures, target.style, target.rounds)
    return (finished(canvas, placed.placement) for canvas, placed in zip(canvases, pictures, strict=True))


def carry(heard: deque[Any], tracks: Mapping[int, Track | None]) -> None:
    """Write the packets of audio that have been read."""
    while heard:
        packet = heard.popleft()
        if track := tracks[packet.stream.index]:
            track.take(packet)


def notes_of(video: Video, tracks: Mapping[int, Track | None]) -> list[str]:
    """What a user may miss in the output."""
    lost, again = list(tracks.values()).count(None), sum(isinstance(track, Encoded) for track in tracks.values())
    subtitles = len(video.container.streams.subtitles)
    notes = {
        "audio is encoded again, as the format of the output does not take it": again,
        "audio is left out, as neither the format of the output nor PyAV knows its codec": lost,
        "subtitles are left out": subtitles,
        "colours of high dynamic range are not mapped to the range of the output, and look flat": video.hdr,
    }
    return [note for note, applies in notes.items() if applies]


def only(targets: list[Target], named: int) -> Target:
    """The one target. Raises UsageError for several."""
    if len(targets) > 1:
        fix = "leave out --styles, or take --styles 1" if named else "choose one domain with --to"
        raise UsageError(f"a video is translated to one style, and {len(targets)} are asked for: {fix}")
    return targets[0]


def require_new(source: Path, out: Path) -> None:
    """Raise UsageError for a missing source, or an `out` that exists, cannot be written or has another suffix."""
    if not os.path.lexists(source):
        raise UsageError(f"{shown(source)} does not exist: expected a video")
    if os.path.lexists(out):
        raise UsageError(f"{shown(out)} exists, and is never overwritten: choose another with --out")
    require_format(out)
    require_writable(out.parent)


@contextmanager
def unreadable_named(source: Path) -> Iterator[None]:
    """Add the name of the source to the reason why it cannot be read."""
    try:
        yield
    except UnreadableImage as error:
        raise SivaeError(f"cannot read {shown(source)} ({error}): nothing is written") from None
