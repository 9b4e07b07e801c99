"""What a denoiser reads while it draws: the inputs of its own trajectories, to choose ranges by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engine.backends import Backend
from ..engine.request import Call, DrawRequest
from ..families import family
from ..registry.models import Model
from ..storybook.worlds import world_learned

_SEED, _WORDS = 0xCA11B, 8
Inputs = dict[str, NDArray[Any]]

PLAIN = (
    "a photograph of a cat asleep on a sofa",
    "a castle by the sea at sunset, oil painting",
    "a bowl of red apples on a wooden table",
    "portrait of an old man with a grey beard, soft light",
    "a street in the rain at night, neon signs",
    "a mountain lake in autumn",
    "a small robot in a garden, digital art",
    "an astronaut riding a horse",
    "a plate of pasta with basil, close up",
    "a map of an island, ink on paper",
    "a blue vintage car parked in front of a house",
    "a forest path in the morning mist",
)
"""Sentences for a model that does not say which words it knows."""


def sentences(model: Model, count: int) -> list[str]:
    """Sentences that the model understands: of the world that it has learned, else some of the words that it knows."""
    known = model.manifest.vocabulary
    if not known:
        return [PLAIN[k % len(PLAIN)] for k in range(count)]
    world = world_learned(model.manifest.lineage.recipe)
    if world is not None:
        return [world.idea(_SEED + k) for k in range(count)]
    chance = np.random.default_rng(_SEED)
    return [" ".join(chance.choice(known, min(len(known), _WORDS), replace=False)) for _ in range(count)]


def trajectories(
    model: Model, backend: Backend, texts: Sequence[str], each: int, graph: str = "unet"
) -> list[Inputs]:
    """Inputs of `graph` while the texts are drawn, `each` of every picture: at other steps of every one.

    Every sample has as many rows as a guided step, so that ranges hold with and without guidance.
    """
    drawer = family(model.manifest.family)(model)
    networks = {name: backend.load(model, name) for name in model.manifest.graphs}
    found = []
    for seed, text in enumerate(texts):
        request = drawer.resolve(
            DrawRequest(prompt=text, seed=seed, guidance_interval=(0, 1), feature_reuse=1, decoder="full")
        )
        steps = request.steps or 1
        wanted = {round((k + (seed % 4) / 4) * steps / each) for k in range(each)}
        program, answer, step = drawer.program(request), None, 0
        try:
            while True:
                event = program.send(answer)
                answer = None
                if isinstance(event, Call):
                    if event.graph == graph:
                        if step in wanted:
                            found.append({name: np.array(value) for name, value in event.inputs.items()})
                        step += 1
                    answer = networks[event.graph](event.inputs)
        except StopIteration:
            pass
    for network in networks.values():
        network.close()
    return found
