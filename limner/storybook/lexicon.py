"""Words that mean one thing here and another there: which senses they have, and in which countries.

A model may bring a lexicon of its own as `lexicon.json`, in the form of the one beside this file: of each word its
`senses`, in words that the model knows, the usual one first, by country (ISO 3166) the sense that is meant there, and
`settled`, words before it that leave no doubt.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from ..errors import InvalidInput

_LAST_WORD = re.compile(r"(?<![\w'-])([\w'-]{1,40})\s{1,4}\Z")
_BUILT_IN = Path(__file__).with_suffix(".json")


class Ambiguous(BaseModel):
    """The senses of a word, the usual one first, the one that is meant in a country, and the words right before it with
    which it is a name of its own, as "electric torch" is."""

    model_config = ConfigDict(frozen=True)

    senses: tuple[str, ...]
    countries: dict[str, str] = {}
    settled: tuple[str, ...] = ()


Lexicon = dict[str, Ambiguous]
_READ = TypeAdapter(Lexicon)


@dataclass(frozen=True)
class Reading:
    """A text as it was read: `text` in words of one sense, and of each ambiguous word the sense that was taken."""

    text: str
    taken: dict[str, str]


@cache
def read_lexicon(file: Path = _BUILT_IN) -> Lexicon:
    """The lexicon in a file; InvalidInput where it is none."""
    try:
        return _READ.validate_json(file.read_bytes())
    except ValidationError as error:
        raise InvalidInput(f"{file} is no lexicon: {error.errors()[0]['msg']}") from None


def known_to(lexicon: Lexicon, vocabulary: frozenset[str]) -> Lexicon:
    """The part of a lexicon all of whose senses are in a vocabulary."""
    return {word: found for word, found in lexicon.items() if vocabulary.issuperset(found.senses)}


def read(text: str, lexicon: Lexicon, locale: str | None, chosen: Mapping[str, str]) -> Reading:
    """Read a text with the senses that were `chosen`, else by the country of `locale` (such as en-GB), else as usual.

    The case of chosen words does not matter; those that are not in the lexicon are left alone, for another model may
    have them. InvalidInput where a chosen sense is none of its word's.
    """
    chosen = {word.lower(): sense for word, sense in chosen.items()}
    for word, sense in chosen.items():
        if word in lexicon and sense not in lexicon[word].senses:
            known = ", ".join(lexicon[word].senses)
            raise InvalidInput(
                f"'{word}' is not read as '{sense[:80]}'; choose from {known}", field="readings"
            )
    country = _country(locale)
    taken: dict[str, str] = {}

    def replaced(found: re.Match[str]) -> str:
        word = found.group()
        ambiguous = lexicon[word.lower()]
        before = _LAST_WORD.search(text, max(0, found.start() - 45), found.start())
        if before and before.group(1).lower() in ambiguous.settled:
            return word
        usual = ambiguous.countries.get(country, ambiguous.senses[0])
        taken[word.lower()] = chosen.get(word.lower(), usual)
        return word if taken[word.lower()] == word.lower() else taken[word.lower()]

    if not lexicon:
        return Reading(text, {})
    words = "|".join(re.escape(word) for word in sorted(lexicon, key=len, reverse=True))
    return Reading(re.sub(rf"(?<![\w'-])(?:{words})(?![\w'-])", replaced, text, flags=re.IGNORECASE), taken)


def _country(locale: str | None) -> str:
    parts = [] if locale is None else re.split("[-_]", locale)
    return next((part.upper() for part in parts[1:] if len(part) == 2), "")
