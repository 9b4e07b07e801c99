"""Where a drawing begins: at noise, or at the latent of a picture; and what an inpainting network is told of it."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...engine.request import Call, DrawRequest
from ...engine.samplers import Origin
from ...engine.source import Source

_Floats = NDArray[np.float32]
Outputs = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Latents:
    """How an autoencoder's latents look: channels, pixels a side, and the factor that the denoiser sees them with."""

    channels: int
    factor: int
    scale: np.float32


@dataclass(frozen=True)
class Beginning:
    """`origin` for the sampler, None for noise alone; `told` (1, 1 + C, h, w) are the further channels that a
    network made for inpainting reads: where to redraw, and the latent of what is kept. None for any other network."""

    origin: Origin | None = None
    told: _Floats | None = None


def begin(
    source: Source | None, request: DrawRequest, latents: Latents, inpaints: bool
) -> Generator[Call, Outputs | None, Beginning]:
    """Encode what the resolved request's picture is made from.

    `source` is of the request's size; `inpaints` says that the network reads `Beginning.told`.
    """
    assert request.steps and request.steps_taken and request.width and request.height
    if source is None:
        if not inpaints:
            return Beginning()
        nothing = np.zeros((1, 3, request.height, request.width), np.float32)
        around = yield from _encoded(nothing, latents)
        return Beginning(told=np.concatenate([np.ones_like(around[:, :1]), around], 1))
    cells = source.cells(latents.factor)
    sample = source.pixels.astype(np.float32).transpose(2, 0, 1)[None] / np.float32(127.5) - np.float32(1)
    told = None
    if inpaints:
        kept_part = np.zeros_like(sample) if source.mask is None else sample * (source.mask < 128)
        around = yield from _encoded(kept_part, latents)
        told = np.concatenate([cells, around], 1)
    clean = yield from _encoded(sample, latents)
    # A network that reads what is kept keeps it by itself.
    kept = None if source.mask is None or inpaints else 1 - cells
    return Beginning(Origin(clean, request.steps - request.steps_taken, kept), told)


def _encoded(sample: _Floats, latents: Latents) -> Generator[Call, Outputs | None, _Floats]:
    """The latent (1, C, h, w) of a picture (1, 3, H, W) in -1..1, as the denoiser sees it: the posterior's mean."""
    outputs = yield Call("vae_encoder", {"sample": sample}, "encode")
    assert outputs is not None
    parameters: _Floats = outputs["latent_parameters"]
    mean: _Floats = parameters[:, : latents.channels]
    return mean * latents.scale
