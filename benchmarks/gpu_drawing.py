"""Ways of drawing on a GPU, each measured in a process of its own: `python -m benchmarks.gpu_drawing SPEC`.

- `eager`: the engine with its graphs computed node by node, neither compiled nor captured;
- `diffusers`: StableDiffusionPipeline as its guide to speed says: bfloat16, channels-last, torch's fused attention,
  UNet and decoder compiled;
- `limner`: the engine as it is served; `reuse`: the same, deep features used in two steps.

All draw the same prompts with the same sampler and steps, guided at every step or not at all. SPEC is JSON, as `Asked`
has it.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from limner.engine.backends import Network
from limner.engine.backends.choosing import Device as DeviceName
from limner.engine.backends.torch import Torch, TorchNetwork
from limner.engine.backends.torch.graph import TorchGraph
from limner.engine.request import DrawRequest
from limner.engine.studio import LocalStudio
from limner.registry.models import Model, Registry, open_model

from .gpu_device import Device, Figure, Tell, tell
from .reference import load_pipeline, set_sampler
from .users import draw_in_turn, draw_together

_WORDS = (
    "a red apple on a wooden table",
    "two people on the mountain",
    "a red car parked on a street",
    "a castle",
)
Draw = Callable[[list[DrawRequest]], object]


@dataclass(frozen=True)
class Asked:
    """What one process measures: a model directory in one way; `plans` are (pictures at once, steps, guided)."""

    section: str
    model: str
    title: str
    way: str
    device: DeviceName
    plans: list[tuple[int, int, bool]]
    repeats: int = 3
    compile_mode: str = "max-autotune"


class _Eagerly:
    """A graph computed node by node; see `limner.engine.backends.Network`."""

    def __init__(self, graph: TorchGraph) -> None:
        self._graph = graph

    def __call__(self, inputs: Any) -> dict[str, NDArray[Any]]:
        with torch.inference_mode():
            given = {
                k: torch.from_numpy(np.ascontiguousarray(v)).to(self._graph.device) for k, v in inputs.items()
            }
            return {name: value.cpu().numpy() for name, value in self._graph(given).items()}

    def rest(self) -> None:
        """Nothing is held."""

    def close(self) -> None:
        """Nothing runs."""


class Eager(Torch):
    """The torch backend without forms."""

    def load(self, model: Model, graph: str, beside: bool = False) -> TorchNetwork:
        """A graph that is computed node by node."""
        return _Eagerly(super().load(model, graph, beside)._graph)  # type: ignore[return-value]


def requests(
    model: Model, count: int, steps: int, guided: bool, seed: int, reuse: int = 1
) -> list[DrawRequest]:
    """Pictures that have not been asked for before: other seeds, other numbers in the words."""
    scale = max(2.0, model.manifest.stepping.guidance_scale) if guided else 1.0
    return [
        DrawRequest(
            prompt=f"{_WORDS[k % len(_WORDS)]}, {seed + k}", model=model.name, seed=seed + k, steps=steps,
            guidance_scale=scale, guidance_interval=(0.0, 1.0), feature_reuse=reuse,
        )
        for k in range(count)
    ]  # fmt: skip


def studio_of(model: Model, way: str, device: DeviceName) -> LocalStudio:
    """The engine in a way, with room for 64 guided pictures in one call."""
    studio = LocalStudio(Registry(Path("/nonexistent"), [model]), f"torch@{device}", max_rows=128)
    if way == "eager":
        studio._backend = Eager(device)
    return studio


def pipeline_of(model: Model, asked: Asked) -> Draw:
    """diffusers, tuned as its documentation says."""
    pipeline = load_pipeline(model.path, half=True).to(asked.device)
    set_sampler(pipeline, model.manifest.stepping.sampler)
    for part in (pipeline.unet, pipeline.vae):
        part.to(memory_format=torch.channels_last)
    if asked.device == "cuda":  # a rehearsal would take minutes for it
        pipeline.unet = torch.compile(pipeline.unet, mode=asked.compile_mode, fullgraph=True)
        pipeline.vae.decode = torch.compile(pipeline.vae.decode, mode=asked.compile_mode, fullgraph=True)

    def draw(wanted: list[DrawRequest]) -> object:
        first = wanted[0]
        return pipeline(
            [each.prompt for each in wanted],
            num_inference_steps=first.steps,
            guidance_scale=first.guidance_scale,
            generator=[torch.Generator().manual_seed(each.seed or 0) for each in wanted],
            output_type="np",
        ).images

    return draw


def measure(asked: Asked, tell: Tell) -> None:
    """Pictures a second of each plan, the energy of one, and the memory that is taken; says each as it is found."""
    model, device = open_model(Path(asked.model)), Device(asked.device)
    if asked.way == "diffusers":
        _measure(asked, model, device, pipeline_of(model, asked), tell)
        return
    with closing(studio_of(model, asked.way, asked.device)) as studio:
        _measure(asked, model, device, lambda wanted: draw_together(studio, wanted), tell)


def _measure(asked: Asked, model: Model, device: Device, draw: Draw, tell: Tell) -> None:
    reuse, seed = (2 if asked.way == "reuse" else 1), 0

    def fresh(count: int, steps: int, guided: bool) -> list[DrawRequest]:
        nonlocal seed
        seed += count
        return requests(model, count, steps, guided, seed, reuse)

    for batch, steps, guided in asked.plans:

        def figure(what: str, unit: str, value: float, batch: int = batch, steps: int = steps) -> None:
            tell(Figure(asked.section, asked.title, asked.way, what, unit, value, batch, steps))

        kind = "guided" if guided else "unguided"
        began = time.perf_counter()
        draw(fresh(batch, 2 * reuse, guided))  # reads, compiles and captures for this number of rows
        figure(f"{kind}, until ready", "s", time.perf_counter() - began)
        draw(fresh(batch, 2 * reuse, guided))
        taken, joules = [], device.joules()
        for _ in range(asked.repeats):
            wanted = fresh(batch, steps, guided)
            device.wait()
            began = time.perf_counter()
            draw(wanted)
            device.wait()
            taken.append(time.perf_counter() - began)
        after = device.joules()
        figure(f"{kind}, all of them", "s", median(taken))
        figure(f"{kind}", "pictures/s", batch / median(taken))
        if joules is not None and after is not None:
            figure(f"{kind}, a picture", "J", (after - joules) / (asked.repeats * batch))
        figure(f"{kind}, memory taken", "MB", device.memory())


def measure_users(asked: Asked, tell: Tell) -> None:
    """Users at once against the same pictures one after another, both through the engine as it is served."""
    model = open_model(Path(asked.model))
    with closing(studio_of(model, asked.way, asked.device)) as studio:
        for number, (users, steps, guided) in enumerate(asked.plans, 1):
            draw_together(studio, requests(model, users, 2, guided, 1000 * number))
            draw_in_turn(studio, requests(model, 1, 2, guided, 1000 * number + 500))
            together, alone = [], []
            for turn in range(asked.repeats):
                first = 10_000 * number + 1000 * turn
                together.append(
                    users / draw_together(studio, requests(model, users, steps, guided, first)).total
                )
                few = requests(model, min(users, 8), steps, guided, first + 500)
                began = time.perf_counter()
                draw_in_turn(studio, few)
                alone.append(len(few) / (time.perf_counter() - began))
            told = {"together": median(together), "one after another": median(alone)}
            for what, value in told.items():
                tell(Figure(asked.section, asked.title, asked.way, what, "pictures/s", value, users, steps))
            ratio = median(together) / median(alone)
            tell(Figure(asked.section, asked.title, asked.way, "times as many", "", ratio, users, steps))


def _call(network: Network, many: list[dict[str, NDArray[Any]]], number: int) -> None:
    network(many[number % len(many)])


def check(asked: Asked, tell: Tell) -> None:
    """One call of the denoiser: how far each way is from float32, how long it takes, and its work by counting."""
    from torch.utils.flop_counter import FlopCounterMode

    model, device = open_model(Path(asked.model)), Device(asked.device)
    ports = {port.name: port.shape for port in model.manifest.graphs["unet"].inputs}
    side = model.manifest.sizes[0].width // 8
    rng = np.random.default_rng()

    def inputs(rows: int) -> dict[str, NDArray[Any]]:
        named = {"H": side, "W": side}
        shape = [size if isinstance(size, int) else named.get(size, side) for size in ports["sample"][1:]]
        text = [size if isinstance(size, int) else 77 for size in ports["encoder_hidden_states"][1:]]
        return {
            "sample": rng.standard_normal((rows, *shape)).astype(np.float32),
            "timestep": rng.uniform(1, 999, rows).astype(np.float32),
            "encoder_hidden_states": rng.standard_normal((rows, *text)).astype(np.float32),
        }

    def say(way: str, what: str, unit: str, value: float, batch: int = 2) -> None:
        tell(Figure(asked.section, asked.title, way, what, unit, value, batch))

    plain = model.manifest.model_copy(update={"precision": "float32"})
    exact = Eager(asked.device).load(Model(model.path, plain, False), "unet")
    given = inputs(2)
    with FlopCounterMode(display=False) as counted:
        true = exact(given)["out_sample"]
    say("counted", "denoiser, a row", "GFLOP", counted.get_total_flops() / 2e9, 1)
    for way, backend in (("eager", Eager(asked.device)), ("limner", Torch(asked.device))):
        network = backend.load(model, "unet")
        made = network(given)["out_sample"]
        error = float(np.linalg.norm(made - true) / np.linalg.norm(true))
        say(way, "denoiser, error beside float32", "of 1", error)
        if not np.isfinite(error) or error > 0.05:
            raise SystemExit(
                f"{way}: the denoiser's error beside float32 is {error:.3g}: no figure would count"
            )
        for rows in sorted({2 * batch for batch, *_ in asked.plans}):
            many = [inputs(rows) for _ in range(3)]
            spent = device.seconds(partial(_call, network, many), 3 * asked.repeats)
            say(way, "denoiser, a call", "ms", spent * 1000, rows)
            say(
                way,
                "denoiser, achieved",
                "TFLOP/s",
                counted.get_total_flops() / 2 * rows / spent / 1e12,
                rows,
            )


def main(spec: dict[str, Any], tell: Tell) -> None:
    """Do what `Asked` says."""
    asked = Asked(**spec)
    {"check": check, "users": measure_users}.get(asked.section, measure)(asked, tell)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), tell)
