"""Blobs in an object store that speaks S3, by obstore: written create-only, a request a blob."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from ...errors import InvalidInput, NotFound, StorageDown
from ...extras import needs_extra
from .blobs import OWNERS, PIECE, Kept, is_id

if TYPE_CHECKING:
    from obstore.store import RetryConfig, S3Store

_SUFFIX = ".png"
_PROBE = "0" * 64
_CONNECT = timedelta(seconds=3)
_ANSWER = timedelta(seconds=20)
_RETRIES: RetryConfig = {"max_retries": 2, "retry_timeout": timedelta(seconds=5)}
_FRESH = 2.0  # seconds for which an answer says that the store is there
_SETTINGS = frozenset({"endpoint", "region"})


class ObjectBlobs:
    """Blobs of one bucket, below a prefix.

    `url` is s3://bucket/prefix, with ?endpoint=https://... where it is not AWS and &region=...; `folder` goes below
    the prefix. Credentials are AWS's usual variables (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, or
    the role of the machine). InvalidInput names what is wrong with the URL; Unavailable without the extra.
    """

    def __init__(self, url: str, folder: str) -> None:
        bucket, prefix, settings = _parts(url)
        with needs_extra("scale", "an object store"):
            import obstore
            import obstore.exceptions
            from obstore.store import S3Store
        self._obstore, self._errors = obstore, obstore.exceptions
        where: dict[str, Any] = {"prefix": f"{prefix}/{folder}" if prefix else folder}
        if "endpoint" in settings:
            where["endpoint"] = settings["endpoint"]
        if "region" in settings:
            where["region"] = settings["region"]
        self._where, self._answered = f"s3://{bucket}/{where['prefix']}", float("-inf")
        self._store: S3Store = S3Store(
            bucket,
            client_options={
                "allow_http": settings.get("endpoint", "").startswith("http://"),
                "connect_timeout": _CONNECT,
                "timeout": _ANSWER,
            },
            retry_config=_RETRIES,
            **where,
        )

    def put(self, name: str, data: bytes) -> None:
        """As the seam says; what is there is written again only where it has to count as put now."""
        with self._asking():
            try:
                self._obstore.put(self._store, self._key(name), data, mode="create", use_multipart=False)
                return
            except self._errors.AlreadyExistsError:
                pass
            # The same bytes by their name: writing them again changes nothing but the date.
            self._obstore.put(self._store, self._key(name), data, mode="overwrite", use_multipart=False)

    def pieces(self, name: str) -> tuple[int, Iterator[bytes]]:
        """As the seam says."""
        with self._asking(name):
            found = self._obstore.get(self._store, self._key(name))

        def read() -> Iterator[bytes]:
            with self._asking(name):
                for piece in found.stream(min_chunk_size=PIECE):
                    yield bytes(piece)

        return found.meta["size"], read()

    def has(self, name: str) -> bool:
        """As the seam says."""
        with self._asking():
            try:
                self._obstore.head(self._store, self._key(name))
            except (self._errors.NotFoundError, FileNotFoundError):
                return False
            return True

    def delete(self, name: str, before: float | None = None) -> bool:
        """As the seam says; between the look at the date and the removal another service may put it again."""
        with self._asking():
            try:
                found = self._obstore.head(self._store, self._key(name))
            except (self._errors.NotFoundError, FileNotFoundError):
                return False
            if before is not None and found["last_modified"].timestamp() >= before:
                return False
            self._obstore.delete(self._store, self._key(name))
            return True

    def list(self) -> Iterator[Kept]:
        """As the seam says."""
        with self._asking():
            for page in self._obstore.list(self._store, chunk_size=1000):
                for found in page:
                    name = found["path"].rpartition("/")[2].removesuffix(_SUFFIX)
                    if is_id(name):
                        yield Kept(name, found["size"], found["last_modified"].timestamp())

    def owners(self, claim: str | None = None) -> set[str]:
        """As the seam says; a mark is an empty object."""
        with self._asking():
            if claim is not None:
                self._obstore.put(self._store, f"{OWNERS}/{claim}", b"", use_multipart=False)
            pages = self._obstore.list(self._store, prefix=OWNERS)
            return {found["path"].rpartition("/")[2] for page in pages for found in page}

    def check(self) -> None:
        """As the seam says; asks nothing when the store has just answered."""
        if time.monotonic() - self._answered > _FRESH:
            self.has(_PROBE)

    def _key(self, name: str) -> str:
        return f"{name[:2]}/{name}{_SUFFIX}"

    @contextmanager
    def _asking(self, name: str = "") -> Iterator[None]:
        try:
            yield
        except (self._errors.BaseError, OSError) as error:
            if name and isinstance(error, (self._errors.NotFoundError, FileNotFoundError)):
                raise NotFound(f"no picture {name[:80]!r}") from None
            self._answered = float("-inf")
            raise StorageDown(
                f"the picture store {self._where} takes no call for now ({_reason(error)}); "
                "what was accepted is kept: try again soon"
            ) from error
        self._answered = time.monotonic()


def _parts(url: str) -> tuple[str, str, dict[str, str]]:
    parts = urlsplit(url)
    settings = dict(parse_qsl(parts.query, keep_blank_values=True))
    if "@" in parts.netloc or not parts.netloc:
        raise InvalidInput(
            "the address of an object store is s3://bucket/prefix; keys go into AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY",
            field="images",
        )
    unknown = sorted(settings.keys() - _SETTINGS)
    if unknown:
        raise InvalidInput(
            f"'{unknown[0][:40]}' is no setting of an object store: known are endpoint and region",
            field="images",
        )
    endpoint = settings.get("endpoint", "https://")
    if not endpoint.startswith(("https://", "http://")):
        raise InvalidInput(
            f"the endpoint '{endpoint[:80]}' must begin with https:// or http://", field="images"
        )
    return parts.netloc, parts.path.strip("/"), settings


def _reason(error: BaseException) -> str:
    text = str(error).strip().split("\n", 1)[0]
    return text.partition(" - ")[0][:200] or type(error).__name__
