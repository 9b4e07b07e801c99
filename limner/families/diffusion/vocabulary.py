"""What a model trained from scratch knows of language: CLIP's byte-pair encoding."""

from __future__ import annotations

import json
from collections.abc import Iterable

from tokenizers import Regex, Tokenizer
from tokenizers.models import BPE
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import ByteLevel, Sequence, Split
from tokenizers.trainers import BpeTrainer
from transformers import CLIPTokenizer

_START, _END = "<|startoftext|>", "<|endoftext|>"
_WORDS = Regex(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+")


def learn_tokenizer(captions: Iterable[str], size: int, length: int) -> CLIPTokenizer:
    """A CLIPTokenizer of at most `size` tokens for prompts of `length` tokens, start and end included.

    Every byte is a token, so no text is outside it. Captions must be those of the training part alone.
    """
    bare = Tokenizer(BPE(end_of_word_suffix="</w>"))
    bare.normalizer = Lowercase()
    bare.pre_tokenizer = Sequence(
        [Split(_WORDS, "removed", invert=True), ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    letters = sorted(ByteLevel.alphabet())
    base = [*letters, *(letter + "</w>" for letter in letters)]
    trainer = BpeTrainer(
        vocab_size=max(size - len(base) - 2, 1) + len(letters),
        initial_alphabet=letters,
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    bare.train_from_iterator(captions, trainer)
    learned = json.loads(bare.to_str())["model"]["merges"]
    merges = [tuple(pair) for pair in learned]
    words = [*base, *("".join(pair) for pair in merges)]
    unique = list(dict.fromkeys([*words, _START, _END]))
    return CLIPTokenizer(
        vocab={word: number for number, word in enumerate(unique)}, merges=merges, model_max_length=length
    )
