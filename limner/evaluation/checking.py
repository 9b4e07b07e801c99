"""Who checks the checker: how often it accepts what is so, and what is not, on pictures known to be right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from ..storybook.captions import describe
from ..storybook.checker import Verdict, read, verdicts
from ..storybook.grammar import random_for
from ..storybook.render import render
from ..storybook.scene import Scene, statements, with_statement
from .falsify import falsified
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


@contextmanager
def checkers(processes: int | None = None) -> Iterator[Executor]:
    """A pool of processes to check in; they are started afresh, so that no thread of this one is copied."""
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield pool


def true_and_false(
    pixels: Pixels, scene: Scene, seed: int
) -> tuple[tuple[Verdict, ...], tuple[Verdict, ...]]:
    """The verdicts on what a scene says of a picture, uint8 (H, W, 3), and on each statement falsified."""
    reading, rng = read(pixels, scene.sign is not None), random_for(seed, 1)
    wrong = []
    for statement in statements(scene):
        false = falsified(scene, statement, rng)
        answers = verdicts(reading, with_statement(scene, false))
        wrong.append(next(answer for answer in answers if answer.statement == false))
    return verdicts(reading, scene), tuple(wrong)


def fresh(index: int, seed: int, size: int) -> tuple[Pixels, Scene]:
    """A picture that no training has seen, and its scene: as far as a caption says it, or whole, in turns."""
    drawn = render(seed, index, size, held_out=index % 4 > 1)
    whole = index % 2 == 1
    return np.asarray(drawn.image), drawn.scene if whole else describe(
        drawn.scene, random_for(seed + 1, index)
    )[1]


def accuracy(
    count: int,
    size: int = 128,
    transform: Transform | None = None,
    seed: int = FRESH_SEED,
    pool: Executor | None = None,
    on_checked: Callable[[int], None] | None = None,
) -> Accuracy:
    """Measure the checker on `count` fresh scenes of `size` pixels, each changed by `transform` if there is one.

    Half of the scenes hold pairs that training never sees. `on_checked` is told how many are done.
    """
    right: list[tuple[Verdict, ...]] = []
    wrong: list[tuple[Verdict, ...]] = []
    for first in range(0, count, _BATCH):
        scenes = [fresh(index, seed, size) for index in range(first, min(first + _BATCH, count))]
        pictures = np.stack([pixels for pixels, _ in scenes])
        if transform is not None:
            pictures = transform(pictures)
        each = pool.map if pool is not None else map
        numbers = range(first, first + len(scenes))
        for true, false in each(true_and_false, pictures, [scene for _, scene in scenes], numbers):
            right.append(true)
            wrong.append(false)
        if on_checked is not None:
            on_checked(len(right))
    return Accuracy(true=tally(right), falsified=tally(wrong))


def round_trip(directory: Path) -> Transform:
    """Through the autoencoder of a model directory (its `vae` folder) and back.

    Needs torch and diffusers, and lets ModuleNotFoundError through where they are missing.
    """
    import torch
    from diffusers import AutoencoderKL

    from ..families.diffusion.autoencoder_stage import to_pixels, to_tensor

    vae = AutoencoderKL.from_pretrained(directory, subfolder="vae").eval()

    def through(pictures: Pixels) -> Pixels:
        with torch.inference_mode():
            return to_pixels(vae.decode(vae.encode(to_tensor(pictures)).latent_dist.mean).sample)

    return through
