"""Hostile pictures."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
import zlib
from typing import Any

import numpy as np
from PIL import Image

from .case import Case, sent, upload

SIGNATURE = b"\x89PNG\r\n\x1a\n"
PACKED = zlib.compress(bytes(100_000_000), 9)


def chunk(kind: bytes, body: bytes, check: int | None = None) -> bytes:
    """A chunk of a PNG."""
    right = zlib.crc32(kind + body) if check is None else check
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", right)


def png(
    width: int, height: int, *inner: bytes, depth: int = 8, colour: int = 0, data: bytes | None = None
) -> bytes:
    """A PNG by hand: grey unless `colour` says otherwise, all black unless `data` says."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    rows = bytes((width + 1) * height) if data is None else data
    return b"".join(
        [SIGNATURE, chunk(b"IHDR", header), *inner, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    )


def saved(mode: str, kind: str, size: tuple[int, int] = (16, 16), **options: Any) -> bytes:
    """A picture that Pillow wrote."""
    file = io.BytesIO()
    Image.new(mode, size).save(file, kind, **options)
    return file.getvalue()


def _tiff(width: int, height: int, again: int = 0) -> bytes:
    """A TIFF's head: one directory, which with `again` is followed by itself."""
    entries = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1),
               (273, 4, 1, 8), (277, 3, 1, 1), (278, 4, 1, height), (279, 4, 1, 16)]  # fmt: skip
    body = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<I", 8) + body + struct.pack("<I", again)


def _archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../etc/cron.d/evil", bytes(1_000_000))
    return file.getvalue()


def nan_tiff() -> bytes:
    """A TIFF of floats that are no numbers."""
    file = io.BytesIO()
    Image.fromarray(np.full((16, 16), np.nan, np.float32)).save(file, "TIFF")
    return file.getvalue()


ORIENTATION_99 = b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\x63\0\0\0\0\0\0\0"

NO_PICTURES = {
    "nothing": b"",
    "text": b"hello",
    "zeros": bytes(10_000),
    "SVG with a script": b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
    "SVG that reads a file": b'<svg><image href="file:///etc/passwd"/></svg>',
    "HTML": b"<!doctype html><script>alert(1)</script>",
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) (r) file\n",
    "PDF": b"%PDF-1.7\n1 0 obj\n<</OpenAction 2 0 R>>\nendobj\n",
    "ImageMagick's MVG": b"push graphic-context\nimage over 0,0 0,0 'https://evil.example/a'\npop graphic-context",
    "an archive": _archive(),
    "a program": b"\x7fELF" + bytes(200),
    "a pickle": pickle.dumps({"a": 1}),
    "PPM": b"P6 16 16 255\n" + bytes(768),
    "ICO": saved("RGB", "ICO"),
    "TGA": saved("RGB", "TGA"),
    "PCX": saved("RGB", "PCX"),
    "JPEG's two first bytes": b"\xff\xd8",
    "GIF's name": b"GIF89a",
    "WebP's name": b"RIFF\xff\xff\xff\xffWEBPVP8 ",
    "BMP's name": b"BM" + bytes(12),
    "TIFF's name": b"II*\0",
    "PNG's name": SIGNATURE,
}

BROKEN = {
    "cut after 60 bytes": saved("RGB", "PNG", (256, 256))[:100],
    "a cut JPEG": saved("RGB", "JPEG", (256, 256))[:400],
    "a cut GIF": saved("P", "GIF", (256, 256))[:40],
    "a cut WebP": saved("RGB", "WEBP", (256, 256))[:30],
    "no pixels": SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", 16, 16, 8, 0, 0, 0, 0)) + chunk(b"IEND", b""),
    "0 pixels wide": png(0, 16),
    "0 pixels high": png(16, 0),
    "2 to the 31 pixels wide": png(2**31, 1, data=b""),
    "most negative size": png(2**32 - 1, 2**32 - 1, data=b""),
    "too few rows": png(64, 64, data=bytes(10)),
    "a header that is not one": SIGNATURE + chunk(b"IHDR", b"abc"),
    "a header that does not add up": SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", 16, 16, 8, 0, 0, 0, 0), 7),
    "a depth that is none": png(16, 16, depth=77),
    "a colour type that is none": png(16, 16, colour=99),
    "a chunk of 4 GB": SIGNATURE + struct.pack(">I", 2**32 - 1) + b"IHDR",
    "pixels that do not unpack": SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", 16, 16, 8, 0, 0, 0, 0))
    + chunk(b"IDAT", b"no zlib") + chunk(b"IEND", b""),
    "TIFF without pixels": _tiff(64, 64)[:-20],
}  # fmt: skip

BOMBS = {
    "2500 million pixels": png(50_000, 50_000, data=b""),
    "41 million pixels": png(6_500, 6_400, data=b""),
    "GIF of 65535 a side": b"GIF89a" + struct.pack("<HHBBB", 65_535, 65_535, 0, 0, 0)
    + b",\0\0\0\0\xff\xff\xff\xff\0\2\0;",
    "TIFF of 4000 million pixels": _tiff(65_535, 65_535),
    "BMP of 2000 million pixels": b"BM" + struct.pack("<IHHI", 99, 0, 0, 54)
    + struct.pack("<IiiHHIIiiII", 40, 50_000, -50_000, 1, 24, 0, 0, 0, 0, 0, 0),
    "text of 100 MB, packed": png(16, 16, chunk(b"zTXt", b"a\0\0" + PACKED)),
    "a profile of 100 MB, packed": png(16, 16, chunk(b"iCCP", b"a\0\0" + PACKED)),
}  # fmt: skip

SMALL = {"7x7": png(7, 7), "1x1": png(1, 1), "1 wide": png(1, 5000), "1 high": png(5000, 1)}

STRANGE_BUT_PICTURES = {
    "CMYK": saved("CMYK", "JPEG"),
    "one bit": saved("1", "PNG"),
    "grey with alpha": saved("LA", "PNG"),
    "16 bit": saved("I;16", "PNG"),
    "floating point": saved("F", "TIFF"),
    "a palette with a clear colour": saved("P", "PNG", transparency=0),
    "an orientation that is none": saved("RGB", "JPEG", exif=ORIENTATION_99),
    "moving": saved("P", "GIF", save_all=True, append_images=[Image.new("P", (16, 16), k) for k in range(60)]),
    "very narrow": png(8, 20_000),
    "HTML at its end": saved("RGB", "PNG") + b"<script>alert(1)</script>",
    "an archive at its end": saved("RGB", "PNG") + _archive(),
    "TIFF that follows itself": _tiff(16, 16, again=8) + bytes(300),
    "3000 texts": png(16, 16, *(chunk(b"tEXt", b"a%d\0b" % k) for k in range(3000))),
    "NaN": nan_tiff(),
}  # fmt: skip

WRONG_KINDS = [
    "",
    "text/html",
    "application/json",
    "multipart/form-data; boundary=a",
    "image",
    "text/image/png",
    "*/*",
]
RIGHT_KINDS = ["IMAGE/PNG", "image/png; charset=utf-7", "image/x-unknown", "application/octet-stream"]


def cases() -> list[Case]:
    """All of them."""
    made = [upload(f"no picture: {name}", body, 422) for name, body in NO_PICTURES.items()]
    made += [upload(f"broken: {name}", body, 422) for name, body in BROKEN.items()]
    # Text and profiles may be passed over; what counts is that they are never unpacked whole.
    made += [
        upload(f"bomb: {name}", body, 422, *((201,) if "packed" in name else ()))
        for name, body in BOMBS.items()
    ]
    made += [upload(f"too small: {name}", body, 422) for name, body in SMALL.items()]
    made += [upload(f"strange: {name}", body, 201) for name, body in STRANGE_BUT_PICTURES.items()]
    good = saved("RGB", "PNG")
    made += [upload(f"as {kind!r}", good, 415, kind=kind) for kind in WRONG_KINDS]
    made += [upload(f"as {kind!r}", good, 201, kind=kind) for kind in RIGHT_KINDS]
    head = sent("POST", "/v1/images", headers=["Content-Type: image/png"])
    for name, said, expects in [
        ("20 MB and a byte", b"20971521", (413,)),
        ("a googol bytes", b"1" + b"0" * 100, (413, 400)),
        ("less than nothing", b"-1", (400,)),
        ("a sign", b"+5", (400,)),
        ("underscores", b"1_0", (400,)),
        ("hexadecimal", b"0x10", (400,)),
        ("no number", b"many", (400,)),
        ("nothing", b"", (400,)),
        ("other digits", "\u0663".encode(), (400,)),
    ]:
        request = head.replace(b"Content-Length: 0", b"Content-Length: " + said)
        made.append(Case(f"said to be {name}", request, expects))
    return made
