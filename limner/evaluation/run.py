"""`limner evaluate`: draw the frozen prompts, check the pictures, write the card."""

from __future__ import annotations

import os
import platform
import time
from concurrent.futures import Executor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ..engine.request import DrawRequest, Picture
from ..engine.studio import LocalStudio, Studio
from ..registry.choices import Choices
from ..registry.models import Registry
from ..registry.places import data_dir as place_of
from ..storybook.grammar import random_for
from ..storybook.prompts import FROZEN
from ..storybook.worlds import World
from ..storybook.worlds import world as world_of
from .card import PAGE_NAME, Card, Ceiling, Cost, Settings
from .checking import accuracy, checkers, round_trip
from .drawing import draw_all
from .judging import Judged, Task, file_card, judge
from .page import Shown, page

if TYPE_CHECKING:
    from ..registry.models import Model

_CEILING_SCENES = 250
_AT_ONCE = 16
_SHOWN = 24
_FIRST_SEED = 1


def tasks(world: World, name: str, seeds: int, limit: int | None = None) -> list[Task]:
    """What is drawn for a frozen file: every prompt with each seed, the prompts in the file's order."""
    prompts = world.frozen(name)[:limit]
    wanted = []
    for number, prompt in enumerate(prompts):
        for seed in range(_FIRST_SEED, _FIRST_SEED + seeds):
            rng = random_for(seed, number)
            step = 1 + int(rng.integers(len(prompts) - 1)) if len(prompts) > 1 else 0
            other = prompts[(number + step) % len(prompts)].scene
            wanted.append(Task(world.name, prompt, seed, world.at_random(prompt.scene, rng), other))
    return wanted


def hardware() -> str:
    """The machine in words."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [
            line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line
        ]
        name = names[0] if names else name
    return f"{name}, {os.cpu_count()} cores"


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True))


def _drawn(
    studio: Studio, model: str, wanted: list[Task], bar: Progress, words: str
) -> tuple[list[Picture], float]:
    """The pictures and the seconds that they took; nothing else runs meanwhile."""
    row = bar.add_task(f"{words}: drawing", total=len(wanted))
    requests = [DrawRequest(prompt=task.prompt.text, model=model, seed=task.seed) for task in wanted]
    pictures: dict[int, Picture] = {}
    began = time.perf_counter()
    with closing(draw_all(studio, requests, _AT_ONCE)) as drawing:
        for number, picture in drawing:
            pictures[number] = picture
            bar.advance(row)
    return [pictures[k] for k in range(len(wanted))], time.perf_counter() - began


def _judged(
    pictures: list[Picture], wanted: list[Task], pool: Executor, bar: Progress, words: str
) -> list[Judged]:
    row = bar.add_task(f"{words}: checking", total=len(wanted))
    found = []
    for judged in pool.map(judge, [picture.pixels for picture in pictures], wanted):
        found.append(judged)
        bar.advance(row)
    return found


def _round_trip(model: Model, world: str, count: int, size: int, pool: Executor, bar: Progress) -> Ceiling:
    if model.manifest.preview is None and model.manifest.tokens is None:
        return Ceiling(accuracy=None, note="has no autoencoder")
    try:
        through = round_trip(model.path)
    except ModuleNotFoundError:
        return Ceiling(accuracy=None, note="needs [train]")
    row = bar.add_task("checker on round trips", total=count)
    found = accuracy(
        world, count, size, through, pool=pool, on_checked=lambda done: bar.update(row, completed=done)
    )
    return Ceiling(accuracy=found)


def _folder(model: Model, world: World, out: Path | None) -> Path:
    own = world.name == "scenes" and not model.built_in  # a model has one card
    if out is None:
        out = model.path if own else Path("runs") / f"evaluate-{model.name}-{model.version}-{world.name}"
    out.mkdir(parents=True, exist_ok=True)
    return out


def evaluate(
    reference: str,
    out: Path | None = None,
    seeds: int = 3,
    limit: int | None = None,
    data_dir: Path | None = None,
    world: str = "scenes",
) -> Path:
    """Draw every frozen prompt of a world with `seeds` seeds, check the pictures, and write card.json and card.html.

    They go into `out`; without it into the model's own directory, or for a built-in model and for other worlds
    than scenes into runs/evaluate-<name>-<version>-<world>. `limit` keeps to the first prompts of each file. Gives
    the folder; raises NotFound for an unknown model or world and what the drawing raises.
    """
    of = world_of(world)
    registry = Registry(place_of(data_dir))
    model = registry.find(reference)
    folder = _folder(model, of, out)
    studio = LocalStudio(registry)
    shown: dict[str, list[Shown]] = {}
    cards = {}
    with closing(studio), checkers() as pool, _progress() as bar:
        studio.preload(reference)
        settings = studio.resolve(DrawRequest(prompt="a picture", model=reference, seed=0))
        size = settings.width or 128
        spent, count = 0.0, 0
        for name in FROZEN:
            wanted = tasks(of, name, seeds, limit)
            words = f"{name.replace('_', ' ')} prompts"
            pictures, seconds = _drawn(studio, reference, wanted, bar, words)
            judged = _judged(pictures, wanted, pool, bar, words)
            spent, count = spent + seconds, count + len(wanted)
            cards[name] = file_card(of, wanted, judged)
            # Evenly over the file and always the first seed: what is shown is not chosen by how it came out.
            every = range(0, len(wanted), seeds * max(1, len(wanted) // seeds // _SHOWN))
            shown[name] = [Shown(wanted[k].prompt.text, pictures[k].pixels, judged[k].own) for k in every][
                :_SHOWN
            ]
        scenes = min(_CEILING_SCENES, limit or _CEILING_SCENES)
        row = bar.add_task("checker on true renders", total=scenes)
        true = accuracy(
            world, scenes, size, pool=pool, on_checked=lambda done: bar.update(row, completed=done)
        )
        back = _round_trip(model, world, scenes, size, pool, bar)
    lineage = model.manifest.lineage
    card = Card(
        model=model.name,
        version=model.version,
        title=model.manifest.title,
        world=world,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        settings=Settings(
            sampler=settings.sampler or "",
            steps=settings.steps or 0,
            guidance_scale=settings.guidance_scale or 1.0,
            guidance_interval=settings.guidance_interval or (0.0, 1.0),
            feature_reuse=settings.feature_reuse or 1,
            width=size,
            height=settings.height or size,
            seeds=seeds,
        ),
        files=cards,
        true_renders=Ceiling(accuracy=true),
        round_trip=back,
        cost=Cost(
            seconds_a_picture=round(spent / max(1, count), 3),
            at_once=_AT_ONCE,
            hardware=hardware(),
            training_hardware=lineage.hardware,
            training_hours=lineage.hours,
            training_examples=lineage.examples,
            training_parent=lineage.parent,
        ),
        choices=Choices.read(model.path),
    )
    card.write(folder)
    (folder / PAGE_NAME).write_text(page(card, shown))
    return folder
