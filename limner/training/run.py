"""A recipe from beginning to end: the data, the family's stages through the loop, the model directory."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from ..data import CaptionedSet, read_set, split, write_storybook
from ..data.captioned import Item
from ..registry.models import Model
from .recipe import Data, read_recipe

console = Console()


@dataclass(frozen=True)
class Prepared:
    """The captioned set of a run, its two parts, and where caches go."""

    whole: CaptionedSet
    train: tuple[Item, ...]
    held_out: tuple[Item, ...]
    cache: Path


def train(recipe_file: Path, out: Path, resume: bool) -> Model:
    """Train by a recipe in the folder `out`; the model directory is `out`/model.

    Raises InvalidInput for a wrong recipe or set and Cancelled after Ctrl-C; what was done is kept, and the
    same call with `resume` goes on exactly where it stopped.
    """
    recipe = read_recipe(recipe_file)
    out.mkdir(parents=True, exist_ok=True)
    prepared = _prepare(recipe.data, recipe.seed, out)
    console.print(f"{len(prepared.train)} pictures to learn from, {len(prepared.held_out)} held out")
    family = import_module(f"limner.families.{recipe.family}.training")
    model: Model = family.train(recipe, prepared, out, resume)
    console.print(f"model directory: {model.path}")
    return model


def _prepare(data: Data, seed: int, out: Path) -> Prepared:
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
    return Prepared(whole, tuple(learned), tuple(held_out), out / "cache")


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
