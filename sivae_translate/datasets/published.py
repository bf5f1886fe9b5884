"""Write published data sets, named and stored as in torchvision, as plain folders of PNGs.

CIFAR-10 (Krizhevsky, 2009), MNIST (LeCun et al., 1998), Fashion-MNIST (Xiao et al., 2017), SVHN (Netzer et al., 2011).
File names, addresses and checksums come from torchvision's classes, which are never instantiated, as their constructors
unpickle.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from torchvision.datasets import CIFAR10, MNIST, SVHN, FashionMNIST, utils

from sivae_translate.datasets.published_files import Labelled, read_cifar10, read_mnist, read_svhn
from sivae_translate.datasets.writing import atomic_folder, is_taken
from sivae_translate.errors import SivaeError, UsageError, command, did_you_mean, shown
from sivae_translate.progress import Progress

DIGITS = tuple("0123456789")
CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
FASHION = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle-boot")


@dataclass(frozen=True)
class Download:
    """A download, as torchvision defines it.

    Attributes:
        path: one of `files`, or an archive of them.
        urls: mirrors, tried in this order.
        md5: checksum of the download.
        files: the files that the download contains, relative to the root folder of the sets.
    """

    path: str
    urls: list[str]
    md5: str
    files: list[str]


@dataclass(frozen=True)
class Published:
    """A published data set.

    Attributes:
        recipe: the name of a recipe for this set.
        classes: names by label.
        read: the reader of a split's files.
        splits: the files of each split, relative to the root folder of the sets.
        downloads: where the files come from.
    """

    recipe: str
    classes: tuple[str, ...]
    read: Callable[[list[Path]], Labelled]
    splits: dict[str, list[str]]
    downloads: list[Download]


def write_published(
    name: str, out: Path, *, root: Path = Path("data"), download: bool = False, progress: Progress | None = None
) -> dict[str, int]:
    """Write `out`/SPLIT/CLASS/00000.png and so on. SPLIT is train or test; the numbers follow the order of the files.

    Args:
        name: one of `SETS`.
        out: a new or empty folder, which appears under its name only when complete.
        root: the folder where torchvision keeps the sets.
        download: download missing files to `root`. Otherwise the network is not used.
        progress: called a hundred times at most.

    Returns:
        The number of images of each split.

    Raises:
        UsageError: there is no such set, `out` is not empty, or a file is missing.
        SivaeError: a download failed, or a file is damaged or of another format.
    """
    if name not in SETS:
        raise UsageError(f"no data set {shown(name)!r}: {did_you_mean(name, list(SETS))}")
    published, place, folder = SETS[name], Path(root).resolve(), Path(out).resolve()
    if is_taken(folder) or folder in (place, *place.parents):
        expected = "expected a new or empty folder that does not hold --root"
        raise UsageError(f"out was {shown(folder)}, {expected}: try {shown(folder)}-2, or remove what is there")
    for wanted in published.downloads if download else ():
        _fetch(wanted, place)
    for path in (place / file for files in published.splits.values() for file in files):
        if not path.exists():
            again = command("dataset", name, out, "--root", root, "--download")
            raise UsageError(f"{shown(path)} does not exist: expected {name} as torchvision keeps it; try {again}")
    splits = {split: published.read([place / file for file in files]) for split, files in published.splits.items()}

    with atomic_folder(folder) as temporary:
        _write(temporary, splits, published.classes, progress)
    return {split: len(labels) for split, (_, labels) in splits.items()}


def _write(folder: Path, splits: dict[str, Labelled], classes: tuple[str, ...], progress: Progress | None) -> None:
    done, total = 0, sum(len(labels) for _, labels in splits.values())
    for split, (images, labels) in splits.items():
        written: Counter[int] = Counter()
        for image, label in zip(images, labels.tolist(), strict=True):
            parent = folder / split / classes[label]
            if not written[label]:
                parent.mkdir(parents=True)
            Image.fromarray(image).save(parent / f"{written[label]:05d}.png")
            written[label] += 1
            done += 1
            if progress is not None and done * 100 // total > (done - 1) * 100 // total:
                progress(done, total)


def _fetch(wanted: Download, root: Path) -> None:
    """Download the missing files; each gets its name only when complete."""
    missing = [file for file in wanted.files if not (root / file).exists()]
    if not missing:
        return
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".tmp-", dir=root) as temporary:
        home, name = (root / wanted.path).parent, Path(wanted.path).name
        target = (Path(temporary) / wanted.path).parent
        target.mkdir(parents=True, exist_ok=True)
        for url in wanted.urls:
            try:
                if wanted.path in wanted.files:
                    utils.download_url(url, target, name, wanted.md5)
                else:  # an intact local archive is not downloaded again
                    source = home if utils.check_integrity(home / name, wanted.md5) else target
                    utils.download_and_extract_archive(url, source, target, name, wanted.md5)
                break
            except Exception as error:  # network, archive and disk raise exceptions of many types
                failed = error
        else:
            by_hand = f"try again later, or put the file into {shown(home)} yourself"
            raise SivaeError(f"{url} could not be downloaded ({failed}): {by_hand}") from failed
        for file in missing:
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            os.replace(Path(temporary) / file, root / file)


def _cifar10() -> Published:
    listed = {"train": CIFAR10.train_list, "test": CIFAR10.test_list}
    splits = {split: [f"{CIFAR10.base_folder}/{name}" for name, _ in files] for split, files in listed.items()}
    archive = Download(CIFAR10.filename, [CIFAR10.url], CIFAR10.tgz_md5, [*splits["train"], *splits["test"]])
    return Published("cifar10", CIFAR10_CLASSES, read_cifar10, splits, [archive])


def _mnist(kind: Any, classes: tuple[str, ...]) -> Published:
    files = [f"{kind.__name__}/raw/{name.removesuffix('.gz')}" for name, _ in kind.resources]
    downloads = [
        Download(f"{file}.gz", [mirror + name for mirror in kind.mirrors], md5, [file])
        for file, (name, md5) in zip(files, kind.resources, strict=True)
    ]
    return Published("mnist", classes, read_mnist, {"train": files[:2], "test": files[2:]}, downloads)


def _svhn() -> Published:
    listed = {split: SVHN.split_list[split] for split in ("train", "test")}
    downloads = [Download(file, [url], md5, [file]) for url, file, md5 in listed.values()]
    return Published("cifar10", DIGITS, read_svhn, {split: [file] for split, (_, file, _) in listed.items()}, downloads)


SETS = {
    "cifar10": _cifar10(),
    "fashion-mnist": _mnist(FashionMNIST, FASHION),
    "mnist": _mnist(MNIST, DIGITS),
    "svhn": _svhn(),
}
