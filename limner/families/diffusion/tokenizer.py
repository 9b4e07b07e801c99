"""CLIP's tokenizer: text to a row of token ids of fixed length, as transformers' `CLIPTokenizer` gives it.

Text is composed (NFC), runs of white space become one space, letters are lowered; words are split by CLIP's
pattern and then by byte-level byte-pair encoding (Radford et al. 2021). The vocabulary comes from
`tokenizer.json` where the model has one (what transformers 5 writes), else from `vocab.json` and `merges.txt`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers
from tokenizers.models import BPE

from ...errors import InvalidInput, NotFound
from ...registry.json_files import read_object

_PATTERN = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
_DEFAULTS = {
    "bos_token": "<|startoftext|>",
    "eos_token": "<|endoftext|>",
    "unk_token": "<|endoftext|>",
    "pad_token": "<|endoftext|>",
}
_OLDEST = "added_tokens.json"
_END_OF_WORD = "</w>"
_TO_TEXT = decoders.ByteLevel()
_FLAGS = ("single_word", "lstrip", "rstrip", "normalized")


class ClipTokenizer:
    """The tokenizer of one model; `length` is the number of ids in a row. Safe to share between threads."""

    length: int

    def __init__(self, directory: Path) -> None:
        """Read the `tokenizer` folder of a model; NotFound or InvalidInput names the file that is at fault."""
        config = read_object(directory / "tokenizer_config.json")
        self.length = _length(config, directory)
        added = _added_tokens(config, directory)
        special = _special_tokens(config, directory, added)
        self._tokenizer = _build(directory, special, added)
        names = ("bos_token", "eos_token", "pad_token")
        self._start, self._end, self._pad = (
            self._tokenizer.token_to_id(special[name].content) for name in names
        )

    def pieces(self, text: str) -> list[int]:
        """Give the ids of `text` alone, however many."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def row(self, pieces: Sequence[int]) -> NDArray[np.int64]:
        """Give ids as an encoder takes them, int64 (length,): start, `pieces` cut to fit, end, padding."""
        fitting = list(pieces[: self.length - 2])
        padding = [self._pad] * (self.length - 2 - len(fitting))
        return np.array([self._start, *fitting, self._end, *padding], np.int64)

    def words(self, ids: NDArray[np.int64]) -> list[tuple[str, list[int]]]:
        """The words of a row of ids, and at which places of the row each stands; a mark between words is one, too."""
        found: list[tuple[str, list[int]]] = []
        pieces: list[str] = []
        places: list[int] = []
        for at, number in enumerate(ids):
            if number in (self._start, self._end, self._pad):
                continue
            piece = self._tokenizer.id_to_token(int(number)) or ""
            pieces.append(piece.removesuffix(_END_OF_WORD))
            places.append(at)
            if piece.endswith(_END_OF_WORD):
                found.append((_TO_TEXT.decode(pieces), places))
                pieces, places = [], []
        return [*found, (_TO_TEXT.decode(pieces), places)] if places else found

    def __call__(self, text: str) -> NDArray[np.int64]:
        """Give the ids of `text`, int64 (length,): start, words cut to fit, end, padding."""
        return self.row(self.pieces(text))


def _build(directory: Path, special: dict[str, AddedToken], added: dict[int, AddedToken]) -> Tokenizer:
    vocabulary, merges = vocabulary_of(directory)
    start, end = special["bos_token"].content, special["eos_token"].content
    for token in (start, end):
        if token not in vocabulary:
            raise InvalidInput(f"{directory}: the vocabulary lacks the token {token!r}")
    try:
        model = BPE(
            vocab=vocabulary,
            merges=merges,
            continuing_subword_prefix="",
            end_of_word_suffix=_END_OF_WORD,
            unk_token=special["unk_token"].content,
        )
    except Exception as error:  # noqa: BLE001 tokenizers raises nothing narrower
        raise InvalidInput(f"{directory}: {error}") from None
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PATTERN), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.add_tokens([token for _, token in sorted(added.items())])
    tokenizer.add_tokens(list(special.values()))
    return tokenizer


def _length(config: dict[str, Any], directory: Path) -> int:
    length = config.get("model_max_length")
    if not isinstance(length, int) or not 2 <= length <= 4096:
        raise InvalidInput(
            f"{directory / 'tokenizer_config.json'}: model_max_length={length!r}; allowed: 2 to 4096",
            field="model_max_length",
        )
    return length


def vocabulary_of(directory: Path) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """The tokens of a `tokenizer` folder with their numbers, and its merges in order; NotFound or InvalidInput names
    the file that is at fault."""
    whole = directory / "tokenizer.json"
    if whole.is_file():
        model = read_object(whole).get("model", {})
        if not isinstance(model, dict) or model.get("type") != "BPE":
            raise InvalidInput(f"{whole}: the model is not byte-pair encoding")
        vocabulary, listed = model.get("vocab"), model.get("merges")
        if not isinstance(vocabulary, dict) or not isinstance(listed, list):
            raise InvalidInput(f"{whole}: the model lacks its vocab or its merges")
        merges = [merge.split(" ") if isinstance(merge, str) else merge for merge in listed]
        return vocabulary, [_pair(whole, merge) for merge in merges]
    file = directory / "merges.txt"
    vocabulary = read_object(directory / "vocab.json")
    try:
        lines = file.read_text("utf-8").split("\n")
    except FileNotFoundError:
        raise NotFound(f"no tokenizer merges at {file}") from None
    merges = [line.split(" ") for line in lines if line and not line.startswith("#version")]
    return vocabulary, [_pair(file, merge) for merge in merges]


def _pair(file: Path, merge: list[str]) -> tuple[str, str]:
    if len(merge) != 2:
        raise InvalidInput(f"{file}: {' '.join(merge)!r} is not a pair of tokens")
    return merge[0], merge[1]


def _added_tokens(config: dict[str, Any], directory: Path) -> dict[int, AddedToken]:
    """Give the tokens that stand outside byte-pair encoding, by id; the oldest file that lists them is
    added_tokens.json, in which they are plain."""
    listed, whole, oldest = (
        config.get("added_tokens_decoder"),
        directory / "tokenizer.json",
        directory / _OLDEST,
    )
    try:
        if listed is not None:
            return {int(number): _added_token(token) for number, token in listed.items()}
        if whole.is_file():
            tokens = read_object(whole).get("added_tokens", [])
            return {token["id"]: _added_token(token) for token in tokens}
        if oldest.is_file():
            return {
                int(number): AddedToken(text, special=False) for text, number in read_object(oldest).items()
            }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidInput(f"{directory}: its added tokens cannot be read ({error})") from None
    return {}


def _special_tokens(
    config: dict[str, Any], directory: Path, added: dict[int, AddedToken]
) -> dict[str, AddedToken]:
    """Give start, end, unknown and padding token; the older special_tokens_map.json counts where the
    configuration lists no added tokens, and its values go first."""
    values = _DEFAULTS | {key: config[key] for key in _DEFAULTS if config.get(key)}
    older = directory / "special_tokens_map.json"
    if "added_tokens_decoder" not in config and older.is_file():
        mapped = read_object(older)
        values |= {key: mapped[key] for key in _DEFAULTS if mapped.get(key)}
    by_content = {token.content: token for token in added.values()}
    tokens = {key: _added_token(value) for key, value in values.items()}
    return {key: by_content.get(token.content, token) for key, token in tokens.items()}


def _added_token(value: str | dict[str, Any]) -> AddedToken:
    if isinstance(value, str):
        return AddedToken(value, special=True)
    flags = {flag: bool(value[flag]) for flag in _FLAGS if flag in value}
    return AddedToken(value["content"], special=bool(value.get("special", True)), **flags)
