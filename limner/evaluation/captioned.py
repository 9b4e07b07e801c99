"""A captioned set as what a model is asked: the captions of pictures that it has not learned from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..data import load_picture, mixed, read_set, split
from ..data.captioned import CaptionedSet, Item
from ..data.storybook import Label, label_in, number_of
from ..engine.request import MAX_PROMPT
from ..errors import InvalidInput
from ..registry.models import Model
from ..storybook.grammar import random_for
from ..storybook.worlds import Prompt, World
from ..storybook.worlds import world as world_of
from ..storybook.worlds.world import Graph
from .lineage import Told, over

SET = "set"
REAL_SEED = 0x7EA1
_ASKED = 250  # pictures, where nobody says how many

Can = Callable[[str], bool]
"""Whether a text can be asked for."""


@dataclass(frozen=True)
class Pair:
    """A true picture, uint8 (size, size, 3), a text that is true of it, and what is known of what it shows."""

    pixels: NDArray[np.uint8]
    text: str
    shown: Graph | None


@dataclass(frozen=True)
class Captioned:
    """A captioned set: the captions of pictures that a model has not learned from, and those pictures.

    `held_out` and `others` are the items of copies 0 and 1, without those that have no caption that can be asked for,
    mixed, so that the first of a set that is in order are of all of it; where the set has scene graphs, prompts are
    said anew of them, so that it is known what each says. `can` tells what the model can be asked for.
    """

    name: str
    hash: str
    world: World | None
    files: Mapping[str, Sequence[Prompt]]
    held_out: tuple[Item, ...]
    others: tuple[Item, ...]
    known: tuple[Item, ...] | None
    can: Can

    def texts(self) -> Sequence[str]:
        return [caption for item in (*self.held_out, *self.others) for caption in item.captions]

    def same(self, text: str) -> frozenset[str]:
        items = (item for item in (*self.held_out, *self.others) if text in item.captions)
        return frozenset([text]).union(*(item.captions for item in items))

    def real(self, copy: int, count: int, size: int, pool: Executor | None = None) -> list[Pair]:
        items = (self.held_out, self.others)[copy][: min(count, sum(map(len, self.files.values())))]
        pictures = over(pool, partial(_read, size=size), items)
        told = [_prompt(self.world, number, item, self.can) for number, item in enumerate(items)]
        return [
            Pair(pixels, prompt.text, prompt.scene) for pixels, prompt in zip(pictures, told, strict=True)
        ]

    def learned(self) -> tuple[Item, ...] | None:
        return self.known


def _read(item: Item, size: int) -> NDArray[np.uint8]:
    return load_picture(item.file, size, box=item.box)


def _shown(world: World | None, item: Item) -> Graph | None:
    graph = item.attributes.get("scene")
    return world.graph(graph) if world is not None and isinstance(graph, dict) else None


def _prompt(world: World | None, number: int, item: Item, can: Can) -> Prompt:
    shown = _shown(world, item)
    if world is None or shown is None:
        caption = _caption(item, can)
        assert caption is not None
        return Prompt(f"{SET}-{number:03d}", caption, None)
    return Prompt(f"{SET}-{number:03d}", *world.describe(shown, random_for(REAL_SEED, number)))


def _caption(item: Item, can: Can) -> str | None:
    """The first caption that can be asked for."""
    return next((caption for caption in item.captions if can(caption)), None)


def askable(world: World | None, items: Sequence[Item], can: Can) -> tuple[Item, ...]:
    """Those of which a prompt can be made, mixed."""
    return mixed(
        [item for item in items if _shown(world, item) is not None or _caption(item, can) is not None]
    )


def captioned(model: Model, folder: Path, count: int | None, can: Can) -> Captioned:
    """What a folder asks a model, of the pictures that it has not learned from. InvalidInput where none is left, or
    none has a caption that can be asked for."""
    whole = read_set(folder)
    content, label, known = whole.content_hash(), label_in(folder), None
    if parts := _parted(whole, model, content):
        new = set.intersection(*({item.file for item in held_out} for _, held_out in parts))
        known, held_out = (tuple(i for i in whole.items if (i.file in new) == held) for held in (False, True))
        if not held_out:
            raise InvalidInput(
                f"every picture of {folder} was learned from by '{model.name}' or those before it; name another set"
            )
        others = known
    else:
        others, held_out = split(_unseen(whole, model, label), 0.5, 0)
    world = world_of(label.world) if label is not None else None
    held_out, others = (askable(world, part, can) for part in (held_out, others))
    if not held_out:
        raise InvalidInput(
            f"no picture of {folder} that would be asked about has a caption that can be asked for: "
            f"write one of at most {MAX_PROMPT} letters, without control characters, in words that '{model.name}' knows"
        )
    files = prompts_of(world, held_out, count, can)
    known = None if known is None else mixed(known)
    return Captioned(folder.resolve().name, content[:16], world, files, held_out, others, known, can)


def _unseen(whole: CaptionedSet, model: Model, label: Label | None) -> tuple[Item, ...]:
    """Of a set that the model has not learned as it is, what it has not learned otherwise: Storybook's pictures are the
    same in every folder of a seed. InvalidInput where nothing is left."""
    told = Told.by(model)
    if label is None or told is None:
        return whole.items
    if (told.world, told.seed, told.drawings) != (label.world, label.seed, label.drawings):
        return whole.items
    found = tuple(item for item in whole.items if number_of(item.file) >= told.count)
    if not found:
        raise InvalidInput(
            f"'{model.name}' has learned from the first {told.count} pictures of {label.world} of seed {label.seed}, "
            f"and {whole.folder} holds no others; draw some with another --seed"
        )
    return found


def _parted(
    whole: CaptionedSet, model: Model, content: str
) -> list[tuple[tuple[Item, ...], tuple[Item, ...]]]:
    """The set, or what it was before somebody changed it, as each training parted it that learned from it: what it
    learned from, and what it held out. Of a changed one that is true but for a few, for a picture's part goes by its
    name and captions."""
    learned = model.manifest.lineage.learned()
    same = [each for each in learned if each.data_hash == content]
    if not same:
        here = whole.folder.resolve()
        same = [each for each in learned if each.folder is not None and Path(each.folder).resolve() == here]
    return [split(whole.items, each.held_out, each.seed) for each in same]


def prompts_of(
    world: World | None, items: Sequence[Item], count: int | None, can: Can
) -> dict[str, list[Prompt]]:
    """The prompts of items, of the first `count` or 250, by the name of their one file."""
    return {SET: [_prompt(world, number, item, can) for number, item in enumerate(items[: count or _ASKED])]}
