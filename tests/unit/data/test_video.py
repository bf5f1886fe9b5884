"""Videos are read upright and with square pixels, and nothing but the given file is opened."""

from __future__ import annotations

import os
import socket
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from clips import BLUE, RED, clip, sound_alone, turned

from sivae_translate.data.unreadable import UnreadableImage
from sivae_translate.data.video import is_video_name, open_video, pixels_of_frame


def read(path: Path) -> tuple[list[np.ndarray], list[str]]:
    """The frames of a video, and what could not be read."""
    with open_video(path) as video:
        frames = [frame for packet in video.packets() for frame in video.frames(packet)]
        return [pixels_of_frame(frame, video.aspect) for frame in frames], video.faults()


def near(pixels: np.ndarray, colour: tuple[int, int, int]) -> bool:
    return bool(np.abs(pixels.astype(int) - colour).max() < 12)


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp4", "libx264"), ("a.mkv", "libx264"), ("a.webm", "libvpx-vp9"), ("a.avi", "mpeg4")]
)
def test_all_frames_are_read_and_a_false_suffix_does_not_matter(name: str, codec: str, tmp_path: Path) -> None:
    made = clip(tmp_path / name, codec=codec)
    frames, faults = read(made.rename(tmp_path / "false.mov"))
    assert [frame.shape for frame in frames] == [(32, 48, 3)] * 12 and not faults
    assert near(frames[5][4:28, 2:20], BLUE) and near(frames[5][4:28, 28:46], RED)


@pytest.mark.parametrize(
    ("height", "tag", "matrix"),
    [(32, None, "ITU601"), (720, None, "ITU709"), (32, 1, "ITU709"), (720, 6, "ITU601")],
)
def test_colours_are_those_of_the_colour_space(height: int, tag: int | None, matrix: str, tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height = 32, height
        if tag:
            stream.codec_context.colorspace = tag
        rgb = av.VideoFrame.from_ndarray(np.full((height, 32, 3), RED, np.uint8), format="rgb24")
        container.mux(stream.encode(rgb.reformat(format="yuv420p", dst_colorspace=matrix)))
        container.mux(stream.encode(None))
    (frame,), _ = read(tmp_path / "a.mp4")
    assert near(frame, RED)


def test_a_turned_video_is_upright(tmp_path: Path) -> None:
    frames, _ = read(turned(clip(tmp_path / "a.mp4")))
    assert frames[5].shape == (48, 32, 3)
    assert near(frames[5][2:20, 4:28], BLUE) and near(frames[5][28:46, 4:28], RED)  # the left side is now above


@pytest.mark.parametrize(("aspect", "shape"), [(Fraction(4, 3), (32, 64, 3)), (Fraction(1, 2), (64, 48, 3))])
def test_pixels_become_square_and_no_side_shrinks(aspect: Fraction, shape: tuple[int, ...], tmp_path: Path) -> None:
    frames, _ = read(clip(tmp_path / "a.mp4", aspect=aspect))
    assert frames[0].shape == shape


def test_damaged_and_cut_files_are_read_as_far_as_they_go_and_are_reported(tmp_path: Path) -> None:
    whole = clip(tmp_path / "a.mp4", 60).read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole[: len(whole) * 2 // 3])
    frames, faults = read(cut)
    assert 10 < len(frames) < 60 and "truncated" in faults[-1] and "6.0 s" in faults[-1]
    damaged = bytearray(whole)
    damaged[len(whole) * 3 // 4 : len(whole) * 3 // 4 + 400] = b"\xff" * 400
    cut.write_bytes(damaged)
    frames, faults = read(cut)
    assert len(frames) > 40 and "damaged" in faults[0]
    long = clip(tmp_path / "a.mkv", 60).read_bytes()
    cut.write_bytes(long[: len(long) // 2])
    assert "truncated" in read(cut)[1][-1]


def test_what_is_no_video_is_refused_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "x.mp4"
    for data, reason in ((b"", "empty"), (b"text " * 9, "text"), (b"\x89PNG\r\n\x1a\n\0\0", "not a video")):
        path.write_bytes(data)
        with pytest.raises(UnreadableImage, match=reason):
            read(path)
    path.write_bytes(clip(tmp_path / "a.mp4").read_bytes()[:500])
    with pytest.raises(UnreadableImage, match="truncated"):
        read(path)
    with pytest.raises(UnreadableImage, match="without a track of pictures"):
        read(sound_alone(path))
    pipe = tmp_path / "pipe.mp4"
    os.mkfifo(pipe)
    with pytest.raises(UnreadableImage, match="regular"):
        read(pipe)


def test_playlists_are_not_followed(tmp_path: Path) -> None:
    film = clip(tmp_path / "a.mp4")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/a.ts"
        lists = [f"#EXTM3U\n#EXTINF:1,\n{end}\n#EXT-X-ENDLIST\n" for end in (address, film)]
        lists += [f"ffconcat version 1.0\nfile {film.name}\n", f"<MPD><BaseURL>{address}</BaseURL></MPD>"]
        for text in lists:
            (tmp_path / "list.mp4").write_text(text)
            with pytest.raises(UnreadableImage, match="text"):
                read(tmp_path / "list.mp4")
        with pytest.raises(TimeoutError):
            server.accept()


@pytest.mark.parametrize("name", ["http:x.mp4", "concat:a.mp4|b.mp4", "pipe:0.mp4", "file:a.mp4", "-i.mp4", "%03d.mp4"])
def test_a_name_is_never_an_address(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    clip(tmp_path / "made.mp4").rename(tmp_path / name)
    assert len(read(Path(name))[0]) == 12


def test_frames_that_are_too_large_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIVAE_MAX_MEGAPIXELS", "0.001")
    with pytest.raises(UnreadableImage, match="megapixels"):
        read(clip(tmp_path / "a.mp4"))
    monkeypatch.setenv("SIVAE_MAX_MEGAPIXELS", "0.01")
    with pytest.raises(UnreadableImage, match="megapixels"):
        read(clip(tmp_path / "a.mp4", 2, aspect=Fraction(16)))


def test_ffmpeg_is_told_the_format_and_the_protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, av_open, asked = clip(tmp_path / "a.mkv", 2), av.open, list[dict[str, object]]()
    monkeypatch.setattr(av, "open", lambda *args, **kwargs: [asked.append(kwargs), av_open(*args, **kwargs)][1])
    read(path)
    assert asked == [{"format": "matroska", "container_options": {"protocol_whitelist": "file"}}]


def test_names_of_videos(tmp_path: Path) -> None:
    (tmp_path / "folder.mp4").mkdir()
    assert is_video_name(Path("A.MP4")) and is_video_name(Path("a.webm"))
    assert not is_video_name(Path("a.png")) and not is_video_name(tmp_path / "folder.mp4")
