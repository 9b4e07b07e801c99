"""Tuning a latent diffusion model that is there, by a recipe: caches, the denoiser, the decoder where it is asked for,
the model directory or LoRA."""

from __future__ import annotations

import shutil
from pathlib import Path

from accelerate import PartialState
from rich.console import Console

from ...data.subjects import subject_names
from ...registry.json_files import read_object
from ...registry.manifest import Layout, Manifest
from ...registry.models import Model, open_model
from ...registry.weight_files import Written
from ...training.cache import ArrayCache
from ...training.loop import Loop
from ...training.run import Prepared
from .. import layout
from ..vocabulary import words_of
from .derived import laid_on, learned_words, trained, write_lora, write_model
from .new_words import with_words
from .recipe import TuningRecipe
from .rehearsal import rehearsal_of
from .tunable import Tunable, load_tunable
from .tuning_decoder import check_decoder, tune_decoder
from .tuning_examples import Encoders
from .tuning_stage import TuningStage

_PARTS = {"unet": "the denoiser", "text_encoder": "the text encoder"}

console = Console()


def train(recipe: TuningRecipe, data: Prepared, out: Path, resume: bool) -> Model:
    """Tune `data.parent` in `out`: the model directory is `out`/model, a LoRA's own file is in `out`/lora, and
    beside it the model that it belongs to, where that has new words.

    Of several processes one fills the caches and writes the model, while the others wait.
    """
    assert data.parent is not None
    processes, tuning = PartialState(), recipe.tuning
    with processes.main_process_first():
        begun = resume and (out / "tuning").is_dir()
        parent = _worded(data, tuning.new_words, out / "words", begun)
    new_tokens = 0 if parent is data.parent else _tokens(parent) - _tokens(data.parent)
    model = load_tunable(parent, tuning, recipe.seed, recipe.data.size, new_tokens)
    if processes.is_main_process:
        _tell(model, tuning.method, parent, data)
    encoders = Encoders(parent.path, model.tokenizer, ArrayCache(data.cache), tuning.precision)
    known = parent.manifest.layout
    scale = layout.with_kinds(known, subject_names(data.train)) if known else None
    with processes.main_process_first():
        parts = [
            encoders.examples(
                part, recipe.data.size, model.step, recipe.data.buckets, recipe.data.flip, scale,
                model.text_encoder is None,
            )
            for part in (data.train, data.held_out)
        ]  # fmt: skip
        check_decoder(recipe, parts)
        sampler = parent.manifest.stepping
        rehearsal = None
        if tuning.rehearsal:
            rehearsal = rehearsal_of(parent, model, tuning, encoders, recipe.data.size, recipe.seed)
        stage = TuningStage(
            tuning, model, parts[0], parts[1], encoders, sampler.guidance_scale, recipe.seed, rehearsal
        )
    loop = Loop(stage, tuning, recipe.seed, out / "tuning")
    loop.run(resume)
    seconds, changed = loop.seconds, dict[str, dict[str, Written]]()
    if recipe.decoder.steps:
        vae, taken = tune_decoder(recipe, stage, sampler, data, out, resume)
        seconds += taken
        changed = trained(parent.path, {"vae": vae}, recipe.model.decoder_strength)
    if processes.is_main_process:
        manifest = _manifest(recipe, data, parent, scale, seconds)
        if tuning.method == "lora":
            belongs_to = parent
            if new_tokens and model.text_encoder is not None:
                words = learned_words(parent.path, model.text_encoder)
                belongs_to = write_model(parent, out / "lora" / "model", words, parent.manifest)
            lora = write_lora(model.networks, out / "lora", recipe.model.strength, manifest.lineage.learned())
            console.print(f"LoRA: {lora}, for {belongs_to.path}")
            changed |= laid_on(belongs_to.path, lora)
        else:
            belongs_to = parent
            changed |= trained(parent.path, model.networks, recipe.model.strength)
        write_model(belongs_to, out / "model", changed, manifest)
    processes.wait_for_everyone()
    return open_model(out / "model")


def _worded(data: Prepared, most: int, out: Path, begun: bool) -> Model:
    """The model to tune, with tokens for words of the captions, at most so many; that in `out` where the tuning has
    begun with it, or another process has made it."""
    assert data.parent is not None
    if not most:
        return data.parent
    if (begun or not PartialState().is_main_process) and out.is_dir():
        return open_model(out)
    shutil.rmtree(out, ignore_errors=True)
    captions = [caption for item in data.train for caption in item.captions]
    return with_words(data.parent, captions, most, out)


def _tokens(model: Model) -> int:
    return int(read_object(model.path / "text_encoder" / "config.json")["vocab_size"])


def _tell(model: Tunable, method: str, parent: Model, data: Prepared) -> None:
    for part, count in model.trained().items():
        console.print(f"{method}: {count:,} parameters of {_PARTS[part]} of {parent.name}@{parent.version}")
    if parent.manifest.layout and not all(item.mask for item in data.train):
        console.print("some pictures have no mask: where their subjects are is guessed")


def _manifest(
    recipe: TuningRecipe, data: Prepared, parent: Model, scale: Layout | None, seconds: float
) -> Manifest:
    was, about, words = parent.manifest, recipe.model, None
    if was.vocabulary is not None:
        captions = (caption for item in data.train for caption in item.captions)
        words = tuple(sorted({*was.vocabulary, *words_of(captions)}))
    how = "by LoRA" if recipe.tuning.method == "lora" else "in full"
    return was.model_copy(
        update={
            "name": about.name or f"{was.name[:57]}-tuned",
            "version": about.version,
            "title": about.title or f"{was.title}, tuned",
            "description": about.description or f"{was.title}, tuned {how} on {recipe.data.name}.",
            "precision": "bfloat16" if was.precision == "int8" else was.precision,
            "sampler": was.stepping.model_copy(update={"feature_reuse": 1}),
            "vocabulary": words,
            "layout": scale,
            "lineage": data.lineage(recipe, seconds, recipe.tuning.steps * recipe.tuning.batch_size),
        }
    )
