"""The part of `run` that translates a video."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sivae_translate.cli.common import new_file
from sivae_translate.cli.options import VIDEOS
from sivae_translate.cli.terminal import say
from sivae_translate.console import Terminal
from sivae_translate.errors import UsageError, command, shown
from sivae_translate.reports import free_name

OUT = Path("translated.mp4")


def the_video(sources: Sequence[Path], to: Sequence[str], images_alone: Mapping[str, bool]) -> Path | None:
    """The one input if it is a video, and None if none is.

    Args:
        images_alone: options that are for images, and whether they are given.

    Raises:
        UsageError: a video among other inputs, several domains, or an option for images.
    """
    from sivae_translate.data.video import is_video_name

    videos = [source for source in sources if is_video_name(source)]
    if not videos:
        return None
    film = videos[0]
    if len(set(sources)) > 1:
        one = command("run", film, *(word for name in to[:1] for word in ("--to", name)))
        raise UsageError(f"{shown(film)} is a video, and a video is translated alone, one a command: {one}")
    if len(set(to)) > 1:
        raise UsageError(f"{shown(film)} is translated to one domain, and --to names {len(set(to))}: choose one")
    for option, given in images_alone.items():
        if given:
            raise UsageError(f"{option} is for images, and {shown(film)} is a video: leave it out")
    return film


def video_file(film: Path, out: Path | None) -> Path:
    """The new file for a translation; without `out` the first of translated.mp4, translated-2.mp4 and so on.

    Raises:
        UsageError: see `new_file`; or no PyAV.
    """
    from sivae_translate.video import require_format

    if out is None:
        out = free_name(OUT) if OUT.exists() else OUT
    if out.is_dir() or not out.suffix:
        better = out / f"{film.stem}{OUT.suffix}"
        raise UsageError(f"{shown(film)} is a video, and {shown(out)} a folder: name a file, such as --out {better}")
    path = new_file(out, VIDEOS, film)
    require_format(path)
    return path


def translate_one(translator: Any, film: Path, out: Path, options: dict[str, Any], display: Terminal) -> bool:
    """Translate a video, say what was written, and return whether a part of the input could not be read."""
    from sivae_translate.inference.video import translate_video

    summary = translate_video(translator, film, out, **options)
    for note in [*summary.notes, *(f"{shown(film)}: {fault}" for fault in summary.faults)]:
        display.note(note)
    frames = f"{summary.frames:,} frame{'' if summary.frames == 1 else 's'}"
    say(f"{frames}, {summary.seconds:.1f} s, written to {out}")
    return bool(summary.faults)
