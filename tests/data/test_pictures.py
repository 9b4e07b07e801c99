from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageCms

from limner.data import load_mask, load_picture
from limner.pictures import PictureError, read_picture
from tests.data.pictures import picture


def test_the_middle_square_is_taken_and_resized(tmp_path: Path) -> None:
    wide = Image.new("RGB", (300, 100), (255, 0, 0))
    wide.paste((0, 0, 255), (100, 0, 200, 100))
    wide.save(tmp_path / "a.png")
    pixels = load_picture(tmp_path / "a.png", 32)
    assert pixels.shape == (32, 32, 3)
    assert pixels.dtype == np.uint8
    assert (pixels == (0, 0, 255)).all()


def test_exif_turns_the_picture_and_the_mask(tmp_path: Path) -> None:
    values = np.zeros((64, 64), np.uint8)
    values[:, :32] = 200
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn clockwise
    Image.fromarray(values).save(tmp_path / "a.png", exif=exif)
    assert (load_mask(tmp_path / "a.png", 64)[:32] == 200).all()
    assert (load_picture(tmp_path / "a.png", 64)[:30] == 200).all()


def _profile(primaries: NDArray[np.float64], gamma: float) -> bytes:
    """An ICC profile (version 2) of a screen: what its three lights are in XYZ under D50, and their curve."""

    def fixed(values: Iterable[float]) -> bytes:
        return b"".join(struct.pack(">i", round(65536 * value)) for value in values)

    name = b"a wide screen\0"
    tags = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", len(name)) + name + bytes(78),
        b"wtpt": b"XYZ " + bytes(4) + fixed((0.9642, 1.0, 0.8249)),
        **{
            light + b"XYZ": b"XYZ " + bytes(4) + fixed(row)
            for light, row in zip((b"r", b"g", b"b"), primaries, strict=True)
        },
        **{
            light + b"TRC": b"curv" + bytes(4) + struct.pack(">IH", 1, round(256 * gamma))
            for light in (b"r", b"g", b"b")
        },
    }
    table, body = b"", b""
    for tag, content in tags.items():
        table += tag + struct.pack(">II", 132 + 12 * len(tags) + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    size = 132 + len(table) + len(body)
    header = (
        struct.pack(">I4sI4s4s4s", size, bytes(4), 0x02100000, b"mntr", b"RGB ", b"XYZ ")
        + bytes(12)
        + b"acsp"
    )
    header = header.ljust(68, b"\0") + fixed((0.9642, 1.0, 0.8249))
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_colours_are_those_of_their_profile(mode: str, tmp_path: Path) -> None:
    """Against the matrices of Display P3 and sRGB; a profile that cannot be read is passed over."""
    wide = np.array([[0.51512, 0.2412, -0.00105], [0.29198, 0.69225, 0.04189], [0.1571, 0.06657, 0.78407]])
    usual = np.array([[0.43607, 0.22249, 0.01392], [0.38515, 0.71687, 0.09708], [0.14307, 0.06061, 0.7141]])
    colour = np.array([200, 100, 110])
    light = (colour / 255) ** 2.2 @ wide @ np.linalg.inv(usual)
    expected = 255 * np.where(light > 0.0031308, 1.055 * light ** (1 / 2.4) - 0.055, 12.92 * light)
    image = Image.new("RGB", (16, 16), tuple(colour.tolist())).convert(mode)
    profiles = {
        "wide": _profile(wide, 2.2),
        "usual": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
        "broken": b"no profile",
    }
    found = {}
    for name, profile in profiles.items():
        image.save(tmp_path / f"{name}.png", icc_profile=profile)
        found[name] = load_picture(tmp_path / f"{name}.png", 8)[3, 3].astype(int)
    assert np.abs(found["wide"] - expected).max() <= 2 < np.abs(colour - expected).max()
    assert (found["usual"] == colour).all() and (found["broken"] == colour).all()


def test_a_file_that_may_not_be_read_is_not_called_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Image, "open", refuse)
    with pytest.raises(PictureError, match=r"a\.png' cannot be read: Permission denied") as raised:
        read_picture(tmp_path / "a.png")
    assert raised.value.reason == "unreadable"


def test_transparency_lies_over_white(tmp_path: Path) -> None:
    Image.new("RGBA", (64, 64), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    Image.new("LA", (64, 64), (0, 128)).save(tmp_path / "half.png")
    keyed = Image.new("P", (64, 64), 1)
    keyed.putpalette([0, 0, 0, 9, 9, 9])
    keyed.save(tmp_path / "keyed.png", transparency=1)
    assert (load_picture(tmp_path / "clear.png", 16) == 255).all()
    assert (load_picture(tmp_path / "half.png", 16) == 127).all()
    assert (load_picture(tmp_path / "keyed.png", 16) == 255).all()


def test_every_mode_becomes_eight_bit_rgb(tmp_path: Path) -> None:
    Image.new("CMYK", (64, 64), (0, 255, 255, 0)).save(tmp_path / "cmyk.tif")
    Image.fromarray(np.full((64, 64), 0x8080, np.uint16)).save(tmp_path / "deep.png")
    Image.fromarray(np.full((64, 64), 0.5, np.float32)).save(tmp_path / "float.tif")
    Image.fromarray(np.full((64, 64), np.nan, np.float32)).save(tmp_path / "nan.tif")
    Image.new("L", (64, 64), 77).save(tmp_path / "grey.jpg", quality=100)
    Image.new("1", (64, 64), 1).save(tmp_path / "bit.png")
    assert (load_picture(tmp_path / "cmyk.tif", 8) == (255, 0, 0)).all()
    assert (load_picture(tmp_path / "deep.png", 8) == 128).all()
    assert (load_picture(tmp_path / "float.tif", 8) == 128).all()
    assert (load_picture(tmp_path / "nan.tif", 8) == 0).all()
    assert (load_picture(tmp_path / "grey.jpg", 8) == 77).all()
    assert (load_picture(tmp_path / "bit.png", 8) == 255).all()


def test_masks_keep_their_values(tmp_path: Path) -> None:
    values = np.kron(np.array([[0, 1], [2, 9]], np.uint8), np.ones((48, 48), np.uint8))
    Image.fromarray(values).save(tmp_path / "grey.png")
    indexed = Image.fromarray(values)
    indexed.putpalette([5 * k % 256 for k in range(768)])
    indexed.save(tmp_path / "palette.png")
    Image.fromarray(values.astype(np.uint16) * 100).save(tmp_path / "deep.png")
    Image.fromarray(values > 0).save(tmp_path / "bit.png")
    small = np.kron(np.array([[0, 1], [2, 9]]), np.ones((5, 5), int))
    assert (load_mask(tmp_path / "grey.png", 10) == small).all()
    assert (load_mask(tmp_path / "palette.png", 10) == small).all()
    assert (load_mask(tmp_path / "deep.png", 10) == np.minimum(small * 100, 255)).all()
    assert (load_mask(tmp_path / "bit.png", 10) == (small > 0)).all()


def test_a_large_jpeg_read_at_a_fraction_looks_the_same(tmp_path: Path) -> None:
    picture(1, 1600).save(tmp_path / "a.jpg", quality=95)
    whole = read_picture(tmp_path / "a.jpg").resize((64, 64), Image.Resampling.LANCZOS)
    difference = load_picture(tmp_path / "a.jpg", 64).astype(int) - np.asarray(whole).astype(int)
    assert np.abs(difference).max() <= 4


def _png_of(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [11_000, 60_000])
def test_a_decompression_bomb_is_refused_unopened(tmp_path: Path, side: int) -> None:
    (tmp_path / "bomb.png").write_bytes(_png_of(side, side))
    with pytest.raises(PictureError, match="million pixels") as caught:
        load_picture(tmp_path / "bomb.png", 64)
    assert caught.value.reason == "too large"


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp"])
def test_half_a_file_is_an_error(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    picture(1, 256).save(file)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(PictureError, match=name) as caught:
        load_picture(file, 64)
    assert caught.value.reason == ("broken" if name == "a.webp" else "truncated")


def test_no_picture_and_no_file(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("hello", encoding="utf-8")
    with pytest.raises(PictureError) as broken:
        load_picture(tmp_path / "a.png", 64)
    with pytest.raises(PictureError) as missing:
        load_mask(tmp_path / "b.png", 64)
    assert (broken.value.reason, missing.value.reason) == ("broken", "missing")


def test_another_kind_of_picture_is_told_what_is_taken(tmp_path: Path) -> None:
    (tmp_path / "phone.jpg").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    with pytest.raises(PictureError, match="PNG, JPEG, WEBP, BMP, GIF or TIFF; save it again") as caught:
        load_picture(tmp_path / "phone.jpg", 64)
    assert caught.value.reason == "broken"


_SOURCES = []
for _kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"):
    _buffer = io.BytesIO()
    picture(3, 64).save(_buffer, _kind)
    _SOURCES.append(_buffer.getvalue())


@given(st.sampled_from(_SOURCES), st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=8))
def test_damaged_bytes_give_a_picture_or_a_picture_error(
    tmp_path_factory: pytest.TempPathFactory, source: bytes, damage: list[tuple[int, int]]
) -> None:
    data = bytearray(source)
    for place, value in damage:
        data[place % len(data)] = value
    file = tmp_path_factory.getbasetemp() / "damaged"
    file.write_bytes(data)
    try:
        assert load_picture(file, 16).shape == (16, 16, 3)
    except PictureError as error:
        assert "\n" not in str(error)
