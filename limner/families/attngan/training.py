"""Training an AttnGAN by a recipe: words, DAMSM, generator and discriminators, export."""

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
from .damsm_stage import DamsmStage
from .examples import examples_of
from .export import export
from .gan_stage import GanStage
from .recipe import Training


def train(recipe: Training, data: Prepared, out: Path, resume: bool) -> Model:
    """Train both stages in `out` and export `out`/model; a finished stage is kept there and not repeated."""
    processes = PartialState()
    parts = (data.train, data.held_out)
    with processes.main_process_first():
        pictures = [
            picture_arrays(part, recipe.data.size, data.cache, ("subject",)).pictures for part in parts
        ]
        words = learned_words(data, recipe.damsm.at_least, out / "damsm")
    name = world_in(data.whole.folder)
    world = world_of(name) if name is not None else None
    train_part = examples_of(pictures[0], data.train, words, world, recipe.damsm.wrong, recipe.seed)
    held_out = examples_of(pictures[1], data.held_out, words)
    shape = recipe.shape(len(words.words))
    damsm = DamsmStage(recipe.damsm, shape, train_part, held_out, words, recipe.seed)
    first = Loop(damsm, recipe.damsm, recipe.seed, out / "damsm")
    first.run(resume)
    gan = GanStage(recipe.gan, recipe.damsm, shape, damsm.match, train_part, held_out, words, recipe.seed)
    second = Loop(gan, recipe.gan, recipe.seed, out / "gan")
    second.run(resume)
    if processes.is_main_process:
        gan.settle()
        about = recipe.model
        with made_whole(out / "model") as partial:
            export(
                partial,
                shape,
                words,
                damsm.text,
                gan.generator,
                name=about.name,
                version=about.version,
                title=about.title,
                description=about.description,
                licence=about.licence,
                precision=about.precision,
                lineage=data.lineage(
                    recipe, first.seconds + second.seconds, recipe.gan.steps * recipe.gan.batch_size
                ),
            )
    processes.wait_for_everyone()
    return open_model(out / "model")
