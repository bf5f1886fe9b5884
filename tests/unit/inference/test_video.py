"""A video is translated as its frames are one by one, and its times and its audio are kept."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from clips import clip, shown, sound_of, turned
from PIL import Image

from sivae_translate.errors import SivaeError, UsageError
from sivae_translate.inference import video as video_module
from sivae_translate.inference.translator import Translator
from sivae_translate.inference.video import translate_video
from sivae_translate.video import VideoWriter

TO = "car001"


@pytest.mark.parametrize(("size", "batch"), [("model", 5), ("input", 32), (40, 1)])
def test_every_frame_is_translated_as_a_picture_is(
    size: str | int, batch: int, translator: Translator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out, written = clip(tmp_path / "a.mp4"), tmp_path / "out.mp4", list[np.ndarray]()
    write = VideoWriter.write

    def recorded(self: VideoWriter, picture: Image.Image, pts: int) -> None:
        written.append(np.asarray(picture).astype(int))
        write(self, picture, pts)

    monkeypatch.setattr(VideoWriter, "write", recorded)
    summary = translate_video(translator, source, out, to=TO, size=size, batch=batch, quiet=True)
    assert (summary.frames, summary.seconds, summary.faults, summary.notes) == (12, 1.2, [], [])
    (before, times), (after, kept) = shown(source), shown(out)
    assert kept == times and len(written) == 12
    for frame, picture, decoded in zip(before, written, after, strict=True):
        assert np.abs(picture - np.asarray(translator.translate_picture(frame, to=TO, size=size))).max() <= 1
        assert decoded.shape == picture.shape
        assert np.abs(decoded - picture).mean() < 12  # what compression and half the resolution of colour change


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
def test_a_variable_rate_is_kept(suffix: str, translator: Translator, tmp_path: Path) -> None:
    source = clip(tmp_path / "a.mp4", 6, times=[0, 300, 1200, 1500, 5000, 5200])
    out = tmp_path / f"out{suffix}"
    translate_video(translator, source, out, to=TO, quiet=True)
    assert np.allclose(shown(out)[1], np.array([0, 300, 1200, 1500, 5000, 5200]) / 9000, atol=1e-3)


@pytest.mark.parametrize(
    ("source", "codec", "out", "copied"),
    [
        ("a.mp4", "aac", "o.mkv", True),
        ("a.mp4", "aac", "o.webm", False),
        ("a.mkv", "libopus", "o.webm", True),
        ("a.mkv", "libopus", "o.mov", False),
        ("a.mkv", "pcm_s16le", "o.mp4", False),
    ],
)
def test_audio_is_copied_where_the_container_takes_it(
    source: str, codec: str, out: str, copied: bool, translator: Translator, tmp_path: Path
) -> None:
    film, path = clip(tmp_path / source, sound=codec), tmp_path / out
    summary = translate_video(translator, film, path, to=TO, batch=4, quiet=True)  # so that the last audio follows
    before, after = sound_of(film), sound_of(path)
    assert (before == after) == copied and bool(summary.notes) != copied
    assert copied or after[0] == ("opus" if path.suffix == ".webm" else "aac")
    with av.open(str(path)) as container:
        assert sum(frame.samples for frame in container.decode(audio=0)) >= 1.2 * 48_000


def test_a_turned_video_comes_back_upright(untrained: Callable[..., Path], tmp_path: Path) -> None:
    layout = Translator.from_pretrained(untrained("style", "red", "blue", content_stride=4), device="cpu")
    source = turned(clip(tmp_path / "a.mp4", 3, size=(48, 30)))
    translate_video(layout, source, tmp_path / "o.mp4", to="red", style_correction=2, quiet=True)
    translate_video(layout, source, tmp_path / "t.mp4", to="red", tile=True, quiet=True)
    for name in ("o.mp4", "t.mp4"):
        assert [frame.shape for frame in shown(tmp_path / name)[0]] == [(48, 30, 3)] * 3


def test_style_and_random_styles_are_those_of_images(translator: Translator, cars: Path, tmp_path: Path) -> None:
    source, reference = clip(tmp_path / "a.mp4", 2), cars / "unseen/car003/el0_az00.png"
    frame = shown(source)[0][0]
    asked: list[tuple[dict[str, Any], Any]] = [
        ({"style": reference}, {"style": reference}),
        ({"to": TO, "styles": 1, "seed": 7}, {"to": translator.random_styles(TO, 1, seed=7)[0]}),
    ]
    for i, (options, same) in enumerate(asked):
        translate_video(translator, source, tmp_path / f"{i}.mp4", size=32, quiet=True, **options)
        expected = np.asarray(translator.translate_picture(frame, size=32, **same))
        assert np.abs(shown(tmp_path / f"{i}.mp4")[0][0].astype(int) - expected).mean() < 6


def test_the_style_of_references_is_corrected(
    untrained: Callable[..., Path], cars: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = Translator.from_pretrained(untrained("style", "red", "blue", content_stride=4), device="cpu")
    decode, rounds = video_module.decode, list[int]()
    monkeypatch.setattr(video_module, "decode", lambda *args: [rounds.append(args[-1]), decode(*args)][1])
    source, how = clip(tmp_path / "a.mp4", 2), {"style": cars / "unseen/car003/el0_az00.png", "style_correction": 3}
    translate_video(layout, source, tmp_path / "o.mp4", quiet=True, **how)
    translate_video(layout, source, tmp_path / "p.mp4", to="red", quiet=True)
    assert rounds == [3, 0]


def test_frames_out_of_order_get_times_in_order() -> None:
    times = video_module.Times(10)
    assert [times.after(pts) for pts in (5, None, 12, 12, 3, None, 90)] == [5, 15, 16, 17, 18, 28, 90]


def test_memory_holds_a_batch_of_frames(
    translator: Translator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, most = 0, 0
    put, finished = video_module.put, video_module.finished

    def counted_put(*args: Any) -> Any:
        nonlocal waiting, most
        waiting += 1
        most = max(most, waiting)
        return put(*args)

    def counted_finished(*args: Any) -> Any:
        nonlocal waiting
        waiting -= 1
        return finished(*args)

    monkeypatch.setattr(video_module, "put", counted_put)
    monkeypatch.setattr(video_module, "finished", counted_finished)
    translate_video(translator, clip(tmp_path / "a.mp4", 40), tmp_path / "o.mp4", to=TO, batch=4, quiet=True)
    assert most == 4 and waiting == 0


def test_what_cannot_be_done_leaves_nothing(
    translator: Translator, cars: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, there = clip(tmp_path / "a.mp4", 3), clip(tmp_path / "there.mp4", 2)
    (tmp_path / "text.mp4").write_text("text " * 9)
    before = sorted(tmp_path.iterdir())
    faults: list[tuple[type[SivaeError], str, Any, str, dict[str, Any]]] = [
        (UsageError, "3 are asked for", source, "o.mp4", {}),
        (UsageError, "styles", source, "o.mp4", {"to": TO, "styles": 2}),
        (UsageError, "batch", source, "o.mp4", {"to": TO, "batch": 0}),
        (UsageError, "there.mp4", source, there.name, {"to": TO}),
        (UsageError, "o.flv", source, "o.flv", {"to": TO}),
        (UsageError, "nowhere", tmp_path / "nowhere.mp4", "o.mp4", {"to": TO}),
        (SivaeError, r"text\.mp4.*nothing is written", tmp_path / "text.mp4", "o.mp4", {"to": TO}),
    ]
    for error, text, film, out, options in faults:
        with pytest.raises(error, match=text):
            translate_video(translator, film, tmp_path / out, quiet=True, **options)
    monkeypatch.setattr(video_module, "decode", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        translate_video(translator, source, tmp_path / "o.mp4", to=TO, quiet=True)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(UsageError, match=r"\[video\]"):
        translate_video(translator, source, tmp_path / "o.mp4", to=TO, quiet=True)
    assert sorted(tmp_path.iterdir()) == before
