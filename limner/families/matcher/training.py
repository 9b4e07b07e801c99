"""Training a matcher by a recipe: words, wrong captions, the two towers, export."""

from __future__ import annotations

import shutil
from pathlib import Path

from accelerate import PartialState
from rich.console import Console

from ...data.storybook import world_in
from ...errors import InvalidInput
from ...registry.manifest import Lineage
from ...registry.models import Model, open_model
from ...storybook.worlds import world as world_of
from ...training.hardware import commit, hardware
from ...training.loop import Loop
from ...training.pictures import picture_arrays
from ...training.run import Prepared
from ..words import VOCABULARY_NAME, Words
from .examples import examples_of
from .export import export
from .recipe import Training
from .stage import MatcherStage

console = Console()


def train(recipe: Training, data: Prepared, out: Path, resume: bool) -> Model:
    """Train the towers in `out` and export `out`/model.

    InvalidInput where it should start from a model.
    """
    if data.parent is not None:
        raise InvalidInput("a matcher starts from nothing; leave out --init", field="init")
    processes, towers = PartialState(), recipe.matcher
    with processes.main_process_first():
        pictures = [
            picture_arrays(part, recipe.data.size, data.cache, ("subject",)).pictures
            for part in (data.train, data.held_out)
        ]
        words = _words(recipe, data, out / "matcher")
    shape, name = recipe.shape(len(words.words)), world_in(data.whole.folder)
    world = world_of(name) if name is not None else None
    learned, held_out = (
        examples_of(found, part, words, shape.tokens, world, wrong, recipe.seed)
        for found, part, wrong in zip(
            pictures, (data.train, data.held_out), (towers.wrong, min(1, towers.wrong)), strict=True
        )
    )
    stage = MatcherStage(towers, shape, learned, held_out, words, recipe.seed)
    loop = Loop(stage, towers, recipe.seed, out / "matcher")
    loop.run(resume)
    if processes.is_main_process:
        shutil.rmtree(out / "model", ignore_errors=True)
        about = recipe.model
        export(
            out / "model",
            shape,
            words,
            stage.network.cpu(),
            name=about.name,
            version=about.version,
            title=about.title,
            description=about.description,
            licence=about.licence,
            precision=about.precision,
            lineage=Lineage(
                data=recipe.data.name,
                data_hash=data.whole.content_hash(),
                recipe=recipe.model_dump_json(),
                commit=commit(),
                hardware=hardware(),
                hours=round(loop.seconds / 3600, 3),
                examples=towers.steps * towers.batch_size,
            ),
        )
    processes.wait_for_everyone()
    return open_model(out / "model")


def _words(recipe: Training, data: Prepared, folder: Path) -> Words:
    """The words of this run, learned once, from the training captions alone; says how many others are held out."""
    if not (folder / VOCABULARY_NAME).is_file():
        captions = (caption for item in data.train for caption in item.captions)
        folder.mkdir(parents=True, exist_ok=True)
        Words.learn(captions, recipe.matcher.at_least).write(folder)
    words = Words.read(folder)
    share = words.outside(caption for item in data.held_out for caption in item.captions)
    console.print(
        f"{len(words.known)} words; {100 * share:.2f} % of those in held-out captions are not among them"
    )
    return words
