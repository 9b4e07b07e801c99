"""What a sampler asks of the denoiser, and the shape of a sampler."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .schedule import Schedule

Latent = NDArray[np.float32]


@dataclass(frozen=True)
class Query:
    """A request for one prediction.

    `latent` (1, C, h, w) as the network wants it, at `timestep`; `clean` (1, C, h, w) is the clean latent
    that the step before this one predicted, None at the first step.
    """

    latent: Latent
    timestep: float
    clean: Latent | None


Sampling = Generator[Query, Latent, Latent]
Sampler = Callable[[Schedule, int, Latent], Sampling]
