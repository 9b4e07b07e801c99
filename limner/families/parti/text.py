"""The text tokenizer: byte-pair encoding of lower-case words over the letters of the captions it was learned from.

The paper's is a SentencePiece model of 16,000 pieces; this one is read and learned by `tokenizers` alone. Id 0 fills a
row up, 1 ends a text, and 2 stands for what no piece can spell.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, normalizers
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import Metaspace, Sequence, Whitespace
from tokenizers.trainers import BpeTrainer

from ...errors import InvalidInput, NotFound
from ...registry.making import write_whole

TEXT_NAME = "text_tokenizer.json"
PAD, END, UNKNOWN = 0, 1, 2
_SPECIAL = ["<pad>", "<end>", "<unknown>"]
_WORD = "\u2581"  # begins every word, as SentencePiece has it; with a mark at the end, ids would differ from run to run


class TextTokenizer:
    """Texts to rows of ids. Safe to share between threads."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        """`tokenizer` has the three special pieces first; InvalidInput where it has not."""
        if [tokenizer.id_to_token(k) for k in range(3)] != _SPECIAL:
            raise InvalidInput(f"a text tokenizer begins with the pieces {', '.join(_SPECIAL)}")
        self._tokenizer = tokenizer

    @classmethod
    def learn(cls, captions: Iterable[str], size: int) -> TextTokenizer:
        """At most `size` pieces, from captions, which must be those of the training part alone."""
        made = Tokenizer(BPE(unk_token=_SPECIAL[UNKNOWN]))
        made.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
        made.pre_tokenizer = Sequence([Whitespace(), Metaspace(_WORD, prepend_scheme="always")])
        trainer = BpeTrainer(vocab_size=size, special_tokens=_SPECIAL, show_progress=False)
        made.train_from_iterator(captions, trainer)
        return cls(made)

    @classmethod
    def read(cls, directory: Path) -> TextTokenizer:
        """Read `text_tokenizer.json` of a folder; NotFound or InvalidInput names the file."""
        file = directory / TEXT_NAME
        if not file.is_file():
            raise NotFound(f"'{file}' not found; it says what pieces texts are made of")
        try:
            return cls(Tokenizer.from_file(str(file)))
        except Exception as error:  # noqa: BLE001 tokenizers raises nothing narrower
            raise InvalidInput(f"{file} is not a text tokenizer: {str(error).splitlines()[0]}") from None

    def write(self, directory: Path) -> None:
        """Write `text_tokenizer.json` into a folder."""
        write_whole(directory / TEXT_NAME, self._tokenizer.to_str(pretty=False))

    def __len__(self) -> int:
        return self._tokenizer.get_vocab_size()

    def row(self, text: str, length: int) -> NDArray[np.int64]:
        """The ids of a text, int64 (length,): its pieces, cut where there are too many, the end, and padding."""
        pieces = self.ids(text)[: length - 1]
        return np.array([*pieces, END, *[PAD] * (length - 1 - len(pieces))], np.int64)

    def ids(self, text: str) -> list[int]:
        """The ids of a text's pieces, however many."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def words(self, text: str, length: int) -> list[tuple[str, int, int]]:
        """The words of a text in lower case, each with the places of its pieces in `row`: first, past the last.

        Signs alone are no words.
        """
        found = self._tokenizer.encode(text, add_special_tokens=False)
        spans: dict[int, list[int]] = {}
        for place, word in enumerate(found.word_ids[: length - 1]):
            if word is not None:
                spans.setdefault(word, []).append(place)
        told = []
        for places in spans.values():
            first, last = found.offsets[places[0]][0], found.offsets[places[-1]][1]
            if any(letter.isalnum() for letter in text[first:last]):
                told.append((text[first:last].lower(), places[0], places[-1] + 1))
        return told

    def text(self, ids: Iterable[int]) -> str:
        """The words of ids, without special pieces."""
        pieces = (self._tokenizer.id_to_token(int(number)) or "" for number in ids if number > UNKNOWN)
        return "".join(pieces).replace(_WORD, " ").strip()

    def outside(self, captions: Iterable[str]) -> float:
        """The share of the words in captions that have a letter which no piece has, 0 to 1."""
        wrong, count = 0, 0
        for caption in captions:
            found = self._tokenizer.encode(caption, add_special_tokens=False)
            pairs = list(zip(found.word_ids, found.ids, strict=True))
            wrong += len({word for word, number in pairs if number == UNKNOWN})
            count += len({word for word, _ in pairs})
        return wrong / max(1, count)
