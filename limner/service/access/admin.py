"""What an admin is told of the keys."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import BaseModel

from .keys import Key
from .quotas import used_today

router = APIRouter()


class KeyView(BaseModel):
    """A key: `quota` and `used_today` in compute units, `rate` in requests a minute, `weight` its share of the time;
    times are seconds since 1970."""

    name: str
    prefix: str
    owner: str
    scopes: list[str]
    quota: int | None
    used_today: float
    rate: float | None
    weight: float
    created_at: float
    revoked_at: float | None


class KeyList(BaseModel):
    """All keys that were ever made, oldest first."""

    keys: list[KeyView]


def key_view(key: Key, used: dict[str, float]) -> KeyView:
    """A key as it is shown; `used` is of `used_today`."""
    return KeyView(
        name=key.name,
        prefix=key.prefix,
        owner=key.owner,
        scopes=sorted(key.scopes),
        quota=key.quota,
        used_today=round(used.get(key.id, 0.0), 3),
        rate=key.rate,
        weight=key.weight,
        created_at=key.created_at,
        revoked_at=key.revoked_at,
    )


@router.get("/v1/admin/keys", response_model=KeyList, summary="The keys and what they used")
def list_keys(request: Request) -> KeyList:
    """All keys, revoked ones too, and what each used today; never a secret."""
    keys = request.app.state.service.keys
    used = used_today(keys.engine)
    return KeyList(keys=[key_view(key, used) for key in keys.all()])
