"""Training the denoiser together with its text encoder, on latents that were made once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, DPMSolverMultistepScheduler
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPTokenizer

from ...sheets import captioned
from ...training.pictures import mingled, order, to_pixels
from .attention import choose_attention
from .loss import min_snr_weight, noised, velocity, weighted_square_error
from .model import build_text_encoder, build_unet
from .recipe import Denoiser
from .sampling import sampled

_TIMESTEPS = 1000
_HELD_OUT = 256
_SHEET, _SHEET_STEPS, _SHEET_GUIDANCE = 8, 12, 4.0


@dataclass(frozen=True)
class LatentExamples:
    """What the denoiser learns from.

    `latents` (N, C, h, w) float16, standardised; `cells` (N, h, w) float16, the share of each latent cell
    that shows a subject; `kinds` (N, h, w) uint8, which kind of subject the cell's middle shows, 0 for background and
    at most `kind_count`; `tokens` (M, T) int32, all captions; caption rows of example i are
    `first[i]` to `first[i + 1]`; `single` (N,) bool says that there is one subject, `mixed` (N,) bool that there are
    several kinds.
    """

    latents: NDArray[np.float16]
    cells: NDArray[np.float16]
    kinds: NDArray[np.uint8]
    kind_count: int
    tokens: NDArray[np.int32]
    first: NDArray[np.int64]
    single: NDArray[np.bool_]
    mixed: NDArray[np.bool_]


@dataclass(frozen=True)
class _Held:
    """Examples as tensors: on the device of the networks, where they take no more than half of what it has free."""

    latents: Tensor
    cells: Tensor
    kinds: Tensor
    tokens: Tensor
    first: Tensor

    @classmethod
    def of(cls, examples: LatentExamples, device: torch.device) -> _Held:
        arrays: list[NDArray[Any]] = [
            examples.latents,
            examples.cells,
            examples.kinds,
            examples.tokens,
            examples.first,
        ]
        if device.type == "cuda" and 2 * sum(each.nbytes for each in arrays) > torch.cuda.mem_get_info()[0]:
            device = torch.device("cpu")
        return cls(*(torch.from_numpy(each).to(device) for each in arrays))


def noise_schedule() -> DPMSolverMultistepScheduler:
    """The schedule that the model is trained on and saved with: linear, velocity prediction.

    Neighbouring latents tell much of the same, so the outline of a large subject already shows through where the
    logarithm of the signal-to-noise ratio is -5, and must have been chosen before. More than a third of these
    timesteps lie between -6 and -2, of the cosine schedule's a fifth; with that, 150,000 examples gave blots.
    """
    return DPMSolverMultistepScheduler(
        num_train_timesteps=_TIMESTEPS,
        beta_start=0.0001,
        beta_end=0.016,
        beta_schedule="linear",
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        steps_offset=1,
    )


class DenoiserStage:
    """The loop's view of the denoiser."""

    name = "denoiser"

    def __init__(
        self,
        recipe: Denoiser,
        train: LatentExamples,
        held_out: LatentExamples,
        tokenizer: CLIPTokenizer,
        vae: AutoencoderKL,
        seed: int,
    ) -> None:
        self.recipe, self.train, self.held_out, self.seed = recipe, train, held_out, seed
        self.tokenizer, self.vae = tokenizer, vae
        channels, size = train.latents.shape[1], train.latents.shape[2]
        torch.manual_seed(seed)
        self.unet = build_unet(_unet_config(recipe, channels, size))
        self.text_encoder = build_text_encoder(_text_config(recipe, tokenizer))
        choose_attention(self.unet, self.text_encoder, size)
        if recipe.gradient_checkpointing:
            self.unet.enable_gradient_checkpointing()
        self.module: nn.Module = nn.ModuleDict({"unet": self.unet, "text_encoder": self.text_encoder})
        if recipe.subject_weight:
            # Before the last level, which draws what the others have planned.
            before = self.unet.up_blocks[-2] if len(recipe.channels) > 1 else self.unet.mid_block
            before.register_forward_hook(self._keep_features)
            width = recipe.channels[min(1, len(recipe.channels) - 1)]
            self.module["head"] = nn.Conv2d(width, train.kind_count + 1, 1)
        self._features: Tensor | None = None
        self.alpha_bar = noise_schedule().alphas_cumprod
        self.singles, self.mixed = np.flatnonzero(train.single), np.flatnonzero(train.mixed)
        self.empty = self._tokens([""])
        self._taken: dict[int, _Held] = {}

    def _tokens(self, texts: list[str]) -> Tensor:
        made: Tensor = self.tokenizer(
            texts,
            padding="max_length",
            truncation=True,
            max_length=self.recipe.text_length,
            return_tensors="pt",
        ).input_ids
        return made

    def _held(self, examples: LatentExamples) -> _Held:
        """A part of the examples where the networks are; taken there once."""
        device = next(self.module.parameters()).device
        if id(examples) not in self._taken:
            self._taken[id(examples)] = _Held.of(examples, device)
        return self._taken[id(examples)]

    def _chosen(self, step: int, first: int, size: int) -> Tensor:
        if step < self.recipe.simple_until * self.recipe.steps and len(self.singles):
            return torch.from_numpy(self.singles[order(len(self.singles), self.seed, first, size)])
        count, share = len(self.train.latents), self.recipe.mixed_share
        return torch.from_numpy(mingled(count, self.mixed, share, self.seed, first, size))

    def _captions(self, held: _Held, chosen: Tensor, generator: torch.Generator) -> Tensor:
        device, count = held.latents.device, len(chosen)
        many = held.first[chosen + 1] - held.first[chosen]
        pick = (torch.rand(count, generator=generator, device=device) * many).long()
        tokens = held.tokens[held.first[chosen] + pick].long()
        dropped = torch.rand(count, generator=generator, device=device) < self.recipe.caption_dropout
        return torch.where(dropped[:, None], self.empty.to(device), tokens)

    def loss(self, step: int, first: int, size: int, generator: torch.Generator) -> dict[str, Tensor]:
        held = self._held(self.train)
        device = held.latents.device
        if device.type != "cpu":  # noise is made where it is used
            generator = torch.Generator(device).manual_seed(generator.initial_seed())
        chosen = self._chosen(step, first, size).to(device)
        tokens = self._captions(held, chosen, generator)
        places = torch.randperm(
            size, generator=generator, device=device
        )  # mixed rows stand at places of their own
        strata = (places + torch.rand(size, generator=generator, device=device)) / size  # (B,) in 0..1, even
        timesteps = (strata * _TIMESTEPS).long().clamp(max=_TIMESTEPS - 1)  # 32 bits may round up to 1
        error = self._error(held, chosen, tokens, timesteps, generator)
        if not self.recipe.subject_weight:
            return {"loss": error}
        subjects = self._subjects(held.kinds[chosen].long())
        return {
            "loss": error + self.recipe.subject_weight * subjects,
            "velocity": error,
            "subjects": subjects,
        }

    def _keep_features(self, block: nn.Module, inputs: object, output: Tensor) -> None:
        self._features = output

    def _subjects(self, kinds: Tensor) -> Tensor:
        """Cross entropy of the kinds (B, h, w) that the head reads off the features of the last pass."""
        assert self._features is not None
        scores = self.module.get_submodule("head")(self._features).float()
        return functional.cross_entropy(scores, kinds.to(scores.device))

    def _error(
        self, held: _Held, chosen: Tensor, tokens: Tensor, timesteps: Tensor, generator: torch.Generator
    ) -> Tensor:
        device = next(self.module.parameters()).device
        clean = held.latents[chosen].float()
        noise = torch.randn(clean.shape, generator=generator, device=generator.device).to(clean.device)
        alpha_bar = self.alpha_bar.to(clean.device)[timesteps]
        noisy = noised(clean, noise, alpha_bar)
        states = self.text_encoder(input_ids=tokens.to(device)).last_hidden_state
        made = self.unet(noisy.to(device), timesteps.to(device), states).sample
        shown = held.cells[chosen].float().unsqueeze(1)
        # Outlines are drawn on both of their sides.
        cells = 1 + self.recipe.mask_weight * functional.max_pool2d(shown, 3, 1, 1)
        weight = min_snr_weight(alpha_bar / (1 - alpha_bar), self.recipe.snr_gamma)
        return weighted_square_error(
            made, velocity(clean, noise, alpha_bar).to(device), weight.to(device), cells.to(device)
        )

    def validate(self) -> dict[str, float]:
        """The loss at four noise levels, always with the same noise and captions."""
        found: dict[str, float] = {}
        held, count = self._held(self.held_out), min(_HELD_OUT, len(self.held_out.latents))
        for timestep in (200, 400, 600, 800):
            total = 0.0
            for at in range(0, count, 32):
                chosen = torch.arange(at, min(at + 32, count), device=held.latents.device)
                generator = torch.Generator().manual_seed(timestep * 100_003 + at)
                tokens = held.tokens[held.first[chosen]].long()
                timesteps = torch.full_like(chosen, timestep)
                total += float(self._error(held, chosen, tokens, timesteps, generator)) * len(chosen)
            found[f"t{timestep}"] = total / count
        found["mean"] = sum(found.values()) / len(found)
        return found

    def sheet(self) -> Image.Image:
        """The captions of eight held-out pictures, drawn in twelve guided steps with fixed noise."""
        device = next(self.module.parameters()).device
        tokens = torch.from_numpy(self.held_out.tokens[self.held_out.first[:-1][:_SHEET]]).long()
        count, shape = len(tokens), self.train.latents.shape[1:]
        latents = torch.randn((count, *shape), generator=torch.Generator().manual_seed(0)).to(device)
        both = torch.cat([self.empty.repeat(count, 1), tokens])
        states = self.text_encoder(input_ids=both.to(device)).last_hidden_state
        latents = sampled(self.unet, noise_schedule(), latents, states, _SHEET_STEPS, _SHEET_GUIDANCE)
        pictures = to_pixels(self.vae.to(device).decode(latents).sample)
        return captioned(list(pictures), [self._text(row) for row in tokens])

    def _text(self, tokens: Tensor) -> str:
        text: str = self.tokenizer.decode(tokens, skip_special_tokens=True)
        return text


def _unet_config(recipe: Denoiser, channels: int, size: int) -> dict[str, object]:
    levels, plain = len(recipe.channels), recipe.attention_from
    return {
        "sample_size": size,
        "in_channels": channels,
        "out_channels": channels,
        "block_out_channels": recipe.channels,
        "layers_per_block": recipe.layers,
        "down_block_types": ("DownBlock2D",) * plain + ("CrossAttnDownBlock2D",) * (levels - plain),
        "up_block_types": ("CrossAttnUpBlock2D",) * (levels - plain) + ("UpBlock2D",) * plain,
        "cross_attention_dim": recipe.text_width,
        "attention_head_dim": recipe.heads,  # the number of heads, whatever diffusers calls it
        "addition_embed_type": "text" if recipe.pooled_text else None,
        "addition_embed_type_num_heads": recipe.text_heads,
        "norm_num_groups": recipe.norm_groups,
    }


def _text_config(recipe: Denoiser, tokenizer: CLIPTokenizer) -> dict[str, object]:
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": recipe.text_width,
        "intermediate_size": 4 * recipe.text_width,
        "num_hidden_layers": recipe.text_layers,
        "num_attention_heads": recipe.text_heads,
        "max_position_embeddings": recipe.text_length,
        "projection_dim": recipe.text_width,
        "hidden_act": "quick_gelu",
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
