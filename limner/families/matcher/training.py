"""Training a matcher by a recipe: words, wrong captions, the two towers, export."""

from __future__ import annotations

from pathlib import Path

from accelerate import PartialState

from ...data.arrays import picture_arrays
from ...data.storybook import world_in
from ...registry.making import made_whole
from ...registry.models import Model, open_model
from ...storybook.worlds import world as world_of
from ...training.loop import Loop
from ...training.run import Prepared
from ..vocabulary import learned_words
from .examples import examples_of
from .export import export
from .recipe import Training
from .stage import MatcherStage


def train(recipe: Training, data: Prepared, out: Path, resume: bool) -> Model:
    """Train the towers in `out` and export `out`/model."""
    processes, towers = PartialState(), recipe.matcher
    with processes.main_process_first():
        pictures = [
            picture_arrays(part, recipe.data.size, data.cache, ("subject",)).pictures
            for part in (data.train, data.held_out)
        ]
        words = learned_words(data, recipe.matcher.at_least, out / "matcher")
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
        about = recipe.model
        with made_whole(out / "model") as partial:
            export(
                partial,
                shape,
                words,
                stage.network.cpu(),
                name=about.name,
                version=about.version,
                title=about.title,
                description=about.description,
                licence=about.licence,
                precision=about.precision,
                lineage=data.lineage(recipe, loop.seconds, towers.steps * towers.batch_size),
            )
    processes.wait_for_everyone()
    return open_model(out / "model")
