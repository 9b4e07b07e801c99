"""What AttnGAN learns from: pictures, the words of their captions, and which of them show the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...data.captioned import Item
from ...training.pictures import order, to_tensor
from ..words import Words, row
from .text import mask_of

_CLASS = "class"


@dataclass(frozen=True)
class Batch:
    """B pictures (B, 3, side, side) in -1..1 with a caption each.

    `ids` (B, T) and `lengths` (B,) are its words, at least one; `same` bool (B, B) is true where a caption is also
    true of another's picture as far as the set tells: of the same class, or with the same words.
    """

    pictures: Tensor
    ids: Tensor
    lengths: Tensor
    same: Tensor

    @property
    def mask(self) -> Tensor:
        """Where there is a word: bool (B, T)."""
        return mask_of(self.lengths, self.ids.shape[1])

    def to(self, device: torch.device) -> Batch:
        """The same on a device."""
        return Batch(*(value.to(device) for value in (self.pictures, self.ids, self.lengths, self.same)))


@dataclass(frozen=True)
class Examples:
    """A part of a set: `pictures` (N, S, S, 3) uint8; `captions[i]` are the captions of picture i as ids, none empty;
    `classes` (N,): pictures of one class may share their captions."""

    pictures: NDArray[np.uint8]
    captions: Sequence[Sequence[Sequence[int]]]
    classes: NDArray[np.int64]

    def at_random(
        self, first: int, size: int, seed: int, step: int, side: int, tokens: int, unknown: float, flip: bool
    ) -> Batch:
        """`size` examples from place `first` of the endless shuffled run, each with one of its captions.

        Pictures are cut to `side` pixels somewhere, and half of them mirrored with `flip`; a share `unknown` of the
        words is replaced by the unknown one, and of longer captions any `tokens` words stay.
        """
        rng = np.random.Generator(np.random.SFC64([seed, step, first]))
        chosen = order(len(self.pictures), seed, first, size)
        pictures, captions = [], []
        for k in chosen.tolist():
            y, x = rng.integers(0, self.pictures.shape[1] - side + 1, 2)
            picture = self.pictures[k, y : y + side, x : x + side]
            pictures.append(picture[:, ::-1] if flip and rng.random() < 0.5 else picture)
            options = self.captions[k]
            caption = np.array(options[int(rng.integers(len(options)))])
            caption = np.where(rng.random(len(caption)) < unknown, 1, caption)
            if len(caption) > tokens:
                caption = caption[np.sort(rng.permutation(len(caption))[:tokens])]
            captions.append(caption.tolist())
        return _batch(np.stack(pictures), captions, self.classes[chosen], tokens)

    def in_order(self, first: int, size: int, side: int, tokens: int) -> Batch:
        """Examples `first` to `first + size`, the middles of their pictures, each with its first caption."""
        edge = (self.pictures.shape[1] - side) // 2
        middle = slice(edge, edge + side)
        part = slice(first, first + size)
        captions = [list(options[0]) for options in self.captions[part]]
        return _batch(self.pictures[part, middle, middle], captions, self.classes[part], tokens)


def _batch(
    pictures: NDArray[np.uint8], captions: list[list[int]], classes: NDArray[np.int64], tokens: int
) -> Batch:
    ids = np.stack([row(caption, tokens) for caption in captions])
    alike = (ids[:, None] == ids[None]).all(2) | (classes[:, None] == classes[None])
    lengths = np.array([min(len(caption), tokens) for caption in captions])
    return Batch(
        to_tensor(pictures), torch.from_numpy(ids), torch.from_numpy(lengths), torch.from_numpy(alike)
    )


def examples_of(pictures: NDArray[np.uint8], items: Sequence[Item], words: Words) -> Examples:
    """The examples of items and their pictures (N, S, S, 3); a class is an item's attribute "class", or its own.

    A caption without any word is one unknown word.
    """
    captions = [[words.ids(caption) or [words.unknown or 0] for caption in item.captions] for item in items]
    named = [item.attributes.get(_CLASS) for item in items]
    number = {name: k for k, name in enumerate(sorted({str(name) for name in named if name is not None}))}
    classes = [len(number) + k if name is None else number[str(name)] for k, name in enumerate(named)]
    return Examples(pictures, captions, np.array(classes))
