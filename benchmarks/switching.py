"""`python -m benchmarks.switching`: whether memory really goes back when models take turns that do not fit together.

A model and a copy of it under another name are drawn in turn, in a process that may hold little more than one of them:
each picture lets the other model go and loads its own again.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from limner.engine.memory import held
from limner.engine.request import DrawRequest
from limner.engine.studio import LocalStudio
from limner.registry.models import Model, Registry

from .machine import describe

MB = 2**20


def switch(model: Model, times: int, most: int, folder: Path) -> list[tuple[float, float]]:
    """Megabytes that are held after each picture, and the seconds that it took."""
    copies = [
        Model(model.path, model.manifest.model_copy(update={"name": name}), False)
        for name in ("one", "other")
    ]
    studio = LocalStudio(Registry(folder, copies), memory=most)
    found = []
    for turn in range(times):
        began = time.perf_counter()
        studio.draw(DrawRequest(prompt="a red apple", model=copies[turn % 2].name, seed=turn, steps=2))
        found.append((held() / MB, time.perf_counter() - began))
    studio.close()
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="benchmarks.switching", description=__doc__)
    parser.add_argument("--model", default="storybook")
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--megabytes", type=int, default=300, help="what the process may hold")
    asked = parser.parse_args()
    print("\n".join(describe()), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        model = Registry(Path(folder)).find(asked.model)
        alone = held() / MB
        found = switch(model, asked.times, asked.megabytes * MB, Path(folder))
    print(f"\nbefore the first: {alone:.0f} MB; allowed {asked.megabytes} MB")
    print("\n| pictures | MB held at the end | most MB | seconds a picture |\n|---|---|---|---|")
    for first in range(0, len(found), 10):
        part = found[first : first + 10]
        seconds = sum(took for _, took in part) / len(part)
        most = max(size for size, _ in part)
        print(f"| {first + 1} to {first + len(part)} | {part[-1][0]:.0f} | {most:.0f} | {seconds:.2f} |")


if __name__ == "__main__":
    main()
