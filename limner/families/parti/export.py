"""From trained networks to a model directory: ONNX graphs bound to their weights, a manifest, and a check of both."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from ...errors import InvalidInput
from ...registry.manifest import Lineage, Manifest, Size, TokenDefaults
from ...registry.models import Model, open_model
from ...training.pictures import to_pixels, to_tensor
from ..graphs import Parity
from ..plans import WEIGHTS, Plan, load_weights, save_weights, verify_plans, write_graph
from .graphs import plans
from .image_tokenizer import ImageTokenizer
from .shape import Shape
from .text import TextTokenizer
from .transformer import TokenTransformer


def export(
    out_dir: Path,
    text: TextTokenizer,
    tokenizer: ImageTokenizer,
    transformer: TokenTransformer,
    *,
    name: str,
    version: str,
    title: str,
    description: str,
    lineage: Lineage,
    defaults: TokenDefaults,
    vocabulary: tuple[str, ...] | None = None,
    licence: str = "Apache-2.0",
    precision: Literal["float32", "bfloat16"] = "float32",
    dtype: torch.dtype = torch.float16,
) -> Model:
    """Make a model directory of trained networks, stored in `dtype`, and verify it.

    InvalidInput where `out_dir` holds something already or a weight is not finite in `dtype`; LimnerError where a graph
    differs from torch.
    """
    if out_dir.exists() and any(out_dir.iterdir()):
        raise InvalidInput(f"{out_dir} is not empty; name a new folder for the model directory")
    for part, network in (("tokenizer", tokenizer), ("transformer", transformer)):
        save_weights(network, out_dir / part / WEIGHTS, dtype, dtype)
    planning = transformer.planning
    subjects = None if planning is None else planning.subjects
    shape = Shape(image=tokenizer.shape, transformer=transformer.shape, subjects=subjects)
    shape.write(out_dir)
    text.write(out_dir)
    found = load_plans(out_dir)
    for plan in found:
        write_graph(out_dir, plan)
    Manifest(
        name=name,
        version=version,
        title=title,
        description=description,
        family="parti",
        precision=precision,
        graphs={plan.name: plan.manifest() for plan in found},
        sampler=None,
        tokens=defaults,
        sizes=(Size(width=shape.image.size, height=shape.image.size),),
        preview=None,
        vocabulary=vocabulary,
        licence=licence,
        lineage=lineage,
    ).write(out_dir)
    verify(out_dir)
    return open_model(out_dir)


def load_networks(directory: Path) -> tuple[ImageTokenizer, TokenTransformer]:
    """The networks of a model directory, in float32; NotFound or InvalidInput without them."""
    shape = Shape.read(directory)
    tokenizer = ImageTokenizer(shape.image, shape.subjects is not None).eval()
    transformer = TokenTransformer(
        shape.transformer, shape.image.codes, shape.image.side, subjects=shape.subjects
    ).eval()
    for part, network in (("tokenizer", tokenizer), ("transformer", transformer)):
        load_weights(network, directory / part / WEIGHTS)
    return tokenizer, transformer


def load_plans(directory: Path) -> list[Plan]:
    """The graphs of a model directory with their torch networks, in float32; errors as `load_networks`."""
    return plans(*load_networks(directory))


def through_tokens(directory: Path) -> Callable[[NDArray[np.uint8]], NDArray[np.uint8]]:
    """What the image tokenizer of a model directory makes of pictures, uint8 (B, S, S, 3), by way of its tokens."""
    tokenizer, _ = load_networks(directory)

    def through(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
        with torch.inference_mode():
            return to_pixels(tokenizer.decode_tokens(tokenizer.encode(to_tensor(pictures)).tokens))

    return through


def verify(directory: Path) -> list[Parity]:
    """Compare the graphs of a model directory with torch, as `verify_plans`."""
    return verify_plans(directory, load_plans(directory))
