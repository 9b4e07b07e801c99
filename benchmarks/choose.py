"""What guidance costs in accuracy and saves in time, on fresh prompts of Storybook.

    python -m benchmarks.choose --model runs/storybook-cpu/model --prompts 200

Prompts and seeds are not the frozen ones, so that what is chosen by this table is not chosen by the evaluation.
A way to draw is a guidance scale, the part of the steps that is guided, and a precision; all draw the same prompts with
the same seeds, one picture after another. For a user's own machine `limner optimize` chooses.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from limner.evaluation.tally import Rows
from limner.optimizing.measuring import Way, draw_with, statements
from limner.registry.models import Registry
from limner.storybook.worlds import fresh_prompts, world
from limner.workers import workers

from .machine import busy
from .machine import describe as machine


def row(way: Way, rows: Rows, seconds: float) -> str:
    """One line of the table."""
    shares = " | ".join(f"{100 * rate.share:.1f}" for rate in rows.statements.values())
    first, last = way.interval or (0.0, 1.0)
    told = f"{way.scale:g} | {first:g} to {last:g} | {way.precision}"
    return f"| {told} | {shares} | {100 * rows.every.share:.1f} | {seconds:.3f} |"


def ways(scales: list[float], ends: list[float], starts: list[float]) -> list[Way]:
    """Every scale on all steps; the middle one with each part of the steps, and in float32."""
    middle = scales[len(scales) // 2]
    parts = [(start, end) for start in starts for end in ends if (start, end) != (0.0, 1.0)]
    return [
        *(Way("bfloat16", (0.0, 1.0), scale) for scale in scales),
        *(Way("bfloat16", part, middle) for part in parts),
        Way("float32", (0.0, 1.0), middle),
    ]


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
    texts = [prompt.text for prompt in prompts]
    with workers() as pool, tempfile.TemporaryDirectory() as folder:
        for way in ways(asked.scales, asked.ends, asked.starts):
            drawn = draw_with(model, way, texts, Path(folder))
            print(row(way, statements(drawn.pictures, prompts, of, pool), drawn.seconds), flush=True)


if __name__ == "__main__":
    main()
