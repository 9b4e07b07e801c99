"""Training a diffusion model by a recipe: autoencoder, latents, tokenizer, denoiser, export."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from rich.progress import track
from transformers import CLIPTokenizer

from ...data.captioned import Item
from ...registry.manifest import Lineage
from ...registry.models import Model
from ...storybook.captions import vocabulary
from ...training.loop import Loop
from ...training.pictures import PictureArrays, picture_arrays
from ...training.recipe import Recipe
from ...training.run import Prepared, commit
from .autoencoder_stage import AutoencoderStage, to_tensor
from .denoiser_stage import DenoiserStage, LatentExamples, noise_schedule
from .export import export
from .model import fold_latent_statistics, latent_factor, save_pipeline
from .vocabulary import learn_tokenizer

_ENCODED_AT_ONCE = 32
_STATISTICS_FROM = 2000
_PREVIEW_PAIRS = 256


def train(recipe: Recipe, data: Prepared, out: Path, resume: bool) -> Model:
    """Train every stage in `out` and export `out`/model; each finished stage is kept there and not repeated."""
    arrays = [picture_arrays(part, recipe.data.size, data.cache) for part in (data.train, data.held_out)]
    vae, first_hours = _autoencoder(recipe, arrays[0], arrays[1], out, resume)
    tokenizer = _tokenizer(recipe, data.train, out)
    parts = [
        _latent_examples(vae, array, items, tokenizer, data.cache / f"latents-{name}", recipe)
        for name, array, items in zip(("train", "held_out"), arrays, (data.train, data.held_out), strict=True)
    ]
    stage = DenoiserStage(recipe.denoiser, parts[0], parts[1], tokenizer, vae, recipe.seed)
    loop = Loop(stage, recipe.denoiser, recipe.seed, out / "denoiser")
    loop.run(resume)
    pipeline = out / "pipeline"
    shutil.rmtree(pipeline, ignore_errors=True)
    save_pipeline(
        pipeline,
        unet=stage.unet,
        vae=vae,
        text_encoder=stage.text_encoder,
        tokenizer=tokenizer,
        scheduler=noise_schedule(),
    )
    shutil.rmtree(out / "model", ignore_errors=True)
    about = recipe.model
    return export(
        pipeline,
        out / "model",
        name=about.name,
        version=about.version,
        title=about.title,
        description=about.description,
        licence=about.licence,
        sampler=about.sampler,
        precision=about.precision,
        vocabulary=_words(recipe, data.train),
        lineage=Lineage(
            data=_data_name(recipe),
            data_hash=data.whole.content_hash(),
            recipe=recipe.model_dump_json(),
            commit=commit(),
            hardware=_hardware(),
            hours=round(first_hours + loop.seconds / 3600, 3),
            examples=loop.step * recipe.denoiser.batch_size,
        ),
        preview_pairs=_preview_pairs(parts[1], arrays[1], vae),
    )


def _autoencoder(
    recipe: Recipe, train: PictureArrays, held_out: PictureArrays, out: Path, resume: bool
) -> tuple[AutoencoderKL, float]:
    """The trained autoencoder with standardised latents, and the hours it took."""
    stage = AutoencoderStage(recipe.autoencoder, train, held_out, recipe.seed)
    loop = Loop(stage, recipe.autoencoder, recipe.seed, out / "autoencoder")
    loop.run(resume)
    vae = stage.module.eval().requires_grad_(False)
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
        with torch.autocast(device.type, torch.bfloat16):
            mean = vae.encode(part).latent_dist.mean
        found.append(mean.float().cpu().numpy().astype(np.float16))
    return np.concatenate(found)


def _tokenizer(recipe: Recipe, items: Sequence[Item], out: Path) -> CLIPTokenizer:
    """The tokenizer of this run: learned once, from the training captions alone."""
    folder = out / "tokenizer"
    if not folder.exists():
        captions = (caption for item in items for caption in item.captions)
        made = learn_tokenizer(captions, recipe.denoiser.vocabulary_size, recipe.denoiser.text_length)
        made.save_pretrained(folder)
    return CLIPTokenizer.from_pretrained(folder)


def _latent_examples(
    vae: AutoencoderKL,
    arrays: PictureArrays,
    items: Sequence[Item],
    tokenizer: CLIPTokenizer,
    cache: Path,
    recipe: Recipe,
) -> LatentExamples:
    """Latents and tokens of a part; the latents are kept on disk beside a fingerprint of the encoder."""
    mark = f"{float(sum(p.double().abs().sum() for p in vae.parameters())):.6f} {len(items)}"
    file, label = cache.with_suffix(".npy"), cache.with_suffix(".txt")
    if not file.exists() or not label.exists() or label.read_text() != mark:
        label.unlink(missing_ok=True)
        np.save(file, _encode(vae, arrays.pictures))
        label.write_text(mark)
    latents = np.load(file)
    factor, count, side = latent_factor(vae), len(items), latents.shape[2]
    cells = np.stack(
        [
            m.reshape(side, factor, side, factor).mean((1, 3), dtype=np.float32).astype(np.float16)
            for m in arrays.masks
        ]
    )
    captions = [caption for item in items for caption in item.captions]
    tokens = tokenizer(
        captions,
        padding="max_length",
        truncation=True,
        max_length=recipe.denoiser.text_length,
        return_tensors="np",
    ).input_ids.astype(np.int32)
    first = np.concatenate([[0], np.cumsum([len(item.captions) for item in items])])
    single = np.array([len(item.attributes.get("subjects", ())) == 1 for item in items])
    assert len(cells) == count
    return LatentExamples(latents, cells, tokens, first, single)


def _preview_pairs(
    examples: LatentExamples, arrays: PictureArrays, vae: AutoencoderKL
) -> tuple[torch.Tensor, torch.Tensor]:
    count = min(_PREVIEW_PAIRS, len(examples.latents))
    return torch.from_numpy(examples.latents[:count]).float(), to_tensor(arrays.pictures[:count]) / 2 + 0.5


def _words(recipe: Recipe, items: Sequence[Item]) -> tuple[str, ...]:
    """The words that the model has learned: all that occur in the captions it was trained on."""
    import re

    if recipe.data.folder is None:
        return vocabulary()
    return tuple(
        sorted({w for item in items for c in item.captions for w in re.findall(r"[a-z0-9-]+", c.lower())})
    )


def _data_name(recipe: Recipe) -> str:
    if recipe.data.folder is not None:
        return recipe.data.folder.name
    return f"storybook scenes, {recipe.data.storybook_count} of seed {recipe.data.storybook_seed}"


def _hardware() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name(0)
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [
            line.split(":", 1)[1].strip()
            for line in cpuinfo.read_text().splitlines()
            if line.startswith("model name")
        ]
        model = names[0] if names else model
    return f"{os.cpu_count()} cores of {model}"
