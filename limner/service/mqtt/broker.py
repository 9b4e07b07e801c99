"""Where a broker is, and how it is spoken to."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ...errors import InvalidInput

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_EXAMPLE = "such as mqtts://limner@broker.example/limner"
_PREFIX = re.compile(r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*")


@dataclass(frozen=True)
class Broker:
    """A broker and the `prefix` of all topics; `tls` is what its certificate is checked against, None without TLS;
    `key` names the key that its devices draw with, None without."""

    host: str
    port: int
    prefix: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None
    key: str | None = None


def broker_of(
    url: str, password: str | None = None, ca: Path | None = None, key: str | None = None
) -> Broker:
    """The broker of mqtts://USER@HOST:PORT/PREFIX; port 8883 and prefix limner are understood.

    `ca` is a file of certificates to trust instead of the system's. InvalidInput names what is wrong: mqtt://, without
    TLS, goes to this machine alone, and a password does not belong into a command line.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InvalidInput(f"'{url}' is no address of a broker ({error}); {_EXAMPLE}", "mqtt") from None
    if parts.scheme not in {"mqtt", "mqtts"} or not parts.hostname or set("?#") & set(url):
        raise InvalidInput(
            f"'{parts.scheme}://{parts.hostname}' is no address of a broker; {_EXAMPLE}", "mqtt"
        )
    if parts.password is not None:
        raise InvalidInput(
            "everybody here can read a command line: give the password in LIMNER_MQTT_PASSWORD", "mqtt"
        )
    encrypted = parts.scheme == "mqtts"
    if not encrypted and parts.hostname not in _LOOPBACK:
        raise InvalidInput(
            f"mqtt:// to {parts.hostname} sends password and pictures in clear; use mqtts://", "mqtt"
        )
    prefix = parts.path.strip("/") or "limner"
    if not _PREFIX.fullmatch(prefix):
        raise InvalidInput(
            f"'{prefix}' is no prefix of topics; letters, digits, . _ - and / in between", "mqtt"
        )
    return Broker(
        parts.hostname,
        port or (8883 if encrypted else 1883),
        prefix,
        None if parts.username is None else unquote(parts.username),
        password,
        _context(ca) if encrypted else None,
        key,
    )


def _context(ca: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=None if ca is None else str(ca))
    except OSError as error:  # ssl's own errors are among them
        raise InvalidInput(f"'{ca}' holds no certificates ({error.strerror or error})", "mqtt_ca") from None
