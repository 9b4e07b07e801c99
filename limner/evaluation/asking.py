"""Asking a model for the pictures of a file of prompts, and checking those whose prompts say what a checker can
tell."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..engine.request import DrawRequest
from ..engine.studio import Studio
from ..storybook.grammar import random_for
from ..storybook.worlds import Prompt, World
from .card import FileCard
from .drawing import draw_all
from .judging import Judged, Task, file_card, judge
from .lineage import Past, nearest_by_words
from .tally import tally

AT_ONCE = 16
FIRST_SEED = 1

Pixels = NDArray[np.uint8]
Tell = Callable[[str, int], Callable[[int], None]]
"""Told what is done and of how many parts; gives what is told how many are."""


@dataclass(frozen=True)
class Asked:
    """One picture that is asked for: a prompt and a seed."""

    prompt: Prompt
    seed: int


@dataclass(frozen=True)
class Drawn:
    """The pictures of one file in the order in which they were asked for, the seconds that they took, and what the
    checker said of each, where it could."""

    asked: tuple[Asked, ...]
    pictures: tuple[Pixels, ...]
    seconds: float
    verdicts: tuple[Judged, ...] | None = None


def asked(prompts: Sequence[Prompt], seeds: int) -> tuple[Asked, ...]:
    """Every prompt with each seed, the prompts in their order."""
    return tuple(Asked(prompt, seed) for prompt in prompts for seed in range(FIRST_SEED, FIRST_SEED + seeds))


def drawn(
    studio: Studio,
    model: str,
    wanted: tuple[Asked, ...],
    told: Callable[[int], None],
    say: Callable[[str], str] = str,
) -> Drawn:
    """Draw what is asked for, as `say` says each prompt; nothing else should run meanwhile."""
    requests = [DrawRequest(prompt=say(one.prompt.text), model=model, seed=one.seed) for one in wanted]
    pictures: dict[int, Pixels] = {}
    began = time.perf_counter()
    with closing(draw_all(studio, requests, AT_ONCE)) as drawing:
        for number, picture in drawing:
            pictures[number] = picture.pixels
            told(len(pictures))
    return Drawn(wanted, tuple(pictures[k] for k in range(len(wanted))), time.perf_counter() - began)


def tasks(world: World, wanted: Sequence[Asked]) -> list[Task]:
    """What each picture is held against: what its prompt says, as much at random, and another prompt."""
    prompts = list({one.prompt.id: one.prompt for one in wanted}.values())
    places = {prompt.id: place for place, prompt in enumerate(prompts)}
    found = []
    for one in wanted:
        place = places[one.prompt.id]
        rng = random_for(one.seed, place)
        step = 1 + int(rng.integers(len(prompts) - 1)) if len(prompts) > 1 else 0
        other = prompts[(place + step) % len(prompts)].scene
        chance = world.at_random(one.prompt.scene, rng)
        found.append(Task(world.name, one.prompt, one.seed, chance, other))
    return found


def checked(
    part: Drawn, world: World | None, past: Past, pool: Executor, told: Callable[[int], None]
) -> tuple[Drawn, FileCard | None]:
    """The verdicts on a file's pictures and their rates; without them where no checker knows what the prompts say."""
    if world is None or any(one.prompt.scene is None for one in part.asked):
        return part, None
    wanted, verdicts = tasks(world, part.asked), []
    for judged in pool.map(judge, part.pictures, wanted):
        verdicts.append(judged)
        told(len(verdicts))
    card = file_card(world, wanted, verdicts)
    return replace(part, verdicts=tuple(verdicts)), _with_nearest(card, world, wanted, past, pool)


def _with_nearest(card: FileCard, world: World, wanted: list[Task], past: Past, pool: Executor) -> FileCard:
    """And those of the pictures learned from whose captions share most words with the prompts."""
    once = [task for task in wanted if task.seed == FIRST_SEED]
    if not past.captions:
        return card
    places = nearest_by_words([task.prompt.text for task in once], past.captions)
    judged = pool.map(judge, [past.pictures[place] for place in places], once)
    return card.model_copy(update={"nearest": tally(tuple(world.values), (one.own for one in judged))})
