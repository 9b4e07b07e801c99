"""Training a diffusion model by a recipe: autoencoder, latents, tokenizer, denoiser, decoder, export."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from accelerate import PartialState
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from rich.progress import track
from transformers import CLIPTokenizer

from ...data.arrays import PictureArrays, picture_arrays
from ...data.captioned import Item
from ...data.subjects import cell_shares, drawn_subjects, subject_names
from ...errors import InvalidInput
from ...registry.making import made_whole
from ...registry.manifest import Layout
from ...registry.models import Model, open_model
from ...registry.placing import PLACING
from ...training.loop import Loop
from ...training.pictures import to_tensor
from ...training.precision import autocast
from ...training.run import Prepared
from .. import layout
from ..vocabulary import known_words
from . import widening
from .autoencoder_stage import AutoencoderStage, set_posterior
from .cut_captions import tell_of_cut
from .decoder_training import train_decoder
from .denoiser_stage import DenoiserStage, LatentExamples, noise_schedule
from .export import export
from .kept import fingerprint, kept
from .model import fold_latent_statistics, latent_factor, save_pipeline
from .parent import parent_weights, take_tokenizer, take_weights
from .recipe import Training
from .vocabulary import learn_tokenizer

_ENCODED_AT_ONCE = 32
_STATISTICS_FROM = 2000
_LAYOUT_FROM = 512
_PREVIEW_PAIRS = 256
# A trained posterior may be so narrow that its logarithm takes thousands of steps to come back.
_PARENT_LOGVAR = -4.0


def train(recipe: Training, data: Prepared, out: Path, resume: bool) -> Model:
    """Train every stage in `out` and export `out`/model; each finished stage is kept there and not repeated.

    Of several processes one fills the caches and exports, while the others wait.
    """
    processes, names = PartialState(), subject_names(data.train)
    with processes.main_process_first():
        arrays = [
            picture_arrays(part, recipe.data.size, data.cache, names) for part in (data.train, data.held_out)
        ]
    if recipe.denoiser.layout:
        layout.check_placings(arrays[0].placings)
    parent = data.parent.path if data.parent else None
    vae, hours = _autoencoder(recipe, arrays[0], arrays[1], parent, out, resume)
    channels, scale = None, None
    if recipe.denoiser.layout:
        known = data.parent.manifest.layout if data.parent else None
        channels, scale = _layout_channels(arrays, latent_factor(vae), known)
        if not recipe.denoiser.steps and scale != known:
            raise InvalidInput(
                "denoiser.steps is 0, and the kinds of subject in these pictures are not those that the denoiser knows",
                field="denoiser.steps",
            )
    if channels is not None:
        vae = _widened(vae, arrays[0], channels[0], parent, recipe.autoencoder.steps > 0)
    with processes.main_process_first():
        tokenizer = _tokenizer(recipe, data.train, parent, out)
        parts = [
            _latent_examples(vae, array, items, tokenizer, data.cache / f"latents-{name}", recipe)
            for name, array, items in zip(
                ("train", "held_out"), arrays, (data.train, data.held_out), strict=True
            )
        ]
    guessed = [part.latents for part in parts]
    if channels is not None:
        parts = [_with_layout(part, each) for part, each in zip(parts, channels, strict=True)]
    stage = DenoiserStage(recipe.denoiser, parts[0], parts[1], tokenizer, vae, recipe.seed)
    if data.parent is not None:
        taken = [
            take_weights(stage.unet, data.parent.path, "unet"),
            take_weights(stage.text_encoder, data.parent.path, "text_encoder"),
        ]
        if not recipe.denoiser.steps and not all(taken):
            raise InvalidInput(
                f"denoiser.steps is 0, and the denoiser of '{data.parent.name}' has another shape than the recipe's",
                field="denoiser.steps",
            )
    loop = Loop(stage, recipe.denoiser, recipe.seed, out / "denoiser")
    loop.run(resume)
    hours += loop.seconds / 3600
    if scale is not None and recipe.decoder.steps:
        hours += train_decoder(recipe, stage, arrays, guessed, scale, out, resume) / 3600
    if processes.is_main_process:
        _export(recipe, data, out, stage, hours, _preview_pairs(parts[1], arrays[1]), scale)
    processes.wait_for_everyone()
    return open_model(out / "model")


def _export(
    recipe: Training,
    data: Prepared,
    out: Path,
    stage: DenoiserStage,
    hours: float,
    preview_pairs: tuple[torch.Tensor, torch.Tensor],
    scale: Layout | None,
) -> None:
    pipeline = out / "pipeline"
    shutil.rmtree(pipeline, ignore_errors=True)
    save_pipeline(
        pipeline,
        unet=stage.unet,
        vae=stage.vae,
        text_encoder=stage.text_encoder,
        tokenizer=stage.tokenizer,
        scheduler=noise_schedule(),
    )
    about = recipe.model
    with made_whole(out / "model") as partial:
        export(
            pipeline,
            partial,
            name=about.name,
            version=about.version,
            title=about.title,
            description=about.description,
            licence=about.licence,
            sampler=about.sampler,
            precision=about.precision,
            vocabulary=known_words(recipe.data, data.train),
            lineage=data.lineage(recipe, 3600 * hours, recipe.denoiser.steps * recipe.denoiser.batch_size),
            preview_pairs=preview_pairs,
            layout=scale,
        )


def _autoencoder(
    recipe: Training,
    train: PictureArrays,
    held_out: PictureArrays,
    parent: Path | None,
    out: Path,
    resume: bool,
) -> tuple[AutoencoderKL, float]:
    """The trained autoencoder with standardised latents, and the hours it took."""
    stage = AutoencoderStage(recipe.autoencoder, train, held_out, recipe.seed)
    if parent is not None:
        if take_weights(stage.vae, parent, "vae"):
            set_posterior(stage.vae, _PARENT_LOGVAR)
        elif not recipe.autoencoder.steps:
            raise InvalidInput(
                f"autoencoder.steps is 0, and the autoencoder of '{parent}' has another shape than the recipe's",
                field="autoencoder.steps",
            )
    loop = Loop(stage, recipe.autoencoder, recipe.seed, out / "autoencoder")
    loop.run(resume)
    vae = stage.vae.eval().requires_grad_(False)
    if parent is not None and not recipe.autoencoder.steps:  # its latents are standardised as they come
        return vae, 0.0
    chosen = np.linspace(0, len(train.pictures) - 1, min(_STATISTICS_FROM, len(train.pictures))).astype(int)
    latents = _encode(vae, train.pictures[np.unique(chosen)])
    moments = torch.from_numpy(latents.astype(np.float32)).transpose(0, 1).flatten(1)  # (C, many)
    fold_latent_statistics(vae, moments.mean(1), moments.std(1))
    return vae, loop.seconds / 3600


@torch.no_grad()
def _encode(vae: AutoencoderKL, pictures: NDArray[np.uint8]) -> NDArray[np.float16]:
    device = next(vae.parameters()).device
    found = []
    for at in track(range(0, len(pictures), _ENCODED_AT_ONCE), "encoding pictures"):
        part = to_tensor(pictures[at : at + _ENCODED_AT_ONCE]).to(device)
        with autocast(device.type, "bfloat16"):
            mean = vae.encode(part).latent_dist.mean
        found.append(mean.float().cpu().numpy().astype(np.float16))
    return np.concatenate(found)


def _tokenizer(recipe: Training, items: Sequence[Item], parent: Path | None, out: Path) -> CLIPTokenizer:
    """The tokenizer of this run: the parent's, or learned once, from the training captions alone."""
    folder = out / "tokenizer"
    if not folder.exists():
        with made_whole(folder) as partial:
            if parent is not None:
                take_tokenizer(parent, partial)
            if not partial.exists():
                captions = (caption for item in items for caption in item.captions)
                made = learn_tokenizer(captions, recipe.denoiser.vocabulary_size, recipe.denoiser.text_length)
                made.save_pretrained(partial)
    return CLIPTokenizer.from_pretrained(folder, model_max_length=recipe.denoiser.text_length)


def _latent_examples(
    vae: AutoencoderKL,
    arrays: PictureArrays,
    items: Sequence[Item],
    tokenizer: CLIPTokenizer,
    cache: Path,
    recipe: Training,
) -> LatentExamples:
    """Latents and tokens of a part; the latents are kept on disk beside a fingerprint of the encoder."""
    mark = f"{fingerprint(vae)} {arrays.identity}"
    latents = kept(cache, mark, lambda: {"latents": _encode(vae, arrays.pictures)})["latents"]
    factor, count = latent_factor(vae), len(items)
    cells = np.stack([cell_shares(shown, factor) for shown in arrays.subjects])
    middle = slice(factor // 2, None, factor)
    kinds = np.ascontiguousarray(arrays.subjects[:, middle, middle])
    captions = [caption for item in items for caption in item.captions]
    tokens = tokenizer(
        captions,
        padding="max_length",
        truncation=True,
        max_length=recipe.denoiser.text_length,
        return_tensors="np",
    ).input_ids.astype(np.int32)
    tell_of_cut(tokenizer, captions, tokens)
    first = np.concatenate([[0], np.cumsum([len(item.captions) for item in items])])
    single = np.array([len(drawn_subjects(item)) == 1 for item in items])
    mixed = np.array([len(set(drawn_subjects(item))) > 1 for item in items])
    assert len(cells) == count
    return LatentExamples(latents, cells, kinds, len(arrays.names), tokens, first, single, mixed)


def _layout_channels(
    arrays: Sequence[PictureArrays], factor: int, known: Layout | None
) -> tuple[list[NDArray[np.float16]], Layout]:
    """The layout channels of both parts, standardised, and how they were made: as in a parent, where it knows the same
    kinds and no fewer drawings of them."""
    names = arrays[0].names
    # NaN is what fewer subjects leave, and no drawing at all is the first one
    drawings = 1 + int(np.nan_to_num(arrays[0].placings[..., PLACING.index("drawing")]).max())
    known = known if known and layout.tells(known, names, drawings) else None
    drawings = known.drawings if known else drawings
    codes = layout.codes_of(known) if known else layout.kind_codes(len(names) - 1)
    raw = [
        layout.layout(
            array.placings,
            np.stack([cell_shares(shown, factor) for shown in array.subjects]),
            codes,
            drawings,
        )
        for array in arrays
    ]
    scale = known or layout.scale_of(raw[0], names, drawings)
    return [layout.standardised(each, scale) for each in raw], scale


def _widened(
    vae: AutoencoderKL,
    train: PictureArrays,
    channels: NDArray[np.float16],
    parent: Path | None,
    learned: bool,
) -> AutoencoderKL:
    """The autoencoder with layout channels, and, where it has not learned anything else since, with the decoder of a
    parent that reads as many."""
    device = next(vae.parameters()).device
    pictures = to_tensor(train.pictures[:_LAYOUT_FROM]).to(device)
    wide = widening.widened(vae, pictures, torch.from_numpy(channels[:_LAYOUT_FROM]).float()).to(device)
    if parent is not None and not learned:
        widening.take_decoder(wide, parent_weights(parent, "vae"))
    return wide


def _with_layout(part: LatentExamples, channels: NDArray[np.float16]) -> LatentExamples:
    """The examples with these layout channels in place of what the encoder guesses of them."""
    width = part.latents.shape[1] - channels.shape[1]
    return replace(part, latents=np.concatenate([part.latents[:, :width], channels], 1))


def _preview_pairs(examples: LatentExamples, arrays: PictureArrays) -> tuple[torch.Tensor, torch.Tensor]:
    count = min(_PREVIEW_PAIRS, len(examples.latents))
    return torch.from_numpy(examples.latents[:count]).float(), to_tensor(arrays.pictures[:count]) / 2 + 0.5
