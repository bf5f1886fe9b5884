"""Batches are balanced over domains, paired within them, and a pure function of (seed, t)."""

from __future__ import annotations

import os
import tracemalloc
from collections import Counter
from contextlib import closing
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sivae_translate.data.augment import Augment
from sivae_translate.data.batches import Fingerprint, Images, PairSampler, UnreadableDomainError, batches
from sivae_translate.data.domains import Source, find_domains
from sivae_translate.data.images import Frame
from sivae_translate.data.reader import read_in_frame
from sivae_translate.errors import UsageError

PLAIN = Augment(16)
FRAME = Frame(16, "crop", (255, 255, 255))


def paint(path: Path, colour: tuple[int, int, int], size: tuple[int, int] = (16, 16)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two domains, red and blue, of 12 and 3 images."""
    for i in range(12):
        paint(tmp_path / "red" / f"{i}.png", (255, i, 0))
    for i in range(3):
        paint(tmp_path / "blue" / f"{i}.png", (0, i, 255))
    return tmp_path


def test_batches_are_float_images_in_0_to_1_with_their_labels(folder: Path) -> None:
    images = Images(find_domains(folder), FRAME, PLAIN)
    sampler = PairSampler(images.domains.labels, batch=8, seed=0)
    batch = next(batches(images, sampler, workers=None, device=torch.device("cpu")))
    assert batch.images.shape == (8, 3, 16, 16)
    assert batch.images.dtype == torch.float32
    blue = torch.tensor([images.domains.names[d] == "blue" for d in batch.domains])
    assert torch.equal(batch.images[:, 2].amax((1, 2)), blue.float())
    assert torch.equal(batch.images[:, 0].amax((1, 2)), 1 - blue.float())


def test_domains_of_all_sizes_are_drawn_equally_often(folder: Path) -> None:
    images = Images(find_domains(folder), FRAME, PLAIN)
    sampler = PairSampler(images.domains.labels, batch=8, seed=0)
    counts = Counter(images.domains.labels[i] for t in range(50) for i, _ in sampler.keys(t))
    assert counts[0] == counts[1] == 200


def test_rows_of_a_pair_are_different_images_of_one_domain() -> None:
    labels = [0] * 5 + [1] * 5 + [2]
    sampler = PairSampler(labels, batch=12, seed=3)
    for t in range(20):
        for (a, _), (b, _) in zip(sampler.keys(t)[::2], sampler.keys(t)[1::2], strict=True):
            assert labels[a] == labels[b]
            assert (a == b) == (labels[a] == 2)  # the domain of one image


def test_no_domain_comes_twice_before_all_have_come_once() -> None:
    sampler = PairSampler(list(range(10)), batch=20, seed=0)
    assert sorted({i for i, _ in sampler.keys(4)}) == list(range(10))


def test_the_stream_is_a_function_of_seed_and_step() -> None:
    def stream(seed: int = 1, start: int = 0) -> list[list[tuple[int, int]]]:
        sampler = PairSampler([0, 0, 0, 1, 1, 1], batch=4, seed=seed, start=start)
        return list(islice(sampler, 6))

    assert stream() == stream()
    assert stream(start=2)[:4] == stream()[2:]
    assert stream() != stream(seed=2)


def test_processes_share_the_batch_of_one_in_whole_pairs() -> None:
    def pairs(rank: int = 0, processes: int = 1) -> list[tuple[tuple[int, int], ...]]:
        sampler = PairSampler([0, 0, 0, 1, 1, 1], batch=12, seed=1, rank=rank, processes=processes)
        keys = sampler.keys(5)
        return [tuple(keys[i : i + 2]) for i in range(0, len(keys), 2)]

    whole = pairs()
    assert [pairs(rank, 3) for rank in range(3)] == [whole[0::3], whole[1::3], whole[2::3]]


def test_workers_and_memory_give_the_same_batches(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    augment = Augment(16, [{"name": "flip"}, {"name": "crop", "keep": 0.7}])

    def first(workers: int) -> torch.Tensor:
        images = Images(find_domains(folder), FRAME, augment)
        sampler = PairSampler(images.domains.labels, batch=8, seed=5)
        return next(batches(images, sampler, workers=workers, device=torch.device("cpu"))).images

    in_memory = first(0)
    monkeypatch.setattr("sivae_translate.data.batches.HELD", 0)
    assert torch.equal(first(2), in_memory)


def test_images_are_held_once_in_memory(tmp_path: Path) -> None:
    for i in range(40):
        paint(tmp_path / "red" / f"{i:02}.png", (i, 0, 0))
    for broken in ("00.png", "17.png"):
        (tmp_path / "red" / broken).write_bytes(b"not a picture")
    domains, frame = find_domains(tmp_path), Frame(256, "crop", (255, 255, 255))
    Images(domains, frame, PLAIN)  # once before, for what libraries keep
    tracemalloc.start()
    images = Images(domains, frame, PLAIN)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert images.pixels is not None and len(images.pixels) == 38
    assert [image[0, 0, 0] for image in images.pixels] == [i for i in range(40) if i not in (0, 17)]
    assert peak < 1.9 * images.pixels.nbytes  # a few more are read ahead


def fingerprint(folder: Path) -> Fingerprint:
    return Images(find_domains(folder), FRAME, PLAIN).fingerprint()


def test_the_fingerprint_follows_from_pixels_and_domains_and_not_from_paths(folder: Path) -> None:
    before = fingerprint(folder)
    assert before.images == 15
    moved = folder.rename(folder.with_name("elsewhere"))
    (moved / "red" / "0.png").rename(moved / "red" / "z.png")
    Image.open(moved / "red" / "1.png").save(moved / "red" / "1.bmp")
    (moved / "red" / "1.png").unlink()
    assert fingerprint(moved) == before


@pytest.mark.parametrize("change", ["pixel", "added", "removed", "domain", "swapped"])
def test_the_fingerprint_changes_with_an_image_or_with_its_domain(folder: Path, change: str) -> None:
    before = fingerprint(folder)
    if change == "pixel":
        paint(folder / "red" / "3.png", (255, 3, 1))
    elif change == "added":
        paint(folder / "red" / "again.png", (255, 3, 0))
    elif change == "removed":
        (folder / "red" / "3.png").unlink()
    elif change == "domain":
        (folder / "red").rename(folder / "rose")
    else:
        paint(folder / "red" / "0.png", (0, 0, 255))
        paint(folder / "blue" / "0.png", (255, 0, 0))
    assert fingerprint(folder) != before


def test_the_fingerprint_of_bare_images_does_not_depend_on_the_name_of_their_folder(folder: Path) -> None:
    before = fingerprint(folder / "red")
    assert fingerprint((folder / "red").rename(folder / "rose")) == before


@pytest.fixture
def unheld(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Images:
    """The images of `folder`, read again for every batch."""
    monkeypatch.setattr("sivae_translate.data.batches.HELD", 0)
    return Images(find_domains(folder), FRAME, PLAIN)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_image_that_vanishes_is_replaced_by_one_of_its_domain_and_named_once(
    folder: Path, unheld: Images, workers: int
) -> None:
    (folder / "blue" / "0.png").unlink()
    (folder / "blue" / "1.png").write_bytes(b"not a picture")
    notes: list[str] = []
    sampler = PairSampler(unheld.domains.labels, batch=8, seed=0)
    with closing(batches(unheld, sampler, workers=workers, device=torch.device("cpu"), note=notes.append)) as stream:
        seen = list(islice(stream, 10))
    for batch in seen:
        blue = batch.images[:, 2].amax((1, 2)) == 1
        assert torch.equal(blue, torch.tensor([unheld.domains.names[d] == "blue" for d in batch.domains]))
    assert sorted(note.partition(" can")[0] for note in notes) == [str(folder / "blue" / f"{i}.png") for i in (0, 1)]
    pixels, label = unheld.unaugmented(0)
    assert unheld.domains.names[label] == "blue" and pixels[0, 0].tolist() == [0, 2, 255]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_domain_that_vanishes_is_an_error_with_its_name(folder: Path, unheld: Images, workers: int) -> None:
    for path in (folder / "blue").iterdir():
        path.unlink()
    sampler = PairSampler(unheld.domains.labels, batch=8, seed=0)
    with pytest.raises(UnreadableDomainError, match="domain blue") as caught:
        next(batches(unheld, sampler, workers=workers, device=torch.device("cpu")))
    assert "\n" not in str(caught.value)


def test_unreadable_images_are_left_out_and_listed(folder: Path) -> None:
    (folder / "red" / "broken.png").write_bytes(b"not a picture")
    images = Images(find_domains(folder), FRAME, PLAIN)
    assert len(images) == 15
    assert [bad.path.name for bad in images.domains.left_out] == ["broken.png"]


def test_a_folder_without_a_readable_image_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "red").mkdir()
    (tmp_path / "red" / "broken.png").write_bytes(b"not a picture")
    with pytest.raises(UsageError, match=r"broken\.png"):
        Images(find_domains(tmp_path), FRAME, PLAIN)


@pytest.fixture
def large(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that counts as large, with three files that cannot be read; one is the only one of its domain."""
    monkeypatch.setattr("sivae_translate.data.survey.MOST_IMAGES", 3)
    monkeypatch.setattr("sivae_translate.data.cache.FRESH", 0.0)
    for name in ("blue/0.png", "red/7.png", "grey/1.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"not a picture")
    return folder


def drawn(images: Images, notes: list[str], workers: int = 0) -> torch.Tensor:
    """The images of the first ten batches."""
    sampler = PairSampler(images.domains.labels, batch=8, seed=5)
    stream = batches(images, sampler, workers=workers, device=torch.device("cpu"), note=notes.append)
    with closing(stream):
        return torch.cat([batch.images for batch in islice(stream, 10)])


def test_a_large_set_is_not_decoded_at_the_start(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def note_and_read(source: Source, frame: Frame) -> np.ndarray:
        read.append(f"{source.path.parent.name}/{source.path.name}")
        return read_in_frame(source, frame)

    monkeypatch.setattr("sivae_translate.data.cache.read_in_frame", note_and_read)
    monkeypatch.setattr("sivae_translate.data.reader.AHEAD", 1)
    images = Images(find_domains(large), FRAME, PLAIN)
    assert not images.decoded and not images.in_memory
    assert set(read) <= {"blue/0.png", "blue/1.png", "blue/2.png", "grey/1.png", "red/0.png"}
    assert images.domains.names == ("blue", "red") and len(images) == 15
    assert [bad.path.name for bad in images.domains.left_out] == ["1.png"]


@pytest.mark.parametrize("workers", [0, 2])
def test_unreadable_files_of_a_large_set_are_named_once_when_they_are_met(large: Path, workers: int) -> None:
    notes: list[str] = []
    images = Images(find_domains(large), FRAME, PLAIN)
    first = drawn(images, notes, workers)
    reason = "cannot be read (not an image (text)): others of its domain take its place"
    assert sorted(notes) == [f"{large / name} {reason}" for name in ("blue/0.png", "red/7.png")]
    again: list[str] = []
    assert torch.equal(drawn(Images(find_domains(large), FRAME, PLAIN), again), first)  # from the cache
    assert sorted(again) == sorted(notes)


def test_a_large_set_gives_the_batches_of_a_small_one(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("blue/0.png", "red/7.png", "grey/1.png"):
        (large / name).unlink()
    lazily = Images(find_domains(large), FRAME, PLAIN)
    whole = Images(find_domains(large), FRAME, PLAIN, whole=True)
    assert whole.decoded and whole.in_memory and not lazily.decoded
    assert torch.equal(drawn(lazily, []), drawn(whole, []))


@pytest.mark.parametrize("change", ["nothing", "moved", "replaced", "touched", "added", "domain"])
def test_the_fingerprint_of_a_large_set_is_that_of_its_files(large: Path, change: str) -> None:
    before, path = fingerprint(large), large / "red" / "3.png"
    if change == "moved":
        large = large.rename(large.with_name(f"{large.name}-elsewhere"))
    elif change == "replaced":
        paint(path, (255, 3, 1))
    elif change == "touched":
        os.utime(path, (0, 0))
    elif change == "added":
        paint(large / "red" / "again.png", (255, 3, 0))
    elif change == "domain":
        (large / "red").rename(large / "rose")
    assert (fingerprint(large) == before) == (change in ("nothing", "moved"))


def test_a_second_start_decodes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sivae_translate.data.cache.FRESH", 0.0)
    (folder / "red" / "broken.png").write_bytes(b"not a picture")
    first = Images(find_domains(folder), FRAME, PLAIN)
    monkeypatch.setattr("sivae_translate.data.cache.read_in_frame", None)
    second = Images(find_domains(folder), FRAME, PLAIN)
    assert second.domains == first.domains and second.fingerprint() == first.fingerprint()
    assert torch.equal(drawn(second, []), drawn(first, []))
