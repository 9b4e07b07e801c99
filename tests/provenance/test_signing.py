"""Signed pictures say what made them, and nothing of them can be changed unseen."""

from __future__ import annotations

import io
import json
import threading
import zlib
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import c2pa
import numpy as np
import pytest
from PIL import Image

from limner import __version__
from limner.engine.png import encode
from limner.engine.request import DrawRequest, Picture
from limner.errors import InvalidInput
from limner.provenance import Signer, read_told
from limner.provenance.signing import DRAWN, EDITED

from .authority import Authority, Pair

REQUEST = DrawRequest(prompt="a red apple", seed=7, steps=4, sampler="ddim", guidance_scale=4)
EXPIRED = Path(__file__).with_name("expired.png")
"""Signed in November 2026 by a certificate that was good for a few seconds."""
PIXELS = np.random.default_rng(1).integers(0, 256, (48, 64, 3), np.uint8)


def png() -> bytes:
    return encode(Picture(PIXELS, REQUEST, "storybook", "2", 0.1))


def test_a_picture_says_what_made_it_and_who_says_so(signer: Signer, authority: Authority) -> None:
    signed = signer.sign(png(), "storybook", "2")
    told = read_told(signed, authority.root)
    assert (told.signature, told.wrong) == ("trusted", ())
    assert (told.by, told.generator) == ("signer", f"Limner {__version__}")
    assert (told.actions, told.models) == (("c2pa.created",), ("storybook@2",))
    assert (told.source_type, told.ingredients) == (DRAWN, 0)
    assert len(signed) - len(png()) < 6_000


def test_the_text_and_the_pixels_stay(signer: Signer) -> None:
    signed = signer.sign(png(), "storybook", "2")
    with Image.open(io.BytesIO(signed)) as opened, Image.open(io.BytesIO(png())) as before:
        assert opened.info["limner"] == before.info["limner"]
        assert opened.info["parameters"] == before.info["parameters"]
        assert (np.asarray(opened) == PIXELS).all()
    told = read_told(signed)
    assert told.settings is not None and told.settings["prompt"] == "a red apple"


def test_the_librarys_own_reader_finds_it_valid(signer: Signer) -> None:
    with c2pa.Reader("image/png", io.BytesIO(signer.sign(png(), "storybook", "2"))) as reader:
        store = json.loads(reader.json())
    manifest = store["manifests"][store["active_manifest"]]
    (generator,) = manifest["claim_generator_info"]
    assert (generator["name"], generator["version"]) == ("Limner", __version__)
    assert manifest["signature_info"]["alg"] == "Es256"


def test_an_edit_names_the_picture_that_it_began_with(signer: Signer, authority: Authority) -> None:
    first = signer.sign(png(), "storybook", "2")
    told = read_told(signer.sign(png(), "storybook", "2", first), authority.root)
    assert told.signature == "trusted"
    assert told.actions == ("c2pa.opened", "c2pa.edited")
    assert (told.source_type, told.ingredients) == (EDITED, 1)


@pytest.mark.parametrize("kind", ["jpeg", "webp", "png"])
def test_a_copy_is_signed_as_a_copy(signer: Signer, authority: Authority, kind: str) -> None:
    file = io.BytesIO()
    Image.fromarray(PIXELS).resize((32, 24)).save(file, kind.upper())
    original = signer.sign(png(), "storybook", "2")
    told = read_told(signer.sign_copy(file.getvalue(), kind, original), authority.root)
    assert (told.signature, told.width, told.ingredients) == ("trusted", 32, 1)
    assert told.actions[0] == "c2pa.opened" and "c2pa.edited" not in told.actions


def flipped(file: bytes, kind: bytes) -> bytes:
    """A PNG with a bit of its first chunk of a kind changed, and that chunk's checksum made right."""
    start = file.index(kind)
    end = start + 4 + int.from_bytes(file[start - 4 : start], "big")
    chunk = bytearray(file[start:end])
    chunk[4 + (end - start - 4) // 2] ^= 1
    return file[:start] + bytes(chunk) + zlib.crc32(chunk).to_bytes(4, "big") + file[end + 4 :]


@pytest.mark.parametrize("kind", [b"IDAT", b"tEXt", b"caBX"])
def test_a_flipped_byte_is_refused(signer: Signer, kind: bytes) -> None:
    signed = signer.sign(png(), "storybook", "2")
    assert read_told(signed).signature == "holds"
    told = read_told(flipped(signed, kind))
    assert told.signature == "broken" and told.wrong


def test_text_that_is_put_in_afterwards_is_refused(signer: Signer) -> None:
    signed = signer.sign(png(), "storybook", "2")
    end = signed.index(b"IEND") - 4
    chunk = b"tEXtartist\0Rembrandt"
    text = (len(chunk) - 4).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
    assert read_told(signed[:end] + text + signed[end:]).signature == "broken"


def test_what_another_authority_issued_is_not_trusted(signer: Signer, tmp_path: Path) -> None:
    other = Authority(tmp_path)
    told = read_told(signer.sign(png(), "storybook", "2"), other.root)
    assert told.signature == "holds" and told.wrong == ("signingCredential.untrusted",)


def test_a_picture_without_signature_says_so() -> None:
    told = read_told(png())
    assert told.signature == "none" and told.settings is not None and told.by is None


def test_a_certificate_that_has_expired_since_is_said_and_nothing_is_called_broken(
    authority: Authority,
) -> None:
    told = read_told(EXPIRED)
    assert (told.signature, told.by, told.wrong) == ("expired", "brief", ("signingCredential.expired",))
    assert read_told(EXPIRED, authority.root).signature == "expired"
    assert read_told(flipped(EXPIRED.read_bytes(), b"IDAT")).signature == "broken"


def test_what_is_to_be_trusted_must_be_certificates(signer: Signer, pair: Pair, tmp_path: Path) -> None:
    signed, file = signer.sign(png(), "storybook", "2"), tmp_path / "trust.pem"
    for held in (b"", b"nothing", pair.secret, pair.certificate.read_bytes()[:200]):
        file.write_bytes(held)
        with pytest.raises(InvalidInput, match=r"trust\.pem' holds no certificate") as caught:
            read_told(signed, file)
        assert caught.value.field == "trust"
    file.write_bytes(pair.certificate.read_bytes())
    assert read_told(signed, file).signature == "trusted"


def test_an_address_that_a_picture_names_is_not_asked(signer: Signer, pair: Pair) -> None:
    asked: list[str] = []

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answering) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        named = elsewhere(pair, f"http://127.0.0.1:{server.server_port}/caBX")
        told = read_told(named)
        begun = read_told(signer.sign(png(), "storybook", "2", named))
        server.shutdown()
    assert (told.signature, told.wrong, begun.ingredients) == ("elsewhere", (), 1)
    assert asked == []


def elsewhere(pair: Pair, url: str) -> bytes:
    """A PNG that names an address at which its manifest lies."""
    action = {"action": "c2pa.created", "digitalSourceType": DRAWN}
    manifest = {
        "claim_generator_info": [{"name": "other", "version": "1"}],
        "format": "image/png",
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [action]}}],
    }
    by = c2pa.Signer.from_info(
        c2pa.C2paSignerInfo(b"es256", pair.certificate.read_bytes(), pair.secret, None)
    )
    file = io.BytesIO()
    with c2pa.Builder(json.dumps(manifest)) as builder:
        builder.set_no_embed()
        builder.set_remote_url(url)
        builder.sign(by, "image/png", io.BytesIO(png()), file)
    return file.getvalue()
