"""Encryption with the operator's key: AES-256-GCM, so that a wrong key and a flipped byte are both refused.

A sealed blob is SEAL, a nonce of 12 bytes, and the ciphertext with its tag; its name is authenticated with it, so that
one cannot be put in another's place. A sealed stream is SEAL, 16 random bytes, and pieces of PIECE bytes, each sealed
by itself: the random bytes are salt for a key of its own (HKDF-SHA-256), the nonce counts the pieces and marks the
last, so that none can be left out, moved or cut off (as STREAM does: Hoang, Reyhanitabar, Rogaway, Vizar 2015).
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from ...errors import InvalidInput
from ...extras import needs_extra

SEAL = b"LIMNER\x01\n"
PIECE = 1024 * 1024
KEY = 32
_NONCE, _TAG, _SALT = 12, 16, 16


class Sealer:
    """Seals and opens with one key of 32 bytes. Safe to use from many threads. Unavailable without the extra."""

    def __init__(self, key: bytes) -> None:
        with needs_extra("scale", "encryption"):
            from cryptography.exceptions import InvalidTag
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        self._key, self._cipher, self._aesgcm, self._wrong = key, AESGCM(key), AESGCM, InvalidTag

    def seal(self, name: str, data: bytes) -> bytes:
        """The sealed form of a blob."""
        nonce = secrets.token_bytes(_NONCE)
        return SEAL + nonce + self._cipher.encrypt(nonce, data, name.encode())

    def open(self, name: str, sealed: bytes) -> bytes:
        """The blob that was sealed under that name; InvalidInput where the key is another, or a byte has changed."""
        start = len(SEAL) + _NONCE
        try:
            if not is_sealed(sealed) or len(sealed) < start + _TAG:
                raise InvalidInput(f"{name} is not sealed")
            return self._cipher.decrypt(sealed[len(SEAL) : start], sealed[start:], name.encode())
        except self._wrong:
            raise InvalidInput(f"{name} was sealed with another key, or has been changed since") from None

    def writing(self, file: BinaryIO) -> SealingWriter:
        """A file to write to, which ends up sealed in `file`; close it to seal the end."""
        salt = secrets.token_bytes(_SALT)
        file.write(SEAL + salt)
        return SealingWriter(file, self._aesgcm(self._derived(salt)))

    def reading(self, file: BinaryIO) -> Iterator[bytes]:
        """The pieces of what was sealed into `file`, which stands behind SEAL; InvalidInput as `open` raises it."""
        cipher = self._aesgcm(self._derived(file.read(_SALT)))
        piece, count = file.read(PIECE + _TAG), 0
        while True:
            after = file.read(PIECE + _TAG)
            try:
                yield cipher.decrypt(_nonce(count, last=not after), piece, None)
            except self._wrong:
                raise InvalidInput(
                    "the archive was sealed with another key, or has been changed or cut off since"
                ) from None
            if not after:
                return
            piece, count = after, count + 1

    def _derived(self, salt: bytes) -> bytes:
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        return HKDF(hashes.SHA256(), KEY, salt, b"limner archive").derive(self._key)


class SealingWriter:
    """Collects what is written and seals it piece by piece."""

    def __init__(self, file: BinaryIO, cipher: object) -> None:
        self._file, self._cipher, self._waiting, self._count = file, cipher, bytearray(), 0

    def write(self, data: bytes) -> int:
        """Take more; gives its length."""
        self._waiting += data
        while len(self._waiting) > PIECE:
            self._seal(bytes(self._waiting[:PIECE]), last=False)
            del self._waiting[:PIECE]
        return len(data)

    def close(self) -> None:
        """Seal the end."""
        self._seal(bytes(self._waiting), last=True)
        self._waiting.clear()

    def _seal(self, piece: bytes, last: bool) -> None:
        self._file.write(self._cipher.encrypt(_nonce(self._count, last), piece, None))  # type: ignore[attr-defined]
        self._count += 1


def is_sealed(data: bytes) -> bool:
    """Whether it begins as sealed things do."""
    return data.startswith(SEAL)


def read_key(file: Path) -> bytes:
    """The operator's key: 32 bytes in base64, as `openssl rand -base64 32` writes them.

    InvalidInput where the file holds none, or others than its owner may read it.
    """
    try:
        text, mode = file.read_text("ascii"), file.stat().st_mode
        key = base64.b64decode(text.strip(), validate=True)
    except (UnicodeDecodeError, binascii.Error):
        key, mode = b"", 0
    except OSError as error:
        raise InvalidInput(
            f"the key file {file} cannot be read ({error.strerror})", "encryption_key_file"
        ) from None
    if len(key) != KEY:
        raise InvalidInput(
            f"the key file {file} must hold 32 bytes in base64: openssl rand -base64 32 > {file}",
            "encryption_key_file",
        )
    if mode & 0o077:
        raise InvalidInput(
            f"the key file {file} may be read by others: chmod 600 {file}", "encryption_key_file"
        )
    return key


def _nonce(count: int, last: bool) -> bytes:
    return count.to_bytes(_NONCE - 1, "big") + (b"\x01" if last else b"\x00")
