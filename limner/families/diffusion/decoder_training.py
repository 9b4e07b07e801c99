"""From a denoiser that has learned to the decoder that learns on what it draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from accelerate import PartialState
from diffusers import AutoencoderKL
from numpy.typing import NDArray

from ...data.arrays import PictureArrays
from ...registry.manifest import Layout
from ...training.loop import Loop
from .. import layout
from .decoder_rehearsal import DecoderRehearsal
from .decoder_stage import HELD_OUT, DecoderExamples, DecoderStage
from .denoiser_stage import DenoiserStage, LatentExamples
from .drawing import drawn_once
from .kept import fingerprint
from .recipe import Decoder, Training


def train_decoder(
    recipe: Training,
    denoiser: DenoiserStage,
    arrays: Sequence[PictureArrays],
    guessed: Sequence[NDArray[np.float16]],
    scale: Layout,
    out: Path,
    resume: bool,
) -> float:
    """Teach the decoder to read the layout in what the denoiser draws, and say how many seconds that took."""
    folder = out / "decoder"
    folder.mkdir(parents=True, exist_ok=True)
    counts = recipe.decoder.pictures or len(guessed[0]), HELD_OUT
    with PartialState().main_process_first():
        train, held_out = (
            _drawn(recipe, denoiser, part, array, guess, count, folder / f"drawn-{name}")
            for name, part, array, guess, count in zip(
                ("train", "held_out"),
                (denoiser.train, denoiser.held_out),
                arrays,
                guessed,
                counts,
                strict=True,
            )
        )
    return learn(recipe.decoder, denoiser.vae, train, held_out, scale, recipe.seed, folder, resume)


def learn(
    recipe: Decoder,
    vae: AutoencoderKL,
    train: DecoderExamples,
    held_out: DecoderExamples,
    scale: Layout,
    seed: int,
    folder: Path,
    resume: bool,
    rehearsal: DecoderRehearsal | None = None,
) -> float:
    """Train the decoder of `vae` on examples with the layout channels of `scale`; how many seconds that took, the
    drawing of the examples included, whenever they were drawn."""
    nothing = layout.standardised(np.zeros((layout.CHANNELS, 1, 1), np.float32), scale)[:, 0, 0]
    loop = Loop(DecoderStage(recipe, vae, train, held_out, nothing, seed, rehearsal), recipe, seed, folder)
    loop.run(resume)
    vae.eval().requires_grad_(False)
    return loop.seconds + train.drawn.seconds + held_out.drawn.seconds


def chosen(count: int, most: int) -> NDArray[np.int_]:
    """The rows of at most so many of `count` pictures, evenly chosen."""
    rows: NDArray[np.int_] = np.linspace(0, count - 1, min(count, most)).astype(int)
    return rows


def _drawn(
    recipe: Training,
    denoiser: DenoiserStage,
    part: LatentExamples,
    array: PictureArrays,
    guessed: NDArray[np.float16],
    count: int,
    file: Path,
) -> DecoderExamples:
    """Up to `count` pictures of a part of the set, as the denoiser draws them; kept on disk."""
    if count < len(guessed):
        rows = chosen(len(guessed), count)
        part, guessed = _rows(part, rows), guessed[rows]
        array = replace(
            array,
            pictures=array.pictures[rows],
            subjects=array.subjects[rows],
            placings=array.placings[rows],
        )
    made = drawn_once(
        denoiser.unet,
        denoiser.text_encoder,
        denoiser.empty,
        part,
        recipe.model.sampler,
        recipe.seed,
        file,
        f"{fingerprint(denoiser.module)} {array.identity}",
    )
    return DecoderExamples(array, part.latents, guessed, made)


def _rows(examples: LatentExamples, rows: NDArray[np.int_]) -> LatentExamples:
    """Some of the examples, with all of their captions."""
    counts = np.diff(examples.first)[rows]
    captions = [examples.tokens[examples.first[row] : examples.first[row + 1]] for row in rows.tolist()]
    return replace(
        examples,
        latents=examples.latents[rows],
        cells=examples.cells[rows],
        kinds=examples.kinds[rows],
        tokens=np.concatenate(captions),
        first=np.concatenate([[0], np.cumsum(counts)]),
        single=examples.single[rows],
        mixed=examples.mixed[rows],
    )
