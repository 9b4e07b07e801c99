"""Drawings that begin at a picture: against diffusers' own pipelines, and what is asked of the networks."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import (
    StableDiffusionImg2ImgPipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from numpy.typing import NDArray
from scipy.stats import kstest

from limner.engine.noise import normal, starting_noise
from limner.engine.request import DrawRequest
from limner.engine.source import Source
from limner.errors import InvalidInput
from limner.families.diffusion.program import Diffusion
from limner.registry.manifest import Manifest
from limner.registry.models import open_model
from tests.tiny_model import UNET

from .driving import SCHEDULERS, Run, flat_networks, psnr, torch_networks

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

PROMPT = "a red apple on the wooden table"


@pytest.fixture(scope="module")
def parts(tiny_model: Path) -> Any:
    return StableDiffusionPipeline.from_pretrained(tiny_model, safety_checker=None, dtype=torch.float32)


@pytest.fixture
def diffusion(tiny_model: Path) -> Diffusion:
    return Diffusion(open_model(tiny_model))


@pytest.fixture
def nine(tiny_model: Path, tmp_path: Path) -> Diffusion:
    """A model whose denoiser reads mask and kept latent too, as far as its manifest tells."""
    model = open_model(tiny_model)
    told = model.manifest.model_dump()
    told["graphs"]["unet"]["inputs"][0]["shape"] = ("B", 9, 8, 8)
    (tmp_path / "nine").symlink_to(tiny_model)
    return Diffusion(type(model)(tmp_path / "nine", Manifest.model_validate(told), False))


def photo(seed: int = 0) -> NDArray[np.uint8]:
    """Smooth colours, 64 px."""
    rough = np.random.default_rng(seed).integers(0, 256, (4, 4, 3)).astype(np.uint8)
    return np.repeat(np.repeat(rough, 16, 0), 16, 1)


def lower_half() -> NDArray[np.uint8]:
    mask = np.zeros((64, 64), np.uint8)
    mask[32:] = 255
    return mask


def latent_of(pipeline: Any, pixels: NDArray[np.uint8], kept: NDArray[np.float32] | float = 1.0) -> Any:
    sample = torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1)[None] / 127.5 - 1
    with torch.no_grad():
        found = pipeline.vae.encode(sample * torch.as_tensor(kept)).latent_dist.mean
    return found * pipeline.vae.config.scaling_factor


def drawn(family: Diffusion, pipeline: Any, source: Source, **fields: Any) -> Run:
    request = DrawRequest.model_validate({"prompt": PROMPT, "seed": 7, "image": "photo"} | fields)
    return Run(family.program(family.resolve(request), source), torch_networks(pipeline))


@pytest.mark.parametrize("sampler", SCHEDULERS)
@pytest.mark.parametrize(("steps", "strength"), [(6, 0.5), (10, 0.3), (5, 0.99)])
def test_from_a_picture_is_as_in_diffusers(
    parts: Any, diffusion: Diffusion, sampler: str, steps: int, strength: float
) -> None:
    theirs = StableDiffusionImg2ImgPipeline(**parts.components)
    theirs.scheduler = SCHEDULERS[sampler].from_config(parts.scheduler.config)
    expected = theirs(
        PROMPT,
        image=latent_of(parts, photo()),
        strength=strength,
        num_inference_steps=steps,
        guidance_scale=3.0,
        generator=torch.Generator().manual_seed(7),
    ).images[0]
    done = drawn(diffusion, parts, Source(photo()), steps=steps, strength=strength, sampler=sampler)
    assert np.asarray(expected).std() > 3
    assert psnr(done.pixels, np.asarray(expected)) > 60
    taken = int(steps * strength)
    assert done.steps == [(step + 1, taken) for step in range(taken)]


@pytest.mark.parametrize("sampler", SCHEDULERS)
@pytest.mark.parametrize("strength", [1.0, 0.6])
def test_a_part_drawn_anew_is_as_in_diffusers(
    parts: Any, diffusion: Diffusion, sampler: str, strength: float
) -> None:
    theirs = StableDiffusionInpaintPipeline(**parts.components)
    theirs.scheduler = SCHEDULERS[sampler].from_config(parts.scheduler.config)
    latent = latent_of(parts, photo())
    expected = np.asarray(
        theirs(
            PROMPT,
            image=latent,
            masked_image_latents=torch.zeros_like(latent),
            mask_image=torch.from_numpy(lower_half() / 255.0).float()[None, None],
            height=64,
            width=64,
            strength=strength,
            num_inference_steps=5,
            guidance_scale=3.0,
            generator=torch.Generator().manual_seed(7),
        ).images[0]
    )
    source = Source(photo(), lower_half())
    done = drawn(diffusion, parts, source, steps=5, strength=strength, sampler=sampler, mask="half")
    # Near the seam, Limner puts the picture's own pixels back.
    assert psnr(done.pixels[44:], expected[44:]) > 60
    assert np.array_equal(done.pixels[:20], photo()[:20])


@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_a_network_made_for_inpainting_is_told_as_in_diffusers(
    parts: Any, nine: Diffusion, strength: float
) -> None:
    torch.manual_seed(3)
    unet = UNet2DConditionModel(**UNET | {"in_channels": 9}).eval()
    theirs = StableDiffusionInpaintPipeline(**parts.components | {"unet": unet})
    theirs.scheduler = SCHEDULERS["euler"].from_config(parts.scheduler.config)
    kept = (lower_half() < 128).astype(np.float32)
    expected = theirs(
        PROMPT,
        image=latent_of(parts, photo()),
        masked_image_latents=latent_of(parts, photo(), kept),
        mask_image=torch.from_numpy(lower_half() / 255.0).float()[None, None],
        height=64,
        width=64,
        strength=strength,
        num_inference_steps=4,
        guidance_scale=3.0,
        generator=torch.Generator().manual_seed(7),
    ).images[0]
    source = Source(photo(), lower_half())
    done = drawn(nine, theirs, source, steps=4, strength=strength, sampler="euler", mask="half")
    assert psnr(done.pixels[44:], np.asarray(expected)[44:]) > 60


def test_a_network_made_for_inpainting_draws_from_words_alone(nine: Diffusion) -> None:
    request = nine.resolve(DrawRequest(prompt=PROMPT, seed=1, steps=2))
    done = Run(nine.program(request), flat_networks)
    unet = [call.inputs["sample"] for call in done.calls if call.graph == "unet"]
    assert [sample.shape for sample in unet] == [(2, 9, 8, 8)] * 2
    assert (unet[0][:, 4] == 1).all() and (unet[0][:, 5:] == 0).all()


def test_what_is_kept_is_put_back_after_every_step(diffusion: Diffusion) -> None:
    source = Source(photo(), lower_half())
    request = DrawRequest(
        prompt=PROMPT, seed=1, steps=4, sampler="ddim", image="p", mask="m", guidance_scale=1
    )
    done = Run(diffusion.program(diffusion.resolve(request), source), flat_networks)
    seen = [call.inputs["sample"] for call in done.calls if call.graph == "unet"]
    noise = normal(1, (1, 4, 8, 8))
    for sample in seen[1:]:  # the encoder answers 0, so what is kept is noise of the step's level alone
        share = sample[..., :4, :] / noise[..., :4, :]
        assert np.allclose(share, share.flat[0], atol=1e-5) and 0 < share.flat[0] < 1
        assert not np.allclose(sample[..., 4:, :] / noise[..., 4:, :], share.flat[0], atol=1e-2)


def test_strength_and_its_steps(diffusion: Diffusion) -> None:
    def taken(**fields: Any) -> int | None:
        return diffusion.resolve(
            DrawRequest.model_validate({"prompt": "x", "steps": 20} | fields)
        ).steps_taken

    assert taken() == 20
    assert taken(image="p") == 12
    assert taken(image="p", mask="m") == 20
    assert taken(image="p", strength=0.01) == 1
    assert taken(image="p", strength=0.35) == 7


@pytest.mark.parametrize("field", ["mask", "strength"])
def test_what_needs_a_picture_says_so(diffusion: Diffusion, field: str) -> None:
    request = DrawRequest.model_validate({"prompt": "x", field: "m" if field == "mask" else 0.5})
    with pytest.raises(InvalidInput, match="needs a picture") as error:
        diffusion.resolve(request)
    assert error.value.field == field


def test_a_model_without_an_encoder_says_so(tiny_model: Path, tmp_path: Path) -> None:
    told = json.loads((tiny_model / "limner.json").read_text("utf-8"))
    del told["graphs"]["vae_encoder"]
    model = open_model(tiny_model)
    family = Diffusion(type(model)(tiny_model, Manifest.model_validate(told), False))
    with pytest.raises(InvalidInput, match="no encoder for pictures"):
        family.resolve(DrawRequest(prompt="x", image="p"))


def variation(seed: int, other: int, share: float) -> NDArray[np.float32]:
    request = DrawRequest(prompt="x", seed=seed, variation_seed=other, variation_strength=share)
    return starting_noise(request, (1, 4, 64, 64))


def test_variations_go_from_one_noise_to_the_other_and_stay_noise() -> None:
    one, other = normal(1, (1, 4, 64, 64)), normal(2, (1, 4, 64, 64))
    near, half, there = (variation(1, 2, share) for share in (0.1, 0.5, 1.0))
    assert np.allclose(there, other, atol=1e-5)
    distances = [np.linalg.norm(noise - one) for noise in (near, half, there)]
    assert 0 < distances[0] < distances[1] < distances[2]
    for noise in (near, half):
        assert kstest(noise.ravel(), "norm").pvalue > 0.01
    assert np.array_equal(variation(5, 5, 0.5), normal(5, (1, 4, 64, 64)))


def test_pictures_of_a_job_differ_by_seed_or_by_variation() -> None:
    plain = DrawRequest(prompt="x", seed=2**32 - 1)
    assert [plain.nth(k).seed for k in range(3)] == [2**32 - 1, 0, 1]
    varied = DrawRequest(prompt="x", seed=4, variation_seed=9, variation_strength=0.2)
    assert [(one.seed, one.variation_seed, one.own_seed) for one in map(varied.nth, range(2))] == [
        (4, 9, 9),
        (4, 10, 10),
    ]
