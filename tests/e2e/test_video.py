"""`run` with a video, and videos from `interpolate`, as typed in a terminal."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
from clips import clip, shown


def test_a_video_gets_a_name_of_its_own_and_nothing_is_overwritten(
    cli: Any, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    clip(tmp_path / "film.mov", sound="aac")
    for name in ("translated.mp4", "translated-2.mp4"):
        done = cli("run", "film.mov", "--model", trained, "--to", "car001")
        assert done.exit_code == 0, done.stderr
        assert done.stdout == f"12 frames, 1.2 s, written to {name}\n"
        assert "100%" in done.stderr and "12 of 12 frames" in done.stderr
        assert len(shown(tmp_path / name)[0]) == 12


def test_a_damaged_video_is_translated_as_far_as_it_goes_and_reported(cli: Any, trained: Path, tmp_path: Path) -> None:
    film, out = clip(tmp_path / "film.mp4", 60), tmp_path / "out.webm"
    film.write_bytes(film.read_bytes()[: film.stat().st_size * 2 // 3])
    done = cli("run", film, "--model", trained, "--to", "car001", "--out", out)
    assert done.exit_code == 3 and "truncated: pictures end after" in done.stderr
    assert 10 < len(shown(out)[0]) < 60


def test_a_video_among_images_is_listed_with_the_command_that_translates_it(
    cli: Any, trained: Path, cars: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    clip(folder / "film.mp4", 2)
    (folder / "a.png").write_bytes((cars / "unseen/car003/el0_az00.png").read_bytes())
    done = cli("run", folder, "--model", trained, "--to", "car001", "--out", tmp_path / "out")
    assert done.exit_code == 3 and done.stdout.startswith("1 translation written")
    assert f"{folder / 'film.mp4'}: a video, " in done.stderr and "sivae-translate run FILE" in done.stderr


def test_an_interruption_leaves_no_video(command: Any, trained: Path, tmp_path: Path) -> None:
    film = clip(tmp_path / "film.mp4", 600)
    process = command("run", film, "--model", trained, "--to", "car001", "--out", tmp_path / "o.mp4", "--batch", "1")
    for line in process.stderr:
        if "frames" in line:
            break
    process.send_signal(signal.SIGTERM)
    _, rest = process.communicate(timeout=60)
    assert process.returncode == 143 and "interrupted" in rest and "Traceback" not in rest
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]


def test_an_interpolation_is_a_smooth_loop(cli: Any, trained: Path, cars: Path, tmp_path: Path) -> None:
    a, b = cars / "unseen/car003/el0_az00.png", cars / "unseen/car004/el0_az00.png"
    for steps, frames in (((), 96), (("--steps", "3"), 4)):
        out = tmp_path / f"{frames}.mp4"
        assert cli("interpolate", a, b, "--model", trained, "--out", out, *steps).exit_code == 0
        assert len(shown(out)[0]) == frames
