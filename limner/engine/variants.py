"""Other forms of a denoiser's graph, for what a step keeps for later ones or for the reader.

What the deep levels of a UNet find changes little from one step to the next (Ma et al. 2024, "DeepCache"): `full`
computes all of a graph and gives its deep features too, and `shallow` is given those of an earlier step, and computes
only what lies above them. `attentive` is `full`, where there are such features, and also tells how much each place
looked at each of the text's tokens. They are made of the same file and the same weights. A call names them as
`unet/full`, `unet/shallow` and `unet/attentive`; a backend makes them when they are first called.
"""

from __future__ import annotations

from typing import Literal, get_args

FEATURES = "deep_features"
"""The name of the deep features, an output of `full` and an input of `shallow`: float32 (B, C, h, w)."""

ATTENTION = "word_attention"
"""The name of what `attentive` tells: float32 (B, h x w, T), the mean of all heads at one level; sums to 1 over T."""

Variant = Literal["full", "shallow", "attentive"]


def full(graph: str) -> str:
    """What to call for all of a graph and its deep features."""
    return f"{graph}/full"


def shallow(graph: str) -> str:
    """What to call for the shallow part of a graph."""
    return f"{graph}/shallow"


def attentive(graph: str) -> str:
    """What to call for all of a graph, its deep features and its attention to the text."""
    return f"{graph}/attentive"


def variant_of(called: str) -> tuple[str, Variant | None]:
    """The graph that a call means, and in which variant; None: as it is."""
    graph, _, found = called.rpartition("/")
    for variant in get_args(Variant):
        if graph and found == variant:
            return graph, variant
    return called, None
