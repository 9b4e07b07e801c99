"""Sentences that a model knows, as many as are wanted: those of Storybook, or the lines of a file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..engine.request import MAX_PROMPT
from ..errors import InvalidInput, NotFound
from ..registry.models import Model
from ..storybook.grammar import random_for
from ..storybook.prompts import FROZEN
from ..storybook.worlds import WORLDS

_SEED = 0xD157


@dataclass(frozen=True)
class Sentences:
    """Sentences without end: `text(n)` is number n, for any n from 0; `hash` tells these from others."""

    text: Callable[[int], str]
    about: str
    hash: str


def storybook(model: Model, field: str, ask: str) -> Sentences:
    """Captions of the worlds of Storybook whose words the model knows, without what is held out or frozen.

    InvalidInput where it knows the words of none: it names the field, and `ask` says how a file of sentences is given.
    """
    known = set(model.manifest.vocabulary or ())
    worlds = [world for world in WORLDS.values() if known >= set(world.vocabulary())]
    if not worlds:
        raise InvalidInput(
            f"what '{model.name}' draws is not known here: give a file of sentences for it, one a line, {ask}",
            field=field,
        )
    frozen = {prompt.text for world in worlds for name in FROZEN for prompt in world.frozen(name)}

    def text(number: int) -> str:
        world, seed = worlds[number % len(worlds)], _SEED
        while (found := world.prompt(random_for(seed, number), False)[0]) in frozen:
            seed += 1
        return found

    names = " and ".join(world.name for world in worlds)
    return Sentences(text, f"captions of Storybook's {names}", names)


def from_file(file: Path, field: str = "prompts") -> Sentences:
    """The lines of a file, over and over; errors as `lines_of`."""
    lines = lines_of(file, field)
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return Sentences(lambda number: lines[number % len(lines)], f"{len(lines)} sentences of {file}", digest)


def lines_of(file: Path, field: str = "prompts") -> list[str]:
    """The sentences of a file, one a line; NotFound without it, InvalidInput of `field` where it is empty or a line too
    long."""
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
    except FileNotFoundError:
        raise NotFound(f"no file of prompts at '{file}'") from None
    except (UnicodeDecodeError, IsADirectoryError):
        raise InvalidInput(f"{file} is not text in UTF-8; give one sentence a line", field=field) from None
    lines = [line for line in lines if line]
    if not lines:
        raise InvalidInput(f"{file} is empty; give one sentence a line", field=field)
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_PROMPT:
            raise InvalidInput(
                f"{file}: sentence {number} has {len(line)} letters; at most {MAX_PROMPT}", field=field
            )
    return lines
