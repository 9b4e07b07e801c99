"""Who checks the checker: how often it accepts what is so, and what is not, on pictures known to be right."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from ..families.parti.shape import SHAPE_NAME, Shape
from ..storybook.grammar import random_for
from ..storybook.worlds import Verdict
from ..storybook.worlds import world as world_of
from ..storybook.worlds.world import Graph
from .tally import Rows, tally

Pixels = NDArray[np.uint8]
Transform = Callable[[Pixels], Pixels]
"""From pictures to pictures, uint8 (B, H, W, 3)."""

FRESH_SEED = 990_001
_BATCH = 16


class Accuracy(BaseModel):
    """How many true statements are accepted, and how many with one atom falsified."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    true: Rows
    falsified: Rows


def true_and_false(
    world: str, pixels: Pixels, graph: Graph, seed: int
) -> tuple[tuple[Verdict, ...], tuple[Verdict, ...]]:
    """The verdicts on what a graph says of a picture, uint8 (H, W, 3), and on each statement falsified."""
    falsified = world_of(world).falsified(graph, random_for(seed, 1))
    right, *others = world_of(world).judge(pixels, [graph, *(changed for _, changed in falsified)])
    wrong = [
        next(verdict for verdict in answers if verdict.statement == false)
        for (false, _), answers in zip(falsified, others, strict=True)
    ]
    return right, tuple(wrong)


def accuracy(
    world: str,
    count: int,
    size: int = 128,
    transform: Transform | None = None,
    seed: int = FRESH_SEED,
    pool: Executor | None = None,
    on_checked: Callable[[int], None] | None = None,
) -> Accuracy:
    """Measure a world's checker on `count` fresh pictures of `size` pixels, each changed by `transform` if given.

    Half of them hold pairs that training never sees. `on_checked` is told how many are done.
    """
    kinds = tuple(world_of(world).values)
    right: list[tuple[Verdict, ...]] = []
    wrong: list[tuple[Verdict, ...]] = []
    for first in range(0, count, _BATCH):
        fresh = [
            world_of(world).fresh(seed, index, size) for index in range(first, min(first + _BATCH, count))
        ]
        pictures = np.stack([pixels for pixels, _ in fresh])
        if transform is not None:
            pictures = transform(pictures)
        each = pool.map if pool is not None else map
        numbers = range(first, first + len(fresh))
        for true, false in each(
            partial(true_and_false, world), pictures, [graph for _, graph in fresh], numbers
        ):
            right.append(true)
            wrong.append(false)
        if on_checked is not None:
            on_checked(len(right))
    return Accuracy(true=tally(kinds, right), falsified=tally(kinds, wrong))


def plans_first(directory: Path) -> bool:
    """Whether the decoder of a model directory is told of a plan when it draws, which no round trip has."""
    return (directory / SHAPE_NAME).is_file() and Shape.read(directory).subjects is not None


def round_trip(directory: Path) -> Transform:
    """Through the autoencoder of a model directory (its `vae` folder, or Parti's image tokenizer) and back.

    Needs torch and diffusers, and lets ModuleNotFoundError through where they are missing.
    """
    if (directory / SHAPE_NAME).is_file():
        from ..families.parti.export import through_tokens

        return through_tokens(directory)
    import torch
    from diffusers import AutoencoderKL

    from ..training.pictures import to_pixels, to_tensor

    vae = AutoencoderKL.from_pretrained(directory, subfolder="vae").eval()

    def through(pictures: Pixels) -> Pixels:
        with torch.inference_mode():
            return to_pixels(vae.decode(vae.encode(to_tensor(pictures)).latent_dist.mean).sample)

    return through
