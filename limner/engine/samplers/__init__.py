"""Samplers: generators that turn noise into a latent by asking for one prediction a step.

    sampling = SAMPLERS["ddim"](schedule, steps, noise)   # noise (1, C, h, w), unit normal, float32
    query = next(sampling)                                # predict at query.latent, query.timestep
    query = sampling.send(prediction)                     # query.clean: what that step thinks the end will be
    ...                                                   # StopIteration.value: the latent (1, C, h, w)

Each step is one query, so `steps` predictions are sent. The clean latent that a prediction implies comes with
the next query, for previews; after the last step the returned latent is itself the clean one. With an `Origin`
they begin at a picture and take the steps that are left. A sampler knows nothing of guidance, text or batches.
All of them are deterministic, and all raise InvalidInput for a number of steps that the schedule does not have.
"""

from __future__ import annotations

from .ddim import ddim
from .dpm import dpm_solver_pp_2m
from .euler import euler
from .query import Origin, Query, Sampler, Sampling
from .schedule import Schedule

SAMPLERS: dict[str, Sampler] = {"ddim": ddim, "euler": euler, "dpm++2m": dpm_solver_pp_2m}

__all__ = ["SAMPLERS", "Origin", "Query", "Sampler", "Sampling", "Schedule"]
