"""Which word drew what: how much the places of a latent looked at each word, the mean of all steps that tell it.

As Tang et al. 2023 ("What the DAAM") read a diffusion model: the shares that cross-attention gives to the tokens of a
word, here at one level of the UNet and for the row of the prompt. What looks at no word looks at the marks of a text's
beginning and end, so that the shares of all words sum to at most 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...engine.request import WordMaps
from ...engine.variants import ATTENTION
from ...errors import LimnerError
from .prompt import windows
from .tokenizer import ClipTokenizer


def words_in(tokenizer: ClipTokenizer, prompt: str, most: int) -> list[tuple[str, list[int]]]:
    """The words of a prompt, in lower case and in order, and at which tokens of its windows each stands."""
    found: list[tuple[str, list[int]]] = []
    for k, window in enumerate(windows(tokenizer, prompt, most)):
        for word, tokens in tokenizer.words(window.ids):
            if any(letter.isalnum() for letter in word):
                found.append((word, [k * tokenizer.length + token for token in tokens]))
    return found


class Looks:
    """What the steps of one picture tell, summed up."""

    def __init__(self, height: int, width: int) -> None:
        """Of latents of height x width."""
        self._sides = height, width
        self._sum: NDArray[np.float32] | None = None  # (h x w, T)
        self._count = 0

    def add(self, outputs: dict[str, NDArray[Any]]) -> None:
        """Take in what a step tells, of its last row; a step may tell nothing."""
        told = outputs.get(ATTENTION)
        if told is None:
            return
        shares = told[-1].astype(np.float32)
        self._sum = shares if self._sum is None else self._sum + shares
        self._count += 1

    def at(self, words: list[tuple[str, list[int]]]) -> WordMaps:
        """One map, of these words and the tokens of each."""
        assert self._sum is not None
        height, width = self._sides
        while height * width > len(self._sum):  # a level below has half the places a side, rounded up
            height, width = -(-height // 2), -(-width // 2)
        if height * width != len(self._sum):
            raise LimnerError(f"attention to {len(self._sum)} places does not fit latents of {self._sides}")
        shares = (self._sum / np.float32(self._count)).reshape(height, width, -1)
        maps = [shares[:, :, tokens].sum(-1) for _, tokens in words]
        stacked = np.stack(maps) if maps else np.zeros((0, height, width), np.float32)
        return WordMaps(tuple(word for word, _ in words), (stacked,))
