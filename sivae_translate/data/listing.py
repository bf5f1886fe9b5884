"""List the images below a folder, and account for every file that is left out.

Hidden files and system files such as Thumbs.db are skipped. Links to files are followed, links to folders are not.
Every other file is an image or is left out with a reason, so that nothing is dropped in silence.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import NamedTuple, TypeVar

from sivae_translate.data.heif import HEIF_SUFFIXES, why_no_heif
from sivae_translate.data.images import FORMATS, is_image
from sivae_translate.data.video import VIDEO_SUFFIXES
from sivae_translate.errors import UsageError, command, shown

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".jfif", ".jpe", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif")
NOT_READ = {  # suffixes of pictures and films in formats that are not read
    *(".jxl", ".jxr", ".wdp", ".hdp", ".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx", ".jph", ".bpg", ".flif", ".qoi"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".pam", ".pfm", ".tga", ".pcx", ".pcd", ".sgi", ".ras", ".xbm", ".xpm", ".wbmp"),
    *(".ico", ".icns", ".cur", ".dds", ".ktx", ".ktx2", ".mng", ".exr", ".hdr", ".dpx", ".cin", ".fits", ".dcm"),
    *(".svg", ".svgz", ".eps", ".ps", ".ai", ".wmf", ".emf", ".pict", ".cdr", ".indd"),
    *(".psd", ".psb", ".xcf", ".kra", ".afphoto", ".sketch"),
    *(".raw", ".dng", ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".sr2", ".srf", ".orf", ".rw2", ".rwl", ".raf"),
    *(".pef", ".srw", ".3fr", ".fff", ".iiq", ".mos", ".mef", ".mrw", ".x3f", ".erf", ".kdc", ".dcr", ".gpr"),
    *(*VIDEO_SUFFIXES, ".mpg", ".mpeg", ".wmv", ".flv", ".3gp", ".mts", ".ogv"),
}
NO_PICTURES = {  # suffixes of files that are not opened to see whether they are pictures
    *(".txt", ".csv", ".tsv", ".json", ".jsonl", ".md", ".xml", ".html", ".yaml", ".yml", ".toml", ".log", ".py"),
    *(".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".pdf", ".db"),
    *(".mat", ".npz", ".npy", ".pt", ".pth", ".pkl", ".safetensors", ".h5", ".parquet"),
}
JUNK = {"thumbs.db", "desktop.ini", "__macosx"}
KEPT = 100  # files held for each reason
NAMED = 3  # files named for each reason
REASONS = 10  # reasons shown
KINDS = 5  # kinds of files shown

T = TypeVar("T")


@dataclass(frozen=True)
class LeftOut:
    """A file or folder that is left out, with the reason.

    Attributes:
        lost: whether a picture may be lost, as in an unreadable image or an unknown format; False for files that are
            no pictures, such as text.
    """

    path: Path
    reason: str
    lost: bool = True


class Listing(NamedTuple):
    """The images of a folder tree, sorted, and what is left out, sorted."""

    images: list[Path]
    left_out: list[LeftOut]

    @property
    def lost(self) -> list[LeftOut]:
        """What is left out and may be a picture."""
        return [each for each in self.left_out if each.lost]


def list_folder(root: Path) -> Listing:
    """The images in a folder and its sub-folders; for a file, that file alone.

    Files are recognised by suffix, and by content where the suffix is none or unknown, as in `x.jpg.1`. Broken links
    and folders without permission count as images, so that a reader reports them with the reason.

    Raises:
        UsageError: there is no file or folder of this name.
    """
    images, left_out = [], []
    for each in each_file(root):
        if isinstance(each, LeftOut):
            left_out.append(each)
        else:
            images.append(each)
    # Paths compare part by part too, twenty times as slowly.
    return Listing(sorted(images, key=lambda path: path.parts), sorted(left_out, key=lambda each: each.path))


def each_file(root: Path) -> Iterator[Path | LeftOut]:
    """The images and the other files of `list_folder`, unordered, without a list of them in memory.

    Raises:
        UsageError: there is no file or folder of this name.
    """
    if os.path.isdir(root):
        for path in walk(root):
            yield why_no_image(path) or path
    elif os.path.lexists(root):
        yield root
    else:
        raise UsageError(f"{shown(root)} does not exist: expected an image or a folder of images")


def list_images(root: Path) -> list[Path]:
    """The images of `list_folder` alone."""
    return list_folder(root).images


def why_no_image(path: Path) -> LeftOut | None:
    """Why `list_folder` leaves out a path that `walk` yields; None for an image."""
    suffix = path.suffix.lower()
    if suffix in IMAGE_SUFFIXES:
        return None
    if os.path.isdir(path):
        return LeftOut(path, "a linked folder, which is not followed") if path.is_symlink() else None
    if suffix in HEIF_SUFFIXES:
        reason = why_no_heif()
        return LeftOut(path, reason) if reason else None
    if suffix in VIDEO_SUFFIXES:
        return LeftOut(path, f"a video, which is translated alone: {command('run', 'FILE', '--to', 'DOMAIN')}")
    if suffix in NOT_READ:
        return LeftOut(path, f"{suffix} is not read: expected {', '.join(FORMATS)}")
    if suffix not in NO_PICTURES and is_image(path):
        return None
    return LeftOut(path, f"no image ({shown(suffix) or 'no suffix'})", lost=False)


def walk(root: Path) -> Iterator[Path]:
    """Every file below a folder, every link to a folder, and every folder without permission; unordered, no junk."""
    pending = [root]
    while pending:
        folder = pending.pop()
        try:
            entries = os.scandir(folder)
        except OSError:
            yield folder
            continue
        with entries:
            for entry in entries:
                if is_junk(entry.name):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    pending.append(folder / entry.name)
                else:
                    yield folder / entry.name


def is_junk(name: str) -> bool:
    """Whether a name is that of a hidden file or of a system's own file."""
    return name.startswith(".") or name.lower() in JUNK


def kinds(left_out: Iterable[LeftOut]) -> str:
    """The most frequent kinds of what is left out, such as "3 .jxl, 1 linked folder", and why HEIC is not read."""
    counts = Counter[str]()
    for each in left_out:
        suffix = shown(each.path.suffix.lower()) or "without suffix"
        counts["linked folder" if os.path.isdir(each.path) else suffix] += 1
    listed = [f"{count:,} {name}" for name, count in counts.most_common(KINDS)]
    reason = why_no_heif() if HEIF_SUFFIXES & counts.keys() else None
    return ", ".join([*listed, *["..."] * (len(counts) > KINDS)]) + (f"; {reason}" if reason else "")


class Account:
    """What is left out, by reason: the number of files, and the first of them. Its memory does not grow with the files.

    Iteration gives at most `KEPT` files for each reason.

    Attributes:
        lost: whether a picture may be lost.
    """

    def __init__(self, left_out: Iterable[LeftOut] = ()) -> None:
        self.counts, self.first, self.lost = Counter[str](), dict[str, list[LeftOut]](), False
        for each in left_out:
            self.add(each)

    def add(self, each: LeftOut) -> None:
        self.counts[each.reason] += 1
        first = self.first.setdefault(each.reason, [])
        if len(first) < KEPT:
            first.append(each)
        self.lost |= each.lost

    def __repr__(self) -> str:
        return f"<Account: {'; '.join(self.lines()) or 'nothing left out'}>"

    def __iter__(self) -> Iterator[LeftOut]:
        return chain.from_iterable(self.first.values())

    def lines(self) -> list[str]:
        """A line for each reason with its count and the first files."""
        largest, lines = self.counts.most_common(), []
        for reason, number in largest[:REASONS]:
            names = ", ".join(shown(each.path) for each in self.first[reason][:NAMED])
            count = f"{number:,}, such as " if number > NAMED else ""
            lines.append(f"left out {count}{names}: {reason}")
        if rest := largest[REASONS:]:
            lines.append(f"left out {sum(number for _, number in rest):,} more for {len(rest):,} other reasons")
        return lines


def account(left_out: Iterable[LeftOut]) -> list[str]:
    """The lines of an `Account`; a file that is given twice for one reason counts once."""
    return Account(dict.fromkeys(left_out)).lines()


def evenly_spread(items: Sequence[T], count: int) -> list[T]:
    """At most `count` items at even distances in their order."""
    count = min(count, len(items))
    return [items[i * len(items) // count] for i in range(count)]
