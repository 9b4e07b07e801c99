"""How the ambiguous words of a prompt are read: by choice, by the reader's country, by the model's lexicon."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from ..engine.request import MAX_PROMPT, DrawRequest
from ..errors import InvalidInput
from ..registry.models import Model
from ..storybook.lexicon import Lexicon, known_to, read, read_lexicon
from .languages import weighed

FILE = "lexicon.json"


@dataclass(frozen=True)
class Reader:
    """Who reads: their `locale`, such as en-GB, and the senses that they chose for words."""

    locale: str | None = None
    chosen: Mapping[str, str] | None = None


class Said(BaseModel):
    """A prompt as it was typed, where it was read in other words or has a word of several senses.

    `readings` has the sense that was taken of each such word, `senses` all that it has.
    """

    model_config = ConfigDict(frozen=True)

    prompt: str
    locale: str | None
    readings: dict[str, str]
    senses: dict[str, tuple[str, ...]]


def lexicon_of(model: Model) -> Lexicon:
    """The lexicon that a model brings; else, of one with a vocabulary, the built-in one where it knows the words."""
    own = model.path / FILE
    if own.is_file():
        return read_lexicon(own)
    vocabulary = model.manifest.vocabulary
    return {} if vocabulary is None else known_to(read_lexicon(), frozenset(vocabulary))


def understood(request: DrawRequest, model: Model, reader: Reader) -> tuple[DrawRequest, Said | None]:
    """The request in words of one sense, and what was said where that is not plain. InvalidInput as `lexicon.read`, and
    where it is then too long."""
    lexicon = lexicon_of(model)
    reading = read(request.prompt, lexicon, reader.locale, reader.chosen or {})
    if not reading.taken:
        return request, None
    if len(reading.text) > MAX_PROMPT:
        raise InvalidInput(
            f"the prompt has {len(reading.text)} characters once its words are read in one sense; at most {MAX_PROMPT}",
            field="prompt",
        )
    said = Said(
        prompt=request.prompt,
        locale=reader.locale,
        readings=reading.taken,
        senses={word: lexicon[word].senses for word in reading.taken},
    )
    return request.model_copy(update={"prompt": reading.text}), said


def preferred(accept_language: str) -> str | None:
    """The tag that an Accept-Language header likes best, None where it says nothing usable."""
    best, liked = None, 0.0
    for tag, weight in weighed(accept_language):
        usable = len(tag) <= 35 and all(part.isascii() and part.isalnum() for part in tag.split("-"))
        if usable and weight > liked:
            best, liked = tag, weight
    return best
