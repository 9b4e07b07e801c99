"""From trained networks to a model directory: ONNX graphs bound to their weights, a manifest, and a check of both."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import nn

from ...errors import InvalidInput, LimnerError
from ...registry.manifest import Lineage, Manifest, Size, TokenDefaults
from ...registry.models import Model, open_model
from ...registry.onnx_weights import bind, strip
from ...training.pictures import to_pixels, to_tensor
from ..graphs import TOLERANCE, Parity, Run, onnx_program, runtimes
from .graphs import PREFIX, WEIGHTS, Plan, plans
from .image_tokenizer import ImageTokenizer
from .shape import Shape
from .text import TextTokenizer
from .transformer import TokenTransformer

_COUNTED = {"quantizer.used", "centre.num_batches_tracked"}


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
        (out_dir / part).mkdir(parents=True, exist_ok=True)
        _save(network, out_dir / part / WEIGHTS, dtype)
    shape = Shape(image=tokenizer.shape, transformer=transformer.shape)
    shape.write(out_dir)
    text.write(out_dir)
    found = load_plans(out_dir)
    for plan in found:
        _write_graph(out_dir, plan)
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


def _save(network: nn.Module, file: Path, dtype: torch.dtype) -> None:
    tensors = {}
    for key, value in network.state_dict().items():
        if key in _COUNTED:
            continue
        rounded = value.detach().cpu().to(dtype).contiguous()
        if not torch.isfinite(rounded).all():
            raise InvalidInput(f"{file.parent.name}: weight {key} is not finite in {dtype}")
        tensors[key] = rounded
    save_file(tensors, file, {"format": "pt"})


def load_networks(directory: Path) -> tuple[ImageTokenizer, TokenTransformer]:
    """The networks of a model directory, in float32; NotFound or InvalidInput without them."""
    shape = Shape.read(directory)
    tokenizer = ImageTokenizer(shape.image).eval()
    transformer = TokenTransformer(shape.transformer, shape.image.codes, shape.image.side).eval()
    for part, network in (("tokenizer", tokenizer), ("transformer", transformer)):
        kept = {key: value.float() for key, value in load_file(directory / part / WEIGHTS).items()}
        missing, unknown = network.load_state_dict(kept, strict=False)
        if unknown or set(missing) - _COUNTED:
            raise InvalidInput(f"{directory / part / WEIGHTS} does not fit the widths that {directory} says")
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


@torch.no_grad()
def _write_graph(directory: Path, plan: Plan) -> None:
    batch = torch.export.Dim("B")
    program = onnx_program(
        plan.network,
        plan.random_inputs(2, seed=0),
        list(plan.outputs),
        {name: {0: batch} for name in plan.inputs},
    )
    proto = program.model_proto
    strip(proto)
    file = directory / plan.file
    bind(proto, file.parent / WEIGHTS, PREFIX)
    onnx.save_model(proto, file)


def verify(directory: Path) -> list[Parity]:
    """Compare every output of every graph with torch on random inputs of one and three rows, in float32.

    Errors and limit as in the diffusion family's.
    """
    found = []
    for plan in load_plans(directory):
        for runtime, load in runtimes().items():
            run = load(directory / plan.file)
            error = max(_difference(plan, run, rows) for rows in (1, 3))
            if not error < TOLERANCE:
                raise LimnerError(
                    f"graph '{plan.name}' in {runtime} is {error:.2g} from torch; at most {TOLERANCE}"
                )
            found.append(Parity(plan.name, runtime, error))
    return found


@torch.no_grad()
def _difference(plan: Plan, run: Run, rows: int) -> float:
    inputs = plan.random_inputs(rows, seed=rows)
    expected = [value.numpy() for value in plan.network(**inputs)]
    got = run({name: value.numpy() for name, value in inputs.items()})
    if [value.shape for value in got] != [value.shape for value in expected]:
        return float("inf")
    pairs = zip(got, expected, strict=True)
    return max(float(np.abs(mine - true).max() / np.abs(true).max()) for mine, true in pairs)
