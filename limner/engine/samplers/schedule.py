"""How much noise each training timestep carries, and which timesteps a sampler visits.

A schedule is read from the `scheduler_config.json` that any diffusers scheduler writes. As in diffusers, a
sampler takes from it the keys that it knows, whichever class wrote it, and its own defaults for the rest; so
the three samplers can all drive the same checkpoint. Numbers are computed in single precision in diffusers'
order of operations, since 1 - alpha loses digits at both ends.
"""

from __future__ import annotations

import json
import math
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...errors import InvalidInput, NotFound

Spacing = Literal["leading", "trailing", "linspace"]
Floats = NDArray[np.float32]

# The smallest half-precision number, in place of the zero that would make the first sigma infinite.
_TINY_ALPHA = np.float32(2.0**-24)


class Schedule(BaseModel):
    """A scheduler configuration in diffusers' words; `timestep_spacing` None means the sampler's own default.

    Keys that no sampler here uses are ignored; a value that would change the picture and is not supported is
    refused.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", ignored_types=(cached_property,))

    num_train_timesteps: Annotated[int, Field(ge=2)] = 1000
    beta_start: float = 0.0001
    beta_end: float = 0.02
    beta_schedule: Literal["linear", "scaled_linear", "squaredcos_cap_v2"] = "linear"
    trained_betas: tuple[float, ...] | None = None
    rescale_betas_zero_snr: bool = False
    prediction_type: Literal["epsilon", "v_prediction", "sample"] = "epsilon"
    timestep_spacing: Spacing | None = None
    steps_offset: Annotated[int, Field(ge=0)] = 0
    thresholding: Literal[False] = False

    # DDIM
    set_alpha_to_one: bool = True
    clip_sample: bool = True
    clip_sample_range: float = 1.0

    # Euler and DPM-Solver
    use_karras_sigmas: bool | None = False
    use_exponential_sigmas: Literal[False] | None = False
    use_beta_sigmas: Literal[False] | None = False
    final_sigmas_type: Literal["zero", "sigma_min"] = "zero"

    sigma_min: float | None = None
    sigma_max: float | None = None

    # Euler
    interpolation_type: Literal["linear"] = "linear"
    timestep_type: Literal["discrete"] = "discrete"

    # DPM-Solver; the names after the first are other solvers' and diffusers reads them as the first
    algorithm_type: Literal["dpmsolver++", "deis"] = "dpmsolver++"
    solver_type: Literal["midpoint", "logrho", "bh1", "bh2"] = "midpoint"
    solver_order: Literal[2] = 2
    lower_order_final: bool = True
    euler_at_final: bool = False
    lambda_min_clipped: float = -math.inf
    use_lu_lambdas: Literal[False] = False
    use_flow_sigmas: Literal[False] = False

    @classmethod
    def read(cls, path: Path) -> Schedule:
        """Read a `scheduler_config.json`; NotFound without one, InvalidInput where it is not supported."""
        try:
            values: Any = json.loads(path.read_bytes())
        except FileNotFoundError:
            raise NotFound(f"no scheduler configuration at {path}") from None
        except ValueError as error:
            raise InvalidInput(f"{path} is not JSON: {error}") from None
        return cls.of(values, path)

    @classmethod
    def of(cls, values: Any, path: Path) -> Schedule:
        """The schedule that a configuration means, which is from `path`; InvalidInput where it is not supported."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            raise InvalidInput(f"{path}: {key}={first['input']!r}: {first['msg']}", field=key) from None

    def check_steps(self, steps: int) -> None:
        """Raise InvalidInput unless the schedule has timesteps enough for `steps`."""
        if not 1 <= steps < self.num_train_timesteps:
            most = self.num_train_timesteps - 1
            raise InvalidInput(f"steps={steps} is out of range; allowed: 1 to {most}", field="steps")

    @cached_property
    def alphas_cumprod(self) -> Floats:
        """Share of the signal's variance left at each training timestep, (num_train_timesteps,)."""
        alphas = np.float32(1) - self._betas()
        return _cumulative_product(alphas)

    @cached_property
    def nonzero_alphas_cumprod(self) -> Floats:
        """`alphas_cumprod` with a terminal zero lifted to 2^-24, for samplers that divide by it."""
        alphas = self.alphas_cumprod.copy()
        if self.rescale_betas_zero_snr:
            alphas[-1] = _TINY_ALPHA
        return alphas

    @cached_property
    def sigmas(self) -> Floats:
        """Noise over signal at each training timestep, (num_train_timesteps,)."""
        alphas = self.nonzero_alphas_cumprod
        sigmas: Floats = np.sqrt((np.float32(1) - alphas) / alphas)
        return sigmas

    def karras_sigmas(self, steps: int, first: float, last: float) -> NDArray[np.float64]:
        """Noise levels from `first` down to `last`, (steps,); Karras et al. 2022, equation 5, rho = 7.

        `sigma_max` and `sigma_min` go before `first` and `last`.
        """
        high = (first if self.sigma_max is None else self.sigma_max) ** (1 / 7)
        low = (last if self.sigma_min is None else self.sigma_min) ** (1 / 7)
        levels: NDArray[np.float64] = (high + np.linspace(0, 1, steps) * (low - high)) ** 7
        return levels

    def timesteps_of(self, sigmas: NDArray[Any]) -> NDArray[np.float64]:
        """Fractional training timesteps that have these noise levels, linear in log sigma."""
        known = np.log(self.sigmas).astype(np.float64)
        timesteps: NDArray[np.float64] = np.interp(
            np.log(np.maximum(sigmas, 1e-10)), known, np.arange(len(known))
        )
        return timesteps

    def final_sigma(self) -> float:
        """The noise level after the last step."""
        if self.final_sigmas_type == "zero":
            return 0.0
        return float(self.sigmas[0])

    def trailing(self, steps: int, last: int | None = None) -> NDArray[np.float64]:
        """`steps` timesteps counted down from the end (`last`, or all), the last training timestep included.

        Cut to `steps`: for some counts, such as 61, rounding lets `arange` run one past the end.
        """
        stride = self.num_train_timesteps / steps
        start = self.num_train_timesteps if last is None else last
        return np.arange(start, 0, -stride).round()[:steps] - 1

    def _betas(self) -> Floats:
        count = self.num_train_timesteps
        if self.trained_betas is not None:
            betas = np.array(self.trained_betas, np.float32)
        elif self.beta_schedule == "linear":
            betas = _linspace(self.beta_start, self.beta_end, count)
        elif self.beta_schedule == "scaled_linear":
            betas = _linspace(self.beta_start**0.5, self.beta_end**0.5, count) ** 2
        else:
            time = np.arange(count + 1) / count
            signal = np.cos((time + 0.008) / 1.008 * np.pi / 2) ** 2
            betas = np.minimum(1 - signal[1:] / signal[:-1], 0.999).astype(np.float32)
        return _without_terminal_signal(betas) if self.rescale_betas_zero_snr else betas


def _linspace(start: float, end: float, count: int) -> Floats:
    """Space evenly as torch does: from both ends, each value rounded once."""
    low, high = np.float32(start), np.float32(end)
    step = float((high - low) / np.float32(count - 1))
    index = np.arange(count)
    rising = float(low) + step * index
    falling = float(high) - step * (count - 1 - index)
    return np.where(index < count // 2, rising, falling).astype(np.float32)


def _cumulative_product(factors: Floats) -> Floats:
    return np.cumprod(factors.astype(np.float64)).astype(np.float32)


def _without_terminal_signal(betas: Floats) -> Floats:
    """Rescale betas so that the last timestep is pure noise; Lin et al. 2023, algorithm 1."""
    root = np.sqrt(_cumulative_product(np.float32(1) - betas))
    first, last = root[0], root[-1]
    root = (root - last) * (first / (first - last))
    signal = root**2
    return np.float32(1) - np.concatenate([signal[:1], signal[1:] / signal[:-1]])
