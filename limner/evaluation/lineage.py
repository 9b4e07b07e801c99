"""What a model has learned from, as far as it can be had again: by its lineage, drawn anew or read from its folder,
without what was held out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..data import load_picture, read_set, split, write_storybook
from ..data.captioned import Item
from ..data.storybook import number_of
from ..errors import InvalidInput, NotFound
from ..registry.models import Model
from ..storybook.layout import Drawings
from ..storybook.worlds import check_drawings, world_learned
from ..storybook.worlds import world as world_of

MOST, _BYTES = 3000, 300_000_000
"""Pictures that are looked through for the nearest, fewer where they are large; more cost minutes, and memory."""
_A = TypeVar("_A")
_B = TypeVar("_B")

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Told:
    """What a model's lineage says of its data: how many pictures of which seed of a world, of `size` pixels, and the
    share of them that was held out by `split_seed`."""

    world: str | None
    count: int
    seed: int
    drawings: Drawings
    size: int
    held_out: float
    split_seed: int

    @classmethod
    def by(cls, model: Model) -> Told | None:
        """What the recipe in a model's lineage says; None where it says nothing that is understood."""
        try:
            tables: dict[str, Any] = json.loads(model.manifest.lineage.recipe)
            data = tables["data"]
            world = world_learned(model.manifest.lineage.recipe)
            count, seed = int(data.get("storybook_count", 0)), int(data.get("storybook_seed", 1))
            drawings, size = data.get("storybook_drawings", "all"), int(data.get("size", 128))
            held_out, split_seed = float(data.get("held_out", 0.01)), int(tables.get("seed", 0))
            if world is not None:
                check_drawings(world, drawings)
            name = None if world is None else world.name
            return cls(name, count, seed, drawings, size, held_out, split_seed)
        except (ValueError, KeyError, TypeError, AttributeError, NotFound, InvalidInput):
            return None


@dataclass(frozen=True)
class Past:
    """Pictures that a model learned from, uint8 (N, size, size, 3), and the captions of each.

    There are at most `MOST` of about `count` in all, of the first; `note` says why there are none.
    """

    pictures: Pixels
    captions: tuple[tuple[str, ...], ...]
    count: int
    note: str | None = None


def past_of(model: Model, learned: tuple[Item, ...] | None, size: int, pool: Executor | None) -> Past:
    """What a model learned from: items of a set where they are known to be it, else what its recipe drew.

    PictureError where one of the items cannot be read.
    """
    if learned is not None:
        items = learned[: _most(size)]
        found = over(pool, partial(_read, size=size), items)
        return Past(_stacked(found, size), tuple(item.captions for item in items), len(learned))
    told = Told.by(model)
    if told is None or told.world is None:
        return Past(_stacked([], size), (), 0, "what the model learned from is not here")
    drawn = over(pool, partial(_drawn, told, size), _learned(told, min(told.count, _most(size))))
    count = told.count - round(told.held_out * told.count)
    return Past(_stacked([pixels for pixels, _ in drawn], size), tuple(texts for _, texts in drawn), count)


def _learned(told: Told, first: int) -> list[int]:
    """Of the first pictures that a recipe drew the numbers of those that were not held out, as training split them.

    Which were held out follows from all pictures of the recipe. Of the first ones alone more are left out, so that
    those are among them: the share, and five standard deviations of how many of the share they happen to hold.
    """
    assert told.world is not None
    more = 5 * (told.held_out / first) ** 0.5 if first < told.count else 0.0
    with TemporaryDirectory(prefix="limner-learned-") as folder:
        whole = write_storybook(
            Path(folder) / "pictures", first, told.size, told.seed, world=told.world, drawings=told.drawings
        )
        kept, _ = split(read_set(whole).items, min(0.9, told.held_out + more), told.split_seed)
    return [number_of(item.file) for item in kept]


def over(pool: Executor | None, function: Callable[[_A], _B], items: Iterable[_A]) -> list[_B]:
    """A function of each item, in a pool of processes where there is one."""
    return (
        [function(item) for item in items] if pool is None else list(pool.map(function, items, chunksize=16))
    )


def _most(size: int) -> int:
    return min(MOST, max(1, _BYTES // (3 * size * size)))


def _read(item: Item, size: int) -> Pixels:
    return load_picture(item.file, size, box=item.box)


def _drawn(told: Told, size: int, number: int) -> tuple[Pixels, tuple[str, ...]]:
    assert told.world is not None
    made = world_of(told.world).example(told.seed, number, size, told.drawings)
    return np.asarray(made.image), tuple(made.texts)


def _stacked(pictures: list[Pixels], size: int) -> Pixels:
    return np.stack(pictures) if pictures else np.empty((0, size, size, 3), np.uint8)


def nearest_by_words(prompts: list[str], captions: tuple[tuple[str, ...], ...]) -> list[int]:
    """For each prompt the place of the picture one of whose captions shares most of its words, rare ones counting more.

    Words weigh log(captions / captions with it); the measure is the cosine, and the first of several is given.
    """
    owners = [place for place, told in enumerate(captions) for _ in told]
    texts = [_words(text) for told in captions for text in told]
    number = {word: k for k, word in enumerate(sorted(set().union(*texts)))}
    table = np.zeros((len(texts), len(number)), np.float32)
    for row, words in enumerate(texts):
        table[row, [number[word] for word in words]] = 1
    weights = np.log(len(texts) / table.sum(0).clip(1)) + 1e-6
    table *= weights
    table /= np.linalg.norm(table, axis=1, keepdims=True).clip(1e-9)
    found = []
    for prompt in prompts:
        asked = np.zeros(len(number), np.float32)
        asked[[number[word] for word in _words(prompt) if word in number]] = 1
        found.append(owners[int((table @ (asked * weights)).argmax())])
    return found


def _words(text: str) -> set[str]:
    return {"".join(letter for letter in word if letter.isalnum()) for word in text.lower().split()} - {""}
