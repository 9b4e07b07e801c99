"""The operator's certificate and key, checked before anything is signed with them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from ..errors import InvalidInput, Unavailable
from .reading import read_told
from .signing import Signer, library

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
    from cryptography.x509 import Certificate

_WAY_OUT = "docs/provenance.md says which certificates C2PA takes, and how to make one"
_MOST_BYTES = 1_000_000


@dataclass(frozen=True)
class SignerFiles:
    """The operator's files, PEM: the certificate with the chain that issued it, and its private key."""

    certificate: Path | None = None
    key: Path | None = None


def open_signer(files: SignerFiles, now: datetime | None = None) -> Signer | None:
    """What signs with the operator's certificate; None where no files are named. It has signed a picture by then.

    InvalidInput names the file and what is wrong with it: not PEM, expired, not the key of the certificate, a
    certificate that C2PA does not take. Unavailable without the extra [scale].
    """
    if files.certificate is None or files.key is None:
        for given, other in ((files.certificate, "--c2pa-key"), (files.key, "--c2pa-cert")):
            if given is not None:
                raise InvalidInput(f"'{given}' alone signs nothing: give {other}, too")
        return None
    library()  # where it is missing, so is what reads certificates
    chain = _certificates(files.certificate)
    key = _private_key(files.key)
    _check(files, chain[0], key, now or datetime.now(UTC))
    signer = _signer(files, chain, key)
    _try(files, signer)
    return signer


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(_MOST_BYTES)
    except OSError as error:
        raise InvalidInput(f"'{file}' cannot be read: {error.strerror}") from None


def _certificates(file: Path) -> list[Certificate]:
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificates(_read(file))
    except ValueError:
        raise InvalidInput(f"'{file}' holds no certificate in PEM; {_WAY_OUT}") from None


def _private_key(file: Path) -> PrivateKeyTypes:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        return load_pem_private_key(_read(file), None)
    except TypeError:
        raise InvalidInput(
            f"the key of '{file}' has a passphrase; give a file without, for the service alone"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidInput(f"'{file}' holds no private key in PEM") from None


def _check(files: SignerFiles, certificate: Certificate, key: PrivateKeyTypes, now: datetime) -> None:
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now > ends:
        raise InvalidInput(f"the certificate of '{files.certificate}' expired on {ends:%Y-%m-%d}; renew it")
    if now < begins:
        raise InvalidInput(
            f"the certificate of '{files.certificate}' is valid from {begins:%Y-%m-%d} on only"
        )
    if certificate.public_key() != key.public_key():
        raise InvalidInput(
            f"'{files.key}' is not the key of the first certificate of '{files.certificate}'; give the pair"
        )
    if certificate.issuer == certificate.subject:
        raise InvalidInput(f"the certificate of '{files.certificate}' is issued by itself; {_WAY_OUT}")


def _signer(files: SignerFiles, chain: list[Certificate], key: PrivateKeyTypes) -> Signer:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    algorithm = _algorithm(key)
    if algorithm is None:
        raise InvalidInput(
            f"C2PA does not sign with the key of '{files.key}'; give P-256, P-384, P-521, Ed25519 or RSA of 2048 bits"
        )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Signer(algorithm, b"".join(each.public_bytes(Encoding.PEM) for each in chain), pem)


def _algorithm(key: PrivateKeyTypes) -> str | None:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(key, ec.EllipticCurvePrivateKey):
        return {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}.get(key.curve.name)
    if isinstance(key, rsa.RSAPrivateKey):
        return "ps256" if key.key_size >= 2048 else None
    return "ed25519" if isinstance(key, ed25519.Ed25519PrivateKey) else None


def _try(files: SignerFiles, signer: Signer) -> None:
    """Sign a picture and read it: the library says only then whether it takes a certificate."""
    file = BytesIO()
    Image.new("RGB", (8, 8)).save(file, "PNG")
    try:
        told = read_told(signer.sign(file.getvalue(), "limner", "0"))
    except Unavailable as error:
        raise InvalidInput(
            f"C2PA does not take the certificate of '{files.certificate}': {error}; {_WAY_OUT}"
        ) from None
    if told.signature not in ("holds", "trusted"):
        raise InvalidInput(
            f"what '{files.certificate}' signs does not hold: {', '.join(told.wrong)}; {_WAY_OUT}"
        )
