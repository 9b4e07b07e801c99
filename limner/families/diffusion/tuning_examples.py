"""What tuning learns from: latents and encodings of texts, each made once and kept on disk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor
from transformers import CLIPTextModel, PreTrainedTokenizerBase

from ...data.captioned import Item
from ...data.pictures import load_picture, read_boxed
from ...data.subjects import cell_shares, shown_subjects
from ...registry.manifest import Layout
from ...registry.placing import PLACING
from ...training.buckets import Size, bucket_sizes, nearest
from ...training.cache import ArrayCache, file_hash, key_of
from ...training.pictures import to_tensor
from ...training.precision import autocast
from .. import layout
from .checkpoint.reading import WEIGHTS
from .cut_captions import tell_of_cut
from .model import latent_factor

_TEXTS_AT_ONCE = 16
_SHAPE_FROM = 64  # pixels: a JPEG is read small where only its shape is asked for

# Of a model without layout channels only the shares that subjects fill are asked for.
_NAMELESS = Layout(mean=(), std=())


@dataclass(frozen=True)
class TuningExamples:
    """A part of a captioned set as the denoiser sees it.

    `latents` are keys of means and log-variances (2 C, h, w), `shown` of layouts (CHANNELS, h, w) or None, each
    as it is and, where wanted, mirrored; `tokens` (M, T) all captions, `encodings` their keys where the text encoder is
    frozen; captions of example i are `first[i]` to `first[i + 1]`; `groups` the examples of each size.
    """

    cache: ArrayCache
    latents: tuple[tuple[str, ...], ...]
    shown: tuple[tuple[str | None, ...], ...]
    tokens: NDArray[np.int64]
    encodings: tuple[str, ...]
    first: NDArray[np.int64]
    groups: tuple[NDArray[np.int64], ...]
    scale: Layout | None

    def __len__(self) -> int:
        return len(self.latents)

    def clean(self, chosen: NDArray[np.int64], generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Latents (B, C, h, w) drawn from their posteriors, unscaled, and the share of each cell (B, 1, h, w) that
        shows a subject."""
        mirrored = torch.rand(len(chosen), generator=generator) < 0.5
        picks = [(int(i), int(m) % len(self.latents[i])) for i, m in zip(chosen, mirrored, strict=True)]
        moments = torch.from_numpy(np.stack([self.cache[self.latents[i][m]] for i, m in picks])).float()
        mean, logvar = moments.chunk(2, 1)
        latents = mean + (logvar / 2).exp() * torch.randn(mean.shape, generator=generator)
        cells = torch.zeros(len(chosen), 1, *mean.shape[2:])
        for row, (i, m) in enumerate(picks):
            key = self.shown[i][m]
            if key is None:
                continue
            channels = self.cache[key]
            cells[row, 0] = torch.from_numpy((channels[0] + 1) / 2)
            if self.scale is not None:
                latents[row, -len(self.scale.mean) :] = torch.from_numpy(
                    layout.standardised(channels, self.scale)
                ).float()
        return latents, cells

    def known(self, example: int, turn: int) -> tuple[NDArray[np.float16], NDArray[np.float16]]:
        """The means of the latents (C, h, w) of an example, or (`turn` 1) of its mirror image: with the layout that is
        told of it, and as the encoder guesses that."""
        moments = self.cache[self.latents[example][turn]]
        guessed = moments[: len(moments) // 2].astype(np.float16)
        key = self.shown[example][turn]
        if key is None or self.scale is None:
            return guessed, guessed
        told = layout.standardised(self.cache[key], self.scale)
        return np.concatenate([guessed[: -len(told)], told]), guessed

    def captions(self, chosen: NDArray[np.int64], generator: torch.Generator) -> NDArray[np.int64]:
        """A caption of each example at random, as a row of `tokens`."""
        many = self.first[chosen + 1] - self.first[chosen]
        picked = (torch.rand(len(chosen), generator=generator).numpy() * many).astype(np.int64)
        rows: NDArray[np.int64] = self.first[chosen] + picked
        return rows

    def states(self, rows: Iterable[int]) -> Tensor:
        """The encodings (B, T, D) of captions."""
        return torch.from_numpy(np.stack([self.cache[self.encodings[row]] for row in rows])).float()


class Encoders:
    """The autoencoder and the text encoder of a model directory, loaded when something is missing from the cache."""

    def __init__(
        self, directory: Path, tokenizer: PreTrainedTokenizerBase, cache: ArrayCache, precision: str
    ) -> None:
        self._directory, self._tokenizer, self.cache = directory, tokenizer, cache
        self._precision = precision
        self._marks = {part: self.mark(part) for part in ("vae", "text_encoder")}
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    def examples(
        self, items: Sequence[Item], side: int, step: int, buckets: bool, flip: bool, scale: Layout | None,
        encode_texts: bool,
    ) -> TuningExamples:  # fmt: skip
        """The examples of a part; pictures of about side x side pixels, sides multiples of `step` in buckets."""
        sizes = bucket_sizes(side, step) if buckets else [(side, side)]
        chosen = [_size_of(item, sizes) for item in items]
        turns = (False, True) if flip else (False,)
        keys = [
            [self._picture_key(item, size, turn, scale) for turn in turns]
            for item, size in zip(items, chosen, strict=True)
        ]
        self._fill_latents(items, chosen, turns, [key for each in keys for key in each], scale or _NAMELESS)
        captions = [caption for item in items for caption in item.captions]
        tokens = self.tokens(captions)
        tell_of_cut(self._tokenizer, captions, tokens)
        groups = [np.flatnonzero([size == one for one in chosen]) for size in sizes]
        return TuningExamples(
            self.cache,
            tuple(tuple(f"{key}l" for key in each) for each in keys),
            tuple(
                tuple(f"{key}s" if item.mask else None for key in each)
                for item, each in zip(items, keys, strict=True)
            ),
            tokens,
            self.texts(captions) if encode_texts else (),
            np.concatenate([[0], np.cumsum([len(item.captions) for item in items])]),
            tuple(group for group in groups if len(group)),
            scale,
        )

    def mark(self, part: str) -> str:
        """A hash of the weights and the configuration of a part of the model."""
        folder = self._directory / part
        return file_hash(folder / f"{WEIGHTS[part]}.safetensors") + file_hash(folder / "config.json")

    def tokens(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Token ids (N, T), cut and filled up to the text encoder's length."""
        made = self._tokenizer(
            list(texts),
            padding="max_length",
            truncation=True,
            max_length=self._tokenizer.model_max_length,
            return_tensors="np",
        )
        return np.asarray(made.input_ids, np.int64)

    def texts(self, texts: Sequence[str]) -> tuple[str, ...]:
        """The keys of the encodings of texts, each (T, D), made where they are missing."""
        ids = self.tokens(texts)
        keys = [key_of("text", self._marks["text_encoder"], row.tolist()) for row in ids]
        rows = dict(zip(keys, ids, strict=True))
        missing = self.cache.missing(keys)
        if missing:
            encoder = CLIPTextModel.from_pretrained(
                self._directory / "text_encoder", dtype=torch.float32, use_safetensors=True
            )
            encoder = encoder.to(self._device).eval()
            for at in track(range(0, len(missing), _TEXTS_AT_ONCE), "encoding captions"):
                part = missing[at : at + _TEXTS_AT_ONCE]
                batch = torch.from_numpy(np.stack([rows[key] for key in part])).to(self._device)
                with torch.no_grad():
                    made = encoder(input_ids=batch).last_hidden_state
                for key, encoding in zip(part, made.cpu().numpy().astype(np.float16), strict=True):
                    self.cache.put(key, encoding)
        return tuple(keys)

    def _picture_key(self, item: Item, size: Size, mirrored: bool, scale: Layout | None) -> str:
        files = [item.file, *([item.mask] if item.mask else [])]
        stamps = [(str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
        kinds = scale and (scale.names, scale.further, scale.drawings)
        boxed = [each for each in (item.box, item.attributes.get("subjects"), kinds) if each]
        return key_of("latent", self._marks["vae"], self._precision, stamps, size, mirrored, *boxed)

    def _fill_latents(
        self, items: Sequence[Item], sizes: Sequence[Size], turns: Sequence[bool], keys: Sequence[str], scale: Layout
    ) -> None:  # fmt: skip
        todo = [
            (item, size, turn)
            for item, size in zip(items, sizes, strict=True)
            for turn in turns
        ]  # fmt: skip
        missing = set(self.cache.missing(f"{key}l" for key in keys))
        left = [(key, *what) for key, what in zip(keys, todo, strict=True) if f"{key}l" in missing]
        if not left:
            return
        vae = load_autoencoder(self._directory).to(self._device)
        factor = latent_factor(vae)
        for key, item, size, mirrored in track(left, "encoding pictures"):
            pixels = load_picture(item.file, *size, box=item.box)
            if item.mask:
                self.cache.put(f"{key}s", _layout(item, pixels, factor, mirrored, scale))
            pixels = pixels[:, ::-1].copy() if mirrored else pixels
            with torch.no_grad(), self._autocast():
                posterior = vae.encode(to_tensor(pixels[None]).to(self._device)).latent_dist
            moments = torch.cat([posterior.mean, posterior.logvar], 1)[0]
            self.cache.put(f"{key}l", moments.float().cpu().numpy().astype(np.float16))

    def _autocast(self) -> torch.autocast:
        return autocast(self._device.type, self._precision)


def load_autoencoder(directory: Path) -> AutoencoderKL:
    """The frozen autoencoder of a model directory, in float32."""
    vae: AutoencoderKL = AutoencoderKL.from_pretrained(
        directory / "vae", torch_dtype=torch.float32, use_safetensors=True
    )
    return vae.eval().requires_grad_(False)


def _size_of(item: Item, sizes: Sequence[Size]) -> Size:
    if len(sizes) == 1:
        return sizes[0]
    width, height = read_boxed(item.file, _SHAPE_FROM, item.box).size
    return nearest(sizes, width, height)


def _layout(
    item: Item, pixels: NDArray[np.uint8], factor: int, mirrored: bool, scale: Layout
) -> NDArray[np.float32]:
    """The layout channels of a picture (H, W, 3) that is not mirrored yet, of itself or of its mirror image."""
    shown, placings = shown_subjects(item, scale.names, pixels)
    if mirrored:
        shown = shown[:, ::-1]
        left, right, facing = (PLACING.index(name) for name in ("left", "right", "facing"))
        placings[:, [left, right]] = 1 - placings[:, [right, left]]
        placings[:, facing] *= -1
    shares = cell_shares(shown, factor)[None]
    channels: NDArray[np.float32] = layout.layout(
        placings[None], shares, layout.codes_of(scale), scale.drawings
    )[0]
    return channels
