"""What a denoiser draws for a decoder: from where on, beside which layout, and how much of the picture is left."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DPMSolverMultistepScheduler, UNet2DConditionModel
from torch import Tensor, nn

from limner.families import layout
from limner.families.diffusion import drawing
from limner.families.diffusion.denoiser_stage import LatentExamples, noise_schedule
from limner.families.diffusion.loss import noised
from limner.families.diffusion.sampling import sampled
from limner.registry.manifest import SamplerDefaults

_WIDTH, _COUNT, _TOKENS = 2, 40, 4


class _Output:
    def __init__(self, sample: Tensor) -> None:
        self.sample = self.last_hidden_state = sample


class _Knowing(nn.Module):
    """A denoiser that knows one clean latent: the velocity towards it."""

    def __init__(self, clean: Tensor) -> None:
        super().__init__()
        self.clean, self.alpha_bar = nn.Parameter(clean, requires_grad=False), noise_schedule().alphas_cumprod
        self.begins: list[int] = []

    def forward(self, latents: Tensor, timestep: Tensor, states: Tensor) -> _Output:
        self.begins.append(int(timestep))
        alpha = self.alpha_bar[int(timestep)]
        noise = (latents - alpha.sqrt() * self.clean) / (1 - alpha).sqrt()
        return _Output(alpha.sqrt() * noise - (1 - alpha).sqrt() * self.clean)


class _Text(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def forward(self, input_ids: Tensor) -> _Output:
        self.seen.append(input_ids)
        return _Output(input_ids.float().unsqueeze(-1))


def _examples() -> LatentExamples:
    rng = np.random.default_rng(0)
    latents = rng.standard_normal((_COUNT, _WIDTH + layout.CHANNELS, 4, 4)).astype(np.float16)
    tokens = np.array([[1, 9, 9, 9], [1, 2, 3, 9]] * _COUNT, np.int32)  # 9 pads
    zeros = np.zeros((_COUNT, 4, 4))
    return LatentExamples(
        latents,
        zeros.astype(np.float16),
        zeros.astype(np.uint8),
        1,
        tokens,
        np.arange(0, 2 * _COUNT + 1, 2),
        np.ones(_COUNT, np.bool_),
        np.zeros(_COUNT, np.bool_),
    )


def test_each_part_ends_at_what_the_denoiser_knows_beside_the_layout_that_it_was_given() -> None:
    examples = _examples()
    known = torch.full(examples.latents.shape[1:], 0.5)
    unet, text = _Knowing(known), _Text()
    made = drawing.drawn(
        unet, text, torch.full((1, _TOKENS), 9), examples, SamplerDefaults(steps=10, guidance_scale=2.0), 3
    )
    assert np.abs(made.latents[:, :_WIDTH].astype(np.float32) - 0.5).max() < 0.01
    same = made.latents[:, _WIDTH:] == examples.latents[:, _WIDTH:]
    true = same.all((1, 2, 3))
    free = np.abs(made.latents[:, _WIDTH:].astype(np.float32) - 0.5).max((1, 2, 3)) < 0.01
    assert np.array_equal(true, ~free) and true.any() and free.any()
    noise = made.ground == np.float32(0.03)
    assert noise.any() and true[noise].all()  # what is drawn from noise alone has a true layout
    assert ((made.ground >= 0.1) | noise).all() and made.ground.max() > 0.5


def test_from_noise_with_the_longest_caption_and_the_same_again() -> None:
    examples, empty = _examples(), torch.full((1, _TOKENS), 9)
    unet, text = _Knowing(torch.zeros(examples.latents.shape[1:])), _Text()
    sampler = SamplerDefaults(steps=10)
    made = drawing.drawn(unet, text, empty, examples, sampler, 3)
    again = drawing.drawn(unet, text, empty, examples, sampler, 3)
    assert np.array_equal(made.latents, again.latents) and np.array_equal(made.ground, again.ground)
    at = 0
    for seen in text.seen[: len(text.seen) // 2]:
        count = len(seen) // 2
        assert (seen[:count] == 9).all()
        if made.ground[at] == np.float32(0.03):
            assert (seen[count:] == torch.tensor([1, 2, 3, 9])).all()
        at += count
    assert at == _COUNT


def test_what_is_kept_is_not_drawn_again_and_says_how_long_it_took(tmp_path: Path) -> None:
    examples, empty = _examples(), torch.full((1, _TOKENS), 9)
    unet, text = _Knowing(torch.zeros(examples.latents.shape[1:])), _Text()
    sampler = SamplerDefaults(steps=4)
    made, again = (
        drawing.drawn_once(unet, text, empty, examples, sampler, 3, tmp_path / "drawn", "a mark")
        for _ in range(2)
    )
    calls = len(text.seen)
    assert again.seconds == made.seconds > 0 and np.array_equal(again.latents, made.latents)
    drawing.drawn_once(unet, text, empty, examples, sampler, 3, tmp_path / "drawn", "another")
    assert len(text.seen) == 2 * calls


@pytest.mark.parametrize("begin", [0, 3, 7])
def test_the_sampler_begins_where_it_is_told(begin: int) -> None:
    """A denoiser that knows the end gets there from every step on, in the timesteps that are left."""
    clean = torch.linspace(-1, 1, 8).view(1, 2, 2, 2)
    unet, schedule = _Knowing(clean), noise_schedule()
    schedule.set_timesteps(10)
    timestep = schedule.timesteps[begin]
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    noisy = noised(clean, noise, schedule.alphas_cumprod[timestep].expand(1))
    scheduler: DPMSolverMultistepScheduler = noise_schedule()
    states = torch.zeros(2, 1, 1)
    made = sampled(unet, scheduler, noisy, states, 10, 1.0, begin=begin)
    assert torch.allclose(made, clean, atol=2e-3)
    assert unet.begins == [int(each) for each in schedule.timesteps[begin:]]


def test_guidance_holds_for_its_part_of_the_steps() -> None:
    class Two(nn.Module):
        def forward(self, latents: Tensor, timestep: Tensor, states: Tensor) -> _Output:
            return _Output(states.expand_as(latents).clone())

    class Schedule:
        timesteps = torch.arange(10)

        def __init__(self) -> None:
            self.made: list[float] = []

        def set_timesteps(self, steps: int) -> None: ...

        def scale_model_input(self, latents: Tensor, timestep: Tensor) -> Tensor:
            return latents

        def step(self, made: Tensor, timestep: Tensor, latents: Tensor) -> object:
            self.made.append(float(made.flatten()[0]))
            return type("Step", (), {"prev_sample": latents})()

    schedule = Schedule()
    # Of nothing 0, of the text 1: a step's scale is what it makes.
    states = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1)
    sampled(Two(), schedule, torch.zeros(1, 1, 2, 2), states, 10, 3.0, guided=(0.2, 0.8))
    assert schedule.made == [1.0] * 2 + [3.0] * 6 + [1.0] * 2


def test_a_unet_of_diffusers_draws() -> None:
    """The real classes: finite latents, with the layout kept where it is given."""
    torch.manual_seed(0)
    channels = _WIDTH + layout.CHANNELS
    unet = UNet2DConditionModel(
        sample_size=4,
        in_channels=channels,
        out_channels=channels,
        block_out_channels=(8, 8),
        norm_num_groups=4,
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=1,
        attention_head_dim=2,
    )
    made = drawing.drawn(unet, _Text(), torch.full((1, _TOKENS), 9), _examples(), SamplerDefaults(steps=4), 0)
    assert np.isfinite(made.latents).all() and made.latents.shape == (_COUNT, channels, 4, 4)
