"""The teacher of a distillation: the model as the engine draws it, asked to go on from any latent.

Both it and its student visit timesteps in diffusers' "trailing" spacing, the teacher a whole number of steps for each
of the student's, so that where a jump of the student lands the teacher has been too.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...engine.backends import Network
from ...engine.samplers import SAMPLERS, Origin, Schedule
from ...errors import InvalidInput
from ...registry.manifest import SamplerDefaults

Latents = NDArray[np.float32]

_AT_ONCE = 8  # pictures; a guided step has twice as many rows


def trailing(schedule: Schedule) -> Schedule:
    """The schedule with the spacing of timesteps that a distillation uses, and no other noise levels."""
    return schedule.model_copy(update={"timestep_spacing": "trailing", "use_karras_sigmas": False})


def steps_for_each(teacher: int, student: int) -> int:
    """How many steps the teacher takes for each of the student's.

    InvalidInput where the student would not take at most half as many as the teacher does by default.
    """
    if not 1 <= student <= teacher // 2:
        raise InvalidInput(
            f"--steps {student}: the model takes {teacher} now, so allowed are 1 to {teacher // 2}",
            field="steps",
        )
    return round(teacher / student)


class Teacher:
    """A denoiser that is drawn with guidance: from a latent at one of the student's timesteps to the next."""

    def __init__(
        self, network: Network, schedule: Schedule, defaults: SamplerDefaults, empty: Latents, student: int
    ) -> None:
        """`network` is the engine's, `empty` (T, D) encodes the empty text, `student` takes so many steps."""
        self._network, self._empty = network, empty
        self._schedule, self._defaults = trailing(schedule), defaults
        self.each = steps_for_each(defaults.steps, student)
        self.steps = self.each * student
        self._deviations = np.sqrt(np.float32(1) - self._schedule.alphas_cumprod)

    def whole(self, noise: Latents, states: Latents) -> list[Latents]:
        """The latents (N, C, h, w) at each of the student's timesteps, the noise first, and the clean ones last.

        `noise` (N, C, h, w), `states` (N, T, D): the texts' encodings.
        """
        return self._drawn(noise, states, 0, self.steps)

    def onward(self, latents: Latents, states: Latents, jump: int) -> Latents:
        """Where the teacher goes from latents (N, C, h, w) at the student's timestep number `jump` until its next."""
        return self._drawn(latents, states, jump * self.each, self.each)[-1]

    def _drawn(self, latents: Latents, states: Latents, first: int, count: int) -> list[Latents]:
        parts = [
            self._together(latents[at : at + _AT_ONCE], states[at : at + _AT_ONCE], first, count)
            for at in range(0, len(latents), _AT_ONCE)
        ]
        return [np.concatenate(node) for node in zip(*parts, strict=True)]

    def _together(self, latents: Latents, states: Latents, first: int, count: int) -> list[Latents]:
        """A few pictures step by step, side by side: each has a sampler of its own, and all share the calls."""
        sampler = SAMPLERS[self._defaults.sampler]
        samplings = []
        for latent in latents:
            begin, origin = latent[None], None
            if first:
                # As the latent of a picture that is all noise, the sampler begins at any latent.
                timestep = int(self._schedule.trailing(self.steps)[first])
                begin = begin / self._deviations[timestep]
                origin = Origin(np.zeros_like(begin), first)
            samplings.append(sampler(self._schedule, self.steps, begin, origin))
        queries = [next(sampling) for sampling in samplings]
        nodes = [latents]
        for step in range(first, first + count):
            sample = np.concatenate([query.latent for query in queries])
            made = self._predicted(sample, queries[0].timestep, states, step)
            ends: list[Latents] = []
            for k, sampling in enumerate(samplings):
                try:
                    queries[k] = sampling.send(made[k : k + 1])
                except StopIteration as end:
                    ends.append(end.value)
            if (step + 1) % self.each == 0:
                nodes.append(np.concatenate(ends or [query.latent for query in queries]))
        return nodes

    def _predicted(self, sample: Latents, timestep: float, states: Latents, step: int) -> Latents:
        low, high = self._defaults.guidance_interval
        scale = np.float32(self._defaults.guidance_scale)
        if not (scale > 1 and low <= (step + 0.5) / self.steps <= high):
            return self._asked(sample, timestep, states)
        both = np.concatenate([np.repeat(self._empty[None], len(states), 0), states])
        free, bound = np.split(self._asked(np.concatenate([sample, sample]), timestep, both), 2)
        return free + scale * (bound - free)

    def _asked(self, sample: Latents, timestep: float, states: Latents) -> Latents:
        inputs = {
            "sample": sample,
            "timestep": np.full(len(sample), timestep, np.float32),
            "encoder_hidden_states": states,
        }
        return self._network(inputs)["out_sample"].astype(np.float32, copy=False)
