"""How long one way to draw takes a picture, and how well its pictures say what was asked."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from ..engine.request import DrawRequest
from ..engine.studio import LocalStudio
from ..evaluation.judging import Task, judge
from ..evaluation.tally import Rows, tally
from ..registry.manifest import Precision
from ..registry.models import Model, Registry
from ..storybook.worlds import Prompt, World

Interval = tuple[float, float]


@dataclass(frozen=True)
class Way:
    """One way to draw; None: as the model's manifest says."""

    precision: Precision
    interval: Interval | None = None
    scale: float | None = None
    reuse: int | None = None


@dataclass(frozen=True)
class Measured:
    """Pictures uint8 (H, W, 3), one of each text with its number as seed, and the median seconds of one."""

    pictures: list[NDArray[np.uint8]]
    seconds: float


def draw_with(
    model: Model, way: Way, texts: list[str], data_dir: Path, backend: str = "openvino@cpu"
) -> Measured:
    """Draw every text, one picture after another, once the networks are loaded and warm."""
    # As the way draws by default, so that just its networks are loaded before the first picture.
    stepping = model.manifest.stepping
    sampler = stepping.model_copy(
        update={
            "feature_reuse": way.reuse or stepping.feature_reuse,
            "guidance_interval": way.interval or stepping.guidance_interval,
        }
    )
    told = model.manifest.model_copy(update={"precision": way.precision, "sampler": sampler})
    registry = Registry(data_dir, [Model(model.path, told, model.built_in)])
    pictures, seconds = [], []
    with closing(LocalStudio(registry, backend)) as studio:
        studio.preload(model.name)
        for seed, text in enumerate(texts):
            drawn = studio.draw(
                DrawRequest(
                    prompt=text,
                    model=model.name,
                    seed=seed,
                    guidance_scale=way.scale,
                    guidance_interval=way.interval,
                    feature_reuse=way.reuse,
                )
            )
            pictures.append(drawn.pixels)
            seconds.append(drawn.seconds)
    return Measured(pictures, median(seconds))


def statements(
    pictures: list[NDArray[np.uint8]], prompts: Sequence[Prompt], of: World, pool: Executor
) -> Rows:
    """Which statements of the prompts hold in their pictures, by the world's checker."""
    tasks = [Task(of.name, prompt, seed, prompt.scene, prompt.scene) for seed, prompt in enumerate(prompts)]
    return tally(tuple(of.values), (judged.own for judged in pool.map(judge, pictures, tasks)))


def psnr(one: list[NDArray[np.uint8]], other: list[NDArray[np.uint8]]) -> float:
    """Peak signal-to-noise ratio of pictures against others, in dB, at most 100, the mean over all."""
    found = []
    for made, true in zip(one, other, strict=True):
        error = float(np.mean((made.astype(np.float32) - true.astype(np.float32)) ** 2))
        found.append(100.0 if error == 0 else min(100.0, float(10 * np.log10(255**2 / error))))
    return float(np.mean(found))
