"""From a denoiser that has learned to the decoder that learns on what it draws."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from accelerate import PartialState
from numpy.typing import NDArray

from ...registry.manifest import Layout
from ...training.loop import Loop
from ...training.pictures import PictureArrays
from . import layout
from .decoder_stage import HELD_OUT, DecoderExamples, DecoderStage
from .denoiser_stage import DenoiserStage, LatentExamples
from .drawing import Drawn, drawn
from .kept import Arrays, fingerprint, kept
from .recipe import Training


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
    began, folder = time.monotonic(), out / "decoder"
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
    drew = time.monotonic() - began
    nothing = layout.standardised(np.zeros((layout.CHANNELS, 1, 1), np.float32), scale)[:, 0, 0]
    stage = DecoderStage(recipe.decoder, denoiser.vae, train, held_out, nothing, recipe.seed)
    loop = Loop(stage, recipe.decoder, recipe.seed, folder)
    loop.run(resume)
    denoiser.vae.eval().requires_grad_(False)
    return drew + loop.seconds


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
        rows = np.linspace(0, len(guessed) - 1, count).astype(int)
        part, guessed = _rows(part, rows), guessed[rows]
        array = replace(
            array,
            pictures=array.pictures[rows],
            subjects=array.subjects[rows],
            placings=array.placings[rows],
        )
    sampler, seed = recipe.model.sampler, recipe.seed

    def draw() -> Arrays:
        made = drawn(denoiser.unet, denoiser.text_encoder, denoiser.empty, part, sampler, seed)
        return {"latents": made.latents, "ground": made.ground}

    mark = f"{fingerprint(denoiser.module)} {sampler} {seed} {array.identity} {len(guessed)}"
    return DecoderExamples(array, part.latents, guessed, Drawn(**kept(file, mark, draw)))


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
