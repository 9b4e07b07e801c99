"""The words of a model: a closed vocabulary, one id a word, kept as `vocabulary.json`.

Words are runs of letters, digits and underscores in lower case. Id 0 ends a text and fills it up. A word that is not
in the vocabulary becomes `unknown`; a model that has no such word (none of the original AttnGAN's has) leaves it out.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidInput
from ..registry.json_files import read_object
from ..registry.making import write_whole

VOCABULARY_NAME = "vocabulary.json"
END, UNKNOWN = "<end>", "<unk>"
UNKNOWN_ID = 1
"""The id of the unknown word in a vocabulary that was learned."""
_WORD = re.compile(r"\w+")


def words_of(text: str) -> list[str]:
    """The words of a text, in lower case and in order."""
    return _WORD.findall(text.lower())


@dataclass(frozen=True)
class Words:
    """A vocabulary: `words[i]` has the id i, `words[0]` ends a text. `unknown` is the id of all others, or None."""

    words: tuple[str, ...]
    unknown: int | None

    def __post_init__(self) -> None:
        """InvalidInput where a word is there twice, none is there, or `unknown` is no id."""
        twice = [word for word, count in Counter(self.words).items() if count > 1]
        if len(self.words) < 2 or twice:
            raise InvalidInput(
                f"a vocabulary needs words, each once; twice: {', '.join(twice[:5]) or 'none'}"
            )
        if self.unknown is not None and not 0 < self.unknown < len(self.words):
            raise InvalidInput(f"unknown={self.unknown} is no id of {len(self.words)} words")
        object.__setattr__(self, "_ids", {word: number for number, word in enumerate(self.words)})

    @classmethod
    def learn(cls, captions: Iterable[str], at_least: int = 1) -> Words:
        """All words that occur `at_least` times in captions, which must be those of the training part alone."""
        counts = Counter(word for caption in captions for word in words_of(caption))
        return cls((END, UNKNOWN, *sorted(word for word, n in counts.items() if n >= at_least)), UNKNOWN_ID)

    @classmethod
    def read(cls, directory: Path) -> Words:
        """Read `vocabulary.json` of a folder; NotFound or InvalidInput names the file."""
        file = directory / VOCABULARY_NAME
        value = read_object(file)
        words, unknown = value.get("words"), value.get("unknown")
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise InvalidInput(f"{file}: words must be a list of strings", field="words")
        if unknown is not None and (not isinstance(unknown, int) or isinstance(unknown, bool)):
            raise InvalidInput(f"{file}: unknown must be the id of a word, or null", field="unknown")
        try:
            return cls(tuple(words), unknown)
        except InvalidInput as error:
            raise InvalidInput(f"{file}: {error}") from None

    def write(self, directory: Path) -> None:
        """Write `vocabulary.json` into a folder."""
        value = {"unknown": self.unknown, "words": self.words}
        write_whole(directory / VOCABULARY_NAME, json.dumps(value, ensure_ascii=False, indent=0) + "\n")

    @property
    def known(self) -> tuple[str, ...]:
        """The words that a person may use, sorted."""
        return tuple(sorted(word for word in self.words if _WORD.fullmatch(word)))

    def ids(self, text: str) -> list[int]:
        """The ids of a text's words, however many."""
        found = (self._id(word) for word in words_of(text))
        return [number for number in found if number is not None]

    def _id(self, word: str) -> int | None:
        ids: dict[str, int] = self._ids  # type: ignore[attr-defined]
        return ids.get(word, self.unknown)

    def outside(self, captions: Iterable[str]) -> float:
        """The share of the words in captions that are not in the vocabulary, 0 to 1."""
        inside = set(self.words)
        every = [word for caption in captions for word in words_of(caption)]
        return sum(word not in inside for word in every) / max(1, len(every))


def row(ids: Sequence[int], tokens: int) -> NDArray[np.int64]:
    """Ids as an encoder takes them, int64 (tokens,): cut, or filled up with 0."""
    fitting = list(ids[:tokens])
    return np.array([*fitting, *[0] * (tokens - len(fitting))], np.int64)
