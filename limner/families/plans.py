"""Networks as graphs of a model directory: what each takes, gives and is called, written beside its weights,
verified.

A plan's graph lies beside its weights, `model.safetensors`; several graphs of one network share a folder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ..errors import InvalidInput, LimnerError
from ..registry.manifest import Graph
from ..registry.manifest import Tensor as Port
from ..registry.onnx_weights import bind, strip
from .graphs import TOLERANCE, Parity, Run, onnx_program, runtimes

PREFIX = "network."
WEIGHTS = "model.safetensors"
_HIDDEN = 1e3
"""Values from here on stand for what is hidden, such as scores of tokens that may not come: they are no measure of
others."""
COUNTERS = ("num_batches_tracked", "quantizer.used")


@dataclass(frozen=True)
class Plan:
    """One graph to be: its torch network, whose parameters lie under `network.`, and its ports without the batch
    axis.

    Inputs named in `below` are whole numbers below what stands there, each of the last axis below its own where there
    are several; one called `mask` is 1 where there is a word.
    `folder` is where graph and weights lie, a folder of the plan's own where none is named; `parameters` counts
    those that the graph uses, all of the network's where it is None.
    """

    name: str
    network: nn.Module
    inputs: Mapping[str, tuple[int, ...]]
    outputs: Mapping[str, tuple[int, ...]]
    below: Mapping[str, int | tuple[int, ...]] = field(default_factory=dict)
    folder: str | None = None
    parameters: int | None = None

    @property
    def file(self) -> str:
        """The graph's file in a model directory; its weights lie beside it."""
        return f"{self.name}/model.onnx" if self.folder is None else f"{self.folder}/{self.name}.onnx"

    def random_inputs(self, rows: int, seed: int) -> dict[str, Tensor]:
        """Inputs of `rows` rows: normal numbers, whole ones below what is allowed, texts of any length."""
        generator = torch.Generator().manual_seed(seed)
        made: dict[str, Tensor] = {}
        for name, shape in self.inputs.items():
            if name in self.below:
                numbers = torch.randint(2**31, (rows, *shape), generator=generator)
                made[name] = numbers % torch.tensor(self.below[name])
            elif name == "mask":
                lengths = torch.randint(1, shape[0] + 1, (rows, 1), generator=generator)
                made[name] = (torch.arange(shape[0])[None] < lengths).float()
            else:
                made[name] = torch.randn((rows, *shape), generator=generator)
        return made

    def manifest(self) -> Graph:
        """What the manifest says of this graph."""
        return Graph(
            path=self.file,
            inputs=tuple(
                Port(name=name, dtype="int64" if name in self.below else "float32", shape=("B", *shape))
                for name, shape in self.inputs.items()
            ),
            outputs=tuple(
                Port(name=name, dtype="float32", shape=("B", *shape)) for name, shape in self.outputs.items()
            ),
            parameters=count(self.network) if self.parameters is None else self.parameters,
        )


def count(*parts: nn.Module) -> int:
    """How many parameters these parts of a network have together."""
    return sum(weight.numel() for part in parts for weight in part.parameters())


def save_weights(
    network: nn.Module, file: Path, dtype: torch.dtype, vectors: torch.dtype = torch.float32
) -> None:
    """Kernels and matrices in `dtype`, vectors as they are: what batch norm has counted may be large or tiny.

    Buffers that training alone counts are left out. InvalidInput where a weight is not finite in its type.
    """
    tensors = {}
    for key, value in network.state_dict().items():
        if key.endswith(COUNTERS):
            continue
        rounded = value.detach().cpu().to(dtype if value.ndim > 1 else vectors).contiguous()
        if not torch.isfinite(rounded).all():
            raise InvalidInput(f"{file.parent.name}: weight {key} is not finite in {rounded.dtype}")
        tensors[key] = rounded
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, file, {"format": "pt"})


def load_weights(network: nn.Module, file: Path) -> None:
    """Give a network what `save_weights` wrote, in float32; InvalidInput where it does not fit."""
    kept = {key: value.float() for key, value in load_file(file).items()}
    missing, unknown = network.load_state_dict(kept, strict=False)
    if unknown or any(not key.endswith(COUNTERS) for key in missing):
        raise InvalidInput(f"{file} does not fit the widths that its model directory says")


@torch.no_grad()
def write_graph(directory: Path, plan: Plan) -> None:
    """Write the graph of a plan, for any number of rows, bound to the weights that lie there."""
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


def verify_plans(directory: Path, plans: Sequence[Plan]) -> list[Parity]:
    """Compare every output of every graph with torch on random inputs of one and three rows, in float32.

    LimnerError where one differs by more than `TOLERANCE`; Unavailable without a runtime.
    """
    found = []
    for plan in plans:
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
    made = plan.network(**inputs)
    expected = [value.numpy() for value in ((made,) if isinstance(made, Tensor) else made)]
    got = run({name: value.numpy() for name, value in inputs.items()})
    if [value.shape for value in got] != [value.shape for value in expected]:
        return float("inf")
    pairs = zip(got, expected, strict=True)
    return max(_error(mine, true) for mine, true in pairs)


def _error(mine: NDArray[np.floating], true: NDArray[np.floating]) -> float:
    """The largest difference, also in what is hidden, over the largest value that is not."""
    size = np.abs(true)
    return float(np.abs(mine - true).max() / size.max(where=size < _HIDDEN, initial=1e-9))
