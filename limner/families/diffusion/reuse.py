"""Deep features used again from step to step (Ma et al. 2024, "DeepCache"): which step computes them, and which not.

Steps are uniform: of every `every` the first computes the whole denoiser. One that finds no features to use computes
it too: where guidance begins after a step without it, what is kept is of the prompt alone. A whole step tells its
attention to the text, where that is asked for.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...engine.request import Call
from ...engine.variants import FEATURES, attentive, full, shallow

GRAPH = "unet"


class Reuse:
    """The calls of the denoiser in one picture, and the features that go from one to the next."""

    def __init__(self, every: int, attention: bool) -> None:
        """Compute the deep features at every `every`-th step; 1: at all of them."""
        self._every, self._attention = every, attention
        self._features: NDArray[np.float32] | None = None  # (1 or 2, C, h, w); the prompt's come last
        self._since = 0  # steps that have used them, that which made them included

    def call(self, inputs: dict[str, NDArray[Any]]) -> Call:
        """The call of the next step, of one row (prompt) or two (negative prompt, prompt)."""
        rows = len(inputs["sample"])
        self._since += 1
        if self._every == 1:
            return Call(attentive(GRAPH) if self._attention else GRAPH, inputs)
        if self._features is None or len(self._features) < rows or self._since > self._every:
            self._since = 1
            return Call(attentive(GRAPH) if self._attention else full(GRAPH), inputs)
        return Call(shallow(GRAPH), inputs | {FEATURES: self._features[-rows:]})

    def keep(self, outputs: dict[str, NDArray[Any]]) -> None:
        """Keep the features that the call gave, if it did."""
        self._features = outputs.get(FEATURES, self._features)
