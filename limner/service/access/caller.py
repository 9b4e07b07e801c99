"""Who sent a request, and what that lets them do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from fastapi import Depends, Request

Scope = Literal["draw", "read", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
NOBODY = ""


@dataclass(frozen=True)
class Caller:
    """Who asks: the id of their `key`, None on a service without keys; `owner` is whose what they make will be.

    Several keys may have one owner. On a service without keys everybody is the same owner, NOBODY, and may do all.
    `name` is for people and for logs; `quota` is compute units a day and `rate` requests a minute, None: no limit.
    `once` stands for the Idempotency-Key of this request: of two jobs with the same one only the first is made.
    """

    key: str | None
    owner: str
    scopes: frozenset[Scope]
    name: str = ""
    quota: int | None = None
    rate: float | None = None
    once: str | None = None

    def may(self, scope: Scope) -> bool:
        """Whether a call that needs `scope` is let through; admin may do all."""
        return scope in self.scopes or "admin" in self.scopes

    @property
    def sees(self) -> str | None:
        """The owner whose jobs and pictures they see; None where they see everybody's."""
        return None if "admin" in self.scopes else self.owner

    @property
    def own(self) -> frozenset[str] | None:
        """The owners whose things are theirs, which of an admin's key includes what was made before there were keys;
        None on a service without keys, where all is everybody's."""
        if "admin" not in self.scopes:
            return frozenset({self.owner})
        return None if self.key is None else frozenset({self.owner, NOBODY})


EVERYBODY = Caller(None, NOBODY, frozenset(SCOPES))
"""Whoever reaches a service that has no keys."""


async def _caller(
    request: Request,
) -> Caller:  # on the event loop: a thread for it would cost more than it does
    caller: Caller = request.state.caller
    return caller


Calling = Annotated[Caller, Depends(_caller)]
"""A route's parameter: who asks. A request that the gate has not seen has none and fails."""
