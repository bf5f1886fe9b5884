"""Published data sets: read as torchvision reads them, never unpickled, written completely or not at all."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import pickle
import re
import tarfile
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat
from synthetic_sets import COUNTS, FIRST, NAMES, cifar_batch, idx, svhn_file, write_synthetic
from torchvision.datasets import CIFAR10, MNIST, SVHN, FashionMNIST, cifar, svhn

from sivae_translate.datasets.published import CIFAR10_CLASSES, DIGITS, FASHION, SETS, write_published
from sivae_translate.datasets.published_files import read_cifar10, read_mnist, read_svhn
from sivae_translate.errors import SivaeError, UsageError

TOTAL = sum(map(sum, COUNTS.values()))


def pictures(count: int = 3, *shape: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, *(shape or (32, 32, 3))), np.uint8)


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise AssertionError("the network was touched")

    monkeypatch.setattr(urllib.request, "urlopen", fail)


# --- as torchvision reads them ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind"), [("cifar10", CIFAR10), ("fashion-mnist", FashionMNIST), ("mnist", MNIST), ("svhn", SVHN)]
)
def test_pixels_and_classes_are_those_that_torchvision_reads(
    name: str, kind: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_synthetic(name, tmp_path / "data")
    counted = write_published(name, tmp_path / "set", root=tmp_path / "data")
    assert counted == {split: sum(counts) for split, counts in COUNTS.items()}
    for module in (cifar, svhn):  # the checksums of synthetic files differ
        monkeypatch.setattr(module, "check_integrity", lambda *arguments: True)
    monkeypatch.setattr(CIFAR10, "_load_meta", lambda self: None)

    expected = {}
    for split in COUNTS:
        place = {"split": split} if kind is SVHN else {"train": split == "train"}
        by_class: dict[int, list[np.ndarray]] = defaultdict(list)
        for picture, label in kind(tmp_path / "data", **place):
            by_class[label].append(np.asarray(picture))
        for label, listed in by_class.items():
            folder = f"{split}/{SETS[name].classes[label]}"
            expected |= {f"{folder}/{number:05d}.png": pixels for number, pixels in enumerate(listed)}
    assert files(tmp_path / "set").keys() == expected.keys()
    for path, pixels in expected.items():
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "set" / path)), pixels)


def test_classes_are_the_published_ones_fit_for_folders() -> None:
    assert [name.split("/")[0].lower().replace(" ", "-") for name in FashionMNIST.classes] == list(FASHION)
    assert [name[0] for name in MNIST.classes] == list(DIGITS)
    assert " ".join(CIFAR10_CLASSES) == "airplane automobile bird cat deer dog frog horse ship truck"


# --- CIFAR-10's pickles ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data_first", [False, True])
@pytest.mark.parametrize(
    "count", [1, 3, 300, 1100]
)  # beyond 255: longer memo opcodes; beyond 1,000: two runs of labels
def test_a_batch_parses_to_what_unpickling_it_gives(count: int, data_first: bool, tmp_path: Path) -> None:
    images, labels = pictures(count), np.random.default_rng(2).integers(0, 10, count).tolist()
    (path := tmp_path / "data_batch_1").write_bytes(cifar_batch(images, labels, data_first=data_first))
    unpickled = pickle.loads(path.read_bytes(), encoding="latin1")
    assert unpickled.keys() == {"batch_label", "labels", "data", "filenames"} and unpickled["labels"] == labels
    assert unpickled["data"].shape == (count, 3072) and unpickled["data"].dtype == np.uint8

    read_images, read_labels = read_cifar10([path])
    assert read_images.dtype == np.uint8 and read_labels.tolist() == labels
    np.testing.assert_array_equal(read_images, images)
    np.testing.assert_array_equal(read_images.transpose(0, 3, 1, 2).reshape(count, 3072), unpickled["data"])


class Canary:
    """An object whose unpickling runs a shell command."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> Any:
        return os.system, (self.command,)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("alone", [True, False])
def test_a_pickle_with_other_globals_is_an_error_and_never_run(alone: bool, protocol: int, tmp_path: Path) -> None:
    path, canary = tmp_path / "data_batch_1", tmp_path / "canary"
    code = pickle.dumps(Canary(f"touch '{canary}'"), protocol)
    whole = cifar_batch(pictures(), [1, 2, 3])
    path.write_bytes(
        code if alone else whole[:-2] + b"U\x04code" + code.removeprefix(code[:2] * (protocol > 1))[:-1] + b"u."
    )
    with pytest.raises(SivaeError, match="data_batch_1"):
        read_cifar10([path])
    assert not canary.exists()
    pickle.loads(path.read_bytes(), encoding="latin1")
    assert canary.exists()  # unpickling does run the command


# --- damaged files and files of other formats ------------------------------------------------------------------------

Write = Callable[[Path], object]
Case = tuple[Callable[[list[Path]], object], list[Write], int, str]


def data(content: bytes) -> Write:
    return lambda path: path.write_bytes(content)


def mat(**variables: object) -> Write:
    return lambda path: savemat(path, variables)


GREY, LABELS = data(idx(pictures(3, 28, 28))), data(idx(np.array([1, 2, 3], np.uint8)))
X, Y = pictures().transpose(1, 2, 3, 0), np.array([[1], [2], [10]], np.uint8)

WRONG: dict[str, Case] = {  # reader, its files, the one at fault, the reason
    "cifar: text": (read_cifar10, [data(b"hello\n")], 0, "CIFAR-10"),
    "cifar: another pickle": (read_cifar10, [data(pickle.dumps({"labels": [1]}, 2))], 0, "0.*0"),
    "cifar: CIFAR-100": (
        read_cifar10,
        [data(cifar_batch(pictures(), [1, 2, 3], key="fine_labels"))],
        0,
        "0",
    ),
    "cifar: a label too few": (read_cifar10, [data(cifar_batch(pictures(), [1, 2]))], 0, "2.*9216"),
    "cifar: no images": (read_cifar10, [data(cifar_batch(pictures(0), []))], 0, "0.*0"),
    "cifar: label 10": (read_cifar10, [data(cifar_batch(pictures(), [1, 2, 10]))], 0, "2.*10"),
    "cifar: a later batch": (
        read_cifar10,
        [data(cifar_batch(pictures(), [1, 2, 3])), data(b"")],
        1,
        "empty",
    ),
    "idx: text": (read_mnist, [data(b"hello, world\n" * 9), LABELS], 0, "images.*idx"),
    "idx: labels for images": (read_mnist, [LABELS, LABELS], 0, "images.*idx"),
    "idx: images for labels": (read_mnist, [GREY, GREY], 1, "labels.*idx"),
    "idx: gzipped": (read_mnist, [data(gzip.compress(idx(pictures(3, 28, 28)))), LABELS], 0, "images.*idx"),
    "idx: 16 bits": (
        read_mnist,
        [data(b"\0\0\x0b\x03" + idx(pictures(3, 28, 28))[4:] * 2), LABELS],
        0,
        "images.*idx",
    ),
    "idx: 32x32": (read_mnist, [data(idx(pictures(3, 32, 32))), LABELS], 0, r"32, 32.*28, 28"),
    "idx: too many bytes": (read_mnist, [data(idx(pictures(3, 28, 28)) + b"\0"), LABELS], 0, "images.*idx"),
    "idx: no images": (read_mnist, [data(idx(pictures(0, 28, 28))), LABELS], 0, "images.*idx"),
    "idx: a label too many": (read_mnist, [data(idx(pictures(2, 28, 28))), LABELS], 0, "2.*3"),
    "idx: label 10": (
        read_mnist,
        [GREY, data(idx(np.array([1, 10, 3], np.uint8)))],
        1,
        "1.*10",
    ),
    "svhn: text": (read_svhn, [data(b"hello\n")], 0, "MATLAB"),
    "svhn: HDF5": (read_svhn, [data(b"\x89HDF\r\n\x1a\n" + bytes(600))], 0, "MATLAB"),
    "svhn: other arrays": (read_svhn, [mat(im=X)], 0, "im uint8"),
    "svhn: no labels": (read_svhn, [mat(X=X)], 0, "SVHN"),
    "svhn: a label too few": (read_svhn, [mat(X=X, y=Y[:2])], 0, r"X uint8 .32, 32, 3, 3.*y uint8 .2, 1"),
    "svhn: floats": (read_svhn, [mat(X=X / 255, y=Y)], 0, "X double"),
    "svhn: images first": (read_svhn, [mat(X=pictures(), y=Y)], 0, "SVHN"),
    "svhn: objects": (read_svhn, [mat(X=X, y=np.array([[1], ["a"], [2]], object))], 0, "y cell"),
    "svhn: no images": (read_svhn, [mat(X=X[..., :0], y=Y[:0])], 0, "SVHN"),
    "svhn: label 0": (read_svhn, [mat(X=X, y=Y - 1)], 0, "0.*10"),
    "svhn: label 11": (read_svhn, [mat(X=X, y=Y + 1)], 0, "2.*11"),
    "svhn: a folder": (read_svhn, [Path.mkdir], 0, "file"),
    "svhn: a pipe": (read_svhn, [os.mkfifo], 0, "file"),
}


@pytest.mark.parametrize("case", WRONG)
def test_the_error_of_a_file_of_another_format_has_its_path(case: str, tmp_path: Path) -> None:
    read, writers, at_fault, reason = WRONG[case]
    paths = [tmp_path / str(number) for number in range(len(writers))]
    for write, path in zip(writers, paths, strict=True):
        write(path)
    with pytest.raises(SivaeError, match=f"{reason}.*--download") as caught:
        read(paths)
    assert str(caught.value).startswith(f"{paths[at_fault]}: ") and "\n" not in str(caught.value)


@pytest.mark.parametrize("part", [0.02, 0.3, 0.7, 0.99])
@pytest.mark.parametrize("name", NAMES)
def test_any_truncated_file_is_named_and_nothing_is_written(name: str, part: float, tmp_path: Path) -> None:
    write_synthetic(name, tmp_path / "data")
    for path in sorted(path for path in (tmp_path / "data").rglob("*") if path.is_file()):
        whole = path.read_bytes()
        path.write_bytes(whole[: int(part * len(whole))] if len(whole) > 50 else whole[:-1])  # labels are few bytes
        with pytest.raises(SivaeError, match=re.escape(str(path))):
            write_published(name, tmp_path / "set", root=tmp_path / "data")
        path.write_bytes(whole)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_file_without_permission_is_not_called_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def raise_permission_error(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    write_synthetic("cifar10", tmp_path / "data")
    monkeypatch.setattr(Path, "read_bytes", raise_permission_error)  # a mode would not stop root
    with pytest.raises(PermissionError):
        write_published("cifar10", tmp_path / "set", root=tmp_path / "data")


# --- the written set -------------------------------------------------------------------------------------------------


def test_progress_counts_every_image_of_a_small_set(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    write_synthetic("mnist", tmp_path / "data")
    write_published("mnist", tmp_path / "set", root=tmp_path / "data", progress=lambda *call: calls.append(call))
    assert calls == [(done, TOTAL) for done in range(1, TOTAL + 1)]


def test_progress_is_called_at_most_a_hundred_times(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    images = pictures(500)
    (root := tmp_path / "data").mkdir()
    for split in COUNTS:
        svhn_file(root / f"{split}_32x32.mat", images, np.arange(500) % 10)
    write_published("svhn", tmp_path / "set", root=root, progress=lambda *call: calls.append(call))
    assert calls == [(done, 1000) for done in range(10, 1001, 10)]


def test_a_set_goes_into_an_empty_folder_and_never_into_a_full_one(tmp_path: Path) -> None:
    root, out = tmp_path / "data", tmp_path / "set"
    write_synthetic("mnist", root)
    out.mkdir()
    write_published("mnist", out, root=root)
    before = files(tmp_path)
    for taken in (out, out / "train/0/00000.png", root, tmp_path):
        with pytest.raises(UsageError, match=re.escape(str(tmp_path))):
            write_published("mnist", taken, root=root)
    with pytest.raises(UsageError, match="--root"):  # which a download would fill
        write_published("mnist", tmp_path / "new", root=tmp_path / "new/data", download=True)
    assert files(tmp_path) == before and sorted(path.name for path in tmp_path.iterdir()) == ["data", "set"]


def test_an_interrupted_run_leaves_nothing(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        assert not (tmp_path / "set").exists()
        if done == 5:
            raise KeyboardInterrupt

    write_synthetic("svhn", tmp_path / "data")
    with pytest.raises(KeyboardInterrupt):
        write_published("svhn", tmp_path / "set", root=tmp_path / "data", progress=stop)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


# --- downloads -------------------------------------------------------------------------------------------------------


class Answer(io.BytesIO):
    """The response of `urlopen`."""

    def __init__(self, url: str, content: bytes) -> None:
        super().__init__(content)
        self.url, self.length = url, len(content)


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], tuple[dict[str, bytes], list[str]]]:
    """Serve a synthetic set on a simulated network; gives its unpacked files and the list of requested URLs."""

    def serve(name: str) -> tuple[dict[str, bytes], list[str]]:
        write_synthetic(name, tmp_path / "published")
        kept = files(tmp_path / "published")
        answers: dict[str, bytes] = {}
        downloads, asked = [], []
        for download in SETS[name].downloads:
            content = kept[download.files[0]]
            if download.path.endswith(".tar.gz"):
                with tarfile.open(fileobj=(packed := io.BytesIO()), mode="w:gz") as archive:
                    for file in download.files:
                        archive.add(tmp_path / "published" / file, file)
                content = packed.getvalue()
            elif download.path.endswith(".gz"):
                content = gzip.compress(content, mtime=0)
            answers |= dict.fromkeys(download.urls, content)
            downloads.append(replace(download, md5=hashlib.md5(content).hexdigest()))
        monkeypatch.setitem(SETS, name, replace(SETS[name], downloads=downloads))

        def urlopen(request: urllib.request.Request) -> Answer:
            asked.append(request.full_url)
            if request.full_url not in answers:
                raise urllib.error.URLError("no route to host")
            return Answer(request.full_url, answers[request.full_url])

        monkeypatch.setattr(urllib.request, "urlopen", urlopen)
        return kept, asked

    return serve


@pytest.mark.parametrize("name", NAMES)
def test_missing_files_are_downloaded_once_to_where_torchvision_keeps_them(
    name: str, tmp_path: Path, network: Callable[[str], Any]
) -> None:
    (kept, asked), root = network(name), tmp_path / "data"
    with pytest.raises(UsageError, match="--download"):
        write_published(name, tmp_path / "set", root=root)
    assert asked == [] and not root.exists()
    write_published(name, tmp_path / "set", root=root, download=True)
    assert files(root) == kept and not list(root.rglob(".tmp-*"))
    assert set(asked) == {download.urls[0] for download in SETS[name].downloads}

    asked.clear()
    write_published(name, tmp_path / "again", root=root, download=True)
    assert asked == [] and files(tmp_path / "again") == files(tmp_path / "set")


@pytest.mark.parametrize("name", NAMES)
def test_an_existing_file_is_kept(name: str, tmp_path: Path, network: Callable[[str], Any]) -> None:
    (kept, _), root = network(name), tmp_path / "data"
    write_synthetic(name, root, seed=7)
    mine = files(root)
    gone = sorted(mine)[-1]
    (root / gone).unlink()
    write_published(name, tmp_path / "set", root=root, download=True)
    assert files(root) == {**mine, gone: kept[gone]}


@pytest.mark.parametrize("name", ["cifar10", "mnist"])
def test_an_existing_archive_is_unpacked_and_not_downloaded(
    name: str, tmp_path: Path, network: Callable[[str], Any]
) -> None:
    (kept, asked), root = network(name), tmp_path / "data"
    for download in SETS[name].downloads:
        (root / download.path).parent.mkdir(parents=True, exist_ok=True)
        (root / download.path).write_bytes(urllib.request.urlopen(urllib.request.Request(download.urls[0])).read())
    asked.clear()
    write_published(name, tmp_path / "set", root=root, download=True)
    assert asked == [] and kept.items() <= files(root).items()


def test_the_second_mirror_is_used_where_the_first_fails(tmp_path: Path, network: Callable[[str], Any]) -> None:
    kept, asked = network("mnist")
    dead = [
        replace(download, urls=["http://dead/" + download.path, *download.urls]) for download in SETS["mnist"].downloads
    ]
    SETS["mnist"] = replace(SETS["mnist"], downloads=dead)  # put back by the fixture
    write_published("mnist", tmp_path / "set", root=tmp_path / "data", download=True)
    assert files(tmp_path / "data") == kept and "http://dead/MNIST/raw/train-images-idx3-ubyte.gz" in asked


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fault", ["no network", "another file", "half a file", "an interrupt"])
def test_a_failed_download_is_one_line_and_leaves_no_partial_file(
    name: str, fault: str, tmp_path: Path, network: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    network(name)
    urlopen = urllib.request.urlopen

    def fail(request: urllib.request.Request) -> Answer:
        answer = urlopen(request)
        if fault == "no network":
            raise urllib.error.URLError(OSError(-2, "Name or service not known"))
        if request.get_method() == "HEAD":
            return answer
        content = {"another file": b"<html>", "half a file": answer.read(answer.length // 2)}.get(fault, b"")
        broken = Answer(answer.url, content)
        if fault == "an interrupt":
            monkeypatch.setattr(broken, "read", interrupt)
        return broken

    def interrupt(size: int) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr(urllib.request, "urlopen", fail)
    with pytest.raises(KeyboardInterrupt if fault == "an interrupt" else SivaeError) as caught:
        write_published(name, tmp_path / "set", root=tmp_path / "data", download=True)
    if fault != "an interrupt":
        url = SETS[name].downloads[0].urls[-1]
        assert url in str(caught.value) and "\n" not in str(caught.value)
    assert files(tmp_path / "data") == {} and not (tmp_path / "set").exists()


# --- missing sets and files ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_the_error_of_a_missing_file_has_its_path_and_the_command_that_downloads_it(name: str, tmp_path: Path) -> None:
    root = tmp_path / "my data"
    with pytest.raises(UsageError) as caught:
        write_published(name, tmp_path / "set", root=root)
    assert str(caught.value).startswith(str(root / FIRST[name]))
    assert str(caught.value).endswith(f"sivae-translate dataset {name} {tmp_path}/set --root '{root}' --download")
    assert not list(tmp_path.iterdir())


def test_an_unknown_set_suggests_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cifar.*cifar10"):
        write_published("cifar", tmp_path / "set", root=tmp_path)
