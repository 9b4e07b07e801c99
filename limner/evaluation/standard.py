"""The standard FID (Heusel et al. 2017), by torchmetrics with Inception's own weights from the disk.

Needs torchmetrics and torch-fidelity, which Limner does not bring: torch-fidelity needs torchvision, and there is not a
build of it for every machine. Nothing is downloaded.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidInput, NotFound, Unavailable
from ..families.matcher.matcher import hash_of
from .card import Score
from .scoring import FLOOR, made_ready

_NEEDED = ("torchmetrics", "torch_fidelity")
_FEATURES = 2048
_TOGETHER = 32


def open_inception(weights: Path) -> Any:
    """torchmetrics' FID with these weights.

    NotFound without the file, InvalidInput where it is another one, Unavailable naming what is not installed.
    """
    if not weights.is_file():
        raise NotFound(
            f"Inception's weights '{weights}' not found; FID needs torch-fidelity's pt_inception file"
        )
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise Unavailable(
            f"FID needs {' and '.join(missing)}, not installed: pip install torchmetrics[image]; or leave out "
            "--inception for the Fréchet distance of the matcher's features"
        )
    from torchmetrics.image.fid import FrechetInceptionDistance

    try:
        return FrechetInceptionDistance(
            _FEATURES, reset_real_features=False, feature_extractor_weights_path=str(weights)
        )
    except Exception as error:  # noqa: BLE001 - torch raises errors of many kinds for a file that is another
        told = (str(error).splitlines() or [type(error).__name__])[0]
        raise InvalidInput(
            f"'{weights}' is not torch-fidelity's pt_inception file: {told[:200]}", field="inception"
        ) from None


def standard_fid(
    drawn: Sequence[NDArray[np.uint8]],
    real: Sequence[NDArray[np.uint8]],
    more: Sequence[NDArray[np.uint8]],
    weights: Path,
    model: str,
    data: str,
) -> Score:
    """FID of drawn pictures against real ones, beside that of more real ones against the same.

    All are uint8 (H, W, 3), of one size in a set; as many are evenly chosen of each as there are of the fewest, which
    must be two at least. Errors as `open_inception`.
    """
    metric = open_inception(weights)
    import torch

    count = min(len(drawn), len(real), len(more))

    def update(pictures: Sequence[NDArray[np.uint8]], is_real: bool) -> None:
        places = np.linspace(0, len(pictures) - 1, count).astype(int).tolist()
        for first in range(0, count, _TOGETHER):
            batch = np.stack([pictures[k] for k in places[first : first + _TOGETHER]]).transpose(0, 3, 1, 2)
            metric.update(torch.from_numpy(np.ascontiguousarray(batch)), real=is_real)

    def distance(pictures: Sequence[NDArray[np.uint8]]) -> float:
        metric.reset()
        update(pictures, False)
        return round(float(metric.compute()), 4)

    update(real, True)
    return Score(
        id="fid",
        title="FID",
        value=distance(drawn),
        n=count,
        beside={FLOOR: distance(more)},
        better="lower",
        encoder="Inception v3 (torch-fidelity)",
        encoder_hash=hash_of([weights]),
        resize=made_ready("torchmetrics: bilinear to 299 px", drawn, real),
        model=model,
        data=data,
        note="Falls with N, also for one source: compare it at this N alone.",
    )
