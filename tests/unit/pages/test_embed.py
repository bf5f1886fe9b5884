"""Pictures inside a page: PNG files as they are, larger ones as JPEG within the limit."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sivae_translate.pages.embed import embed


def picture(path: Path, side: int) -> Path:
    """Noise, which no format makes small."""
    noise = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    return path


def decoded(uri: str) -> tuple[str, bytes]:
    kind, data = uri.removeprefix("data:").split(";base64,")
    return kind, base64.b64decode(data)


def test_a_small_file_is_embedded_as_it_is(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png", 8)
    assert decoded(embed(path, 1000)) == ("image/png", path.read_bytes())


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_a_large_file_is_made_to_fit(tmp_path: Path, mode: str) -> None:
    path = picture(tmp_path / "a.png", 200)
    Image.open(path).convert(mode).save(path)
    kind, data = decoded(embed(path, 9000))
    assert kind == "image/jpeg" and len(data) <= 9000
    with Image.open(io.BytesIO(data)) as opened:
        assert 40 < opened.width == opened.height <= 200


@pytest.mark.parametrize("content", [None, b"", b"no picture" * 100])
def test_what_is_no_picture_is_an_oserror(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "a.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(OSError):
        embed(path, -1)
