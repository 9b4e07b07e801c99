"""Training an AttnGAN by a recipe: words, DAMSM, generator and discriminators, export."""

from __future__ import annotations

import shutil
from pathlib import Path

from accelerate import PartialState
from rich.console import Console

from ...errors import InvalidInput
from ...registry.manifest import Lineage
from ...registry.models import Model, open_model
from ...training.hardware import commit, hardware
from ...training.loop import Loop
from ...training.pictures import picture_arrays
from ...training.run import Prepared
from ..words import VOCABULARY_NAME, Words
from .damsm_stage import DamsmStage
from .examples import examples_of
from .export import export
from .gan_stage import GanStage
from .recipe import Training

console = Console()


def train(recipe: Training, data: Prepared, out: Path, resume: bool) -> Model:
    """Train both stages in `out` and export `out`/model; a finished stage is kept there and not repeated.

    InvalidInput where it should start from a model.
    """
    if data.parent is not None:
        raise InvalidInput(
            "a recipe of the attngan family starts from nothing; leave out --init", field="init"
        )
    processes = PartialState()
    parts = (data.train, data.held_out)
    with processes.main_process_first():
        pictures = [
            picture_arrays(part, recipe.data.size, data.cache, ("subject",)).pictures for part in parts
        ]
        words = _words(recipe, data, out / "damsm")
    train_part, held_out = (
        examples_of(found, part, words) for found, part in zip(pictures, parts, strict=True)
    )
    shape = recipe.shape(len(words.words))
    damsm = DamsmStage(recipe.damsm, shape, train_part, held_out, words, recipe.seed)
    first = Loop(damsm, recipe.damsm, recipe.seed, out / "damsm")
    first.run(resume)
    gan = GanStage(recipe.gan, recipe.damsm, shape, damsm.match, train_part, held_out, words, recipe.seed)
    second = Loop(gan, recipe.gan, recipe.seed, out / "gan")
    second.run(resume)
    if processes.is_main_process:
        gan.settle()
        shutil.rmtree(out / "model", ignore_errors=True)
        about = recipe.model
        export(
            out / "model",
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
            lineage=Lineage(
                data=recipe.data.name,
                data_hash=data.whole.content_hash(),
                recipe=recipe.model_dump_json(),
                commit=commit(),
                hardware=hardware(),
                hours=round((first.seconds + second.seconds) / 3600, 3),
                examples=recipe.gan.steps * recipe.gan.batch_size,
            ),
        )
    processes.wait_for_everyone()
    return open_model(out / "model")


def _words(recipe: Training, data: Prepared, folder: Path) -> Words:
    """The words of this run, learned once, from the training captions alone; says how many others are held out."""
    if not (folder / VOCABULARY_NAME).is_file():
        captions = (caption for item in data.train for caption in item.captions)
        folder.mkdir(parents=True, exist_ok=True)
        Words.learn(captions, recipe.damsm.at_least).write(folder)
    words = Words.read(folder)
    share = words.outside(caption for item in data.held_out for caption in item.captions)
    console.print(
        f"{len(words.known)} words; {100 * share:.2f} % of those in held-out captions are not among them"
    )
    return words
