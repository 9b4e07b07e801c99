"""What a model is asked to draw, and what its pictures are held against: a world, a captioned set, or sentences, which
may be held against either."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..data import load_picture, mixed, read_set, split
from ..data.captioned import CaptionedSet, Item
from ..data.storybook import Label, label_in, number_of
from ..engine.request import MAX_PROMPT
from ..errors import InvalidInput, NotFound
from ..registry.models import Model
from ..storybook.grammar import random_for
from ..storybook.prompts import FROZEN
from ..storybook.worlds import FRESH, WORLDS, Prompt, World, fresh_prompts, world_learned
from ..storybook.worlds import world as world_of
from ..storybook.worlds.world import Graph
from ..training.sentences import lines_of
from .askable import Askable
from .lineage import Told, over

NAMED_PROMPTS = Path(__file__).resolve().parent / "prompts"
"""Files of sentences that go by their name: six."""
SET, SENTENCES = "set", "sentences"
_REAL_SEED = 0x7EA1
_ASKED, _FRESH = 250, 96  # of a captioned set and of fresh prompts, where nobody says how many
_EVERY = sys.maxsize

Can = Callable[[str], bool]
"""Whether a text can be asked for."""


@dataclass(frozen=True)
class Pair:
    """A true picture, uint8 (size, size, 3), a text that is true of it, and what is known of what it shows."""

    pixels: NDArray[np.uint8]
    text: str
    shown: Graph | None


class Material(Protocol):
    """What a model is asked and held against.

    `files` are prompts by the name of their file; the `scene` of one is None where it is not known what it says.
    """

    @property
    def name(self) -> str:
        """What it is called on a card."""

    @property
    def hash(self) -> str:
        """What tells it from others."""

    @property
    def world(self) -> World | None:
        """The world whose scene graphs it has."""

    @property
    def files(self) -> Mapping[str, Sequence[Prompt]]:
        """The prompts of each file."""

    def texts(self) -> Sequence[str]:
        """Further texts of its kind."""

    def same(self, text: str) -> frozenset[str]:
        """A text and the others that are known to be true of the same picture."""

    def real(self, copy: int, count: int, size: int, pool: Executor | None = None) -> list[Pair]:
        """At most `count` true pictures: of copy 0 those that are asked about, of copy 1 others, which a model may have
        learned from."""

    def learned(self) -> tuple[Item, ...] | None:
        """What the model learned from of the set, where it is known that it did."""


@dataclass(frozen=True)
class Frozen:
    """The prompts of a world, frozen or fresh, and true pictures of them drawn on the spot."""

    world: World
    files: Mapping[str, Sequence[Prompt]]

    @property
    def name(self) -> str:
        return f"{self.world.name}-{FRESH}" if FRESH in self.files else self.world.name

    @property
    def hash(self) -> str:
        return _hash(prompt.id + prompt.text for prompts in self.files.values() for prompt in prompts)

    def texts(self) -> Sequence[str]:
        return ()

    def real(self, copy: int, count: int, size: int, pool: Executor | None = None) -> list[Pair]:
        prompts = [prompt for file in self.files.values() for prompt in file]
        asked = [(prompts[k % len(prompts)], k) for k in range(count)]
        drawn = over(pool, partial(_true, self.world.name, copy, size), asked)
        return [
            Pair(pixels, prompt.text, prompt.scene) for pixels, (prompt, _) in zip(drawn, asked, strict=True)
        ]

    def same(self, text: str) -> frozenset[str]:
        return frozenset([text])

    def learned(self) -> tuple[Item, ...] | None:
        return None


def _true(world: str, copy: int, size: int, asked: tuple[Prompt, int]) -> NDArray[np.uint8]:
    prompt, number = asked
    return world_of(world).picture(prompt.scene, random_for(_REAL_SEED + copy, number), size)


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
    return Prompt(f"{SET}-{number:03d}", *world.describe(shown, random_for(_REAL_SEED, number)))


def _caption(item: Item, can: Can) -> str | None:
    """The first caption that can be asked for."""
    return next((caption for caption in item.captions if can(caption)), None)


def _askable(world: World | None, items: Sequence[Item], can: Can) -> tuple[Item, ...]:
    """Those of which a prompt can be made, mixed."""
    return mixed(
        [item for item in items if _shown(world, item) is not None or _caption(item, can) is not None]
    )


@dataclass(frozen=True)
class Sentences:
    """Sentences of which no true picture is there."""

    name: str
    files: Mapping[str, Sequence[Prompt]]
    world: World | None = None

    @property
    def hash(self) -> str:
        return _hash(prompt.text for prompts in self.files.values() for prompt in prompts)

    def texts(self) -> Sequence[str]:
        return ()

    def same(self, text: str) -> frozenset[str]:
        return frozenset([text])

    def real(self, copy: int, count: int, size: int, pool: Executor | None = None) -> list[Pair]:
        return []

    def learned(self) -> tuple[Item, ...] | None:
        return None


@dataclass(frozen=True)
class Against:
    """Sentences, held against the true pictures of a world or a captioned set, of which they say nothing."""

    sentences: Sentences
    base: Material

    @property
    def name(self) -> str:
        return f"{self.sentences.name}-{self.base.name}"

    @property
    def hash(self) -> str:
        return _hash(part.hash for part in (self.sentences, self.base))

    @property
    def world(self) -> World | None:
        return self.base.world

    @property
    def files(self) -> Mapping[str, Sequence[Prompt]]:
        return self.sentences.files

    def texts(self) -> Sequence[str]:
        return self.base.texts()

    def same(self, text: str) -> frozenset[str]:
        return self.base.same(text)

    def real(self, copy: int, count: int, size: int, pool: Executor | None = None) -> list[Pair]:
        return self.base.real(copy, count, size, pool)

    def learned(self) -> tuple[Item, ...] | None:
        return self.base.learned()


def world_asked(model: Model) -> World:
    """The world that a model is asked about where nobody says which: what it has learned, else scenes."""
    return world_learned(model.manifest.lineage.recipe) or next(iter(WORLDS.values()))


def material_of(model: Model, data: str | None, prompts: str | None, count: int | None) -> Material:
    """What `--data` and `--prompts` say: the name of a world, or else a folder; the name of a file of prompts, or one,
    or "fresh", which are a world's. The prompts of a file are held against what `data` names.

    Without either, the world that the model has learned, else scenes. `count` is the most prompts of each file.
    NotFound or InvalidInput where there is no such thing, or nothing in it, or a prompt that the model cannot be asked
    for.
    """
    can = Askable(model)
    found = _material(model, data, prompts, count, can)
    for prompt in (prompt for each in found.files.values() for prompt in each):
        if refused := can.refusal(prompt.text):
            raise InvalidInput(f"prompt {prompt.id} cannot be asked for: {refused}", field="prompts")
    return found


def _material(model: Model, data: str | None, prompts: str | None, count: int | None, can: Can) -> Material:
    if prompts == FRESH:
        world = world_of(data or world_asked(model).name)
        return Frozen(world, {FRESH: fresh_prompts(world, count or _FRESH)})
    if prompts is None:
        return _world_or_set(model, world_asked(model).name if data is None else data, count, can)
    if data is None:
        return _sentences(prompts, count)
    if not model.manifest.draws:
        raise InvalidInput(
            f"'{model.name}' draws no sentences; leave out --prompts, or --data", field="prompts"
        )
    return Against(_sentences(prompts, count), _world_or_set(model, data, _EVERY, can))


def _world_or_set(model: Model, data: str, count: int | None, can: Can) -> Material:
    if data in WORLDS:
        world = WORLDS[data]
        return Frozen(world, {name: world.frozen(name)[:count] for name in FROZEN})
    folder = Path(data)
    if not folder.is_dir():
        raise NotFound(
            f"data '{data}' not found; name a folder of captioned pictures, or a world: {', '.join(WORLDS)}"
        )
    return _captioned(model, folder, count, can)


def _captioned(model: Model, folder: Path, count: int | None, can: Can) -> Captioned:
    whole = read_set(folder)
    content, label, known = whole.content_hash(), label_in(folder), None
    parts = [
        split(whole.items, each.held_out, each.seed)
        for each in model.manifest.lineage.learned()
        if each.data_hash == content
    ]
    if parts:
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
    held_out, others = (_askable(world, part, can) for part in (held_out, others))
    if not held_out:
        raise InvalidInput(
            f"no picture of {folder} that would be asked about has a caption that can be asked for: "
            f"write one of at most {MAX_PROMPT} letters, without control characters, in words that '{model.name}' knows"
        )
    files = _asked(world, held_out, count, can)
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


def shared(materials: Sequence[Material], count: int | None) -> list[Material]:
    """The materials of several models, which ask all of them the same: of a captioned set, about pictures that none of
    them has learned from. InvalidInput where there are none."""
    beside = [material for material in materials if isinstance(material, Against)]
    if len(beside) == len(materials):
        bases = shared([material.base for material in beside], _EVERY)
        return [replace(one, base=base) for one, base in zip(beside, bases, strict=True)]
    sets = [material for material in materials if isinstance(material, Captioned)]
    if len(sets) < len(materials):
        return list(materials)
    files = [{item.file for item in one.held_out} for one in sets]
    new = tuple(item for item in sets[0].held_out if all(item.file in held_out for held_out in files))

    def can(text: str) -> bool:
        return all(one.can(text) for one in sets)

    if not (new := _askable(sets[0].world, new, can)):
        raise InvalidInput(
            "every picture of the set was learned from by one of these models, or has no caption in words that all of "
            "them know; name another set"
        )
    asked = _asked(sets[0].world, new, count, can)
    return [replace(one, files=asked, held_out=new, can=can) for one in sets]


def _asked(
    world: World | None, items: Sequence[Item], count: int | None, can: Can
) -> dict[str, list[Prompt]]:
    return {SET: [_prompt(world, number, item, can) for number, item in enumerate(items[: count or _ASKED])]}


def _sentences(source: str, count: int | None) -> Sentences:
    file = NAMED_PROMPTS / f"{source}.txt"
    file = file if file.is_file() else Path(source)
    found = [Prompt(f"{SENTENCES}-{k:03d}", line, None) for k, line in enumerate(lines_of(file)[:count])]
    return Sentences(file.stem, {SENTENCES: found})


def _hash(parts: Iterator[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
