"""Holding one drawn picture against its prompt, and against others for comparison."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..storybook.worlds import Prompt, Verdict, World
from ..storybook.worlds import world as world_of
from ..storybook.worlds.world import Graph
from .card import FileCard
from .tally import tally


@dataclass(frozen=True)
class Task:
    """One picture to draw: a prompt of a world and a seed, and the scene graphs to hold the picture against.

    `chance` says as much as the prompt, at random; `shuffled` is another prompt's graph.
    """

    world: str
    prompt: Prompt
    seed: int
    chance: Graph
    shuffled: Graph


@dataclass(frozen=True)
class Judged:
    """The verdicts on a picture: on its own prompt, on the graph at random, on another prompt's graph."""

    own: tuple[Verdict, ...]
    chance: tuple[Verdict, ...]
    shuffled: tuple[Verdict, ...]


def judge(pixels: NDArray[np.uint8], task: Task) -> Judged:
    """Check a picture, uint8 (H, W, 3); it is looked at once."""
    graphs = (task.prompt.scene, task.chance, task.shuffled)
    return Judged(*world_of(task.world).judge(pixels, graphs))


def file_card(world: World, tasks: list[Task], judged: list[Judged]) -> FileCard:
    """The rates of one frozen file."""
    subsets = [world.subset(task.prompt.scene) for task in tasks]
    kinds, prompts = tuple(world.values), [task.prompt.id for task in tasks]
    return FileCard(
        prompts=len({task.prompt.id for task in tasks}),
        all=tally(kinds, (one.own for one in judged), prompts),
        subsets={
            name: tally(
                kinds,
                (one.own for one, of in zip(judged, subsets, strict=True) if of == name),
                [prompt for prompt, of in zip(prompts, subsets, strict=True) if of == name],
            )
            for name in world.subsets
        },
        chance=tally(kinds, (one.chance for one in judged), prompts),
        shuffled=tally(kinds, (one.shuffled for one in judged), prompts),
    )
