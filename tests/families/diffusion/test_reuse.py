"""Programs that use deep features again: against a slow loop, and call by call."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline

from limner.engine.noise import normal
from limner.engine.request import Call, DrawRequest
from limner.engine.source import Source
from limner.engine.variants import FEATURES
from limner.errors import InvalidInput
from limner.families.diffusion.program import Diffusion
from limner.registry.manifest import Manifest
from limner.registry.models import open_model

from .depths import Watched
from .driving import SCHEDULERS, Run, flat_networks, psnr, torch_networks

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture
def pipeline(tiny_model: Path) -> Any:
    pipeline = StableDiffusionPipeline.from_pretrained(tiny_model, safety_checker=None, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture
def diffusion(tiny_model: Path) -> Diffusion:
    return Diffusion(open_model(tiny_model))


def asked(**fields: Any) -> DrawRequest:
    return DrawRequest.model_validate({"prompt": "a red apple", "seed": 1, "guidance_scale": 3.0} | fields)


def calls(diffusion: Diffusion, source: Source | None = None, **fields: Any) -> list[Call]:
    request = diffusion.resolve(asked(**fields))
    return [
        call
        for call in Run(diffusion.program(request, source), flat_networks).calls
        if call.graph.startswith("unet")
    ]


def kinds(found: list[Call]) -> str:
    """A letter for each call: f full, s shallow, of two rows in capitals; u the whole graph as it is."""
    letters = [call.graph.removeprefix("unet/")[0] for call in found]
    rows = [len(call.inputs["sample"]) for call in found]
    return "".join(
        letter.upper() if count == 2 else letter for letter, count in zip(letters, rows, strict=True)
    )


@pytest.mark.parametrize("sampler", SCHEDULERS)
@pytest.mark.parametrize("every", [1, 2, 3])
def test_the_picture_is_that_of_a_slow_loop(
    pipeline: Any, diffusion: Diffusion, sampler: str, every: int
) -> None:
    request = asked(steps=7, sampler=sampler, feature_reuse=every)
    ours = Run(diffusion.program(diffusion.resolve(request)), torch_networks(pipeline)).pixels
    theirs = slowly(pipeline, sampler, every)
    assert theirs.std() > 3, "a flat picture would prove nothing"
    assert psnr(ours, theirs) > 60
    if every > 1:
        assert psnr(theirs, slowly(pipeline, sampler, 1)) < 60, "that features are old must show"


@torch.no_grad()
def slowly(pipeline: Any, sampler: str, every: int) -> np.ndarray:
    unet = Watched(pipeline.unet)
    scheduler = SCHEDULERS[sampler].from_config(pipeline.scheduler.config)
    scheduler.set_timesteps(7)
    texts = pipeline.encode_prompt("a red apple", "cpu", 1, True, "")
    states = torch.cat([texts[1], texts[0]]).numpy()
    latent = torch.from_numpy(normal(1, (1, 4, 8, 8))) * scheduler.init_noise_sigma
    features = None
    for step, timestep in enumerate(scheduler.timesteps):
        seen = scheduler.scale_model_input(latent, timestep)
        inputs = {
            "sample": np.repeat(seen.numpy(), 2, 0),
            "timestep": np.full(2, timestep, np.float32),
            "encoder_hidden_states": states,
        }
        if step % every == 0:
            features = unet(inputs)[FEATURES]
        assert features is not None
        negative, positive = torch.from_numpy(unet(inputs | {FEATURES: features})["out_sample"])
        latent = scheduler.step(
            (negative + 3 * (positive - negative))[None], timestep, latent
        ).prev_sample.float()
    picture = pipeline.vae.decode(latent / pipeline.vae.config.scaling_factor).sample
    return np.asarray(pipeline.image_processor.postprocess(picture, output_type="pil")[0])


def test_every_nth_step_is_whole(diffusion: Diffusion) -> None:
    assert kinds(calls(diffusion, steps=7, feature_reuse=1)) == "UUUUUUU"
    assert kinds(calls(diffusion, steps=7, feature_reuse=2)) == "FSFSFSF"
    assert kinds(calls(diffusion, steps=7, feature_reuse=3)) == "FSSFSSF"
    assert kinds(calls(diffusion, steps=7, feature_reuse=10)) == "FSSSSSS"
    assert kinds(calls(diffusion, steps=4, feature_reuse=2, guidance_scale=1)) == "fsfs"


def test_a_step_without_guidance_uses_the_prompts_features(diffusion: Diffusion) -> None:
    found = calls(diffusion, steps=6, feature_reuse=4, guidance_interval=(0, 0.5))
    assert kinds(found) == "FSSsfs"
    first = found[0].inputs
    expected = [first["timestep"][1], first["encoder_hidden_states"][1, 1, 0]]
    for call in found[1:4]:
        assert call.inputs[FEATURES][-1].ravel().tolist() == expected
    assert found[1].inputs[FEATURES].shape == (2, 2, 1, 1) and found[3].inputs[FEATURES].shape == (1, 2, 1, 1)
    assert found[5].inputs[FEATURES][0, 0, 0, 0] == found[4].inputs["timestep"][0]


def test_where_guidance_begins_later_the_first_guided_step_is_whole(diffusion: Diffusion) -> None:
    assert kinds(calls(diffusion, steps=6, feature_reuse=4, guidance_interval=(0.3, 1))) == "fsFSSS"
    assert kinds(calls(diffusion, steps=6, feature_reuse=2, guidance_interval=(0.5, 0.7))) == "fsfFsf"


def test_a_drawing_that_begins_at_a_picture_begins_with_a_whole_step(diffusion: Diffusion) -> None:
    source = Source(np.zeros((64, 64, 3), np.uint8))
    found = calls(diffusion, source, steps=8, strength=0.7, image="black", feature_reuse=2)
    assert kinds(found) == "FSFSF"


def test_reuse_1_asks_for_what_was_always_asked_for(diffusion: Diffusion) -> None:
    told, untold = calls(diffusion, steps=5, feature_reuse=1), calls(diffusion, steps=5)
    for one, other in zip(told, untold, strict=True):
        assert one.graph == other.graph == "unet"
        assert set(one.inputs) == {"sample", "timestep", "encoder_hidden_states"}
        assert all(np.array_equal(one.inputs[name], other.inputs[name]) for name in one.inputs)


def test_the_manifest_says_how_often_where_the_request_does_not(tiny_model: Path) -> None:
    model = open_model(tiny_model)
    assert Diffusion(model).resolve(asked()).feature_reuse == 1
    told = model.manifest.model_dump()
    told["sampler"]["feature_reuse"] = 3
    other = Diffusion(type(model)(model.path, Manifest.model_validate(told), False))
    assert other.resolve(asked()).feature_reuse == 3
    assert other.resolve(asked(feature_reuse=1)).feature_reuse == 1


@pytest.mark.parametrize("every", [0, 11])
def test_how_often_is_1_to_10(every: int) -> None:
    from limner.api import request_of

    with pytest.raises(InvalidInput, match=f"feature_reuse.*not {every}") as caught:
        request_of(prompt="a cat", feature_reuse=every)
    assert caught.value.field == "feature_reuse"
