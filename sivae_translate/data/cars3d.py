"""Cars3D as published (Reed et al., "Deep Visual Analogy-Making", NIPS 2015): one MATLAB file per car, 96 views each.

Each file holds one array `im`, `[H, W, 3, 24, 4]`: 24 azimuths by 4 elevations, uint8 or floats in [0, 1].
View v has azimuth v // 4 and elevation v % 4.
"""

from __future__ import annotations

import functools
import threading
from pathlib import Path

import numpy as np

from sivae_translate.data.images import UnreadableImage, regular_file

AZIMUTHS, ELEVATIONS = 24, 4
VIEWS = AZIMUTHS * ELEVATIONS
MAX_PIXELS = 89_478_485  # of all views of a file: 256 MiB
LOADING = threading.Lock()  # else each thread that reads a view of a file would load all views


def view_count(path: str | Path) -> int:
    """The number of views in a file, 96, read from the header.

    Raises:
        UnreadableImage: the file is no MATLAB file, or lacks the array described above.
    """
    from scipy.io import whosmat

    regular_file(path)
    try:
        variables = {name: (shape, kind) for name, shape, kind in whosmat(path, appendmat=False)}
    except Exception as error:  # damaged data can raise anything
        raise UnreadableImage("not a MATLAB v5 file") from error
    if "im" not in variables:
        raise UnreadableImage(f"not a Cars3D file: no array 'im' among {sorted(variables)[:5]}")
    shape, kind = variables["im"]
    if len(shape) != 5 or shape[2:] != (3, AZIMUTHS, ELEVATIONS) or kind not in ("uint8", "single", "double"):
        raise UnreadableImage(f"not a Cars3D file: 'im' is {kind} {list(shape)}, not uint8 [H, W, 3, 24, 4]")
    if not 0 < shape[0] * shape[1] * VIEWS <= MAX_PIXELS:
        raise UnreadableImage(f"too many or no pixels: {VIEWS} views of {shape[1]}x{shape[0]}")
    return VIEWS


def read_view(path: str | Path, view: int) -> np.ndarray:
    """One view, uint8 `[H, W, 3]`.

    Args:
        path: the file.
        view: in 0..95, azimuth first.

    Raises:
        UnreadableImage: as in `view_count`, or a damaged array, or floats outside [0, 1].
        IndexError: there is no such view.
    """
    if not 0 <= view < VIEWS:
        raise IndexError(f"view {view} of {VIEWS}")
    status = regular_file(path)
    with LOADING:
        views = _read_views(str(path), status.st_mtime_ns, status.st_size)
    return np.array(views[view])  # a copy, which the caller may change


@functools.lru_cache(maxsize=8)  # 5 MB each at the published 128x128
def _read_views(path: str, modified: int, size: int) -> np.ndarray:
    """All views, uint8 `[96, H, W, 3]`. Modification time and size are cache keys, so a changed file is read again."""
    from scipy.io import loadmat

    view_count(path)
    try:
        im = loadmat(path, appendmat=False, variable_names=["im"])["im"]
    except Exception as error:  # damaged data can raise anything
        raise UnreadableImage("truncated or corrupt MATLAB file") from error
    if im.dtype != np.uint8:
        if im.dtype.kind != "f" or not (im.min() >= 0 and im.max() <= 1):  # NaN fails both comparisons
            raise UnreadableImage("not a Cars3D file: 'im' is neither uint8 nor floats in 0..1")
        im = np.rint(im * 255).astype(np.uint8)
    height, width = im.shape[:2]
    return np.ascontiguousarray(im.transpose(3, 4, 0, 1, 2)).reshape(VIEWS, height, width, 3)
