"""What a drawing begins from: reading it, fitting it, what of it is kept."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from limner.engine.source import MOST_SIDE, Source, read_source, size_like
from limner.errors import InvalidInput
from limner.registry.manifest import Size


def ramp(width: int, height: int) -> Any:
    """Red grows to the right, green downwards."""
    made = np.zeros((height, width, 3), np.uint8)
    made[..., 0] = np.linspace(0, 255, width)[None]
    made[..., 1] = np.linspace(0, 255, height)[:, None]
    return made


def test_the_middle_is_taken_and_the_mask_goes_along() -> None:
    mask = np.zeros((40, 120), np.uint8)
    mask[:, 60:] = 255
    fitted = Source(ramp(120, 40), mask).fitted(64, 64)
    assert fitted.pixels.shape == (64, 64, 3) and fitted.mask is not None
    assert abs(int(fitted.pixels[32, 0, 0]) - 255 * 40 / 120) < 4
    assert abs(int(fitted.pixels[32, -1, 0]) - 255 * 80 / 120) < 4
    assert (fitted.mask[:, :31] == 0).all() and (fitted.mask[:, 33:] == 255).all()


def test_a_picture_of_the_right_size_stays_as_it_is() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 48, 3)).astype(np.uint8)
    assert np.array_equal(Source(pixels).fitted(48, 64).pixels, pixels)


@given(st.integers(0, 7), st.integers(0, 7))
def test_a_cell_is_redrawn_where_any_of_its_pixels_is(row: int, column: int) -> None:
    mask = np.zeros((64, 64), np.uint8)
    mask[row * 8 + column, column * 8 + row] = 200
    cells = Source(ramp(64, 64), mask).cells(8)
    assert cells.shape == (1, 1, 8, 8) and cells.sum() == 1 and cells[0, 0, row, column] == 1


def test_what_is_kept_is_the_picture_itself_and_the_seam_is_soft() -> None:
    mask = np.zeros((64, 64), np.uint8)
    mask[:, 32:] = 255
    pasted = Source(np.zeros((64, 64, 3), np.uint8), mask).pasted(np.full((64, 64, 3), 200, np.uint8), 8)
    assert (pasted[:, :24] == 0).all() and (pasted[:, 40:] == 200).all()
    assert len(np.unique(pasted[10, 28:36])) > 3
    drawn = ramp(64, 64)
    assert Source(np.zeros((64, 64, 3), np.uint8)).pasted(drawn, 8) is drawn


def test_a_part_to_keep_is_of_what_is_drawn() -> None:
    source = Source(ramp(200, 50), keep=(0.1, 0.2, 0.5, 1.0)).fitted(100, 50)
    assert source.mask is not None and (source.mask[10:50, 10:50] == 0).all()
    assert int((source.mask == 0).sum()) == 40 * 40


def test_a_part_to_keep_that_is_all_of_what_is_drawn() -> None:
    source = Source(ramp(64, 64), keep=(0, 0, 1, 0.995))
    with pytest.raises(InvalidInput, match=r"keep=0,0,1,0\.995: nothing is left to redraw of 64x64") as error:
        source.fitted(64, 64)
    assert error.value.field == "keep"
    larger = source.fitted(64, 512).mask
    assert larger is not None and larger.any()


def test_drawing_outward_leaves_room_on_all_sides() -> None:
    source = Source(ramp(300, 60), outward=0.5).fitted(100, 60)
    assert source.pixels.shape == (60, 100, 3) and source.mask is not None
    ys, xs = np.nonzero(source.mask == 0)
    assert (ys.min(), ys.max() + 1, xs.min(), xs.max() + 1) == (15, 45, 25, 75)
    assert (source.pixels[30, :25] == source.pixels[30, 25]).all(), "colours go on outside"


@pytest.mark.parametrize("where", ["nowhere", "at the sides"])
def test_a_mask_with_nothing_white_in_what_is_drawn(where: str) -> None:
    mask = np.zeros((64, 256), np.uint8)
    if where == "at the sides":
        mask[:, :20] = mask[:, -20:] = 255
    with pytest.raises(InvalidInput, match="nothing white") as error:
        Source(ramp(256, 64), mask).fitted(64, 64)
    assert error.value.field == "mask"


@pytest.mark.parametrize(
    ("arguments", "field", "words"),
    [
        ({"keep": (0.5, 0, 0.5, 1)}, "keep", "left below right"),
        ({"keep": (0, 0, 1, 2)}, "keep", "0 to 1"),
        ({"keep": (0, 0, float("nan"), 1)}, "keep", "0 to 1"),
        ({"outward": 0.1}, "outward", "0.25 to 0.9"),
        ({"outward": 0.5, "keep": (0, 0, 1, 0.5)}, "keep", "one of the three"),
        ({"keep": (0, 0, 1, 1)}, "keep", "left to redraw"),
        ({"keep": (0.1, 0.2)}, "keep", "values to unpack"),
        ({"outward": "0.5"}, "outward", "not supported"),
        ({"image": 5}, "image", "int is no picture"),
        ({"image": Image.new("1", (8000, 6000))}, "image", "million pixels"),
        ({"mask": np.full((32, 64), 255, np.uint8)}, "mask", "64x32"),
        ({"mask": b"no"}, "mask", "cannot be decoded"),
        ({"image": Path("/nowhere.png")}, "image", "is not there"),
        ({"image": np.zeros((4, 4, 3), np.uint8)}, "image", "at least 8x8"),
        ({"image": np.zeros((9, 9, 7), np.float64)}, "image", "data type"),
    ],
)
def test_what_cannot_be_worked_from_is_named(arguments: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as error:
        read_source(**{"image": ramp(64, 64)} | arguments)
    assert error.value.field == field


def _file(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def test_every_kind_of_picture_becomes_rgb_upright() -> None:
    plain = Image.fromarray(ramp(32, 16))
    turned = Image.Exif()
    turned[0x0112] = 6  # the camera was held upright
    clear = plain.convert("RGBA")
    clear.putalpha(0)
    deep = Image.fromarray(np.linspace(0, 65535, 512).astype(np.uint16).reshape(16, 32))
    found = {
        "cmyk": read_source(_file(plain.convert("CMYK"), "JPEG", quality=95)),
        "turned": read_source(_file(plain, "JPEG", exif=turned.tobytes())),
        "clear": read_source(_file(clear, "PNG")),
        "deep": read_source(_file(deep, "PNG")),
        "turned in memory": read_source(Image.open(io.BytesIO(_file(plain, "JPEG", exif=turned.tobytes())))),
        "palette": read_source(_file(plain.quantize(16), "GIF")),
    }
    assert {name: source.pixels.shape for name, source in found.items()} == {
        "cmyk": (16, 32, 3),
        "turned": (32, 16, 3),
        "turned in memory": (32, 16, 3),
        "clear": (16, 32, 3),
        "deep": (16, 32, 3),
        "palette": (16, 32, 3),
    }
    assert np.abs(found["cmyk"].pixels.astype(int) - np.asarray(plain)).mean() < 8
    assert (found["clear"].pixels == 255).all(), "what is transparent is white"
    assert found["deep"].pixels[0, 0, 0] == 0 and found["deep"].pixels[-1, -1, 0] == 255


def test_large_pictures_are_made_smaller_and_larger_ones_refused() -> None:
    source = read_source(np.zeros((100, 3000, 3), np.uint8))
    assert source.pixels.shape[1] == MOST_SIDE
    bomb = _file(Image.new("1", (8000, 6000)), "PNG")
    assert len(bomb) < 100_000
    with pytest.raises(InvalidInput, match="more than 40 million pixels"):
        read_source(bomb)


@given(st.integers(64, 4000), st.integers(64, 4000))
def test_the_size_most_alike_in_shape(width: int, height: int) -> None:
    sizes = [Size(width=512, height=512), Size(width=640, height=384), Size(width=384, height=640)]
    found = size_like(sizes, width, height)
    ratios = [
        max(width * s.height, height * s.width) / min(width * s.height, height * s.width) for s in sizes
    ]
    assert sizes.index(found) == ratios.index(min(ratios)) or min(ratios) == pytest.approx(
        ratios[sizes.index(found)]
    )
