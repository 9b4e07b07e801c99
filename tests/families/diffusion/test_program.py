"""The whole program, driven by hand: against StableDiffusionPipeline, and call by call."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline

from limner.engine.request import Call, DrawRequest
from limner.errors import InvalidInput, LimnerError
from limner.families.diffusion.program import Diffusion
from limner.registry.models import open_model

from .driving import SCHEDULERS, Outputs, Run, flat_networks, psnr, torch_networks

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def pipeline(tiny_model: Path) -> Any:
    pipeline = StableDiffusionPipeline.from_pretrained(tiny_model, safety_checker=None, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture
def diffusion(tiny_model: Path) -> Diffusion:
    return Diffusion(open_model(tiny_model))


def with_schedule(model: Path, directory: Path, **changes: Any) -> Path:
    """A copy of a model directory with changed keys in its scheduler configuration."""
    shutil.copytree(model, directory)
    file = directory / "scheduler" / "scheduler_config.json"
    file.write_text(json.dumps(json.loads(file.read_text("utf-8")) | changes), encoding="utf-8")
    return directory


@pytest.mark.parametrize("sampler", SCHEDULERS)
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize(
    ("scale", "negative", "seed"), [(3.0, "", 7), (1.0, "", 2**32 - 1), (5.5, "blue", 0)]
)
def test_the_picture_is_that_of_diffusers(
    pipeline: Any,
    tiny_model: Path,
    tmp_path: Path,
    sampler: str,
    prediction: str,
    scale: float,
    negative: str,
    seed: int,
) -> None:
    directory = with_schedule(tiny_model, tmp_path / "model", prediction_type=prediction)
    config = json.loads((directory / "scheduler" / "scheduler_config.json").read_text("utf-8"))
    pipeline.scheduler = SCHEDULERS[sampler].from_config(config)
    prompt = "A red apple, on the wooden table " * 3
    theirs = pipeline(
        prompt,
        negative_prompt=negative,
        num_inference_steps=6,
        guidance_scale=scale,
        generator=torch.Generator().manual_seed(seed),
        output_type="pil",
    ).images[0]
    family = Diffusion(open_model(directory))
    request = DrawRequest(
        prompt=prompt, negative_prompt=negative, steps=6, guidance_scale=scale, seed=seed, sampler=sampler
    )
    ours = Run(family.program(family.resolve(request)), torch_networks(pipeline)).pixels
    theirs = np.asarray(theirs)
    assert ours.shape == (64, 64, 3) and ours.dtype == np.uint8
    assert theirs.std() > 3, "a flat picture would prove nothing"
    assert psnr(ours, theirs) > 60


def run(diffusion: Diffusion, **fields: Any) -> Run:
    request = DrawRequest.model_validate({"prompt": "a red apple", "seed": 1, "steps": 4} | fields)
    return Run(diffusion.program(diffusion.resolve(request)), flat_networks)


def test_a_guided_step_has_two_rows_with_the_negative_prompt_first(diffusion: Diffusion) -> None:
    done = run(diffusion, negative_prompt="blue", guidance_scale=3)
    assert done.rows("text_encoder") == [2] and done.rows("unet") == [2] * 4
    negative, positive = done.calls[0].inputs["input_ids"]
    conditioning = done.calls[1].inputs["encoder_hidden_states"]
    assert np.array_equal(conditioning[0, :, 0], negative) and np.array_equal(conditioning[1, :, 0], positive)
    assert done.calls[1].inputs["timestep"].shape == (2,)


def test_without_guidance_there_is_one_row_and_no_negative_prompt(diffusion: Diffusion) -> None:
    done = run(diffusion, guidance_scale=1, negative_prompt="blue")
    assert done.rows("text_encoder") == [1] and done.rows("unet") == [1] * 4


@pytest.mark.parametrize(
    ("interval", "rows"),
    [((0, 0.5), [2, 2, 1, 1]), ((0.25, 0.75), [1, 2, 2, 1]), ((0.5, 0.5), [1, 1, 1, 1]), ((0, 1), [2] * 4)],
)
def test_guidance_is_kept_to_its_interval(
    diffusion: Diffusion, interval: tuple[float, float], rows: list[int]
) -> None:
    assert run(diffusion, guidance_scale=3, guidance_interval=interval).rows("unet") == rows


def test_a_known_text_is_not_encoded_again(diffusion: Diffusion) -> None:
    first = run(diffusion, guidance_scale=3)
    again = run(diffusion, guidance_scale=3, prompt="A  RED apple")
    assert again.rows("text_encoder") == []
    assert np.array_equal(
        first.calls[1].inputs["encoder_hidden_states"], again.calls[0].inputs["encoder_hidden_states"]
    )
    other = run(diffusion, guidance_scale=3, prompt="a wooden table")
    assert other.rows("text_encoder") == [1]


def test_every_step_is_told_with_a_preview_of_the_clean_latent(
    tiny_model: Path, diffusion: Diffusion
) -> None:
    done = run(diffusion, guidance_scale=1)
    assert done.steps == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert [(preview.shape, preview.dtype) for preview in done.previews] == [
        ((8, 8, 3), np.dtype(np.uint8))
    ] * 4
    preview = open_model(tiny_model).manifest.preview
    assert preview is not None
    latent = done.calls[-1].inputs["latent_sample"][0] * 0.5
    colours = np.einsum("chw,cr->hwr", latent, preview.matrix) + preview.bias
    assert np.abs(done.previews[-1] - colours.clip(0, 1) * 255).max() < 0.51


def test_pixels_are_rounded_as_diffusers_rounds_them(diffusion: Diffusion, pipeline: Any) -> None:
    sample = flat_networks(Call("vae_decoder", {}))["sample"]
    theirs = pipeline.image_processor.postprocess(torch.from_numpy(sample), output_type="pil")[0]
    assert np.array_equal(run(diffusion).pixels, np.asarray(theirs))


def test_a_picture_that_is_not_finite_is_an_error(diffusion: Diffusion) -> None:
    def broken(call: Call) -> Outputs:
        return {name: rows * np.nan for name, rows in flat_networks(call).items()}

    program = diffusion.program(diffusion.resolve(DrawRequest(prompt="a cat", steps=2)))
    with pytest.raises(LimnerError, match="not finite"):
        Run(program, broken)


def test_resolve_fills_every_gap(diffusion: Diffusion) -> None:
    resolved = diffusion.resolve(DrawRequest(prompt="a cat"))
    only_of_pictures = {
        "image",
        "mask",
        "keep",
        "outward",
        "strength",
        "variation_seed",
        "variation_strength",
    }
    of_tokens = {"temperature", "top_k"}
    left = {name for name, value in resolved.model_dump().items() if value is None}
    assert left == only_of_pictures | of_tokens | {"matcher"}, "which the studio settles"
    assert (resolved.steps, resolved.guidance_scale, resolved.width, resolved.height) == (4, 3.0, 64, 64)
    assert diffusion.resolve(resolved) == resolved
    assert diffusion.resolve(DrawRequest(prompt="a cat")).seed != resolved.seed


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"width": 65}, "width"),
        ({"height": 1}, "height"),
        ({"width": 64, "height": 128}, "height"),
        ({"sampler": "magic"}, "sampler"),
        ({"guidance_interval": (0.8, 0.2)}, "guidance_interval"),
        ({"guidance_interval": (0.0, 1.5)}, "guidance_interval"),
    ],
)
def test_resolve_names_the_field_that_is_wrong(
    diffusion: Diffusion, fields: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidInput) as error:
        diffusion.resolve(DrawRequest(prompt="a cat", **fields))
    assert error.value.field == field and str(fields[field]) in str(error.value)


def test_as_many_steps_as_the_schedule_has(tiny_model: Path, tmp_path: Path) -> None:
    directory = with_schedule(tiny_model, tmp_path / "model", num_train_timesteps=50)
    with pytest.raises(InvalidInput, match=r"steps=60.*1 to 49"):
        Diffusion(open_model(directory)).resolve(DrawRequest(prompt="a cat", steps=60))
