"""What a sampler asks of the denoiser, where it may begin, and the shape of a sampler."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Protocol

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


@dataclass(frozen=True)
class Origin:
    """A picture's latent to begin at, as if all steps before `first` had been taken (Meng et al. 2021, "SDEdit").

    `clean` (1, C, h, w); with `first` 0 drawing begins at noise alone. Where `kept` (1, 1, h, w) is 1 the latent is put
    back to the picture's, with the noise of its level, after every step (Lugmayr et al. 2022, "RePaint", without
    going back).
    """

    clean: Latent
    first: int
    kept: Latent | None = None

    def noised(self, signal: np.float32, deviation: np.float32, noise: Latent) -> Latent:
        """The picture's latent at a level of noise."""
        return (signal * self.clean + deviation * noise).astype(np.float32)

    def restored(self, latent: Latent, signal: np.float32, deviation: np.float32, noise: Latent) -> Latent:
        """The latent at a level of noise with what is kept put back."""
        if self.kept is None:
            return latent
        return np.where(self.kept > 0, self.noised(signal, deviation, noise), latent).astype(np.float32)


Sampling = Generator[Query, Latent, Latent]


class Sampler(Protocol):
    """A sampler; without `origin` it begins at the noise (1, C, h, w) and takes all steps."""

    def __call__(
        self, schedule: Schedule, steps: int, noise: Latent, origin: Origin | None = None
    ) -> Sampling:
        """Start."""
        ...
