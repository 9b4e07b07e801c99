"""What families do alike: settling what a request leaves open, and rounding what a network drew."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..engine.request import MAX_SEED, DrawRequest
from ..errors import InvalidInput, LimnerError

if TYPE_CHECKING:
    from ..registry.manifest import Manifest

_VARIATION = 0.3

ALL_TAKE = frozenset(
    {"prompt", "model", "seed", "width", "height", "variation_seed", "variation_strength", "attention"}
    | {"best_of", "matcher"}  # settled by the studio
)
"""The settings of a request that no family refuses."""


def settled(request: DrawRequest, manifest: Manifest) -> dict[str, Any]:
    """Seeds, the strength of a variation and the size, as the request says or else as they are without; a seed is
    drawn at random. InvalidInput where the model does not draw the size."""
    width, height = _size(request, manifest)
    seed, share = request.variation_seed, request.variation_strength
    if seed is not None or share is not None:
        seed = _random_seed() if seed is None else seed
        share = _VARIATION if share is None else share
    return {
        "seed": _random_seed() if request.seed is None else request.seed,
        "variation_seed": seed,
        "variation_strength": share,
        "width": width,
        "height": height,
    }


def _size(request: DrawRequest, manifest: Manifest) -> tuple[int, int]:
    """The first size of the model that the request allows."""
    sizes = manifest.sizes
    for size in sizes:
        if request.width in (None, size.width) and request.height in (None, size.height):
            return size.width, size.height
    known = ", ".join(f"{size.width}x{size.height}" for size in sizes)
    wide = request.width is not None and all(request.width != size.width for size in sizes)
    field = "width" if wide else "height"
    raise InvalidInput(
        f"model '{manifest.name}' does not draw {field}={getattr(request, field)}; sizes: {known}",
        field=field,
    )


def _random_seed() -> int:
    return secrets.randbelow(MAX_SEED + 1)


def pixels(picture: NDArray[np.floating[Any]], manifest: Manifest, way_out: str) -> NDArray[np.uint8]:
    """Round a picture (1, 3, H, W) in -1..1 to (H, W, 3); LimnerError, ending in `way_out`, where it is not finite."""
    if not np.isfinite(picture).all():
        name = f"{manifest.name}@{manifest.version}"
        raise LimnerError(f"model '{name}' drew values that are not finite; {way_out}")
    return rounded(picture[0].transpose(1, 2, 0).astype(np.float32) * np.float32(0.5) + np.float32(0.5))


def rounded(colours: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Shares of full colour to levels of 0 to 255."""
    levels: NDArray[np.float32] = colours.clip(0, 1) * np.float32(255)
    return levels.round().astype(np.uint8)
