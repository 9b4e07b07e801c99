"""A denoiser at two depths, so that what its deep levels find is used again by later steps.

What the deep levels of a UNet find changes little from one step to the next (Ma et al. 2024, "DeepCache"). So a graph
has two further forms, made of the same file and the same weights: `full` computes all of it and gives its deep features
too, and `shallow` is given those of an earlier step, and computes only what lies above them. A call names them as
`unet/full` and `unet/shallow`; a backend makes them when they are first called.
"""

from __future__ import annotations

from typing import Literal

FEATURES = "deep_features"
"""The name of the deep features, an output of `full` and an input of `shallow`: float32 (B, C, h, w)."""

Depth = Literal["full", "shallow"]


def full(graph: str) -> str:
    """What to call for all of a graph and its deep features."""
    return f"{graph}/full"


def shallow(graph: str) -> str:
    """What to call for the shallow part of a graph."""
    return f"{graph}/shallow"


def graph_at(called: str) -> tuple[str, Depth | None]:
    """The graph that a call means, and at which depth; None: as it is."""
    graph, _, depth = called.rpartition("/")
    if graph and depth == "full":
        return graph, "full"
    if graph and depth == "shallow":
        return graph, "shallow"
    return called, None
