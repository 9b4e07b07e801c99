"""What a hostile input is: bytes for the socket, and which statuses are a right answer to them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

IMAGE, JOB = "{image}".ljust(64, "-"), "{job}".ljust(24, "-")
"""Stand for ids of what is there, as long as they are."""
CLOSED = 0
"""Stands among the statuses for a connection that is closed without an answer."""


@dataclass(frozen=True)
class Case:
    """`expects` are the statuses that are right."""

    name: str
    request: bytes
    expects: tuple[int, ...]

    @property
    def ends(self) -> bool:
        """Whether the client hangs up when it has sent: what is only half a request would wait for the rest."""
        return CLOSED in self.expects


def sent(
    method: str | bytes,
    target: str | bytes,
    body: bytes = b"",
    headers: Iterable[str | bytes] = (),
    host: str | None = "Host: 127.0.0.1",
) -> bytes:
    """A request with a well-formed frame around what is hostile in it."""
    lines = [_bytes(method) + b" " + _bytes(target) + b" HTTP/1.1"]
    lines += [_bytes(line) for line in ((host,) if host is not None else ())]
    lines += [_bytes(line) for line in headers]
    if body or method in ("POST", "PUT", "PATCH"):
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([*lines, b"Connection: close", b"", body])


def job(name: str, body: bytes | dict[str, Any], *expects: int, headers: Iterable[str | bytes] = ()) -> Case:
    """POST /v1/jobs; a dictionary is put beside a good prompt."""
    if isinstance(body, dict):
        body = json.dumps({"prompt": "a red apple", **body}).encode()
    return Case(name, sent("POST", "/v1/jobs", body, ["Content-Type: application/json", *headers]), expects)


def get(name: str, target: str | bytes, *expects: int, headers: Iterable[str | bytes] = ()) -> Case:
    """GET an address."""
    return Case(name, sent("GET", target, headers=headers), expects)


def upload(name: str, body: bytes, *expects: int, kind: str = "image/png") -> Case:
    """POST /v1/images."""
    return Case(name, sent("POST", "/v1/images", body, [f"Content-Type: {kind}"] if kind else []), expects)


def _bytes(text: str | bytes) -> bytes:
    return text.encode("latin-1") if isinstance(text, str) else text
