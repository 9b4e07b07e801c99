"""A recipe from beginning to end: the data, the family's stages through the loop, the model directory."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from accelerate import PartialState
from rich.console import Console
from rich.progress import Progress

from ..data import CaptionedSet, read_set, split, write_storybook
from ..data.captioned import Item
from ..errors import InvalidInput
from ..registry.models import Model
from .recipe import Data, Recipe, read_recipe

RECIPE_NAME = "recipe.json"

console = Console()


@dataclass(frozen=True)
class Prepared:
    """The captioned set of a run, its two parts, where caches go, and the model that the run starts from."""

    whole: CaptionedSet
    train: tuple[Item, ...]
    held_out: tuple[Item, ...]
    cache: Path
    parent: Model | None


def train(recipe_file: Path, out: Path, resume: bool, parent: Model | None = None) -> Model:
    """Train by a recipe in the folder `out`; the model directory is `out`/model.

    Networks of `parent` whose shapes are those of the recipe are where training starts, with its tokenizer.
    Raises InvalidInput for a wrong recipe or set and Cancelled after Ctrl-C; what was done is kept, and the
    same call with `resume` goes on exactly where it stopped.
    """
    recipe = read_recipe(recipe_file)
    out.mkdir(parents=True, exist_ok=True)
    processes = PartialState()
    if processes.is_main_process:
        _keep_to_recipe(recipe, parent, out, resume)
    with processes.main_process_first():
        prepared = _prepare(recipe.data, recipe.seed, out, parent)
    console.print(f"{len(prepared.train)} pictures to learn from, {len(prepared.held_out)} held out")
    family = import_module(f"limner.families.{recipe.family}.training")
    model: Model = family.train(recipe, prepared, out, resume)
    console.print(f"model directory: {model.path}")
    return model


def _keep_to_recipe(recipe: Recipe, parent: Model | None, out: Path, resume: bool) -> None:
    """Write what the run is made by beside it, and have a resumed run keep to it.

    What the model says of itself may change, and so may a stage that has not begun.
    """
    file = out / RECIPE_NAME
    said = {"init": str(parent.path) if parent else None} | recipe.model_dump(mode="json")
    if resume and file.is_file():
        free = {"model"} | {name for name in ("autoencoder", "denoiser") if not (out / name).is_dir()}
        for key, was, now in _changes(json.loads(file.read_text()), said):
            if key.partition(".")[0] not in free:
                raise InvalidInput(
                    f"{key} is {now} and was {was} when the run in {out} began; "
                    "put it back, or start again without --resume",
                    field=key,
                )
    elif not resume:
        for name in ("autoencoder", "denoiser", "tokenizer"):
            shutil.rmtree(out / name, ignore_errors=True)
    file.write_text(json.dumps(said, indent=1) + "\n")


def _changes(was: Any, now: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    if isinstance(was, dict) and isinstance(now, dict):
        for name in [*was, *(name for name in now if name not in was)]:
            yield from _changes(was.get(name), now.get(name), f"{key}.{name}".lstrip("."))
    elif was != now:
        yield key, was, now


def _prepare(data: Data, seed: int, out: Path, parent: Model | None) -> Prepared:
    folder = data.folder
    if folder is None:
        folder = out / "pictures"
        with Progress(console=console) as bar:
            task = bar.add_task("drawing Storybook", total=data.storybook_count)
            write_storybook(
                folder, data.storybook_count, data.size, data.storybook_seed,
                lambda done, count: bar.update(task, completed=done, total=count),
            )  # fmt: skip
    whole = read_set(folder)
    learned, held_out = split(whole.items, data.held_out, seed)
    return Prepared(whole, tuple(learned), tuple(held_out), out / "cache", parent)


def commit() -> str:
    """The commit of the code that trains, or "unknown" outside a checkout."""
    try:
        found = subprocess.run(
            ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()
