"""The page's words: one JSON file a language under pages/locales/, chosen by the reader or by what they accept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Header, Query
from starlette.responses import JSONResponse, Response

LOCALES = Path(__file__).resolve().parent / "pages" / "locales"
DEFAULT = "en"

router = APIRouter()


@cache
def words() -> dict[str, dict[str, str]]:
    """The sentences of the page by their keys, by language; a language's own name is its `language`."""
    return {
        file.stem: json.loads(file.read_text(encoding="utf-8")) for file in sorted(LOCALES.glob("*.json"))
    }


def weighed(accepted: str) -> Iterator[tuple[str, float]]:
    """The tags of an Accept-Language header (RFC 9110, 12.5.4) as they stand there, each with its weight, 0 to 1."""
    for part in accepted.split(","):
        tag, _, rest = part.partition(";")
        yield tag.strip(), _weight(rest)


def chosen(accepted: str, offered: list[str], default: str = DEFAULT) -> str:
    """The offered language that an Accept-Language header likes best, `default` where none.

    A country counts as its language, and a language as any of its countries.
    """
    best, liked = default, 0.0
    for tag, weight in weighed(accepted):
        found = default if tag == "*" else _found(tag.lower(), offered)
        if found is not None and weight > liked:
            best, liked = found, weight
    return best


def _found(tag: str, offered: list[str]) -> str | None:
    """The offered language that a tag in small letters means best."""
    names, language = {name.lower(): name for name in offered}, tag.partition("-")[0]
    akin = (name for one, name in names.items() if one.startswith(f"{language}-"))
    return names.get(tag) or names.get(language) or next(akin, None)


def _weight(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip().lower() != "q":
        return 1.0
    try:
        return min(1.0, max(0.0, float(value)))
    except ValueError:
        return 0.0


@router.get("/pages/language.json", include_in_schema=False)
def language(
    language: Annotated[str, Query(max_length=20)] = "",
    accept_language: Annotated[str, Header(max_length=1000)] = "",
) -> Response:
    """The words of a language, of the one that is accepted where none is named; English where a key is not there."""
    known = words()
    name = language if language in known else chosen(accept_language, list(known))
    told = {"language": name, "languages": {one: found["language"] for one, found in known.items()}}
    return JSONResponse(
        {**told, "words": known[DEFAULT] | known[name]},
        headers={"Cache-Control": "no-cache", "Vary": "Accept-Language", "Content-Language": name},
    )
