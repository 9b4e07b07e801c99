"""Distillation from beginning to end: the model, its sentences, the family's stage through the loop, the directory."""

from __future__ import annotations

import json
import shutil
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field, ValidationError
from rich.console import Console

from ..errors import InvalidInput
from ..registry.holding import held
from ..registry.making import write_whole
from ..registry.models import Model
from .places import check_apart, check_nothing_learned
from .recipe import About, Count, Optimisation, Rate, Share
from .sentences import from_file, storybook

SETTINGS_NAME = "distillation.json"
_LEARNED = ("walks", "distillation")
_MADE = (*_LEARNED, "model")
_FREE = ("steps", "learning_rate", "checkpoint_every", "validate_every", "sheet_every", "name", "version")
_LARGE = 100_000_000  # parameters

console = Console()


class Distillation(Optimisation):
    """What a student learns: to draw in `student_steps`, by `steps` updates.

    Before the first update the teacher draws `walks` pictures; every `follow_every` updates the student draws
    `followed` more, and the teacher says of each of its steps where it should have led.
    """

    can_checkpoint: ClassVar[bool] = True

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
    anew: bool = False,
) -> Model:
    """Teach a copy of `model` to draw in few unguided steps, in the folder `out`; gives the model `out`/model.

    `prompts` is a file of one sentence a line; without one the model must know all words of a world of Storybook.
    Raises InvalidInput for wrong values and for a model that lies in `out`, Unavailable while another run works in
    `out`, and Cancelled after Ctrl-C; what was done is kept, and the same call with `resume` goes on exactly where it
    stopped. Where an earlier run has learned something in `out`, it takes that or `anew`, which lets go of it.
    """
    model.manifest.stepping  # noqa: B018 - raises for one that draws in one step as it is
    name = name or f"{model.name}-{settings.student_steps}-steps"
    _check_names(name, version)
    check_apart(model, out)
    sentences = storybook(model, "prompts", "with --prompts") if prompts is None else from_file(prompts)
    family = import_module(f"limner.families.{model.manifest.family}.distillation")
    family.check(model, settings)
    out.mkdir(parents=True, exist_ok=True)
    said = {
        "model": str(model.path),
        "teacher": f"{model.name}@{model.version}",
        "prompts": sentences.hash,
        **settings.model_dump(mode="json"),
    }
    with held(out):
        _begin(said, out, resume, anew)
        console.print(f"{model.name}@{model.version} teaches on {sentences.about}")
        made: Model = family.distill(model, settings, sentences, out, resume, name, version)
    console.print(f"model directory: {made.path}")
    return made


def _check_names(name: str, version: str) -> None:
    try:
        About(name=name, version=version, title="", description="")
    except ValidationError as error:
        first = error.errors()[0]
        raise InvalidInput(
            f"--{first['loc'][0]} {first['input']!r}: {first['msg']}", str(first["loc"][0])
        ) from None


def _begin(said: dict[str, Any], out: Path, resume: bool, anew: bool) -> None:
    """Note what the run is made by. A new one takes no folder of anybody else, and the model of an earlier one stays
    until its own is made.

    A resumed one keeps to what it began with, but for the learning rate, which is the way out where a loss is no longer
    finite, how long it learns, how often it reports, and what the model is called.
    """
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
                    "put it back, or start again with --anew",
                    field=key,
                )
    else:
        if not anew:
            check_nothing_learned(out, (out / "walks", out / "distillation" / "checkpoints"))
        for name in _LEARNED:
            shutil.rmtree(out / name, ignore_errors=True)
    write_whole(file, json.dumps(said, indent=1) + "\n")
