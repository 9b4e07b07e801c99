"""A distilled model against its teacher: statements that hold on the frozen prompts, and seconds a picture.

    python -m benchmarks.distilled runs/storybook-4-steps/model --prompts 250 --picture side-by-side.png

Both draw the same prompts from the same noise, each in its own way, one picture after another and in turns, so that a
slow moment of the machine meets both. Half of the prompts hold a pair that training never saw.
"""

from __future__ import annotations

import argparse
import tempfile
from contextlib import closing
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from limner.engine.request import DrawRequest
from limner.engine.studio import LocalStudio
from limner.evaluation.tally import Rows
from limner.optimizing.measuring import statements
from limner.registry.models import Model, Registry
from limner.sheets import grid
from limner.storybook.prompts import FROZEN
from limner.storybook.worlds import Prompt, world
from limner.workers import workers

from .machine import busy
from .machine import describe as machine

SENTENCES = (
    "a red apple on a wooden table",
    "two people on the mountain",
    "a red car parked on a street",
    "a white boat by the sea at sunset",
    "a blue robot in the desert",
    "an orange cat in the snow",
    "a yellow umbrella in the rain",
    "a purple house in a meadow at night",
    "a black cat left of a green apple",
    "three balloons",
    "an astronaut in the desert at night",
    "a brown dog",
)
_ACROSS = 6
Pictures = list[NDArray[np.uint8]]


def draw(models: list[Model], texts: list[str], data_dir: Path) -> list[tuple[Pictures, float]]:
    """The pictures of each model, text k with seed k + 1, and its median seconds for one."""
    found: list[tuple[Pictures, list[float]]] = [([], []) for _ in models]
    with closing(LocalStudio(Registry(data_dir, models))) as studio:
        for model in models:
            studio.preload(model.name)
        for seed, text in enumerate(texts, 1):
            for model, (pictures, seconds) in zip(models, found, strict=True):
                drawn = studio.draw(DrawRequest(prompt=text, model=model.name, seed=seed))
                pictures.append(drawn.pixels)
                seconds.append(drawn.seconds)
    return [(pictures, median(seconds)) for pictures, seconds in found]


def row(model: Model, rows: Rows, seconds: float) -> str:
    """One line of the table."""
    shares = " | ".join(f"{100 * rate.share:.1f}" for rate in rows.statements.values())
    how = model.manifest.stepping
    told = (
        f"{model.name}@{model.version}, {how.steps} steps of {how.sampler}, guidance {how.guidance_scale:g}"
    )
    return f"| {told} | {shares} | {100 * rows.every.share:.1f} | {100 * rows.all_correct.share:.1f} | {seconds:.3f} |"


def side_by_side(models: list[Model], texts: list[str], data_dir: Path, file: Path) -> None:
    """A page: six sentences in a row, the models one under the other."""
    pictures = [drawn for drawn, _ in draw(models, texts, data_dir)]
    firsts = range(0, len(texts), _ACROSS)
    grid([drawn[first : first + _ACROSS] for first in firsts for drawn in pictures]).save(file, optimize=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.distilled", description=__doc__)
    parser.add_argument("model", help="the distilled model: a name, or a model directory")
    parser.add_argument("--teacher", default="storybook", help="the model that it was made from")
    parser.add_argument("--world", default="scenes", help="scenes or creatures")
    parser.add_argument("--prompts", type=int, default=250)
    parser.add_argument("--picture", type=Path, help="also write a page of pictures side by side")
    asked = parser.parse_args()
    of = world(asked.world)
    if busy():
        print("Other work is using the cores: the seconds will be wrong", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        registry = Registry(Path(folder))
        models = [registry.find(asked.teacher), registry.find(asked.model)]
        print("\n".join([*machine(), f"{asked.prompts} frozen prompts of {of.name}"]), flush=True)
        halves: list[tuple[Prompt, ...]] = [of.frozen(name) for name in FROZEN]
        prompts = [prompt for pair in zip(*halves, strict=True) for prompt in pair][: asked.prompts]
        drawn = draw(models, [prompt.text for prompt in prompts], Path(folder))
        print(f"\n| drawn by | {' | '.join(of.values)} | all | a prompt's all | s a picture |")
        print("|---|" + "---|" * (len(of.values) + 3), flush=True)
        with workers() as pool:
            for model, (pictures, seconds) in zip(models, drawn, strict=True):
                print(row(model, statements(pictures, prompts, of, pool), seconds), flush=True)
        if asked.picture is not None:
            side_by_side(models, list(SENTENCES), Path(folder), asked.picture)


if __name__ == "__main__":
    main()
