"""From a diffusers pipeline folder to a model directory: ONNX graphs, a manifest, and a check of both.

Graphs are exported without optimisation, so that each keeps its parameters by name, and are then bound to
the safetensors files of the pipeline: weights exist once. `verify` runs every graph in each runtime that
is installed and compares it with torch.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPTextModel

from ...errors import InvalidInput, LimnerError, NotFound, Unavailable
from ...registry.manifest import Graph, Lineage, Manifest, Preview, SamplerDefaults, Size
from ...registry.manifest import Tensor as Port
from ...registry.models import Model, open_model
from ...registry.onnx_weights import bind, strip
from .model import latent_factor

PARTS = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")
TOLERANCE = 1e-3
OPSET = 18

Arrays = dict[str, NDArray[Any]]


class _TextEncoder(nn.Module):
    def __init__(self, network: CLIPTextModel) -> None:
        super().__init__()
        self.network = network

    def forward(self, input_ids: Tensor) -> Tensor:
        states: Tensor = self.network(input_ids=input_ids).last_hidden_state  # (B, T, D)
        return states


class _Unet(nn.Module):
    def __init__(self, network: UNet2DConditionModel) -> None:
        super().__init__()
        self.network = network

    def forward(self, sample: Tensor, timestep: Tensor, encoder_hidden_states: Tensor) -> Tensor:
        prediction: Tensor = self.network(sample, timestep, encoder_hidden_states, return_dict=False)[0]
        return prediction  # (B, C, h, w)


class _Decoder(nn.Module):
    def __init__(self, network: AutoencoderKL) -> None:
        super().__init__()
        self.network = network

    def forward(self, latent_sample: Tensor) -> Tensor:
        picture: Tensor = self.network.decode(latent_sample, return_dict=False)[0]
        return picture  # (B, 3, H, W)


@dataclass(frozen=True)
class _Stage:
    """One graph to be: its torch network, its ports without the batch axis, and how to make inputs."""

    name: str
    file: str
    weights: str
    network: nn.Module
    inputs: dict[str, tuple[int, ...]]
    output: tuple[str, tuple[int, ...]]
    vocabulary: int = 0

    def random_inputs(self, rows: int, seed: int) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(seed)
        made = {}
        for name, shape in self.inputs.items():
            if name == "input_ids":
                made[name] = torch.randint(self.vocabulary, (rows, *shape), generator=generator)
            elif name == "timestep":
                made[name] = torch.rand((rows,), generator=generator) * 999
            else:
                made[name] = torch.randn((rows, *shape), generator=generator)
        return made

    def manifest(self) -> Graph:
        inputs = tuple(
            Port(name=name, dtype="int64" if name == "input_ids" else "float32", shape=("B", *shape))
            for name, shape in self.inputs.items()
        )
        name, shape = self.output
        parameters = self._parts()
        return Graph(
            path=self.file,
            inputs=inputs,
            outputs=(Port(name=name, dtype="float32", shape=("B", *shape)),),
            parameters=sum(weight.numel() for part in parameters for weight in part.parameters()),
        )

    def _parts(self) -> list[nn.Module]:
        if isinstance(self.network, _Decoder):
            vae = self.network.network
            return [part for part in (vae.post_quant_conv, vae.decoder) if part is not None]
        return [self.network]


@dataclass(frozen=True)
class Parity:
    """How far a graph in a runtime is from torch: largest difference over largest value."""

    graph: str
    runtime: str
    error: float


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
    licence: str = "Apache-2.0",
) -> Model:
    """Make a model directory from a diffusers folder, in place where both are the same, and verify it.

    `preview_pairs` are latents (N, C, h, w) as the denoiser sees them (times scaling_factor) and their
    pictures (N, 3, H, W) in 0..1, for `fit_preview`; without them the decoder is asked about random
    latents. InvalidInput where `out_dir` holds something already; NotFound where the pipeline is
    incomplete; LimnerError where a graph differs from torch.
    """
    _place(pipeline_dir, out_dir)
    with torch.no_grad():
        stages = _stages(out_dir)
        for stage in stages:
            _write_graph(out_dir, stage)
        vae = _vae(stages)
        latents, pictures = preview_pairs or _random_pairs(vae, stages[1].inputs["sample"])
    height, width = stages[2].output[1][1:]
    Manifest(
        name=name,
        version=version,
        title=title,
        description=description,
        family="diffusion",
        graphs={stage.name: stage.manifest() for stage in stages},
        sampler=sampler or SamplerDefaults(),
        sizes=(Size(width=width, height=height),),
        preview=fit_preview(latents, pictures),
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


def _stages(directory: Path) -> list[_Stage]:
    options: dict[str, Any] = {"local_files_only": True, "use_safetensors": True}
    text = CLIPTextModel.from_pretrained(directory / "text_encoder", dtype=torch.float32, **options).eval()
    unet = UNet2DConditionModel.from_pretrained(
        directory / "unet", torch_dtype=torch.float32, **options
    ).eval()
    vae = AutoencoderKL.from_pretrained(directory / "vae", torch_dtype=torch.float32, **options).eval()
    tokens, width = text.config.max_position_embeddings, text.config.hidden_size
    size = unet.config.sample_size
    h, w = (size, size) if isinstance(size, int) else size
    channels, factor = unet.config.in_channels, latent_factor(vae)
    return [
        _Stage(
            "text_encoder",
            "text_encoder/model.onnx",
            "model.safetensors",
            _TextEncoder(text),
            {"input_ids": (tokens,)},
            ("last_hidden_state", (tokens, width)),
            text.config.vocab_size,
        ),
        _Stage(
            "unet",
            "unet/model.onnx",
            "diffusion_pytorch_model.safetensors",
            _Unet(unet),
            {"sample": (channels, h, w), "timestep": (), "encoder_hidden_states": (tokens, width)},
            ("out_sample", (unet.config.out_channels, h, w)),
        ),
        _Stage(
            "vae_decoder",
            "vae/decoder.onnx",
            "diffusion_pytorch_model.safetensors",
            _Decoder(vae),
            {"latent_sample": (channels, h, w)},
            ("sample", (vae.config.out_channels, h * factor, w * factor)),
        ),
    ]


def _vae(stages: list[_Stage]) -> AutoencoderKL:
    decoder = stages[2].network
    assert isinstance(decoder, _Decoder)
    return decoder.network


def _write_graph(directory: Path, stage: _Stage) -> None:
    if importlib.util.find_spec("onnxscript") is None:
        raise Unavailable("exporting graphs needs the package 'onnxscript'; install limner[train]")
    import onnx

    file = directory / stage.file
    weights = file.parent / stage.weights
    if not weights.is_file():
        raise NotFound(f"{weights} is missing; weights split over several files must be joined first")
    batch = torch.export.Dim("B")
    with _quiet():
        program = torch.onnx.export(
            stage.network,
            tuple(stage.random_inputs(2, seed=0).values()),
            dynamo=True,
            optimize=False,
            verbose=False,
            opset_version=OPSET,
            input_names=list(stage.inputs),
            output_names=[stage.output[0]],
            dynamic_shapes=tuple({0: batch} for _ in stage.inputs),
        )
    assert program is not None
    proto = program.model_proto
    strip(proto)
    bind(proto, weights, prefix="network.")
    onnx.save_model(proto, file)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    exporter = logging.getLogger("torch.onnx")
    level = exporter.level
    exporter.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        exporter.setLevel(level)


def _random_pairs(vae: AutoencoderKL, shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    latents = torch.randn((16, *shape), generator=torch.Generator().manual_seed(0))
    pictures = vae.decode(latents / vae.config.scaling_factor, return_dict=False)[0]
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
    runtimes: dict[str, Callable[[Path], Callable[[Arrays], NDArray[Any]]]] = {}
    if importlib.util.find_spec("openvino"):
        runtimes["openvino"] = _openvino
    if importlib.util.find_spec("onnxruntime"):
        runtimes["onnxruntime"] = _onnxruntime
    if not runtimes:
        raise Unavailable("verifying graphs needs openvino or onnxruntime; install limner")
    found = []
    for stage in _stages(directory):
        for runtime, load in runtimes.items():
            run = load(directory / stage.file)
            error = max(_difference(stage, run, rows) for rows in (1, 3))
            if not error < TOLERANCE:
                raise LimnerError(f"graph '{stage.name}' in {runtime} is {error:.2g} from torch, not {TOLERANCE}")
            found.append(Parity(stage.name, runtime, error))
    return found


@torch.no_grad()
def _difference(stage: _Stage, run: Callable[[Arrays], NDArray[Any]], rows: int) -> float:
    inputs = stage.random_inputs(rows, seed=rows)
    expected = stage.network(**inputs).numpy()
    got = run({name: value.numpy() for name, value in inputs.items()})
    if got.shape != expected.shape:
        return float("inf")
    return float(np.abs(got - expected).max() / np.abs(expected).max())


def _openvino(file: Path) -> Callable[[Arrays], NDArray[Any]]:
    import openvino

    compiled = openvino.compile_model(file, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda inputs: np.asarray(compiled(inputs)[0])


def _onnxruntime(file: Path) -> Callable[[Arrays], NDArray[Any]]:
    import onnxruntime

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return lambda inputs: np.asarray(session.run(None, inputs)[0])
