"""Certificates for tests: an authority, and what it issues for signing pictures."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = dt.datetime.now(dt.UTC)
KEYS: dict[str, Any] = {
    "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
    "k1": lambda: ec.generate_private_key(ec.SECP256K1()),
}


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Shop"),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def _usage(**yes: bool) -> x509.KeyUsage:
    names = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign "
        "crl_sign encipher_only decipher_only"
    )
    return x509.KeyUsage(**{name: yes.get(name, False) for name in names.split()})


def _builder(subject: str, issuer: str, key: Any, begins: int, ends: int) -> x509.CertificateBuilder:
    return x509.CertificateBuilder(
        issuer_name=_name(issuer),
        subject_name=_name(subject),
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=NOW + dt.timedelta(days=begins),
        not_valid_after=NOW + dt.timedelta(days=ends),
    ).add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)


@dataclass(frozen=True)
class Pair:
    """A certificate with its chain, and its key, as files; `secret` is what the key's file says."""

    certificate: Path
    key: Path
    secret: bytes


class Authority:
    """Issues certificates into `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._key = folder, ec.generate_private_key(ec.SECP256R1())

    @cached_property
    def root(self) -> bytes:
        """Its own certificate, PEM."""
        made = _builder("authority", "authority", self._key, -400, 400)
        made = made.add_extension(x509.BasicConstraints(True, None), True)
        made = made.add_extension(_usage(key_cert_sign=True, crl_sign=True), True)
        return made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def issue(
        self,
        name: str = "signer",
        kind: str = "p256",
        begins: int = -1,
        ends: int = 30,
        use: x509.ObjectIdentifier | None = ExtendedKeyUsageOID.EMAIL_PROTECTION,
        itself: bool = False,
        passphrase: bytes | None = None,
    ) -> Pair:
        """A certificate of `name`, valid from `begins` to `ends` days from now, issued by itself or the authority."""
        key = KEYS[kind]()
        made = _builder(name, name if itself else "authority", key, begins, ends)
        made = made.add_extension(x509.BasicConstraints(False, None), True)
        made = made.add_extension(_usage(digital_signature=True), True)
        if use is not None:
            made = made.add_extension(x509.ExtendedKeyUsage([use]), False)
        by = key if itself else self._key
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key())
        hashed = None if isinstance(by, ed25519.Ed25519PrivateKey) else hashes.SHA256()
        certificate = made.add_extension(issuer, False).sign(by, hashed)
        locked = (
            serialization.NoEncryption()
            if passphrase is None
            else serialization.BestAvailableEncryption(passphrase)
        )
        form = serialization.PrivateFormat.PKCS8
        secret = key.private_bytes(serialization.Encoding.PEM, form, locked)
        pair = Pair(self._folder / f"{name}.crt", self._folder / f"{name}.key", secret)
        pair.certificate.write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM) + (b"" if itself else self.root)
        )
        pair.key.write_bytes(secret)
        return pair
