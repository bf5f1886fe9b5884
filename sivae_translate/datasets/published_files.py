"""Read files of published data sets: batches of CIFAR-10, idx files of MNIST and Fashion-MNIST, MATLAB files of SVHN.

Files are parsed, never unpickled. N is the number of images in a file, whether or not it is the published number.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from scipy.io import loadmat, whosmat
from torchvision.datasets.mnist import read_image_file, read_label_file

from sivae_translate.data.images import MAX_BYTES, MAX_PIXELS, UnreadableImage, regular_file
from sivae_translate.errors import SivaeError, shown

Labelled = tuple[np.ndarray, np.ndarray]  # images, uint8 [N, H, W] or [N, H, W, 3]; the class of each, [N] in 0..9
T = TypeVar("T")

ARRAY = {
    "numpy.core.multiarray _reconstruct",
    "numpy ndarray",
    "numpy dtype",
}  # the globals of a CIFAR-10 batch


def read_cifar10(paths: list[Path]) -> Labelled:
    """Batches of CIFAR-10, concatenated: images `[N, 32, 32, 3]`.

    Raises:
        SivaeError: a file is damaged or of another format.
    """
    batches = [_read(path, _cifar10, "CIFAR-10 batch for Python") for path in paths]
    images, labels = zip(*batches, strict=True)
    return np.concatenate(images), np.concatenate(labels)


def read_mnist(paths: list[Path]) -> Labelled:
    """An idx file of images and one of labels: images `[N, 28, 28]`.

    Raises:
        SivaeError: a file is damaged or of another format, or their numbers of entries differ.
    """
    images = _read(paths[0], _idx_images, "images in the idx format")
    labels = _read(paths[1], lambda path: _in_range(read_label_file(str(path))), "labels in the idx format")
    if len(images) != len(labels):
        differ = f"{len(images)} images, but {len(labels)} labels in {shown(paths[1].name)}"
        raise SivaeError(f"{shown(paths[0])}: {differ}; remove both and fetch them again with --download")
    return images, labels


def read_svhn(paths: list[Path]) -> Labelled:
    """A file of cropped digits of SVHN: images `[N, 32, 32, 3]`.

    Raises:
        SivaeError: the file is damaged or of another format.
    """
    return _read(paths[0], _svhn, "MATLAB v5 file")


def _read(path: Path, reader: Callable[[Path], T], what: str) -> T:
    try:
        if (size := regular_file(path).st_size) > MAX_BYTES:
            raise UnreadableImage(f"too large a file: {size >> 20} MiB > {MAX_BYTES >> 20} MiB")
        return reader(path)
    except Exception as error:  # damaged data can raise anything
        if isinstance(error, OSError) and error.errno:  # from the system, such as "permission denied"
            raise
        reason = error if isinstance(error, UnreadableImage) else f"truncated, or no {what}"
        raise SivaeError(f"{shown(path)}: {reason}; remove it and fetch it again with --download") from error


def _cifar10(path: Path) -> Labelled:
    """Parse by its opcodes a Python 2 pickle of a dictionary: "labels", a list of N, and "data", uint8 `[N, 3072]`.

    The labels are the integers between the string "labels" and the next string. The pixels are the only string of at
    least 3072 bytes. A row of the pixels has red, green and blue planes of 32x32.
    """
    key, labels, pixels = "", [], []
    for opcode, value, _ in pickletools.genops(path.read_bytes()):
        if opcode.name in ("SHORT_BINSTRING", "BINSTRING"):
            key = str(value)  # bytes read as Latin-1
            if len(key) >= 3072:
                pixels.append(key.encode("latin-1"))
        elif opcode.name in ("BININT1", "BININT2", "BININT") and key == "labels":
            labels.append(value)
        elif opcode.name in ("GLOBAL", "INST", "STACK_GLOBAL") and value not in ARRAY:
            raise UnreadableImage(f"a pickle that calls for {shown(value or 'code')}, unlike a CIFAR-10 batch")
    if not labels or [len(string) for string in pixels] != [3072 * len(labels)]:
        found = f"{len(labels)} labels and {sum(map(len, pixels))} bytes of pixels"
        raise UnreadableImage(f"no CIFAR-10 batch: {found}, expected 3072 to a label")
    rows = np.frombuffer(pixels[0], np.uint8).reshape(-1, 3, 32, 32)
    return rows.transpose(0, 2, 3, 1), _in_range(labels)


def _idx_images(path: Path) -> np.ndarray:
    images: np.ndarray = read_image_file(str(path)).numpy()
    if images.shape[1:] != (28, 28):
        raise UnreadableImage(f"images of {list(images.shape[1:])}, expected [28, 28]")
    return images


def _svhn(path: Path) -> Labelled:
    """Parse X, uint8 `[32, 32, 3, N]`, and y, uint8 `[N, 1]` in 1..10; the label 10 stands for the digit 0."""
    header = {name: (kind, *shape) for name, shape, kind in whosmat(path, appendmat=False)}
    count = header["y"][1] if "y" in header else 0
    expected = {"X": ("uint8", 32, 32, 3, count), "y": ("uint8", count, 1)}
    if any(header.get(name) != expected[name] for name in expected) or not 0 < 32 * 32 * count <= MAX_PIXELS:
        found = ", ".join(f"{name} {kind} {shape}" for name, (kind, *shape) in list(header.items())[:5]) or "nothing"
        raise UnreadableImage(f"no SVHN file: holds {found}, expected X uint8 [32, 32, 3, N] and y uint8 [N, 1]")
    arrays = loadmat(path, appendmat=False, variable_names=list(expected))
    return arrays["X"].transpose(3, 0, 1, 2), _in_range(arrays["y"][:, 0], low=1) % 10


def _in_range(labels: Any, low: int = 0) -> np.ndarray:
    """Labels as int64 `[N]`. Raises UnreadableImage unless all are in `low` .. `low` + 9."""
    numbers = np.asarray(labels, dtype=np.int64)
    wrong = np.flatnonzero((numbers < low) | (numbers > low + 9))
    if len(wrong):
        raise UnreadableImage(f"image {wrong[0]} has the label {numbers[wrong[0]]}, expected {low}..{low + 9}")
    return numbers
