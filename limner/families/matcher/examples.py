"""What a matcher learns from: pictures, the words of their captions, and of captions that are wrong by one atom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...data.captioned import Item
from ...storybook.worlds import World
from ...training.pictures import coarsened, order, to_tensor
from ..falsified import beside, pairs_of
from ..words import UNKNOWN_ID, Words, row


@dataclass(frozen=True)
class Batch:
    """B pictures (B, 3, side, side) in -1..1 with a caption each, `texts` (B, T), and wrong ones `wrong` (W, T).

    `wrong_of` (W,) says of which picture. `same` bool (B, B + W) is true where a text has the same words as a
    picture's own.
    """

    pictures: Tensor
    texts: Tensor
    wrong: Tensor
    wrong_of: Tensor
    same: Tensor

    def to(self, device: torch.device) -> Batch:
        """The same on a device."""
        parts = (self.pictures, self.texts, self.wrong, self.wrong_of, self.same)
        return Batch(*(value.to(device) for value in parts))


@dataclass(frozen=True)
class Examples:
    """A part of a set: `pictures` (N, S, S, 3) uint8; `captions[i]` are rows of ids (C, T) of picture i, at least
    one.

    `wrong[i]` (W, T), perhaps none, are captions that are wrong of it, each worded as one of the last W captions.
    """

    pictures: NDArray[np.uint8]
    captions: Sequence[NDArray[np.int64]]
    wrong: Sequence[NDArray[np.int64]]

    def at_random(
        self,
        first: int,
        size: int,
        seed: int,
        step: int,
        shift: int,
        unknown: float,
        blurred: float,
        wrong_each: int = 1,
    ) -> Batch:
        """`size` examples from place `first` of the endless shuffled run, each with one of its captions and at most
        `wrong_each` wrong ones, the first in the same words where there is such a one.

        Pictures are moved by at most `shift` pixels, their edges drawn out, and a share `blurred` of them made
        coarse, as pictures are that a model draws; a share `unknown` of the words is replaced by the unknown one.
        """
        rng = np.random.Generator(np.random.SFC64([seed, step, first]))
        pictures, texts, wrong, coarse = [], [], [], []
        for k in order(len(self.pictures), seed, first, size).tolist():
            pictures.append(_moved(self.pictures[k], *rng.integers(-shift, shift + 1, 2).tolist()))
            coarse.append(rng.random() < blurred)
            rights, wrongs = self.captions[k], self.wrong[k]
            chosen = int(rng.integers(len(rights)))
            texts.append(_forgotten(rights[chosen], unknown, rng))
            for other in beside(chosen, len(rights), len(wrongs), wrong_each, rng):
                wrong.append((len(texts) - 1, _forgotten(wrongs[other], unknown, rng)))
        return _batch(coarsened(to_tensor(np.stack(pictures)), np.array(coarse)), texts, wrong)

    def in_order(self, first: int, size: int) -> Batch:
        """Examples `first` to `first + size`, each with its last caption, and the wrong one that is worded like
        it."""
        texts, wrong = [], []
        for k, (rights, wrongs) in enumerate(
            zip(self.captions[first : first + size], self.wrong[first : first + size], strict=True)
        ):
            texts.append(rights[-1])
            if len(wrongs):
                wrong.append((k, wrongs[-1]))
        return _batch(to_tensor(self.pictures[first : first + size]), texts, wrong)


def _moved(picture: NDArray[np.uint8], down: int, across: int) -> NDArray[np.uint8]:
    last = len(picture) - 1
    rows, columns = (np.clip(np.arange(last + 1) - by, 0, last) for by in (down, across))
    moved: NDArray[np.uint8] = picture[rows][:, columns]
    return moved


def _forgotten(ids: NDArray[np.int64], share: float, rng: np.random.Generator) -> NDArray[np.int64]:
    return np.where((rng.random(len(ids)) < share) & (ids != 0), UNKNOWN_ID, ids)


def _batch(
    pictures: Tensor, texts: list[NDArray[np.int64]], wrong: list[tuple[int, NDArray[np.int64]]]
) -> Batch:
    own = np.stack(texts)
    others = np.array([ids for _, ids in wrong], np.int64).reshape(len(wrong), own.shape[1])
    same = (own[:, None] == np.concatenate([own, others])[None]).all(2)
    of = np.array([k for k, _ in wrong], np.int64)
    return Batch(pictures, *(torch.from_numpy(each) for each in (own, others, of, same)))


def examples_of(
    pictures: NDArray[np.uint8],
    items: Sequence[Item],
    words: Words,
    tokens: int,
    world: World | None,
    wrong: int,
    seed: int,
) -> Examples:
    """The examples of items and their pictures (N, S, S, 3).

    A picture whose scene graph is known has `wrong` wrong captions, whose right wordings are captions too.
    """
    falsified = pairs_of(items, world, wrong, seed)
    return Examples(
        pictures,
        [
            _rows([*item.captions, *(pair.right for pair in pairs)], words, tokens)
            for item, pairs in zip(items, falsified, strict=True)
        ],
        [_rows([pair.text for pair in pairs], words, tokens) for pairs in falsified],
    )


def _rows(captions: Sequence[str], words: Words, tokens: int) -> NDArray[np.int64]:
    rows = [row(words.ids(caption)[: tokens - 1], tokens) for caption in captions]
    return np.array(rows, np.int64).reshape(len(rows), tokens)
