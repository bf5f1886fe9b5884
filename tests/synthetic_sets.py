"""Synthetic versions of the published data sets: a few random images each, in the files of the real ones."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from scipy.io import savemat

NAMES = ("cifar10", "fashion-mnist", "mnist", "svhn")
COUNTS = {"train": (3, 1, 4, 1, 5), "test": (6,)}  # images in each batch of CIFAR-10; other sets have the sums
FIRST = {
    "cifar10": "cifar-10-batches-py/data_batch_1",
    "fashion-mnist": "FashionMNIST/raw/train-images-idx3-ubyte",
    "mnist": "MNIST/raw/train-images-idx3-ubyte",
    "svhn": "train_32x32.mat",
}

Labelled = tuple[np.ndarray, np.ndarray]


def write_synthetic(name: str, root: Path, seed: int = 0) -> dict[str, Labelled]:
    """Write the set `name` below `root`.

    Returns:
        Images, uint8 `[N, H, W]` or `[N, H, W, 3]`, and labels of each split.
    """
    random = np.random.default_rng(seed)
    splits = {}
    for split, counts in COUNTS.items():
        shape = (sum(counts), 28, 28) if "mnist" in name else (sum(counts), 32, 32, 3)
        images, labels = random.integers(0, 256, shape, np.uint8), random.integers(0, 10, sum(counts))
        labels[:2] = 0, 9
        splits[split] = images, labels
        if name == "cifar10":
            folder = root / "cifar-10-batches-py"
            folder.mkdir(parents=True, exist_ok=True)
            files = [f"data_batch_{i}" for i in range(1, 6)] if split == "train" else ["test_batch"]
            ends = np.cumsum(counts)
            for file, start, end in zip(files, [0, *ends], ends, strict=False):
                (folder / file).write_bytes(cifar_batch(images[start:end], labels[start:end]))
        elif name == "svhn":
            root.mkdir(parents=True, exist_ok=True)
            svhn_file(root / f"{split}_32x32.mat", images, labels)
        else:
            folder = root / {"mnist": "MNIST", "fashion-mnist": "FashionMNIST"}[name] / "raw"
            folder.mkdir(parents=True, exist_ok=True)
            start = {"train": "train", "test": "t10k"}[split]
            (folder / f"{start}-images-idx3-ubyte").write_bytes(idx(images))
            (folder / f"{start}-labels-idx1-ubyte").write_bytes(idx(labels.astype(np.uint8)))
    return splits


def svhn_file(path: Path, images: np.ndarray, labels: np.ndarray) -> None:
    """A file of SVHN: the image's index is the last axis, and the digit 0 has the label 10."""
    y = np.where(labels == 0, 10, labels).astype(np.uint8)[:, None]
    savemat(path, {"X": images.transpose(1, 2, 3, 0), "y": y}, do_compression=True)


def idx(array: np.ndarray) -> bytes:
    """An idx file of uint8 values."""
    return struct.pack(f">{1 + array.ndim}I", 0x800 + array.ndim, *array.shape) + array.tobytes()


def cifar_batch(images: np.ndarray, labels: Iterable[int], *, key: str = "labels", data_first: bool = False) -> bytes:
    """A batch of CIFAR-10, as cPickle of Python 2 writes it at protocol 2; images are uint8 `[N, 32, 32, 3]`."""
    memo = iter(range(1, 1 << 20))
    rows = images.transpose(0, 3, 1, 2).tobytes()
    numbers = list(labels)

    def put() -> bytes:
        number = next(memo)
        return b"q" + bytes([number]) if number < 256 else b"r" + struct.pack("<I", number)

    def text(string: str) -> bytes:
        return b"U" + bytes([len(string)]) + string.encode() + put()

    def listed(items: list[bytes]) -> bytes:
        runs = [b"(" + b"".join(items[at : at + 1000]) + b"e" for at in range(0, len(items), 1000)]
        return b"]" + put() + b"".join(runs)

    def integer(number: int) -> bytes:
        return b"K" + bytes([number]) if number < 256 else b"M" + struct.pack("<H", number)

    def array() -> bytes:
        new = b"cnumpy.core.multiarray\n_reconstruct\n" + put() + b"cnumpy\nndarray\n" + put()
        new += b"K\x00\x85U\x01b\x87R" + put()
        kind = b"cnumpy\ndtype\n" + put() + b"U\x02u1K\x00K\x01\x87R" + put()
        kind += b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        shape = integer(len(images)) + integer(3072) + b"\x86"
        return new + b"(K\x01" + shape + kind + b"\x89T" + struct.pack("<I", len(rows)) + rows + b"tb"

    start = b"\x80\x02}" + put() + b"(" + text("batch_label") + text("training batch 1 of 5")
    parts = [
        lambda: text(key) + listed([integer(number) for number in numbers]),
        lambda: text("data") + array(),
        lambda: text("filenames") + listed([text(f"leptodactylus_{i}.png") for i in range(len(images))]),
    ]
    return start + b"".join(part() for part in (parts[::-1] if data_first else parts)) + b"u."
