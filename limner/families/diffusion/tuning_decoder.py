"""Teaching the decoder what a tuned denoiser has learned to draw, where it reads layout channels.

It goes on as it learned at first (`decoder_stage.py`), on what the tuned denoiser draws of the pictures that are tuned
on; and where the model rehearses what it could draw before, on what the tuned denoiser draws of the same sentences,
which it is to decode as it did (`decoder_rehearsal.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from accelerate import PartialState
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from transformers import CLIPTextModel

from ...data.arrays import PictureArrays, picture_arrays
from ...errors import InvalidInput
from ...registry.manifest import SamplerDefaults
from ...training.run import Prepared
from .decoder_rehearsal import DecoderRehearsal
from .decoder_stage import HELD_OUT, DecoderExamples
from .decoder_training import chosen, learn
from .drawing import drawn_once
from .kept import fingerprint
from .recipe import TuningRecipe
from .rehearsal import HELD_OUT as KNOWN_HELD_OUT
from .rehearsal import drawn_again
from .tuning_examples import TuningExamples, load_autoencoder
from .tuning_stage import TuningStage


@dataclass(frozen=True)
class _Captioned:
    latents: NDArray[np.float16]
    tokens: NDArray[np.int32]
    first: NDArray[np.int64]


def check_decoder(recipe: TuningRecipe, parts: Sequence[TuningExamples]) -> None:
    """InvalidInput where a recipe asks for a decoder and pictures of a part have several shapes, or another than a
    square, for it learns on squares."""
    for examples in parts if recipe.decoder.steps else ():
        height, width = examples.cache[examples.latents[0][0]].shape[1:]
        if len(examples.groups) > 1 or height != width:
            raise InvalidInput(
                "decoder.steps needs pictures of one shape, cut to squares; set data.buckets = false",
                field="decoder.steps",
            )


def tune_decoder(
    recipe: TuningRecipe,
    stage: TuningStage,
    sampler: SamplerDefaults,
    data: Prepared,
    out: Path,
    resume: bool,
) -> tuple[AutoencoderKL, float]:
    """The autoencoder with the decoder that has learned, and how many seconds that took.

    `stage` is the tuned denoiser's, when it has learned; it draws as `sampler` says.
    """
    folder = out / "decoder"
    scale = stage.train.scale
    assert scale is not None
    folder.mkdir(parents=True, exist_ok=True)
    vae = load_autoencoder(stage.model.directory).to(next(stage.module.parameters()).device)
    counts = recipe.decoder.pictures or len(stage.train), HELD_OUT
    with PartialState().main_process_first():
        train, held_out = (
            _drawn(recipe, stage, sampler, part, arrays, count, folder / f"drawn-{name}")
            for name, part, arrays, count in zip(
                ("train", "held_out"),
                (stage.train, stage.held_out),
                [
                    picture_arrays(items, recipe.data.size, data.cache, scale.names)
                    for items in (data.train, data.held_out)
                ],
                counts,
                strict=True,
            )
        )
        rehearsal, seconds = None, 0.0
        if stage.rehearsal is not None:
            latents, seconds = drawn_again(
                stage.rehearsal,
                stage.model,
                sampler,
                recipe.tuning.precision,
                recipe.seed,
                folder / "rehearsed",
            )
            known = torch.from_numpy(latents).float()
            learned, left = known[:-KNOWN_HELD_OUT], known[-KNOWN_HELD_OUT:]
            rehearsal = DecoderRehearsal(learned, left, vae, scale)
    seconds += learn(recipe.decoder, vae, train, held_out, scale, recipe.seed, folder, resume, rehearsal)
    return vae, seconds


def _drawn(
    recipe: TuningRecipe,
    stage: TuningStage,
    sampler: SamplerDefaults,
    part: TuningExamples,
    arrays: PictureArrays,
    count: int,
    file: Path,
) -> DecoderExamples:
    """Up to `count` pictures of a part, and their mirror images where they are tuned on, as the denoiser draws them."""
    model, rows, turns = stage.model, chosen(len(part), count), range(len(part.latents[0]))
    turned = [(row, turn) for turn in turns for row in rows.tolist()]
    true, guessed = (np.stack(each) for each in zip(*(part.known(*which) for which in turned), strict=True))
    captions = [part.tokens[part.first[row] : part.first[row + 1]] for row, _ in turned]
    examples = _Captioned(
        true,
        np.concatenate(captions).astype(np.int32),
        np.concatenate([[0], np.cumsum([len(each) for each in captions])]),
    )
    pictures, subjects = (
        np.concatenate([each[rows] if turn == 0 else each[rows][:, :, ::-1] for turn in turns])
        for each in (arrays.pictures, arrays.subjects)
    )
    text = model.text_encoder or CLIPTextModel.from_pretrained(
        model.directory / "text_encoder", dtype=torch.float32, use_safetensors=True
    )
    text = text.to(next(model.unet.parameters()).device)
    mark = " ".join([*(fingerprint(each) for each in model.networks.values()), arrays.identity])
    drawn = drawn_once(model.unet, text, stage.empty_tokens, examples, sampler, recipe.seed, file, mark)
    return DecoderExamples(replace(arrays, pictures=pictures, subjects=subjects), true, guessed, drawn)
