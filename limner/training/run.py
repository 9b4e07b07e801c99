"""A recipe from beginning to end: the data, the family's stages through the loop, the model directory."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from rich.console import Console
from rich.progress import Progress

from ..data import CaptionedSet, mixed, read_set, split, write_storybook
from ..data.captioned import Item
from ..data.storybook import world_in
from ..errors import InvalidInput
from ..registry.holding import held
from ..registry.making import write_whole
from ..registry.manifest import Lineage
from ..registry.models import Model
from ..storybook.worlds import check_drawings, world
from .hardware import commit, hardware
from .places import check_apart, check_nothing_learned, check_outside
from .recipe import Data, Recipe, read_recipe, recipe_of

RECIPE_NAME = "recipe.json"
_MADE = ("pictures", "cache", "pipeline", "words", "lora", "model")
_FREE = ("learning_rate", "compile", "checkpoint_every", "validate_every", "sheet_every")

console = Console()


@dataclass(frozen=True)
class Prepared:
    """The captioned set of a run, its two parts, where caches go, the model that the run starts from, and the hash of
    the set as it was at the start: it may go away while there is nothing more to read."""

    whole: CaptionedSet
    train: tuple[Item, ...]
    held_out: tuple[Item, ...]
    cache: Path
    parent: Model | None
    content: str

    def digest(self, beside: Iterable[Path]) -> str:
        """A hash of what is learned from: the set, which of its pictures are in which part, and files `beside` it."""
        parts = [
            [item.file.relative_to(self.whole.folder).as_posix() for item in part]
            for part in (self.train, self.held_out)
        ]
        digest = hashlib.sha256(json.dumps([self.content, parts]).encode())
        for file in beside:
            digest.update(file.read_bytes() if file.is_file() else b"")
        return digest.hexdigest()

    def lineage(self, recipe: Recipe, seconds: float, examples: int) -> Lineage:
        """What a model says that was made of this by a recipe, in so many seconds and examples, its parent's beside
        them."""
        before = None if self.parent is None else self.parent.manifest.lineage
        return Lineage(
            data=recipe.data.name,
            data_hash=self.content,
            parent=None if self.parent is None else f"{self.parent.name}@{self.parent.version}",
            recipe=recipe.model_dump_json(),
            commit=commit(),
            hardware=hardware(),
            hours=round(seconds / 3600 + (before.hours if before else 0), 3),
            examples=examples + (before.examples if before else 0),
            before=before.learned() if before else (),
        )


def train(
    recipe_file: Path,
    out: Path,
    resume: bool,
    parent: Model | None = None,
    folder: Path | None = None,
    anew: bool = False,
) -> Model:
    """Train by a recipe in the folder `out`; the model directory is `out`/model.

    A recipe that tunes does so with `parent`; of one that trains, networks of `parent` whose shapes are those of the
    recipe are where training starts, with its tokenizer. Pictures are those of `folder`, where one is named.
    Raises InvalidInput for a wrong recipe or set, for a parent that lies in `out`, and for an `out` that lies in a set
    which takes every picture in its folder; Unavailable while another run works in `out`, and Cancelled after
    Ctrl-C; what was done is kept, and the same call with `resume` goes on exactly where it stopped. Where an earlier
    run has learned something in `out`, it takes that or `anew`, which lets go of it; InvalidInput with neither.
    """
    recipe = read_recipe(recipe_file)
    if parent is not None and parent.manifest.family != recipe.family:
        raise InvalidInput(
            f"model '{parent.name}' is of family {parent.manifest.family}, not {recipe.family}; "
            "name another with --init, or leave it out",
            field="init",
        )
    recipe = recipe.settled(parent, None if folder is None else folder.resolve())
    if parent is not None:
        check_apart(parent, out)
    if recipe.data.folder is not None:
        check_outside(recipe.data.folder, out)
    # torchrun starts several processes; accelerate joins them on a CPU only when it is told to.
    together = "LOCAL_RANK" in os.environ
    # One process fills the caches, however long it takes, while the others wait.
    waiting = {"timeout": timedelta(days=7)} if together else {}
    processes = PartialState(cpu=together and not torch.cuda.is_available(), **waiting)
    out.mkdir(parents=True, exist_ok=True)
    with held(out) if processes.is_main_process else nullcontext():
        if processes.is_main_process:
            _check_folder(recipe, parent, out, resume, anew)
        with processes.main_process_first():
            prepared = _prepare(recipe.data, recipe.seed, out, parent, resume)
        recipe.check_pictures(prepared.train)
        if processes.is_main_process:
            _begin(recipe, parent, prepared, out, resume)
        processes.wait_for_everyone()
        console.print(f"{len(prepared.train)} pictures to learn from, {len(prepared.held_out)} held out")
        model: Model = import_module(recipe.trainer).train(recipe, prepared, out, resume)
    console.print(f"model directory: {model.path}")
    return model


def _learned(recipe: Recipe) -> set[str]:
    """The folders in a run where what is learned lies."""
    return {*recipe.stages, *recipe.stages.values()}


def _said(recipe: Recipe, parent: Model | None) -> dict[str, Any]:
    return {"init": str(parent.path) if parent else None} | recipe.model_dump(mode="json")


def _check_folder(recipe: Recipe, parent: Model | None, out: Path, resume: bool, anew: bool) -> None:
    """A resumed run keeps to the recipe that it began with, and a new one takes no folder of anybody else, nor one
    where something was learned, unless it begins `anew`.

    What the model says of itself may change, how often it reports, and its learning rate, which is the way out where
    a loss is no longer finite; and so may stages that have not begun.
    """
    file = out / RECIPE_NAME
    if not file.is_file():
        if foreign := [name for name in (*_learned(recipe), *_MADE) if (out / name).exists()]:
            raise InvalidInput(f"{out} holds '{foreign[0]}' but is no folder of a run; name an empty one")
        write_whole(file, json.dumps(_said(recipe, parent), indent=1) + "\n")
        return
    if not resume:
        if not anew:
            check_nothing_learned(out, (out / name / "checkpoints" for name in _learned(recipe)))
        return
    try:
        kept = json.loads(file.read_text("utf-8"))
        before = recipe_of({key: value for key, value in kept.items() if key not in ("init", "data_hash")})
    except (ValueError, InvalidInput):
        raise InvalidInput(
            f"the run in {out} was begun by another version; start again with --anew"
        ) from None
    begun = [table for table, folder in recipe.stages.items() if (out / folder).is_dir()]
    was = {"init": kept.get("init")} | before.model_dump(mode="json")
    for key, old, new in _changes(was, _said(recipe, parent)):
        table, _, name = key.partition(".")
        free = table == "model" or (table in recipe.stages and table not in begun)
        if not free and name not in _FREE:
            raise InvalidInput(
                f"{key} is {new} and was {old} when the run in {out} began; "
                "put it back, or start again with --anew",
                field=key,
            )


def _begin(recipe: Recipe, parent: Model | None, prepared: Prepared, out: Path, resume: bool) -> None:
    """Note what the run is made by; a new one lets go of what an earlier one has learned."""
    file, data = out / RECIPE_NAME, prepared.digest(recipe.files())
    if resume and file.is_file():
        if json.loads(file.read_text("utf-8")).get("data_hash", data) != data:
            raise InvalidInput(
                f"pictures, captions or prompts have changed since the run in {out} began; start again with --anew"
            )
    elif not resume:
        for name in (*_learned(recipe), "words"):
            shutil.rmtree(out / name, ignore_errors=True)
    write_whole(file, json.dumps(_said(recipe, parent) | {"data_hash": data}, indent=1) + "\n")


def _changes(was: Any, now: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    if isinstance(was, dict) and isinstance(now, dict):
        for name in [*was, *(name for name in now if name not in was)]:
            yield from _changes(was.get(name), now.get(name), f"{key}.{name}".lstrip("."))
    elif was != now:
        yield key, was, now


def _prepare(data: Data, seed: int, out: Path, parent: Model | None, resume: bool) -> Prepared:
    folder = data.folder or out / "pictures"
    if data.folder is None:
        check_drawings(world(data.storybook_world), data.storybook_drawings)
        try:
            _draw(data, folder)
        except InvalidInput:
            if resume or world_in(folder) is None:
                raise
            shutil.rmtree(folder)  # of an earlier run here, with another size, seed or more pictures
            _draw(data, folder)
    whole = read_set(folder)
    learned, held_out = split(whole.items, data.held_out, seed)
    # The first of those held out are shown and validated on.
    cache = data.cache or out / "cache"
    return Prepared(whole, tuple(learned), mixed(held_out), cache, parent, whole.content_hash())


def _draw(data: Data, folder: Path) -> None:
    with Progress(console=console) as bar:
        task = bar.add_task("drawing Storybook", total=data.storybook_count)
        write_storybook(
            folder, data.storybook_count, data.size, data.storybook_seed,
            lambda done, count: bar.update(task, completed=done, total=count), data.storybook_world,
            drawings=data.storybook_drawings,
        )  # fmt: skip
