"""A model that reads the words of new captions whole, which it would spell letter by letter.

A text encoder has few places for a text, and what it never read whole it must first learn to put together. So the
byte-pair encoding goes on, on the new captions (Sennrich et al. 2016), after all merges that are there: what the model
read whole before, it reads as before. Each new token begins as the mean of the two that it is made of.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from ...errors import InvalidInput
from ...registry.json_files import read_object
from ...registry.making import made_whole
from ...registry.models import Model, open_model
from ...registry.weight_files import Stored, Written, copied, read_index, write
from .checkpoint.lora import rounded
from .checkpoint.reading import WEIGHTS, owner
from .export import write_graph
from .stages import text_stage
from .tokenizer import vocabulary_of

_END_OF_WORD = "</w>"
_LEAST = 3  # times that two pieces must stand beside each other
_EMBEDDING = "embeddings.token_embedding.weight"

Merge = tuple[str, str]


def with_words(parent: Model, captions: Iterable[str], most: int, out: Path) -> Model:
    """Write `parent` again in `out`, with at most so many tokens more, learned from captions; it draws as before.

    Where no word of the captions is in pieces there is nothing to learn, and `parent` is given back. InvalidInput where
    its text encoder has another number of tokens than its tokenizer.
    """
    tokenizer = CLIPTokenizer.from_pretrained(parent.path / "tokenizer")
    found = further_merges(words_of_pieces(tokenizer, captions), most)
    if not found:
        return parent
    vocabulary, merges = vocabulary_of(parent.path / "tokenizer")
    numbers = dict(vocabulary)
    for first, second in found:
        numbers.setdefault(first + second, len(numbers))
    with made_whole(out) as partial:
        left_out = shutil.ignore_patterns("*int8.json", "*.partial", "tokenizer")
        shutil.copytree(parent.path, partial, ignore=left_out)
        made = CLIPTokenizer(
            vocab=numbers,
            merges=[*merges, *found],
            model_max_length=tokenizer.model_max_length,
            pad_token=tokenizer.pad_token,
            unk_token=tokenizer.unk_token,
        )
        made.save_pretrained(partial / "tokenizer")
        _widen(parent, partial, vocabulary, numbers, found)
        text = CLIPTextModel.from_pretrained(
            partial / "text_encoder", dtype=torch.float32, use_safetensors=True
        ).eval()
        stage = text_stage(text)
        with torch.no_grad():
            write_graph(partial, stage)
        graphs = dict(parent.manifest.graphs) | {stage.name: stage.manifest()}
        precision = "bfloat16" if parent.manifest.precision == "int8" else parent.manifest.precision
        parent.manifest.model_copy(update={"graphs": graphs, "precision": precision}).write(partial)
    return open_model(out)


def words_of_pieces(tokenizer: CLIPTokenizer, captions: Iterable[str]) -> Counter[tuple[str, ...]]:
    """How often each word stands in captions, as the pieces that a tokenizer makes of it."""
    found: Counter[tuple[str, ...]] = Counter()
    for caption in captions:
        word: list[str] = []
        for piece in tokenizer.tokenize(caption):
            word.append(piece)
            if piece.endswith(_END_OF_WORD):
                found[tuple(word)] += 1
                word = []
    return found


def further_merges(words: Counter[tuple[str, ...]], most: int) -> list[Merge]:
    """At most so many pairs of pieces to merge, the most frequent first (of equal ones the first by its letters), until
    no pair stands three times in these words."""
    found: list[Merge] = []
    left = dict(words)
    while len(found) < most:
        pairs: Counter[Merge] = Counter()
        for word, count in left.items():
            for pair in pairwise(word):
                pairs[pair] += count
        best = min(pairs, key=lambda pair: (-pairs[pair], pair), default=None)
        if best is None or pairs[best] < _LEAST:
            break
        found.append(best)
        joined: Counter[tuple[str, ...]] = Counter()
        for word, count in left.items():
            joined[_merged(word, best)] += count
        left = dict(joined)
    return found


def embedding_of(index: Mapping[str, Stored]) -> str:
    """The name of the embedding of tokens in the weights file of a text encoder."""
    return _EMBEDDING if _EMBEDDING in index else owner(index) + _EMBEDDING


def _merged(word: tuple[str, ...], pair: Merge) -> tuple[str, ...]:
    made: list[str] = []
    at = 0
    while at < len(word):
        both = word[at : at + 2] == pair
        made.append("".join(pair) if both else word[at])
        at += 2 if both else 1
    return tuple(made)


def _widen(
    parent: Model, out: Path, known: dict[str, int], numbers: dict[str, int], merges: list[Merge]
) -> None:
    """Give the text encoder in `out` a row for each new token."""
    part, name = "text_encoder", f"{WEIGHTS['text_encoder']}.safetensors"
    source = parent.path / part / name
    index = read_index(source)
    key = embedding_of(index)
    text = CLIPTextModel.from_pretrained(parent.path / part, dtype=torch.float32, use_safetensors=True)
    rows: list[Tensor] = list(text.get_input_embeddings().weight.detach())
    if len(rows) != len(known):
        raise InvalidInput(
            f"the text encoder of model '{parent.name}' has {len(rows)} tokens and its tokenizer {len(known)}; "
            "leave tuning.new_words out",
            field="tuning.new_words",
        )
    for first, second in merges:
        if numbers[first + second] == len(rows):
            rows.append((rows[numbers[first]] + rows[numbers[second]]) / 2)
    wide = torch.stack(rows).numpy()
    tensors = {each: copied(source, stored) for each, stored in index.items()}
    kind = index[key].dtype
    tensors[key] = Written(kind, wide.shape, lambda: [rounded(wide, kind)])
    write(out / part / name, tensors)
    config = read_object(source.parent / "config.json") | {"vocab_size": len(rows)}
    (out / part / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
