"""From trained networks to a model directory: ONNX graphs bound to their weights, a manifest, and a check of both."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import onnx
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from ...errors import InvalidInput, LimnerError
from ...registry.manifest import Lineage, Manifest, Size
from ...registry.models import Model, open_model
from ...registry.onnx_weights import bind, strip
from ..graphs import TOLERANCE, Parity, Run, onnx_program, runtimes
from .generator import Generator
from .graphs import PREFIX, WEIGHTS, Plan, plans
from .shape import Shape
from .text import TextEncoder
from .words import Words

COUNTERS = "num_batches_tracked"


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

    InvalidInput where `out_dir` holds something already or a weight is not finite in `dtype`; LimnerError where a graph
    differs from torch.
    """
    if out_dir.exists() and any(out_dir.iterdir()):
        raise InvalidInput(f"{out_dir} is not empty; name a new folder for the model directory")
    for part, network in (("text_encoder", text), ("generator", generator)):
        (out_dir / part).mkdir(parents=True, exist_ok=True)
        _save(network, out_dir / part / WEIGHTS, dtype)
    shape.write(out_dir)
    words.write(out_dir)
    found = load_plans(out_dir)
    for plan in found:
        _write_graph(out_dir, plan)
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


def _save(network: nn.Module, file: Path, dtype: torch.dtype) -> None:
    """Kernels and matrices in `dtype`, vectors as they are: what batch norm has counted may be large or tiny."""
    tensors = {}
    for key, value in network.state_dict().items():
        if key.endswith(COUNTERS):
            continue
        rounded = value.detach().cpu().to(dtype if value.ndim > 1 else torch.float32).contiguous()
        if not torch.isfinite(rounded).all():
            raise InvalidInput(f"{file.parent.name}: weight {key} is not finite in {dtype}")
        tensors[key] = rounded
    save_file(tensors, file, {"format": "pt"})


def load_plans(directory: Path) -> list[Plan]:
    """The graphs of a model directory with their torch networks, in float32; NotFound or InvalidInput without them."""
    shape = Shape.read(directory)
    text, generator = TextEncoder(shape).eval(), Generator(shape).eval()
    for part, network in (("text_encoder", text), ("generator", generator)):
        kept = {key: value.float() for key, value in load_file(directory / part / WEIGHTS).items()}
        missing, unknown = network.load_state_dict(kept, strict=False)
        if unknown or any(not key.endswith(COUNTERS) for key in missing):
            raise InvalidInput(f"{directory / part / WEIGHTS} does not fit the widths that {directory} says")
    return plans(text, generator)


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
