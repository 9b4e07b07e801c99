"""What guidance and precision cost in accuracy and save in time, on fresh prompts of Storybook.

    python -m benchmarks.choose --model runs/storybook-cpu/model --prompts 200

Prompts and seeds are not the frozen ones, so that what is chosen by this table is not chosen by the evaluation.
A setting is a guidance scale, the part of the steps that is guided, and a precision; all draw the same prompts with
the same seeds, one picture after another.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from limner.engine.request import DrawRequest
from limner.engine.studio import LocalStudio
from limner.evaluation.checking import checkers
from limner.evaluation.judging import Task, judge
from limner.evaluation.tally import Rows, tally
from limner.registry.manifest import Manifest
from limner.registry.models import Registry
from limner.storybook.grammar import random_for
from limner.storybook.worlds import Prompt, World, world

from .machine import busy
from .machine import describe as machine

SEED = 770_001


@dataclass(frozen=True)
class Setting:
    """One way to draw."""

    scale: float
    interval: tuple[float, float] = (0.0, 1.0)
    precision: str = "bfloat16"

    def __str__(self) -> str:
        return f"{self.scale:g} | {self.interval[0]:g} to {self.interval[1]:g} | {self.precision}"


def fresh_prompts(of: World, count: int) -> list[Prompt]:
    """Prompts that are neither frozen nor trained on, every second with a pair that is held out."""
    drawn = (of.prompt(random_for(SEED, index), held_out=index % 2 == 1) for index in range(count))
    return [Prompt(f"fresh-{index}", text, said) for index, (text, said) in enumerate(drawn)]


@contextmanager
def in_precision(model: Path, precision: str) -> Iterator[Path]:
    """A copy of a model directory that asks for `precision`."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        shutil.copytree(model, copy, dirs_exist_ok=True)
        manifest = Manifest.read(model).model_dump() | {"precision": precision}
        Manifest.model_validate(manifest).write(copy)
        yield copy


def measure(
    model: Path, setting: Setting, of: World, prompts: list[Prompt], pool: Executor
) -> tuple[Rows, float]:
    """The rates, and seconds a picture."""
    with (
        in_precision(model, setting.precision) as directory,
        closing(LocalStudio(Registry(directory))) as studio,
    ):
        studio.preload(str(directory))
        pictures, began = [], time.perf_counter()
        for seed, prompt in enumerate(prompts):
            asked = DrawRequest(
                prompt=prompt.text,
                model=str(directory),
                seed=seed,
                guidance_scale=setting.scale,
                guidance_interval=setting.interval,
            )
            pictures.append(studio.draw(asked).pixels)
        seconds = (time.perf_counter() - began) / len(prompts)
    tasks = [Task(of.name, prompt, seed, prompt.scene, prompt.scene) for seed, prompt in enumerate(prompts)]
    return tally(tuple(of.values), (judged.own for judged in pool.map(judge, pictures, tasks))), seconds


def row(setting: Setting, rows: Rows, seconds: float) -> str:
    """One line of the table."""
    shares = " | ".join(f"{100 * rate.share:.1f}" for rate in rows.statements.values())
    return f"| {setting} | {shares} | {100 * rows.every.share:.1f} | {seconds:.3f} |"


def settings(scales: list[float], ends: list[float], starts: list[float]) -> list[Setting]:
    """Every scale on all steps; the middle one with each part of the steps, and in float32."""
    middle = scales[len(scales) // 2]
    parts = [Setting(middle, (start, end)) for start in starts for end in ends if (start, end) != (0.0, 1.0)]
    return [*map(Setting, scales), *parts, Setting(middle, precision="float32")]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.choose", description=__doc__)
    parser.add_argument("--model", default="storybook", help="a name, or a model directory")
    parser.add_argument("--world", default="scenes", help="scenes or creatures")
    parser.add_argument("--prompts", type=int, default=200)
    parser.add_argument("--scales", type=float, nargs="+", default=[2.5, 4.0, 6.0])
    parser.add_argument("--starts", type=float, nargs="+", default=[0.0])
    parser.add_argument("--ends", type=float, nargs="+", default=[0.6, 0.8, 1.0])
    asked = parser.parse_args()
    of = world(asked.world)
    if busy():
        print("Other work is using the cores: the seconds will be wrong", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        model = Registry(Path(folder)).find(asked.model)
    print(
        "\n".join([*machine(), f"model: {model.name}@{model.version}, {asked.prompts} prompts"]), flush=True
    )
    print(f"\n| scale | guided part | precision | {' | '.join(of.values)} | all | s a picture |")
    print("|---|---|---|" + "---|" * (len(of.values) + 2), flush=True)
    prompts = fresh_prompts(of, asked.prompts)
    with checkers() as pool:
        for setting in settings(asked.scales, asked.ends, asked.starts):
            print(row(setting, *measure(model.path, setting, of, prompts, pool)), flush=True)


if __name__ == "__main__":
    main()
