"""From a diffusers pipeline folder to a model directory: ONNX graphs, a manifest, and a check of both.

Graphs are exported without optimisation, so that each keeps its parameters by name, and are then bound to
the safetensors files of the pipeline: weights exist once. `verify` runs every graph in each runtime that
is installed and compares it with torch.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ...errors import InvalidInput, LimnerError, NotFound
from ...registry.manifest import Layout, Lineage, Manifest, Preview, SamplerDefaults, Size
from ...registry.models import Model, open_model
from ...registry.onnx_weights import bind, strip
from ...registry.weight_files import read_index
from ..graphs import TOLERANCE, Parity, Run, onnx_program, runtimes
from .checkpoint.reading import owner
from .checkpoint.templates import PREFIX
from .stages import Stage, load_stages

PARTS = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")
_ROWS = 63  # diffusers copies larger batches before it doubles their sides, which a graph need not do

if TYPE_CHECKING:
    from onnx import ModelProto


def export(
    pipeline_dir: Path,
    out_dir: Path,
    *,
    name: str,
    version: str,
    title: str,
    description: str,
    lineage: Lineage,
    vocabulary: Sequence[str] | None = None,
    sampler: SamplerDefaults | None = None,
    preview_pairs: tuple[Tensor, Tensor] | None = None,
    layout: Layout | None = None,
    licence: str = "Apache-2.0",
    precision: Literal["float32", "bfloat16"] = "bfloat16",
) -> Model:
    """Make a model directory from a diffusers folder, in place where both are the same, and verify it.

    `preview_pairs` are latents (N, C, h, w) as the denoiser sees them (times scaling_factor) and their
    pictures (N, 3, H, W) in 0..1, for `fit_preview`; without them the decoder is asked about random
    latents. InvalidInput where `out_dir` holds something already; NotFound where the pipeline is
    incomplete; LimnerError where a graph differs from torch.
    """
    _place(pipeline_dir, out_dir)
    with torch.no_grad():
        stages = load_stages(out_dir)
        for stage in stages:
            write_graph(out_dir, stage)
        latents, pictures = preview_pairs or _random_pairs(stages[2])
    height, width = stages[2].output[1][1:]
    Manifest(
        name=name,
        version=version,
        title=title,
        description=description,
        family="diffusion",
        precision=precision,
        graphs={stage.name: stage.manifest() for stage in stages},
        sampler=sampler or SamplerDefaults(),
        sizes=(Size(width=width, height=height),),
        preview=fit_preview(latents, pictures),
        layout=layout,
        vocabulary=None if vocabulary is None else tuple(vocabulary),
        licence=licence,
        lineage=lineage,
    ).write(out_dir)
    verify(out_dir)
    return open_model(out_dir)


def _place(pipeline_dir: Path, out_dir: Path) -> None:
    missing = [part for part in ("model_index.json", *PARTS) if not (pipeline_dir / part).exists()]
    if missing:
        raise NotFound(f"{pipeline_dir} is not a diffusers pipeline: it lacks {', '.join(missing)}")
    if pipeline_dir.resolve() == out_dir.resolve():
        return
    if out_dir.exists() and any(out_dir.iterdir()):
        raise InvalidInput(f"{out_dir} is not empty; name a new folder for the model directory")
    out_dir.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(pipeline_dir / "model_index.json", out_dir / "model_index.json")
    for part in PARTS:
        shutil.copytree(pipeline_dir / part, out_dir / part)


def write_graph(directory: Path, stage: Stage) -> None:
    """Write the graph of a stage into a model directory, bound to the weights that lie beside it; NotFound without."""
    import onnx

    file = directory / stage.file
    weights = file.parent / stage.weights
    if not weights.is_file():
        raise NotFound(f"{weights} is missing; weights split over several files must be joined first")
    proto = graph_of(stage)
    bind(proto, weights, PREFIX, owner(read_index(weights)))
    onnx.save_model(proto, file)


def graph_of(stage: Stage, template: bool = False) -> ModelProto:
    """The graph of a stage with its parameters by name, for any number of rows. Unavailable without onnxscript.

    It is traced as for few rows (`_ROWS`); nothing in it depends on how many. For a `template` the sides of latents and
    the number of text tokens may vary too, and parameters have names and shapes alone.
    """
    batch = torch.export.Dim("B", max=_ROWS)
    shapes: list[dict[int, Any]] = [{0: batch} for _ in stage.inputs]
    if template:
        sides = [stage.whole * torch.export.Dim(name) for name in ("h", "w")]
        for axes, name in zip(shapes, stage.inputs, strict=True):
            if name in ("sample", "latent_sample"):
                axes |= {2: sides[0], 3: sides[1]}
            elif name == "encoder_hidden_states":
                axes |= {1: torch.export.Dim("T")}
    program = onnx_program(
        stage.network,
        stage.random_inputs(2, seed=0),
        [stage.output[0]],
        dict(zip(stage.inputs, shapes, strict=True)),
    )
    if template:
        _forget_weights(program)
    proto = program.model_proto
    strip(proto)
    return proto


def _forget_weights(program: torch.onnx.ONNXProgram) -> None:
    """Point every parameter at a file that is not there, as `bind` will point it at one that is."""
    from onnxscript import ir

    for name, value in program.model.graph.initializers.items():
        if name.startswith(PREFIX) and value.dtype == ir.DataType.FLOAT and value.shape is not None:
            value.const_value = ir.ExternalTensor(
                "weights", 0, 0, ir.DataType.FLOAT, shape=value.shape, name=name
            )


def _random_pairs(decoder: Stage) -> tuple[Tensor, Tensor]:
    latents = decoder.random_inputs(16, seed=0)["latent_sample"]
    pictures = decoder.network(latent_sample=latents / decoder.scaling_factor)
    return latents, (pictures / 2 + 0.5).clamp(0, 1)


def fit_preview(latents: Tensor, pictures: Tensor) -> Preview:
    """The linear map from latent to RGB with the least squared error.

    `latents` (N, C, h, w); `pictures` (N, 3, H, W) in 0..1, averaged down to h x w first.
    """
    n, channels, h, w = latents.shape
    small = functional.adaptive_avg_pool2d(pictures.double().cpu(), (h, w))
    colours = small.permute(0, 2, 3, 1).reshape(-1, 3).numpy()
    points = latents.double().cpu().permute(0, 2, 3, 1).reshape(-1, channels).numpy()
    points = np.concatenate([points, np.ones((n * h * w, 1))], axis=1)
    solution, *_ = np.linalg.lstsq(points, colours, rcond=None)  # (C + 1, 3)
    rows = [(float(r), float(g), float(b)) for r, g, b in solution.round(6)]
    return Preview(matrix=tuple(rows[:-1]), bias=rows[-1])


def verify(directory: Path) -> list[Parity]:
    """Compare every graph with torch on random inputs of one and three rows, in float32.

    Runs in OpenVINO and in ONNX Runtime, each where installed; Unavailable where neither is. LimnerError
    where an error reaches 1e-3 (largest difference over largest value).
    """
    found = []
    for stage in load_stages(directory):
        for runtime, load in runtimes().items():
            run = load(directory / stage.file)
            error = float(np.max([_difference(stage, run, rows) for rows in (1, 3)]))
            if not error < TOLERANCE:
                raise LimnerError(
                    f"graph '{stage.name}' in {runtime} is {error:.2g} from torch; at most {TOLERANCE}"
                )
            found.append(Parity(stage.name, runtime, error))
    return found


@torch.no_grad()
def _difference(stage: Stage, run: Run, rows: int) -> float:
    inputs = stage.random_inputs(rows, seed=rows)
    expected = stage.network(**inputs).numpy()
    got = run({name: value.numpy() for name, value in inputs.items()})[0]
    if got.shape != expected.shape:
        return float("inf")
    return float(np.abs(got - expected).max() / np.abs(expected).max())
