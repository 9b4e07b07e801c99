"""What AttnGAN learns from: pictures, the words of their captions, and which of them show the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...data.captioned import Item
from ...storybook.worlds import World
from ...training.pictures import coarsened, order, to_tensor
from ..falsified import beside, pairs_of
from ..words import Words, row
from .text import mask_of

_CLASS = "class"


@dataclass(frozen=True)
class Batch:
    """B pictures (B, 3, side, side) in -1..1 with a caption each, and W captions that are wrong of one of them.

    `ids` (B + W, T) and `lengths` (B + W,) are their words, at least one; the last W are wrong of the pictures
    `wrong_of` (W,), none named twice. `same` bool (B, B) is true where a caption is also true of another's picture as
    far as the set tells: of the same class, or with the same words.
    """

    pictures: Tensor
    ids: Tensor
    lengths: Tensor
    same: Tensor
    wrong_of: Tensor

    @property
    def mask(self) -> Tensor:
        """Where there is a word: bool (B + W, T)."""
        return mask_of(self.lengths, self.ids.shape[1])

    def to(self, device: torch.device) -> Batch:
        """The same on a device."""
        parts = (self.pictures, self.ids, self.lengths, self.same, self.wrong_of)
        return Batch(*(value.to(device) for value in parts))


@dataclass(frozen=True)
class Examples:
    """A part of a set: `pictures` (N, S, S, 3) uint8; `captions[i]` are the captions of picture i as ids, none empty;
    `classes` (N,): pictures of one class may share their captions. `wrong[i]`, perhaps none, are captions that are
    wrong of it, each worded as one of its last captions."""

    pictures: NDArray[np.uint8]
    captions: Sequence[Sequence[Sequence[int]]]
    classes: NDArray[np.int64]
    wrong: Sequence[Sequence[Sequence[int]]]

    def at_random(
        self,
        first: int,
        size: int,
        seed: int,
        step: int,
        side: int,
        tokens: int,
        unknown: float = 0.0,
        flip: bool = False,
        blurred: float = 0.0,
    ) -> Batch:
        """`size` examples from place `first` of the endless shuffled run, each with one of its captions and, where it
        has such ones, with one that is wrong of it, in the same words if possible.

        Pictures are cut to `side` pixels somewhere, half of them mirrored with `flip`, and a share `blurred` made
        coarse; a share `unknown` of the words is replaced by the unknown one, and of longer captions any `tokens` words
        stay.
        """
        rng = np.random.Generator(np.random.SFC64([seed, step, first]))
        chosen = order(len(self.pictures), seed, first, size)
        pictures, captions, wrong, coarse = [], [], {}, []
        for at, k in enumerate(chosen.tolist()):
            y, x = rng.integers(0, self.pictures.shape[1] - side + 1, 2)
            picture = self.pictures[k, y : y + side, x : x + side]
            pictures.append(picture[:, ::-1] if flip and rng.random() < 0.5 else picture)
            coarse.append(rng.random() < blurred)
            rights, wrongs = self.captions[k], self.wrong[k]
            taken = int(rng.integers(len(rights)))
            captions.append(_heard(rights[taken], unknown, tokens, rng))
            for other in beside(taken, len(rights), len(wrongs), 1, rng):
                wrong[at] = _heard(wrongs[other], unknown, tokens, rng)
        made = coarsened(to_tensor(np.stack(pictures)), np.array(coarse))
        return _batch(made, captions, self.classes[chosen], tokens, wrong)

    def in_order(self, first: int, size: int, side: int, tokens: int) -> Batch:
        """Examples `first` to `first + size`, the middles of their pictures, each with its first caption alone."""
        edge = (self.pictures.shape[1] - side) // 2
        middle = slice(edge, edge + side)
        part = slice(first, first + size)
        captions = [list(options[0]) for options in self.captions[part]]
        pictures = to_tensor(self.pictures[part, middle, middle])
        return _batch(pictures, captions, self.classes[part], tokens, {})


def _heard(caption: Sequence[int], unknown: float, tokens: int, rng: np.random.Generator) -> list[int]:
    ids = np.where(rng.random(len(caption)) < unknown, 1, np.array(caption))
    if len(ids) > tokens:
        ids = ids[np.sort(rng.permutation(len(ids))[:tokens])]
    return [int(number) for number in ids]


def _batch(
    pictures: Tensor,
    captions: list[list[int]],
    classes: NDArray[np.int64],
    tokens: int,
    wrong: Mapping[int, list[int]],
) -> Batch:
    every = [*captions, *wrong.values()]
    ids = np.stack([row(caption, tokens) for caption in every])
    own = ids[: len(captions)]
    alike = (own[:, None] == own[None]).all(2) | (classes[:, None] == classes[None])
    lengths = np.array([min(len(caption), tokens) for caption in every])
    of = np.array(list(wrong), np.int64)
    return Batch(pictures, *(torch.from_numpy(each) for each in (ids, lengths, alike, of)))


def examples_of(
    pictures: NDArray[np.uint8],
    items: Sequence[Item],
    words: Words,
    world: World | None = None,
    wrong: int = 0,
    seed: int = 0,
) -> Examples:
    """The examples of items and their pictures (N, S, S, 3); a class is an item's attribute "class", or its own.

    A picture whose scene graph is known has `wrong` wrong captions, whose right wordings are captions too. A caption
    without any word is one unknown word.
    """
    falsified = pairs_of(items, world, wrong, seed)

    def ids(caption: str) -> list[int]:
        return words.ids(caption) or [words.unknown or 0]

    captions = [
        [ids(caption) for caption in (*item.captions, *(pair.right for pair in pairs))]
        for item, pairs in zip(items, falsified, strict=True)
    ]
    told_wrong = [[ids(pair.text) for pair in pairs] for pairs in falsified]
    named = [item.attributes.get(_CLASS) for item in items]
    number = {name: k for k, name in enumerate(sorted({str(name) for name in named if name is not None}))}
    classes = [len(number) + k if name is None else number[str(name)] for k, name in enumerate(named)]
    return Examples(pictures, captions, np.array(classes), told_wrong)
