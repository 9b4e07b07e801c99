"""Holding one drawn picture against its prompt, and against others for comparison."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..storybook.checker import Verdict, read, verdicts
from ..storybook.prompts import Prompt
from ..storybook.scene import Scene
from .card import FileCard
from .tally import tally

SUBSETS = ("one", "several", "two")


@dataclass(frozen=True)
class Task:
    """One picture to draw: a prompt and a seed, and the scenes to hold the picture against.

    `chance` says as much as the prompt, at random; `shuffled` is another prompt's scene.
    """

    prompt: Prompt
    seed: int
    chance: Scene
    shuffled: Scene


@dataclass(frozen=True)
class Judged:
    """The verdicts on a picture: on its own prompt, on the scene at random, on another prompt's scene."""

    own: tuple[Verdict, ...]
    chance: tuple[Verdict, ...]
    shuffled: tuple[Verdict, ...]


def judge(pixels: NDArray[np.uint8], task: Task) -> Judged:
    """Check a picture, uint8 (H, W, 3); it is read once."""
    reading = read(pixels, task.prompt.scene.sign is not None)
    own, chance, shuffled = (
        verdicts(reading, scene) for scene in (task.prompt.scene, task.chance, task.shuffled)
    )
    return Judged(own, chance, shuffled)


def subset(scene: Scene) -> str:
    """Which rows of the card a scene belongs to: "one" subject, "several" of a kind, or "two" things."""
    if len(scene.things) == 2:
        return "two"
    return "one" if scene.things[0].count == 1 else "several"


def file_card(tasks: list[Task], judged: list[Judged]) -> FileCard:
    """The rates of one frozen file."""
    kinds = [subset(task.prompt.scene) for task in tasks]
    return FileCard(
        prompts=len({task.prompt.id for task in tasks}),
        all=tally(one.own for one in judged),
        subsets={
            name: tally(one.own for one, kind in zip(judged, kinds, strict=True) if kind == name)
            for name in SUBSETS
        },
        chance=tally(one.chance for one in judged),
        shuffled=tally(one.shuffled for one in judged),
    )
