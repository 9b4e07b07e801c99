"""The gate that comes with Limner: words that the operator does not want drawn.

It finds whole words and phrases in any case, with or without accents, through the simplest disguises: characters
without width, look-alikes of other scripts, digits for letters, letters set apart. It knows no meaning; for that
there are classifiers.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from ...engine.request import DrawRequest
from ...errors import InvalidInput

NAME = "words"
MOST_BYTES = 1_000_000
MOST_WORDS = 20_000
LONGEST = 100

# Look-alikes of Latin letters, and Latin letters that do not fall apart into letter and accent.
_ALIKE = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u0501\u04bb\u043a\u043c\u0442\u0432"  # Cyrillic
    "\u043d\u0433\u043f"
    "\u03b1\u03b5\u03bf\u03c1\u03bd\u03c5\u03b9\u03ba\u03c4\u03b2\u03b7\u03b3"  # Greek
    "\u0131\u00f8\u0142\u0111\u00f00134578@$",  # Latin, digits and signs
    "aeopcyxijsdhkmtbhrnaeopvuiktbnyiolddoieastbas",
)
# Invisible characters that Unicode does not count among the formatting ones.
_UNSEEN = dict.fromkeys(
    [0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0, *range(0x180B, 0x1810), *range(0xFE00, 0xFE10)]
)
_ACCENTS = re.compile("[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]")
_WITHOUT_SPACES = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3041-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff]"
)
_LEAST_APART = 3
"""So many letters set apart are a word set apart; "a b" is not."""


class Words:
    """Refuses prompts that have one of some words or phrases. Of scripts without blanks a phrase is found anywhere."""

    def __init__(self, phrases: Iterable[str]) -> None:
        """InvalidInput names a phrase of no letters, and one of more than 100 characters."""
        self._phrases: dict[tuple[str, ...], str] = {}
        self._anywhere: dict[str, str] = {}
        for phrase in phrases:
            plain = _plain(phrase)
            words = tuple(_words(plain))
            if not words or len(phrase) > LONGEST:
                raise InvalidInput(
                    f"{phrase[:60]!r} cannot be refused: give 1 to {LONGEST} characters with letters in them"
                )
            if _WITHOUT_SPACES.search(plain):
                self._anywhere["".join(words)] = phrase
            else:
                self._phrases[words] = phrase
        self._longest = max(map(len, self._phrases), default=0)
        self._joined = {"".join(words): said for words, said in self._phrases.items()}

    def __call__(self, request: DrawRequest, /) -> str | None:
        """What the prompt may not have; what a picture is to be without (`negative_prompt`) may be named."""
        found = self.find(request.prompt)
        return None if found is None else f"it has '{found}', which is not drawn here"

    def find(self, text: str) -> str | None:
        """The first phrase that a text has, as it is written in the list; None where it has none."""
        plain = _plain(text)
        words = _words(plain)
        for start in range(len(words)):
            for length in range(1, min(self._longest, len(words) - start) + 1):
                if said := self._phrases.get(tuple(words[start : start + length])):
                    return said
        return self._set_apart(words) or self._punctuated(plain) or self._within("".join(words))

    def _set_apart(self, words: list[str]) -> str | None:
        """A word whose letters stand alone, as in "b a d" or "b.a.d"."""
        run = ""
        for word in [*words, ""]:
            if len(word) == 1:
                run += word
                continue
            if len(run) >= _LEAST_APART:
                for joined, said in self._joined.items():
                    if len(joined) >= _LEAST_APART and joined in run:
                        return said
            run = ""
        return None

    def _punctuated(self, plain: str) -> str | None:
        """A word with signs in it, as in "ba*d"."""
        for chunk in plain.split():
            if said := self._joined.get("".join(_words(chunk))):
                return said
        return None

    def _within(self, joined: str) -> str | None:
        return next((said for word, said in self._anywhere.items() if word in joined), None)


def read_words(file: Path) -> Words:
    """The words of a file: a word or phrase a line, # before what is none. InvalidInput says what is wrong with it."""
    try:
        if file.stat().st_size > MOST_BYTES:
            raise InvalidInput(f"'{file}' is larger than {MOST_BYTES} bytes, which no list of words is")
        text = file.read_text("utf-8-sig")
    except OSError as error:
        raise InvalidInput(f"the words of '{file}' cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InvalidInput(f"'{file}' is not UTF-8; save it as UTF-8") from None
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    phrases = [line for line in lines if line]
    if not 0 < len(phrases) <= MOST_WORDS:
        raise InvalidInput(f"'{file}' has {len(phrases)} words; give 1 to {MOST_WORDS}, one a line")
    try:
        return Words(phrases)
    except InvalidInput as error:
        raise InvalidInput(f"'{file}': {error}") from None


def _plain(text: str) -> str:
    """Text in one case, of one form, without accents, disguises and what cannot be seen."""
    text = unicodedata.normalize("NFKC", text)
    text = "".join(sign for sign in text if unicodedata.category(sign) != "Cf").translate(_UNSEEN)
    text = unicodedata.normalize("NFKD", text.casefold())
    return unicodedata.normalize("NFKC", _ACCENTS.sub("", text)).translate(_ALIKE)


def _words(plain: str) -> list[str]:
    """Runs of letters, digits and the marks that belong to them."""
    spaced = "".join(sign if unicodedata.category(sign)[0] in "LNM" else " " for sign in plain)
    return spaced.split()
