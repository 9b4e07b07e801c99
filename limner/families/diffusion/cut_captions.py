"""Captions that a text encoder does not take whole."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from transformers import PreTrainedTokenizerBase

console = Console()


def tell_of_cut(
    tokenizer: PreTrainedTokenizerBase, captions: Sequence[str], tokens: NDArray[np.integer]
) -> int:
    """Say how many captions have more tokens than their rows (N, T), which are cut and filled up; gives how many.

    Only a row that is full to its end can have been cut, so that few captions are taken apart a second time.
    """
    full = [each for each, row in zip(captions, tokens, strict=True) if row[-2] != tokenizer.eos_token_id]
    cut = sum(len(row) > tokens.shape[1] for row in tokenizer(full, verbose=False).input_ids) if full else 0
    if cut:
        console.print(
            f"{cut} of {len(captions)} captions have more than {tokens.shape[1] - 2} tokens; the rest is not learned",
            soft_wrap=True,
        )
    return cut
