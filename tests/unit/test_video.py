"""Videos are written whole or not at all, with the colours of their pictures."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from clips import shown
from PIL import Image

from sivae_translate.errors import SivaeError, UsageError
from sivae_translate.pictures import save_frames
from sivae_translate.video import FORMATS, new_video, save_video

COLOURS = [(200, 40, 60), (30, 90, 220), (20, 200, 50), (250, 250, 250), (5, 5, 5)]
PICTURES = [Image.new("RGB", (33, 21), colour) for colour in COLOURS]


@pytest.mark.parametrize("suffix", FORMATS)
def test_colours_are_kept_and_odd_sides_are_one_pixel_longer(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"x{suffix}"
    save_video(PICTURES, path, 10)
    frames, times = shown(path)
    assert [frame.shape for frame in frames] == [(22, 34, 3)] * 5
    assert np.allclose(times, np.arange(5) / 10, atol=2e-3)
    for frame, colour in zip(frames, COLOURS, strict=True):
        assert np.abs(frame.astype(int) - colour).max() <= 6
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert context.pix_fmt == "yuv420p" and (context.color_range, context.colorspace) == (1, 1)


def test_an_error_or_an_interruption_leaves_no_file(tmp_path: Path) -> None:
    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error), new_video(tmp_path / "x.mp4", Fraction(10)) as writer:
            writer.write(PICTURES[0])
            raise error
    with pytest.raises(SivaeError, match=r"x\.mp4"), new_video(tmp_path / "x.mp4", Fraction(10)) as writer:
        writer.write(PICTURES[0], 5)
        writer.container.mux(av.Packet(b"data"))  # of no track
    assert not list(tmp_path.iterdir())


def test_a_picture_of_another_size_is_resized(tmp_path: Path) -> None:
    save_video([PICTURES[0], PICTURES[1].resize((60, 60))], tmp_path / "x.mp4", 10)
    assert [frame.shape for frame in shown(tmp_path / "x.mp4")[0]] == [(22, 34, 3)] * 2


def test_another_suffix_and_a_missing_package_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"x\.flv.*\.mp4"):
        save_video(PICTURES, tmp_path / "x.flv", 10)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(UsageError, match=r"sivae-translate\[video\]"):
        save_video(PICTURES, tmp_path / "x.mp4", 10)
    assert not list(tmp_path.iterdir())


def test_an_interpolation_goes_there_and_back(tmp_path: Path) -> None:
    save_frames([Image.new("RGB", (16, 16), (level, level, level)) for level in (0, 100, 200)], tmp_path / "x.mp4")
    frames, times = shown(tmp_path / "x.mp4")
    assert [round(frame.mean() / 100) for frame in frames] == [0, 1, 2, 1] and frames[0].shape == (96, 96, 3)
    assert times[1] == pytest.approx(1 / 24, abs=1e-3)
