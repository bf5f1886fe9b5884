"""The procedural cars: reproducible designs, their renderings, and a set on disk with tables of ground truth."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sivae_translate.datasets.car_design import BODIES, design
from sivae_translate.datasets.car_rendering import AZIMUTHS, ELEVATIONS, render, turntable
from sivae_translate.datasets.cars import view_name, write_set
from sivae_translate.errors import UsageError

VIEW = re.compile(r"(train|test|unseen)/car(\d{3})/el([0-3])_az(\d{2})\.png")


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """Mean absolute difference, in 0..255, over the pixels where either image is not white."""
    seen = (one.min(axis=2) < 250) | (other.min(axis=2) < 250)
    return float(np.abs(one.astype(int) - other.astype(int))[seen].mean())


def parse(path: str) -> tuple[str, int, tuple[int, int]]:
    """Split, car and pose."""
    found = VIEW.fullmatch(path)
    assert found is not None, path
    return found[1], int(found[2]), (int(found[3]), int(found[4]))


def rows(file: Path) -> list[tuple[str, str, str]]:
    with file.open(newline="", encoding="utf-8") as stream:
        table = csv.DictReader(stream)
        assert table.fieldnames == ["content", "style", "target"]
        return [(row["content"], row["style"], row["target"]) for row in table]


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("cars") / "set"
    write_set(out, cars=3, unseen=2, size=16, held_out=0.25, pairs=100, seed=5)
    return out


class TestDesign:
    def test_the_same_numbers_give_the_same_car(self) -> None:
        assert design(3, 8) == design(3, 8)

    def test_a_known_car_stays_as_it_is(self) -> None:
        car = design(0, 0)
        assert (car.body, car.paint, car.length, car.spokes) == ("sedan", (53, 123, 227), 4.355, 6)

    def test_seed_and_index_each_change_the_car(self) -> None:
        index_step = len(BODIES)  # the same body again
        assert len({design(0, 0), design(1, 0), design(0, index_step)}) == 3

    def test_bodies_take_turns(self) -> None:
        assert [design(7, index).body for index in range(len(BODIES))] == list(BODIES)


class TestRender:
    @pytest.mark.parametrize("size", [16, 33, 64, 512])
    def test_shape_and_range(self, size: int) -> None:
        picture = render(design(0, 0), 3, 1, size)
        assert picture.shape == (size, size, 3)
        assert picture.dtype == np.uint8
        assert picture.min() < 80
        assert picture.max() == 255

    @pytest.mark.parametrize("index", range(len(BODIES)))
    @pytest.mark.parametrize("seed", [0, 1, 2])
    def test_every_view_stays_clear_of_the_border(self, seed: int, index: int) -> None:
        for azimuth, elevation, picture in turntable(design(seed, index), 32):
            border = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
            assert border.min() == 255, (azimuth, elevation)

    def test_the_same_view_twice_is_the_same(self) -> None:
        car = design(2, 4)
        np.testing.assert_array_equal(render(car, 5, 2), render(car, 5, 2))

    @pytest.mark.parametrize("index", range(len(BODIES)))
    def test_front_differs_from_back(self, index: int) -> None:
        car = design(1, index)
        assert difference(render(car, 0, 1), render(car, 12, 1)) > 15

    @pytest.mark.parametrize("index", range(len(BODIES)))
    def test_red_lamps_show_from_behind(self, index: int) -> None:
        car = design(1, index)
        ahead, behind = (
            int(((view[..., 0] > 150) & (view[..., 1] < 60) & (view[..., 2] < 60)).sum())
            for view in (render(car, azimuth, 1, 128) for azimuth in (0, 12))
        )
        assert behind > ahead + 30

    def test_left_and_right_mirror_in_outline(self) -> None:
        car = design(0, 1)
        left, right = (render(car, azimuth, 1).min(axis=2) < 250 for azimuth in (6, 18))
        assert (left != right[:, ::-1]).mean() < 0.02
        assert (left != right).mean() > 0.02

    def test_two_cars_differ(self) -> None:
        assert difference(render(design(0, 0), 3, 1), render(design(0, 6), 3, 1)) > 10

    def test_azimuth_wraps(self) -> None:
        car = design(0, 2)
        np.testing.assert_array_equal(render(car, AZIMUTHS + 5, 0), render(car, 5, 0))
        np.testing.assert_array_equal(render(car, -1, 0), render(car, 23, 0))
        across = difference(render(car, 23, 1), render(car, 0, 1))
        assert across < difference(render(car, 18, 1), render(car, 0, 1))

    def test_higher_views_show_more_of_the_roof(self) -> None:
        car = design(0, 0)
        tall = [int((render(car, 0, elevation).min(axis=2) < 250).any(axis=1).sum()) for elevation in range(4)]
        assert tall == sorted(set(tall))

    def test_a_shadow_darkens_the_ground_only(self) -> None:
        car = design(0, 2)
        plain, shaded = render(car, 4, 1), render(car, 4, 1, shadow=True)
        changed = (plain != shaded).any(axis=2)
        assert changed.any()
        assert (shaded[changed] <= plain[changed]).all()
        ground = changed & (plain == 255).all(axis=2)
        assert ground.sum() > 0.5 * changed.sum()
        assert (shaded[[0, 0, -1, -1], [0, -1, 0, -1]] == 255).all()

    @pytest.mark.parametrize(("elevation", "size"), [(-1, 64), (4, 64), (0, 15), (0, 513)])
    def test_an_elevation_or_size_out_of_range_is_an_error(self, elevation: int, size: int) -> None:
        with pytest.raises(UsageError, match=r"elevation|size"):
            render(design(0, 0), 0, elevation, size)


def test_a_view_name_holds_elevation_and_azimuth() -> None:
    assert view_name(7, 2) == "el2_az07.png"
    assert view_name(25, 0) == "el0_az01.png"


def test_turntable_visits_every_pose_once() -> None:
    car = design(0, 3)
    seen = {(azimuth, elevation): picture for azimuth, elevation, picture in turntable(car, 16)}
    assert len(seen) == AZIMUTHS * ELEVATIONS
    np.testing.assert_array_equal(seen[9, 2], render(car, 9, 2, 16))


class TestWriteSet:
    def test_each_view_is_in_its_place(self, written: Path) -> None:
        views = [parse(path) for path in files(written) if path.endswith(".png")]
        by_split = {
            split: {(car, pose) for s, car, pose in views if s == split} for split in ("train", "test", "unseen")
        }
        assert {split: len(cells) for split, cells in by_split.items()} == {"train": 216, "test": 72, "unseen": 192}
        assert not by_split["train"] & by_split["test"]
        assert {car for car, _ in by_split["train"]} == {car for car, _ in by_split["test"]} == {0, 1, 2}
        assert {car for car, _ in by_split["unseen"]} == {3, 4}

    def test_images_show_the_views_in_their_names(self, written: Path) -> None:
        picture = np.asarray(Image.open(written / "unseen/car004/el2_az07.png"))
        np.testing.assert_array_equal(picture, render(design(5, 4), 7, 2, 16))

    @pytest.mark.parametrize(
        ("table", "source", "goal"), [("pairs_heldout.csv", "train", "test"), ("pairs_unseen.csv", "unseen", "unseen")]
    )
    def test_each_row_names_content_style_and_their_target(
        self, written: Path, table: str, source: str, goal: str
    ) -> None:
        found = rows(written / table)
        assert len(found) == 100
        for row in found:
            assert all((written / path).is_file() for path in row)
            content, style, target = map(parse, row)
            assert (content[0], style[0], target[0]) == (source, source, goal)
            assert content[2] == target[2] != style[2]
            assert style[1] == target[1] != content[1]

    def test_pairs_cover_all_held_out_views(self, written: Path) -> None:
        assert {target for _, _, target in rows(written / "pairs_heldout.csv")} == {
            path for path in files(written) if path.startswith("test/")
        }

    def test_the_seed_decides_everything(self, written: Path, tmp_path: Path) -> None:
        write_set(tmp_path / "same", cars=3, unseen=2, size=16, held_out=0.25, pairs=100, seed=5)
        write_set(tmp_path / "other", cars=3, unseen=2, size=16, held_out=0.25, pairs=100, seed=6)
        assert files(tmp_path / "same") == files(written)
        assert set(files(tmp_path / "other")) != set(files(written))

    def test_half_held_out_from_two_cars_still_pairs(self, tmp_path: Path) -> None:
        write_set(tmp_path / "set", cars=2, unseen=2, size=16, held_out=0.5, pairs=96)
        assert len(set(rows(tmp_path / "set" / "pairs_heldout.csv"))) == 96

    def test_progress_counts_every_picture(self, tmp_path: Path) -> None:
        calls: list[tuple[int, int]] = []
        write_set(tmp_path / "set", cars=2, unseen=2, size=16, progress=lambda done, total: calls.append((done, total)))
        assert calls == [(done, 384) for done in range(1, 385)]

    def test_a_set_goes_into_an_empty_folder_and_never_into_a_full_one(self, tmp_path: Path) -> None:
        out = tmp_path / "set"
        out.mkdir()
        write_set(out, cars=2, unseen=2, size=16, pairs=1)
        before = files(out)
        with pytest.raises(UsageError, match=re.escape(str(out))):
            write_set(out, cars=2, unseen=2, size=16, pairs=1, seed=1)
        assert files(out) == before
        assert list(tmp_path.iterdir()) == [out]

    def test_an_interrupted_run_leaves_nothing(self, tmp_path: Path) -> None:
        def stop(done: int, total: int) -> None:
            assert not (tmp_path / "set").exists()
            if done == 5:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            write_set(tmp_path / "set", cars=2, unseen=2, size=16, progress=stop)
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize(
        "wrong",
        [
            {"cars": 1},
            {"unseen": 1},
            {"size": 15},
            {"size": 513},
            {"held_out": 0.0},
            {"held_out": 0.51},
            {"held_out": float("nan")},
            {"pairs": 0},
        ],
    )
    def test_a_bad_argument_is_an_error_and_nothing_is_written(self, tmp_path: Path, wrong: dict[str, float]) -> None:
        (name, value), *_ = wrong.items()
        with pytest.raises(UsageError, match=rf"{name}.*{value}") as caught:
            write_set(tmp_path / "set", **wrong)  # type: ignore[arg-type]
        assert "\n" not in str(caught.value)
        assert not list(tmp_path.iterdir())
