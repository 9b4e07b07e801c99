"""Programs driven by hand: networks of a diffusers pipeline, or ones that cost nothing, answer their calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, EulerDiscreteScheduler
from numpy.typing import NDArray

from limner.engine.request import Call, Stepped
from limner.engine.variants import ATTENTION, FEATURES
from limner.families import Program

from .depths import Watched

Outputs = dict[str, NDArray[Any]]
Networks = Callable[[Call], Outputs]

SCHEDULERS: dict[str, Any] = {
    "ddim": DDIMScheduler,
    "euler": EulerDiscreteScheduler,
    "dpm++2m": DPMSolverMultistepScheduler,
}


class Run:
    """A program run to its end, with what it asked for on the way."""

    def __init__(self, program: Program, networks: Networks) -> None:
        self.calls: list[Call] = []
        self.previews: list[NDArray[np.uint8]] = []
        self.steps: list[tuple[int, int]] = []
        answer = None
        try:
            while True:
                event = program.send(answer)
                answer = None
                if isinstance(event, Call):
                    self.calls.append(event)
                    answer = networks(event)
                else:
                    assert isinstance(event, Stepped)
                    self.steps.append((event.step, event.steps))
                    assert event.preview is not None
                    self.previews.append(event.preview)
        except StopIteration as end:
            self.pixels = end.value

    def rows(self, graph: str) -> list[int]:
        return [len(next(iter(call.inputs.values()))) for call in self.calls if call.graph == graph]


def torch_networks(pipeline: Any) -> Networks:
    watched = Watched(pipeline.unet)

    @torch.no_grad()
    def answer(call: Call) -> Outputs:
        inputs = {name: torch.from_numpy(np.ascontiguousarray(rows)) for name, rows in call.inputs.items()}
        match call.graph:
            case "text_encoder":
                return {"last_hidden_state": pipeline.text_encoder(**inputs)[0].numpy()}
            case "unet":
                return {"out_sample": pipeline.unet(**inputs).sample.numpy()}
            case "unet/full":
                return watched(call.inputs)
            case "unet/shallow":
                return {"out_sample": watched(call.inputs)["out_sample"]}
            case "vae_encoder":
                return {
                    "latent_parameters": pipeline.vae.encode(inputs["sample"]).latent_dist.parameters.numpy()
                }
            case _:
                return {"sample": pipeline.vae.decode(inputs["latent_sample"]).sample.numpy()}

    return answer


def flat_networks(call: Call) -> Outputs:
    """Networks that cost nothing: the prediction is 0.5 for the prompt's row and 0.25 for the negative's."""
    match call.graph:
        case "text_encoder":
            ids = call.inputs["input_ids"]
            return {"last_hidden_state": np.repeat(ids[:, :, None], 32, axis=2).astype(np.float32)}
        case "unet":
            levels = np.array([0.25, 0.5], np.float32)[-len(call.inputs["sample"]) :]
            return {"out_sample": np.ones_like(call.inputs["sample"][:, :4]) * levels[:, None, None, None]}
        case "unet/full":
            # The features say of which time and of which text they are.
            states, time = call.inputs["encoder_hidden_states"], call.inputs["timestep"]
            features = np.stack([time, states[:, 1, 0]], 1)[:, :, None, None]
            return flat_networks(Call("unet", call.inputs)) | {FEATURES: features}
        case "unet/shallow":
            return flat_networks(Call("unet", call.inputs))
        case "unet/attentive":
            rows, tokens = call.inputs["encoder_hidden_states"].shape[:2]
            told = np.full((rows, 64, tokens), 1 / tokens, np.float32)
            return flat_networks(Call("unet/full", call.inputs)) | {ATTENTION: told}
        case "vae_encoder":
            return {"latent_parameters": np.zeros((1, 8, 8, 8), np.float32)}
        case _:
            return {"sample": np.linspace(-1.5, 1.5, 3 * 64 * 64, dtype=np.float32).reshape(1, 3, 64, 64)}


def psnr(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> float:
    error = np.mean((ours.astype(float) - theirs.astype(float)) ** 2)
    return np.inf if error == 0 else 10 * np.log10(255**2 / error)
