"""An image that the library is given goes into the frame with the white of the training set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sivae_translate.data.images import Frame, UnreadableImage
from sivae_translate.inference.prepare import prepare_one


@pytest.mark.parametrize("values", [np.full((8, 8), 51, np.float32), np.full((8, 8), 51, np.int32)])
def test_the_white_of_the_frame_counts_for_paths_and_images(values: np.ndarray, tmp_path: Path) -> None:
    image = Image.fromarray(values)
    image.save(tmp_path / "1.tif")
    for given in (image, tmp_path / "1.tif"):
        assert prepare_one(given, Frame(8, "crop", (0, 0, 0), white=255)).numpy() == pytest.approx(0.2)
        with pytest.raises(UnreadableImage, match="white"):
            prepare_one(given, Frame(8, "crop", (0, 0, 0)))
