"""The decoder in 8 bits: its convolutions, where pictures stay near.

Nearly all of a decoder's time goes into its convolutions. What it multiplies matrices with, in one attention, is left
as it is: it takes little time, and it is what the ranges of a table are least sure about.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..engine.backends import backend
from ..engine.backends.int8 import Table, round_network, table_of
from ..registry.models import Model
from .calibration import Inputs, sentences, trajectories
from .measuring import psnr
from .rounding import table_for

GRAPH = "vae_decoder"
NEAR = 35.0  # dB between pictures of the same latents, rounded and in float32
_STEPS = 8  # of the drawings whose latents are decoded: they need not be finished ones
_LARGE, _SMALL = 4, 16  # drawings; a quarter is kept to be compared


def round_decoder(model: Model, small: bool, tell: Callable[[str], None]) -> float:
    """Write the table of 8-bit ranges of a model's decoder, where rounded pictures come out near; gives their dB.

    Otherwise there is none afterwards.
    """
    tell("drawing pictures to see what the decoder reads")
    sampler = model.manifest.stepping
    sampler = sampler.model_copy(update={"steps": min(sampler.steps, _STEPS)})
    told = model.manifest.model_copy(update={"precision": "bfloat16", "sampler": sampler})
    texts = sentences(model, _SMALL if small else _LARGE)
    # It is called once a picture: every call, for all of them are wanted.
    every = 4 * sampler.steps
    samples = trajectories(replace(model, manifest=told), backend("openvino"), texts, every, GRAPH)
    graph, kept = model.graph_file(GRAPH), len(samples) // 4
    table = decoder_table(graph, samples[kept:])
    near = nearness(graph, table, samples[:kept])
    tell(f"the decoder in 8 bits: {near:.1f} dB to float32, {'kept' if near >= NEAR else 'left as it is'}")
    if near >= NEAR:
        table_of(graph).write_text(table.model_dump_json(indent=1) + "\n", encoding="utf-8")
    else:
        table_of(graph).unlink(missing_ok=True)
    return near


def decoder_table(graph: Path, samples: Sequence[Inputs]) -> Table:
    """The ranges of a decoder's convolutions by latents that it read, all of the same shape."""
    import openvino

    layers = openvino.Core().read_model(graph).get_ops()
    matrices = {layer.get_friendly_name() for layer in layers if layer.get_type_name() == "MatMul"}
    return table_for(graph, samples).without(matrices)


def nearness(graph: Path, table: Table, samples: Sequence[Inputs]) -> float:
    """How near pictures decoded with a table come to those in float32: PSNR in dB, the mean over the samples."""
    import openvino

    core, pictures = openvino.Core(), []
    for rounded in (False, True):
        network = core.read_model(graph)
        if rounded:
            round_network(network, table)
        network.reshape({name: list(value.shape) for name, value in samples[0].items()})
        compiled = core.compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        pictures.append([_pixels(np.asarray(compiled(sample)[0])) for sample in samples])
    return psnr(pictures[1], pictures[0])


def _pixels(decoded: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A decoded picture (1, 3, H, W) in -1..1 as pixels (H, W, 3)."""
    levels = (decoded[0].transpose(1, 2, 0) * 0.5 + 0.5).clip(0, 1) * 255
    found: NDArray[np.uint8] = np.rint(levels).astype(np.uint8)
    return found
