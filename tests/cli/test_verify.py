"""`limner verify`, and `limner draw` and `limner serve` with a certificate."""

from __future__ import annotations

import json
import ssl
import zlib
from pathlib import Path

import c2pa
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from limner.errors import Unavailable
from limner.provenance import Signer, SignerFiles, open_signer, read_told
from tests.provenance.authority import Authority
from tests.provenance.test_signing import EXPIRED, png
from tests.service.fake_studio import FakeStudio

from .conftest import Run, refused


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def signed(authority: Authority, folder: Path) -> Path:
    pair = authority.issue()
    signer = open_signer(SignerFiles(pair.certificate, pair.key))
    assert signer is not None
    file = folder / "apple.png"
    file.write_bytes(signer.sign(png(), "storybook", "2"))
    (folder / "root.pem").write_bytes(authority.root)
    return file


def test_it_tells_how_a_picture_was_made_and_that_it_is_signed(
    run: Run, authority: Authority, tmp_path: Path
) -> None:
    told = run("verify", signed(authority, tmp_path))
    assert told.exit_code == 0
    for said in ("prompt: a red apple", "the signature holds", "signed by: signer", "storybook@2"):
        assert said in told.output
    trusted = run("verify", tmp_path / "apple.png", "--trust", tmp_path / "root.pem")
    assert trusted.exit_code == 0 and "is trusted" in trusted.output


def test_a_changed_picture_and_one_of_others_are_refused(
    run: Run, authority: Authority, tmp_path: Path
) -> None:
    file = signed(authority, tmp_path)
    (tmp_path / "other.pem").write_bytes(Authority(tmp_path).root)
    assert run("verify", file, "--trust", tmp_path / "other.pem").exit_code == 1
    data = bytearray(file.read_bytes())
    data[data.index(b"IDAT") + 40] ^= 1
    file.write_bytes(data)
    told = run("verify", file)
    assert told.exit_code == 1 and "DOES NOT HOLD" in told.output
    assert json.loads(run("verify", file, "--json").output)["signature"] == "broken"


def test_a_picture_without_signature_is_no_proof(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "apple.png"
    file.write_bytes(png())
    told = run("verify", file)
    assert told.exit_code == 0 and "not signed" in told.output
    (tmp_path / "root.pem").write_bytes(Authority(tmp_path).root)
    assert run("verify", file, "--trust", tmp_path / "root.pem").exit_code == 1


def test_what_is_no_picture_is_said_in_a_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture", encoding="utf-8")
    assert "no PNG" in refused(run("verify", tmp_path / "text.png"))
    assert "cannot be read" in refused(run("verify", tmp_path / "none.png"))


def told_by(text: str) -> Path:
    """A picture whose settings are that JSON."""
    file, info = Path("told.png"), PngInfo()
    info.add_text("limner", text)
    Image.new("RGB", (8, 8)).save(file, pnginfo=info)
    return file


def test_what_a_picture_says_does_not_steer_the_terminal(run: Run) -> None:
    file = told_by(json.dumps({"prompt": "an apple\x1b[2Jthe signature\nholds\u202e\x9b1m"}))
    told = run("verify", file)
    assert (
        told.exit_code == 0 and "prompt: an apple\ufffd[2Jthe signature holds\ufffd\ufffd1m\n" in told.output
    )
    assert all(one.isprintable() for line in told.output.splitlines() for one in line)
    assert json.loads(run("verify", file, "--json").output)["settings"]["prompt"].startswith("an apple\x1b")


@pytest.mark.parametrize("value", ['"\\ud800"', "[" * 300 + "]" * 300], ids=["half a character", "depth"])
def test_settings_that_cannot_be_told_count_as_none(run: Run, value: str) -> None:
    file = told_by(f'{{"prompt": {value}}}')
    told = run("verify", file)
    assert told.exit_code == 0 and "it says nothing of how it was drawn" in told.output
    assert json.loads(run("verify", file, "--json").output)["settings"] is None


def test_a_certificate_that_has_expired_since_breaks_nothing(run: Run, authority: Authority) -> None:
    Path("root.pem").write_bytes(authority.root)
    told = run("verify", EXPIRED)
    assert told.exit_code == 0 and "has expired since" in told.output and "DOES NOT HOLD" not in told.output
    assert run("verify", EXPIRED, "--trust", "root.pem").exit_code == 1


def test_a_file_to_trust_that_holds_no_certificate_is_named(
    run: Run, authority: Authority, tmp_path: Path
) -> None:
    file = signed(authority, tmp_path)
    Path("ca.der").write_bytes(ssl.PEM_cert_to_DER_cert(authority.root.decode("ascii")))
    assert "'ca.der' holds no certificate in PEM" in refused(run("verify", file, "--trust", "ca.der"))
    assert "'none.pem' cannot be read" in refused(run("verify", file, "--trust", "none.pem"))


@pytest.mark.parametrize("verb", [("serve", "--port", "0"), ("draw", "a red apple")])
def test_a_wrong_key_is_said_before_anything_begins(
    run: Run, authority: Authority, tmp_path: Path, verb: tuple[str, ...]
) -> None:
    one, other = authority.issue("one"), authority.issue("other")
    files = ("--c2pa-cert", one.certificate, "--c2pa-key", other.key, "--data-dir", tmp_path / "data")
    assert "not the key" in refused(run(*verb, *files))


def test_a_picture_drawn_here_is_signed(
    run: Run, studio: FakeStudio, authority: Authority, tmp_path: Path
) -> None:
    pair = authority.issue()
    files = ("--c2pa-cert", pair.certificate, "--c2pa-key", pair.key)
    assert run("draw", "a red apple", "--output", "apple.png", *files).exit_code == 0
    told = read_told(tmp_path / "apple.png", authority.root)
    assert (told.signature, told.models, told.actions) == ("trusted", ("storybook@1",), ("c2pa.created",))
    edit = run("draw", "a red apple", "--image", "apple.png", "--output", "edit.png", *files)
    assert edit.exit_code == 0, edit.output
    told = read_told(tmp_path / "edit.png", authority.root)
    assert (told.signature, told.actions) == ("trusted", ("c2pa.opened", "c2pa.edited"))
    with c2pa.Reader(tmp_path / "edit.png") as reader:
        told_of = [
            one["claim_generator_info"][0]["name"] for one in json.loads(reader.json())["manifests"].values()
        ]
    assert told_of == ["Limner", "Limner"], "its own manifest, and that of the picture that it began with"


def test_an_edit_of_what_signing_does_not_take_is_signed_all_the_same(
    run: Run, studio: FakeStudio, authority: Authority, tmp_path: Path
) -> None:
    chunk, data, pair = b"caBX" + bytes(64), png(), authority.issue()
    files = ("--c2pa-cert", pair.certificate, "--c2pa-key", pair.key)
    broken = (len(chunk) - 4).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
    Path("broken.png").write_bytes(data[:33] + broken + data[33:])
    edit = run("draw", "a red apple", "--image", "broken.png", "--output", "edit.png", *files)
    assert edit.exit_code == 0, edit.output
    assert read_told(tmp_path / "edit.png", authority.root).ingredients == 1


@pytest.mark.usefixtures("studio")
def test_what_cannot_be_signed_replaces_nothing(
    run: Run, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = authority.issue()

    def fails(*given: object) -> bytes:
        raise Unavailable("the picture cannot be signed")

    Path("apple.png").write_bytes(b"before")
    monkeypatch.setattr("limner.provenance.credentials._try", lambda *given: None)
    monkeypatch.setattr(Signer, "sign", fails)
    files = ("--c2pa-cert", pair.certificate, "--c2pa-key", pair.key)
    assert "cannot be signed" in refused(run("draw", "a red apple", "--output", "apple.png", *files))
    assert Path("apple.png").read_bytes() == b"before"
