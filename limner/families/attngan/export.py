"""From trained networks to a model directory: ONNX graphs bound to their weights, a manifest, and a check of both."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch

from ...errors import InvalidInput
from ...registry.manifest import Lineage, Manifest, Size
from ...registry.models import Model, open_model
from ..graphs import Parity
from ..plans import WEIGHTS, Plan, load_weights, save_weights, verify_plans, write_graph
from ..words import Words
from .generator import Generator
from .graphs import plans
from .shape import Shape
from .text import TextEncoder


def export(
    out_dir: Path,
    shape: Shape,
    words: Words,
    text: TextEncoder,
    generator: Generator,
    *,
    name: str,
    version: str,
    title: str,
    description: str,
    lineage: Lineage,
    licence: str = "Apache-2.0",
    precision: Literal["float32", "bfloat16"] = "float32",
    dtype: torch.dtype = torch.float16,
) -> Model:
    """Make a model directory of trained networks, matrices and kernels stored in `dtype`, and verify it.

    InvalidInput where `out_dir` holds something already or a weight is not finite in `dtype`; LimnerError where a
    graph differs from torch.
    """
    if out_dir.exists() and any(out_dir.iterdir()):
        raise InvalidInput(f"{out_dir} is not empty; name a new folder for the model directory")
    for part, network in (("text_encoder", text), ("generator", generator)):
        save_weights(network, out_dir / part / WEIGHTS, dtype)
    shape.write(out_dir)
    words.write(out_dir)
    found = load_plans(out_dir)
    for plan in found:
        write_graph(out_dir, plan)
    Manifest(
        name=name,
        version=version,
        title=title,
        description=description,
        family="attngan",
        precision=precision,
        graphs={plan.name: plan.manifest() for plan in found},
        sampler=None,
        sizes=tuple(Size(width=side, height=side) for side in reversed(shape.sides)),
        preview=None,
        vocabulary=words.known,
        licence=licence,
        lineage=lineage,
    ).write(out_dir)
    verify(out_dir)
    return open_model(out_dir)


def load_plans(directory: Path) -> list[Plan]:
    """The graphs of a model directory with their torch networks, in float32; NotFound or InvalidInput without
    them."""
    shape = Shape.read(directory)
    text, generator = TextEncoder(shape).eval(), Generator(shape).eval()
    for part, network in (("text_encoder", text), ("generator", generator)):
        load_weights(network, directory / part / WEIGHTS)
    return plans(text, generator)


def verify(directory: Path) -> list[Parity]:
    """Compare the graphs of a model directory with torch, as `verify_plans`."""
    return verify_plans(directory, load_plans(directory))
