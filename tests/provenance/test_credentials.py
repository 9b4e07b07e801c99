"""Wrong certificates and keys are said at the start, in a line, and no key is ever shown."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from limner.errors import InvalidInput, Unavailable
from limner.provenance import SignerFiles, open_signer, read_told

from .authority import Authority, Pair
from .test_signing import png

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "provenance.md"


def refused(certificate: Path, key: Path) -> str:
    with pytest.raises(InvalidInput) as error:
        open_signer(SignerFiles(certificate, key))
    assert "\n" not in str(error.value)
    return str(error.value)


def test_without_files_nothing_is_signed() -> None:
    assert open_signer(SignerFiles()) is None


@pytest.mark.parametrize("kind", ["p256", "p384", "ed25519", "rsa"])
def test_keys_of_these_kinds_sign(authority: Authority, kind: str) -> None:
    pair = authority.issue(kind=kind)
    assert open_signer(SignerFiles(pair.certificate, pair.key)) is not None


def test_without_the_extra_it_is_said_what_to_install(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("c2pa", "cryptography"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(Unavailable, match="scale"):
        open_signer(SignerFiles(pair.certificate, pair.key))


def test_one_file_alone_is_refused(pair: Pair) -> None:
    for files, missing in [
        (SignerFiles(pair.certificate), "--c2pa-key"),
        (SignerFiles(key=pair.key), "--c2pa-cert"),
    ]:
        with pytest.raises(InvalidInput, match=missing):
            open_signer(files)


def test_the_key_of_another_certificate_is_refused(authority: Authority, pair: Pair) -> None:
    other = authority.issue("other")
    assert "not the key" in refused(pair.certificate, other.key)


@pytest.mark.parametrize(
    ("begins", "ends", "said"), [(-30, -1, "expired on"), (2, 30, "valid from")], ids=["expired", "early"]
)
def test_a_certificate_out_of_its_time_is_refused(
    authority: Authority, begins: int, ends: int, said: str
) -> None:
    pair = authority.issue(begins=begins, ends=ends)
    assert said in refused(pair.certificate, pair.key)


def test_certificates_that_c2pa_does_not_take_are_refused(authority: Authority) -> None:
    itself = authority.issue("itself", itself=True)
    assert "issued by itself" in refused(itself.certificate, itself.key)
    for use in (None, ExtendedKeyUsageOID.SERVER_AUTH):
        wrong = authority.issue("wrong", use=use)
        assert "does not take" in refused(wrong.certificate, wrong.key)
    curve = authority.issue("curve", "k1")
    assert "P-256" in refused(curve.certificate, curve.key)


def test_files_that_hold_something_else_are_named(authority: Authority, pair: Pair, tmp_path: Path) -> None:
    nothing = tmp_path / "nothing.pem"
    nothing.write_text("nothing", encoding="utf-8")
    assert "no certificate" in refused(nothing, pair.key) and "nothing.pem" in refused(nothing, pair.key)
    assert "no private key" in refused(pair.certificate, nothing)
    assert "cannot be read" in refused(tmp_path / "none.pem", pair.key)
    locked = authority.issue("locked", passphrase=b"secret")
    assert "passphrase" in refused(locked.certificate, locked.key)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_the_documents_way_to_an_own_authority_works(tmp_path: Path) -> None:
    found = re.search(r"An authority of your own.*?```sh\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    assert found is not None
    subprocess.run(["sh", "-ec", found.group(1)], cwd=tmp_path, check=True, capture_output=True, timeout=60)
    signer = open_signer(SignerFiles(tmp_path / "chain.pem", tmp_path / "signer.key"))
    assert signer is not None
    told = read_told(signer.sign(png(), "storybook", "2"), (tmp_path / "ca.pem").read_bytes())
    assert (told.signature, told.by) == ("trusted", "pictures.example.com")
