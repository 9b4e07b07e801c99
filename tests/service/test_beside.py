from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from limner.service.beside import data_url


@pytest.mark.parametrize("shape", [(16, 16, 3), (5, 7, 3), (3, 9)])
def test_a_preview_is_a_png_of_just_these_pixels(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    head, _, told = data_url(pixels).partition(",")
    assert head == "data:image/png;base64"
    with Image.open(io.BytesIO(base64.b64decode(told, validate=True))) as picture:
        assert picture.format == "PNG" and np.array_equal(np.asarray(picture), pixels)
