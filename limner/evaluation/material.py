"""What a model is asked to draw, and what its pictures are held against: a world, a captioned set, or sentences, which
may be held against either."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..data.captioned import Item
from ..data.storybook import label_in
from ..errors import InvalidInput, NotFound
from ..registry.models import Model
from ..storybook.grammar import random_for
from ..storybook.prompts import FROZEN
from ..storybook.worlds import FRESH, WORLDS, Prompt, World, fresh_prompts, world_learned
from ..storybook.worlds import world as world_of
from ..training.sentences import lines_of
from .askable import Askable
from .captioned import REAL_SEED, Can, Captioned, Pair, askable, captioned, prompts_of
from .lineage import over

NAMED_PROMPTS = Path(__file__).resolve().parent / "prompts"
"""Files of sentences that go by their name: six."""
SENTENCES = "sentences"
_FRESH = 96  # prompts, where nobody says how many
_EVERY = sys.maxsize


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
    return world_of(world).picture(prompt.scene, random_for(REAL_SEED + copy, number), size)


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


def own_world(model: Model) -> World | None:
    """The world that a model has learned; scenes where nothing says from which pictures it learned, and None where
    those were of somebody's own."""
    lineage = model.manifest.lineage
    if lineage.folder is None:
        return world_learned(lineage.recipe) or next(iter(WORLDS.values()))
    label = label_in(Path(lineage.folder))
    return None if label is None else world_of(label.world)


def _asked_by_default(model: Model) -> str:
    """What `--data` is where nobody says; InvalidInput where the model's own pictures are not here."""
    world, folder = own_world(model), model.manifest.lineage.folder
    if world is not None:
        return world.name
    assert folder is not None
    if not Path(folder).is_dir():
        raise InvalidInput(
            f"'{model.name}' learned from {folder}, which is not here; say by --data what to ask: a folder of "
            f"captioned pictures, or a world: {', '.join(WORLDS)}",
            field="data",
        )
    return folder


def material_of(model: Model, data: str | None, prompts: str | None, count: int | None) -> Material:
    """What `--data` and `--prompts` say: the name of a world, or else a folder; the name of a file of prompts, or one,
    or "fresh", which are a world's. The prompts of a file are held against what `data` names.

    Without either, the world or the set that the model has learned, else scenes. `count` is the most prompts of each
    file. NotFound or InvalidInput where there is no such thing, or nothing in it, or a prompt that the model cannot be
    asked for.
    """
    can = Askable(model)
    found = _material(model, data, prompts, count, can)
    for prompt in (prompt for each in found.files.values() for prompt in each):
        if refused := can.refusal(prompt.text):
            raise InvalidInput(f"prompt {prompt.id} cannot be asked for: {refused}", field="prompts")
    return found


def _material(model: Model, data: str | None, prompts: str | None, count: int | None, can: Can) -> Material:
    if prompts == FRESH:
        world = world_of(data or _asked_by_default(model))
        return Frozen(world, {FRESH: fresh_prompts(world, count or _FRESH)})
    if prompts is None:
        return _world_or_set(model, _asked_by_default(model) if data is None else data, count, can)
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
    return captioned(model, folder, count, can)


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

    if not (new := askable(sets[0].world, new, can)):
        raise InvalidInput(
            "every picture of the set was learned from by one of these models, or has no caption in words that all of "
            "them know; name another set"
        )
    asked = prompts_of(sets[0].world, new, count, can)
    return [replace(one, files=asked, held_out=new, can=can) for one in sets]


def _sentences(source: str, count: int | None) -> Sentences:
    file = NAMED_PROMPTS / f"{source}.txt"
    file = file if file.is_file() else Path(source)
    found = [Prompt(f"{SENTENCES}-{k:03d}", line, None) for k, line in enumerate(lines_of(file)[:count])]
    return Sentences(file.stem, {SENTENCES: found})


def _hash(parts: Iterator[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
