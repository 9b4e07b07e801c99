"""How a service is reached: address, key, time limits."""

from __future__ import annotations

import math
import os
import ssl
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx2
from pydantic import BaseModel, ValidationError

from .. import __version__
from ..answers import FeedbackPage, FeedbackView, JobPage, JobView
from ..errors import InvalidInput, Unavailable
from .requests import Call
from .tries import Tries

DEFAULT_URL = "http://127.0.0.1:8400"
SILENCE = 45.0
"""Seconds after which a stream of events counts as cut; the service says something every 15."""

View = TypeVar("View", bound=BaseModel)
Page = TypeVar("Page", JobPage, FeedbackPage)
Row = TypeVar("Row", JobView, FeedbackView)


@dataclass
class Connection:
    """The address and key of a service; `patience` and `timeout` in seconds.

    InvalidInput where `url` is no address, `api_key` has what no header can have, or a time is below 0.
    """

    url: str
    api_key: str | None = field(default=None, repr=False)
    patience: float = 60.0
    timeout: float = 30.0
    verify: ssl.SSLContext | bool = True
    known: bool = False

    def __post_init__(self) -> None:
        """Check, and take the key from LIMNER_API_KEY where none is given."""
        if self.api_key is None:
            self.api_key = os.environ.get("LIMNER_API_KEY") or None
        if self.api_key is not None and not (self.api_key.isascii() and self.api_key.isprintable()):
            raise InvalidInput("the API key holds characters that no key has; copy it again", field="api_key")
        for name in ("patience", "timeout"):
            if getattr(self, name) < 0:
                raise InvalidInput(f"{name}={getattr(self, name)}: give seconds, 0 or more", field=name)
        try:
            address = httpx2.URL(self.url)
        except httpx2.InvalidURL as error:
            raise InvalidInput(
                f"'{self.url}' is no address ({error}); such as {DEFAULT_URL}", field="url"
            ) from None
        if address.scheme not in {"http", "https"} or not address.host:
            raise InvalidInput(f"'{self.url}' is no address; such as {DEFAULT_URL}", field="url")
        self._loopback = address.host in {"localhost", "127.0.0.1", "::1"}

    def options(self) -> dict[str, Any]:
        """What httpx2's clients are made with."""
        headers = {"User-Agent": f"limner/{__version__}"}
        if self.api_key is not None:
            headers["Authorization"] = f"Bearer {self.api_key}"
        return {
            "base_url": self.url,
            "headers": headers,
            "timeout": self.timeout,
            "verify": self.verify,
            "trust_env": not self._loopback,  # no proxy stands before this machine itself
        }

    @property
    def stream_timeout(self) -> httpx2.Timeout:
        """The time limits of a stream of events."""
        return httpx2.Timeout(self.timeout, read=SILENCE)

    def read(self, kind: type[View], answer: httpx2.Response) -> View:
        """What a good answer says; Unavailable where it is none of this version's."""
        try:
            return kind.model_validate_json(answer.content)
        except ValidationError:
            raise Unavailable(
                f"what answers at {self.url} is no Limner of this version; give the address of one"
            ) from None

    def tries(self, call: Call, within: float = math.inf) -> Tries:
        """For one call, of which no more than so many seconds are to be spent."""
        return Tries(call, self.url, min(self.patience, within), self.known)
