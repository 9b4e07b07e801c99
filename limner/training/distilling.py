"""Distillation from beginning to end: the model, its sentences, the family's stage through the loop, the directory."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError
from rich.console import Console

from ..engine.request import MAX_PROMPT
from ..errors import InvalidInput, NotFound
from ..registry.models import Model
from ..storybook.grammar import random_for
from ..storybook.prompts import FROZEN
from ..storybook.worlds import WORLDS
from .recipe import About, Count, Optimisation, Rate, Share

SETTINGS_NAME = "distillation.json"
_MADE = ("walks", "distillation", "model")
_FREE = ("steps", "checkpoint_every", "validate_every", "sheet_every", "name", "version")
_SEED = 0xD157
_LARGE = 100_000_000  # parameters

console = Console()


class Distillation(Optimisation):
    """What a student learns: to draw in `student_steps`, by `steps` updates.

    Before the first update the teacher draws `walks` pictures; every `follow_every` updates the student draws
    `followed` more, and the teacher says of each of its steps where it should have led.
    """

    student_steps: int = 4
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0
    walks: Count = 1024
    followed: Count = 64
    follow_every: Count = 100
    steps: Count = 1000
    batch_size: Annotated[int, Field(ge=1, le=65_536)] = 32
    learning_rate: Rate = 5e-4
    weight_decay: Share = 0.0
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.995
    checkpoint_every: Count = 50
    validate_every: Count = 100


@dataclass(frozen=True)
class Sentences:
    """What is drawn while a student learns: sentence number n, for any n from 0; `hash` tells these from others."""

    text: Callable[[int], str]
    about: str
    hash: str


def settings_of(model: Model, learning_rate: float | None = None, **values: Any) -> Distillation:
    """Settings for a model, with a learning rate that suits its size; InvalidInput names a value out of range."""
    if learning_rate is None:
        parameters = sum(graph.parameters for graph in model.manifest.graphs.values())
        learning_rate = 5e-4 if parameters < _LARGE else 1e-5
    try:
        return Distillation(learning_rate=learning_rate, **values)
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][-1]) if first["loc"] else ""
        raise InvalidInput(f"{key}={first['input']!r}: {first['msg']}", field=key) from None


def distill(
    model: Model,
    settings: Distillation,
    out: Path,
    resume: bool = False,
    prompts: Path | None = None,
    name: str | None = None,
    version: str = "1",
) -> Model:
    """Teach a copy of `model` to draw in few unguided steps, in the folder `out`; gives the model `out`/model.

    `prompts` is a file of one sentence a line; without one the model must know all words of a world of Storybook.
    Raises InvalidInput for wrong values and Cancelled after Ctrl-C; what was done is kept, and the same call with
    `resume` goes on exactly where it stopped.
    """
    model.manifest.stepping  # noqa: B018 - raises for one that draws in one step as it is
    name = name or f"{model.name}-{settings.student_steps}-steps"
    _check_names(name, version)
    sentences = storybook(model) if prompts is None else from_file(prompts)
    family = import_module(f"limner.families.{model.manifest.family}.distillation")
    family.check(model, settings)
    out.mkdir(parents=True, exist_ok=True)
    said = {
        "model": str(model.path),
        "teacher": f"{model.name}@{model.version}",
        "prompts": sentences.hash,
        **settings.model_dump(mode="json"),
    }
    _begin(said, out, resume)
    console.print(f"{model.name}@{model.version} teaches on {sentences.about}")
    made: Model = family.distill(model, settings, sentences, out, resume, name, version)
    console.print(f"model directory: {made.path}")
    return made


def storybook(model: Model) -> Sentences:
    """Captions of the worlds of Storybook whose words the model knows, without what is held out or frozen.

    InvalidInput where it knows the words of none.
    """
    known = set(model.manifest.vocabulary or ())
    worlds = [world for world in WORLDS.values() if known >= set(world.vocabulary())]
    if not worlds:
        raise InvalidInput(
            f"what '{model.name}' draws is not known here: give a file of sentences for it, one a line, with --prompts",
            field="prompts",
        )
    frozen = {prompt.text for world in worlds for name in FROZEN for prompt in world.frozen(name)}

    def text(number: int) -> str:
        world, seed = worlds[number % len(worlds)], _SEED
        while (found := world.prompt(random_for(seed, number), False)[0]) in frozen:
            seed += 1
        return found

    names = " and ".join(world.name for world in worlds)
    return Sentences(text, f"captions of Storybook's {names}", names)


def from_file(file: Path) -> Sentences:
    """The lines of a file, over and over; errors as `lines_of`."""
    lines = lines_of(file)
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return Sentences(lambda number: lines[number % len(lines)], f"{len(lines)} sentences of {file}", digest)


def lines_of(file: Path) -> list[str]:
    """The sentences of a file, one a line; NotFound without it, InvalidInput where it is empty or a line too long."""
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    except FileNotFoundError:
        raise NotFound(f"no file of prompts at '{file}'") from None
    except (UnicodeDecodeError, IsADirectoryError):
        raise InvalidInput(
            f"{file} is not text in UTF-8; give one sentence a line", field="prompts"
        ) from None
    lines = [line for line in lines if line]
    if not lines:
        raise InvalidInput(f"{file} is empty; give one sentence a line", field="prompts")
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_PROMPT:
            raise InvalidInput(
                f"{file}: sentence {number} has {len(line)} letters; at most {MAX_PROMPT}", field="prompts"
            )
    return lines


def _check_names(name: str, version: str) -> None:
    try:
        About(name=name, version=version, title="", description="")
    except ValidationError as error:
        first = error.errors()[0]
        raise InvalidInput(
            f"--{first['loc'][0]} {first['input']!r}: {first['msg']}", str(first["loc"][0])
        ) from None


def _begin(said: dict[str, Any], out: Path, resume: bool) -> None:
    """Note what the run is made by. A resumed one keeps to it, and a new one takes no folder of anybody else."""
    file = out / SETTINGS_NAME
    if not file.is_file():
        if foreign := [name for name in _MADE if (out / name).exists()]:
            raise InvalidInput(
                f"{out} holds '{foreign[0]}' but is no folder of a distillation; name an empty one"
            )
    elif resume:
        try:
            before = json.loads(file.read_text("utf-8"))
        except ValueError:
            before = {}
        for key, value in said.items():
            if before.get(key) != value and key not in _FREE:
                raise InvalidInput(
                    f"{key} is {value} and was {before.get(key)} when the run in {out} began; "
                    "put it back, or start again without --resume",
                    field=key,
                )
    else:
        for name in _MADE:
            shutil.rmtree(out / name, ignore_errors=True)
    file.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
