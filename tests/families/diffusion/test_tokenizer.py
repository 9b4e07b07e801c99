import itertools
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tokenizers.pre_tokenizers import ByteLevel
from transformers import CLIPTokenizer

from limner.errors import InvalidInput, NotFound
from limner.families.diffusion.tokenizer import ClipTokenizer

WORDS = [
    "a",
    "red",
    "apple",
    "on",
    "the",
    "table",
    "two",
    "people",
    "are",
    "walking",
    "apples",
    "it's",
    "they're",
    "42",
    "über",
    "café",
    "naïve",
]


def learn_merges(words: list[str], count: int) -> list[tuple[str, str]]:
    """Byte-pair encoding learned the slow way: the most frequent pair is joined, again and again."""
    spelled = {}
    level = ByteLevel(add_prefix_space=False)
    for word in words:
        letters = [*level.pre_tokenize_str(word)[0][0]]
        spelled[word] = [*letters[:-1], letters[-1] + "</w>"]
    merges = []
    for _ in range(count):
        pairs = Counter(pair for parts in spelled.values() for pair in itertools.pairwise(parts))
        if not pairs:
            break
        best = max(sorted(pairs), key=pairs.__getitem__)
        merges.append(best)
        for parts in spelled.values():
            for at in range(len(parts) - 1, 0, -1):
                if at < len(parts) and (parts[at - 1], parts[at]) == best:
                    parts[at - 1 : at + 1] = ["".join(best)]
    return merges


def write_tokenizer(
    directory: Path,
    length: int = 12,
    pad: str | None = None,
    alphabet: list[str] | None = None,
    tokens: dict[str, Any] | None = None,
) -> Path:
    """A folder as Stable Diffusion's: vocab.json, merges.txt and the two small files."""
    directory.mkdir(parents=True, exist_ok=True)
    alphabet = sorted(ByteLevel.alphabet()) if alphabet is None else alphabet
    merges = [
        pair for pair in learn_merges(WORDS, 40) if set("".join(pair).replace("</w>", "")) <= set(alphabet)
    ]
    words = [*alphabet, *(letter + "</w>" for letter in alphabet), *map("".join, merges)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: number for number, word in enumerate(dict.fromkeys(words))}
    (directory / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(merge) for merge in merges)]
    (directory / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    config = {"model_max_length": length, "tokenizer_class": "CLIPTokenizer", "do_lower_case": True}
    (directory / "tokenizer_config.json").write_text(json.dumps(config | (tokens or {})), encoding="utf-8")
    if pad is not None:
        (directory / "special_tokens_map.json").write_text(json.dumps({"pad_token": pad}), encoding="utf-8")
    return directory


AS_IN_SD_1 = {
    "bos_token": {"__type": "AddedToken", "content": "<|startoftext|>", "normalized": True, "lstrip": False},
    "eos_token": {"__type": "AddedToken", "content": "<|endoftext|>", "normalized": True, "lstrip": False},
    "pad_token": "<|endoftext|>",
    "unk_token": {"__type": "AddedToken", "content": "<|endoftext|>", "normalized": True, "lstrip": False},
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    base = tmp_path_factory.mktemp("tokenizers")
    plain = write_tokenizer(base / "plain")
    saved = base / "saved"
    CLIPTokenizer.from_pretrained(plain).save_pretrained(saved)
    return {
        "plain": plain,
        "as in SD 1": write_tokenizer(base / "sd1", tokens=AS_IN_SD_1, pad="<|endoftext|>"),
        "as in SD 2": write_tokenizer(base / "sd2", pad="!"),
        "pad not in the vocabulary": write_tokenizer(base / "pad", pad="<pad>"),
        "few letters": write_tokenizer(base / "few", alphabet=list("abdelprt !")),
        "saved by transformers": saved,
    }


@pytest.fixture(scope="module")
def pairs(folders: dict[str, Path]) -> dict[str, tuple[ClipTokenizer, Any]]:
    return {name: (ClipTokenizer(at), CLIPTokenizer.from_pretrained(at)) for name, at in folders.items()}


def theirs(tokenizer: Any, text: str) -> NDArray[np.int64]:
    row = tokenizer(text, padding="max_length", truncation=True, max_length=tokenizer.model_max_length)
    return np.array(row.input_ids)


WORDS_AND_MARKS = [
    *WORDS,
    "Red",
    "APPLES",
    "'s",
    "<|endoftext|>",
    "<|startoftext|>",
    "<pad>",
    "!",
    "\t\n",
    "\xa0",
    "\u3000",
]
TEXTS = st.one_of(
    st.text(max_size=60),
    st.lists(
        st.sampled_from(
            [
                *WORDS,
                "Red",
                "APPLES",
                "'s",
                "<|endoftext|>",
                "<|startoftext|>",
                "<pad>",
                "!",
                "\t\n",
                "\xa0",
                "\u3000",
            ]
        ),
        max_size=16,
    ).map(" ".join),
)
NAMES = [
    "plain",
    "as in SD 1",
    "as in SD 2",
    "pad not in the vocabulary",
    "few letters",
    "saved by transformers",
]


@settings(max_examples=400, deadline=None)
@given(name=st.sampled_from(NAMES), text=TEXTS)
def test_ids_are_those_of_transformers(
    pairs: dict[str, tuple[ClipTokenizer, Any]], name: str, text: str
) -> None:
    ours, reference = pairs[name]
    ids = ours(text)
    assert ids.dtype == np.int64 and ids.shape == (ours.length,)
    assert np.array_equal(ids, theirs(reference, text))


def test_case_and_white_space_do_not_matter(pairs: dict[str, tuple[ClipTokenizer, Any]]) -> None:
    ours, _ = pairs["plain"]
    assert np.array_equal(ours("  a RED\n\tapple "), ours("a red apple"))


def test_pieces_are_what_stands_between_start_and_end(pairs: dict[str, tuple[ClipTokenizer, Any]]) -> None:
    ours, _ = pairs["plain"]
    pieces = ours.pieces("a red apple")
    assert ours("a red apple").tolist()[1 : 1 + len(pieces)] == pieces and ours.pieces("") == []
    assert len(ours.pieces("a " * 100)) == 100


def test_words_that_the_oldest_files_list_are_one_token(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(folders["plain"], tmp_path / "tokenizer")
    many = len(json.loads((folder / "vocab.json").read_text("utf-8")))
    (folder / "added_tokens.json").write_text(json.dumps({"<cat-toy>": many}), encoding="utf-8")
    plain, ours = ClipTokenizer(folders["plain"]), ClipTokenizer(folder)
    assert many in ours.pieces("a red <cat-toy> here") and len(plain.pieces("<cat-toy>")) > 1
    assert ours.pieces("a red apple") == plain.pieces("a red apple")


@pytest.mark.parametrize("missing", ["vocab.json", "merges.txt", "tokenizer_config.json"])
def test_a_missing_file_is_named(folders: dict[str, Path], tmp_path: Path, missing: str) -> None:
    shutil.copytree(folders["plain"], tmp_path / "tokenizer")
    (tmp_path / "tokenizer" / missing).unlink()
    with pytest.raises(NotFound, match=missing):
        ClipTokenizer(tmp_path / "tokenizer")


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("vocab.json", "{", "not JSON"),
        ("vocab.json", "[]", "not a JSON object"),
        ("vocab.json", "{}", "startoftext"),
        ("merges.txt", "a b c", "not a pair"),
        ("merges.txt", "a missing", "missing"),
        ("tokenizer_config.json", '{"model_max_length": 1e30}', "model_max_length"),
        ("tokenizer_config.json", "{}", "model_max_length"),
        ("tokenizer_config.json", '{"model_max_length": 77, "added_tokens_decoder": ["x"]}', "added tokens"),
        ("tokenizer.json", '{"model": {"type": "BPE", "vocab": {}}}', "lacks its vocab or its merges"),
        ("added_tokens.json", '{"<cat>": "x"}', "added tokens"),
    ],
)
def test_a_broken_file_is_named(
    folders: dict[str, Path], tmp_path: Path, file: str, text: str, message: str
) -> None:
    shutil.copytree(folders["plain"], tmp_path / "tokenizer")
    (tmp_path / "tokenizer" / file).write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInput, match=message):
        ClipTokenizer(tmp_path / "tokenizer")
