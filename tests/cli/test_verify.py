"""`limner verify`, and `limner draw` and `limner serve` with a certificate."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from limner.provenance import SignerFiles, open_signer, read_told
from tests.provenance.authority import Authority
from tests.provenance.test_signing import png
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
