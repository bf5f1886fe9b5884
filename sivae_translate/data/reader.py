"""Read many images in threads, in order. Each gives its pixels, or the reason why the file cannot be read."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sized
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from sivae_translate.data.cars3d import read_view
from sivae_translate.data.domains import Source
from sivae_translate.data.images import BACKGROUND, Colour, Frame, UnreadableImage, fit, open_image, read_image
from sivae_translate.data.listing import LeftOut
from sivae_translate.progress import Progress

THREADS = min(8, os.cpu_count() or 1)
AHEAD = 4 * THREADS  # images that are read ahead of the caller

S = TypeVar("S")
T = TypeVar("T")


class Sources(Sized, Iterable[Source | Path], Protocol):
    """Images of a known number, such as a list or a plan on disk."""


def read_images(sources: Sources, frame: Frame, *, progress: Progress | None = None) -> Iterator[np.ndarray | LeftOut]:
    """Images in a frame, uint8 `[size, size, 3]`, or LeftOut for each that cannot be read, in the order of `sources`.

    Threads read ahead while the caller computes. At most `AHEAD` images wait in memory.

    Args:
        sources: image files, or views of Cars3D files.
        frame: the square that every image is put into.
        progress: called when the caller asks for the next image.
    """
    return read_each(lambda source: read_in_frame(source, frame), sources, progress=progress)


def read_each(
    read: Callable[[Source], T], sources: Sources, *, progress: Progress | None = None
) -> Iterator[T | LeftOut]:
    """The result of `read` for each source, or LeftOut where it raises UnreadableImage; otherwise as `read_images`."""

    def attempt(item: Source | Path) -> T | LeftOut:
        source = as_source(item)
        try:
            return read(source)
        except UnreadableImage as error:
            return LeftOut(source.path, str(error))

    with closing(in_order(attempt, sources)) as results:
        for done, result in enumerate(results, start=1):
            yield result
            if progress:
                progress(done, len(sources))


def in_order(work: Callable[[S], T], items: Iterable[S], *, ahead: int | None = None) -> Generator[T]:
    """The result of `work` for each item, in order.

    Args:
        work: called in threads.
        items: asked for an item only when a thread may begin it.
        ahead: largest number of results that wait for the caller, finished or not [`AHEAD`].
    """
    pool = ThreadPoolExecutor(THREADS)
    tasks = (pool.submit(work, item) for item in items)
    try:
        pending = deque(islice(tasks, ahead or AHEAD))
        while pending:
            result = pending.popleft().result()
            pending.extend(islice(tasks, 1))
            yield result
    finally:
        pool.shutdown(cancel_futures=True)  # a caller that stops early does not wait for the queue


def read_in_frame(source: Source | Path, frame: Frame) -> np.ndarray:
    """One image in a frame, uint8 `[size, size, 3]`. Raises UnreadableImage."""
    source = as_source(source)
    pixels = read_source(source, background=frame.background, min_side=frame.size, white=frame.white)
    return fit(pixels, frame.size, frame.fit, frame.background)


def read_source(
    source: Source, *, background: Colour = BACKGROUND, min_side: int | None = None, white: float | None = None
) -> np.ndarray:
    """One image in its own size, uint8 `[H, W, 3]`; see `read_image`. Raises UnreadableImage."""
    if source.view is not None:
        return read_view(source.path, source.view)
    return read_image(source.path, background=background, min_side=min_side, white=white)


def source_size(source: Source) -> tuple[int, int]:
    """(width, height) of one image in pixels, from its header where it has one. Raises UnreadableImage."""
    if source.view is None:
        return open_image(source.path).size
    height, width, _ = read_source(source).shape
    return width, height


def as_source(item: Source | Path) -> Source:
    return item if isinstance(item, Source) else Source(item)
