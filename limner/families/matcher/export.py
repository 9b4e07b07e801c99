"""From trained towers to a model directory: ONNX graphs bound to their weights, a manifest, and a check of both."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...errors import InvalidInput
from ...registry.manifest import Lineage, Manifest, Size
from ...registry.models import Model, open_model
from ..plans import WEIGHTS, Plan, load_weights, save_weights, verify_plans, write_graph
from ..words import Words
from .matcher import IMAGE, TEXT, VECTOR
from .model import ImageTower, MatcherNetwork, TextTower
from .shape import Shape


class _OfLengthOne(nn.Module):
    """A tower whose vectors have length 1; the name of its input is its graph's."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network


class _Pictures(_OfLengthOne):
    def forward(self, pictures: Tensor) -> Tensor:
        return functional.normalize(self.network(pictures), dim=1)


class _Texts(_OfLengthOne):
    def forward(self, input_ids: Tensor) -> Tensor:
        return functional.normalize(self.network(input_ids), dim=1)


def export(
    out_dir: Path,
    shape: Shape,
    words: Words,
    network: MatcherNetwork,
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
    """Make a model directory of trained towers, matrices and kernels stored in `dtype`, and verify it.

    InvalidInput where `out_dir` holds something already or a weight is not finite in `dtype`; LimnerError where a
    graph differs from torch.
    """
    if out_dir.exists() and any(out_dir.iterdir()):
        raise InvalidInput(f"{out_dir} is not empty; name a new folder for the model directory")
    for part, tower in ((IMAGE, network.image), (TEXT, network.text)):
        save_weights(tower, out_dir / part / WEIGHTS, dtype)
    shape.model_copy(update={"scale": round(float(network.scale.detach()), 4)}).write(out_dir)
    words.write(out_dir)
    found = load_plans(out_dir)
    for plan in found:
        write_graph(out_dir, plan)
    Manifest(
        name=name,
        version=version,
        title=title,
        description=description,
        family="matcher",
        precision=precision,
        graphs={plan.name: plan.manifest() for plan in found},
        sampler=None,
        sizes=(Size(width=shape.side, height=shape.side),),
        preview=None,
        vocabulary=words.known,
        licence=licence,
        lineage=lineage,
    ).write(out_dir)
    verify_plans(out_dir, load_plans(out_dir))
    return open_model(out_dir)


def load_plans(directory: Path) -> list[Plan]:
    """The graphs of a model directory with their torch networks, in float32; NotFound or InvalidInput without
    them."""
    shape = Shape.read(directory)
    image, text = ImageTower(shape).eval(), TextTower(shape).eval()
    for part, tower in ((IMAGE, image), (TEXT, text)):
        load_weights(tower, directory / part / WEIGHTS)
    vector = {VECTOR: (shape.width,)}
    return [
        Plan(IMAGE, _Pictures(image), {"pictures": (3, shape.side, shape.side)}, vector),
        Plan(TEXT, _Texts(text), {"input_ids": (shape.tokens,)}, vector, {"input_ids": shape.vocabulary}),
    ]
