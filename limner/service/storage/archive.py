"""The file of a backup: a tar of named entries, the manifest with their hashes last, sealed where there is a key."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from ...errors import InvalidInput
from .blobs import PIECE
from .folder import sync_folder
from .sealing import SEAL, Sealer

MANIFEST = "manifest.json"


class Entry(BaseModel):
    """Size in bytes and SHA-256 of an entry."""

    model_config = ConfigDict(frozen=True)

    size: int
    sha256: str


class Manifest(BaseModel):
    """What a backup holds; `revision` is that of its tables, `rows` how many of each; `missing` pictures that rows
    name and that were not there; `damaged` pictures that were left out, for they are not what was once kept."""

    model_config = ConfigDict(frozen=True)

    format: Literal[1] = 1
    limner: str
    made_at: str
    revision: str
    rows: dict[str, int]
    entries: dict[str, Entry]
    missing: list[str] = []
    damaged: list[str] = []


class ArchiveWriter:
    """Takes entries, and then the manifest of them."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self.entries: dict[str, Entry] = {}

    def add(self, name: str, data: IO[bytes], size: int) -> None:
        """Add the next `size` bytes of `data` under a name."""
        hashing = _Hashing(data)
        self._put(name, hashing, size)
        self.entries[name] = Entry(size=size, sha256=hashing.sha256.hexdigest())

    def finish(self, manifest: Manifest) -> None:
        """Add the manifest: nothing comes after it."""
        text = manifest.model_dump_json(indent=1).encode()
        self._put(MANIFEST, io.BytesIO(text), len(text))

    def _put(self, name: str, data: object, size: int) -> None:
        told = tarfile.TarInfo(name)
        told.size, told.mode = size, 0o600
        self._tar.addfile(told, data)  # type: ignore[arg-type]


@contextmanager
def writing(file: Path, sealer: Sealer | None = None) -> Iterator[ArchiveWriter]:
    """A new archive, which is at `file` once it is whole; OSError where it cannot be written."""
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")
    try:
        with os.fdopen(handle, "wb") as raw:
            sealing = None if sealer is None else sealer.writing(raw)
            with tarfile.open(fileobj=sealing or raw, mode="w|", format=tarfile.PAX_FORMAT) as tar:  # type: ignore[call-overload]
                yield ArchiveWriter(tar)
            if sealing is not None:
                sealing.close()
            raw.flush()
            os.fsync(raw.fileno())
        os.replace(temporary, file)
        sync_folder(file.parent)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def reading(file: Path, sealer: Sealer | None = None) -> Iterator[tuple[str, IO[bytes]]]:
    """The entries of an archive in turn, each to be read before the next, the manifest last.

    InvalidInput where it is no archive, is sealed and there is no key, or the key is another; of one that has been cut
    off, reading an entry may raise tarfile.TarError.
    """
    try:
        with file.open("rb") as raw, tarfile.open(fileobj=_stream(file, raw, sealer), mode="r|") as tar:
            for told in tar:
                data = tar.extractfile(told) if told.isfile() else None
                if data is None:
                    raise InvalidInput(f"{file} is no backup of Limner: '{told.name[:80]}' is no file")
                yield told.name, data
    except (tarfile.TarError, EOFError):
        raise InvalidInput(f"{file} is no backup of Limner, or has been cut off") from None


def verified(file: Path, sealer: Sealer | None = None) -> Manifest:
    """Read all of an archive and compare it with its manifest; InvalidInput names what is wrong."""
    try:
        return _verified(file, sealer)
    except (tarfile.TarError, EOFError):
        raise InvalidInput(f"{file} is no backup of Limner, or has been cut off") from None


def _verified(file: Path, sealer: Sealer | None) -> Manifest:
    found: dict[str, Entry] = {}
    manifest = None
    for name, data in reading(file, sealer):
        if manifest is not None:
            raise InvalidInput(f"{file} is damaged: '{name[:80]}' comes after the manifest")
        if name == MANIFEST:
            try:
                manifest = Manifest.model_validate_json(data.read())
            except ValidationError:
                raise InvalidInput(f"{file} was made by a newer Limner, or its manifest is damaged") from None
            continue
        sha256, size = hashlib.sha256(), 0
        while piece := data.read(PIECE):
            sha256.update(piece)
            size += len(piece)
        found[name] = Entry(size=size, sha256=sha256.hexdigest())
    if manifest is None:
        raise InvalidInput(f"{file} is no backup of Limner, or has been cut off")
    wrong = sorted(
        name
        for name in found.keys() | manifest.entries.keys()
        if found.get(name) != manifest.entries.get(name)
    )
    if wrong:
        raise InvalidInput(
            f"{file} is damaged: '{wrong[0][:80]}' is not what was backed up; use another backup"
        )
    return manifest


def _stream(file: Path, raw: BinaryIO, sealer: Sealer | None) -> IO[bytes]:
    sealed = raw.read(len(SEAL)) == SEAL
    if not sealed:
        raw.seek(0)
        return raw
    if sealer is None:
        raise InvalidInput(
            f"{file} is sealed: name its key with --encryption-key-file", "encryption_key_file"
        )
    return io.BufferedReader(_Pieces(sealer.reading(raw)), PIECE)


class _Hashing:
    def __init__(self, data: IO[bytes]) -> None:
        self._data, self.sha256 = data, hashlib.sha256()

    def read(self, size: int) -> bytes:
        piece = self._data.read(size)
        self.sha256.update(piece)
        return piece


class _Pieces(io.RawIOBase):
    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._left = pieces, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._left = piece
        taken = self._left[: len(view)]
        self._left = self._left[len(taken) :]
        view[: len(taken)] = taken
        return len(taken)
