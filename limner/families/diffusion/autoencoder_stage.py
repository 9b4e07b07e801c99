"""Training the autoencoder: pictures in, latents out, pictures back."""

from __future__ import annotations

import numpy as np
import torch
from diffusers import AutoencoderKL
from diffusers.models.resnet import ResnetBlock2D
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from ...training.pictures import PictureArrays, order
from ...training.recipe import Autoencoder
from .loss import kl_divergence, reconstruction_loss

_SHEET = 8
_HELD_OUT = 64


def build_autoencoder(recipe: Autoencoder, size: int) -> AutoencoderKL:
    """diffusers' AutoencoderKL as the recipe says; its factor is 2 ** (len(channels) - 1)."""
    levels = len(recipe.channels)
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        block_out_channels=recipe.channels,
        layers_per_block=recipe.layers,
        latent_channels=recipe.latent_channels,
        norm_num_groups=recipe.norm_groups,
        sample_size=size,
        mid_block_add_attention=False,
        scaling_factor=1.0,
    )


def _initialise(module: AutoencoderKL) -> None:
    """Start where learning is quick: variance kept through every kernel, residual branches at zero, and a
    posterior so narrow that its noise does not drown the first latents (half the error after 100 steps)."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, nonlinearity="linear")
    for part in module.modules():
        if isinstance(part, ResnetBlock2D):
            nn.init.zeros_(part.conv2.weight)
    channels = module.config.latent_channels
    with torch.no_grad():
        module.quant_conv.weight[channels:] = 0
        module.quant_conv.bias[channels:] = -6.0


def to_tensor(pictures: NDArray[np.uint8]) -> Tensor:
    """uint8 (B, H, W, 3) to float32 (B, 3, H, W) in -1..1."""
    return torch.from_numpy(pictures.astype(np.float32)).permute(0, 3, 1, 2) / 127.5 - 1


def to_pixels(made: Tensor) -> NDArray[np.uint8]:
    """float (B, 3, H, W) in -1..1 to uint8 (B, H, W, 3)."""
    return ((made.float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()


def grid(rows: list[list[NDArray[np.uint8]]]) -> Image.Image:
    """Pictures (H, W, 3) side by side, row under row."""
    return Image.fromarray(np.concatenate([np.concatenate(row, 1) for row in rows], 0))


class AutoencoderStage:
    """The loop's view of the autoencoder."""

    name = "autoencoder"

    def __init__(self, recipe: Autoencoder, train: PictureArrays, held_out: PictureArrays, seed: int) -> None:
        self.recipe, self.train, self.held_out, self.seed = recipe, train, held_out, seed
        torch.manual_seed(seed)
        self.module = build_autoencoder(recipe, train.pictures.shape[1])
        _initialise(self.module)

    def _tensors(self, pictures: NDArray[np.uint8], masks: NDArray[np.bool_]) -> tuple[Tensor, Tensor]:
        """Pictures (B, 3, H, W) in -1..1 and weights (B, 1, H, W) on the module's device."""
        device = next(self.module.parameters()).device
        weight = 1 + self.recipe.mask_weight * torch.from_numpy(masks.astype(np.float32)).unsqueeze(1)
        return to_tensor(pictures).to(device), weight.to(device)

    def _crops(self, step: int, first: int, size: int) -> tuple[Tensor, Tensor]:
        """Squares around subjects (every second one) or anywhere, on whole multiples of the factor."""
        side, factor = self.recipe.crop, 2 ** (len(self.recipe.channels) - 1)
        rng = np.random.Generator(np.random.SFC64([self.seed, step, first]))
        chosen = order(len(self.train.pictures), self.seed, first, size)
        pictures, masks = [], []
        for k, example in enumerate(chosen):
            mask = self.train.masks[example]
            room = mask.shape[0] - side
            y, x = rng.integers(0, room + 1, 2)
            inside = np.flatnonzero(mask) if k % 2 else np.empty(0)
            if len(inside):
                cy, cx = divmod(int(inside[rng.integers(len(inside))]), mask.shape[1])
                y, x = np.clip((cy - side // 2, cx - side // 2), 0, room)
            y, x = y // factor * factor, x // factor * factor
            pictures.append(self.train.pictures[example, y : y + side, x : x + side])
            masks.append(mask[y : y + side, x : x + side])
        return self._tensors(np.stack(pictures), np.stack(masks))

    def _batch(self, step: int, first: int, size: int) -> tuple[Tensor, Tensor]:
        whole = self.train.pictures.shape[1]
        if step < self.recipe.whole_from * self.recipe.steps and self.recipe.crop < whole:
            return self._crops(step, first, size)
        fewer = max(1, size * self.recipe.crop**2 // whole**2) if self.recipe.crop < whole else size
        chosen = np.sort(order(len(self.train.pictures), self.seed, first, fewer))
        return self._tensors(self.train.pictures[chosen], self.train.masks[chosen])

    def loss(self, step: int, first: int, size: int, generator: torch.Generator) -> dict[str, Tensor]:
        pictures, weight = self._batch(step, first, size)
        posterior = self.module.encode(pictures).latent_dist
        noise = torch.randn(posterior.mean.shape, generator=generator).to(pictures.device)
        made = self.module.decode((posterior.mean + posterior.std * noise).to(posterior.mean.dtype)).sample
        rebuilt = reconstruction_loss(made.float(), pictures, weight, self.recipe.edge_weight)
        kl = kl_divergence(posterior.mean.float(), posterior.logvar.float())
        return {"loss": rebuilt + self.recipe.kl_weight * kl, "reconstruction": rebuilt, "kl": kl}

    def _round_trip(self, pictures: Tensor) -> Tensor:
        made: Tensor = self.module.decode(self.module.encode(pictures).latent_dist.mean).sample
        return made

    def validate(self) -> dict[str, float]:
        """L1 over whole held-out pictures and over their subjects alone, in grey levels of 255."""
        whole, subject, count = 0.0, 0.0, 0
        for first in range(0, min(_HELD_OUT, len(self.held_out.pictures)), 8):
            pictures, weight = self._tensors(
                self.held_out.pictures[first : first + 8], self.held_out.masks[first : first + 8]
            )
            error = (self._round_trip(pictures).float() - pictures).abs().mean(1, keepdim=True) * 127.5
            inside = (weight > 1).float()
            whole += float(error.mean()) * len(pictures)
            subject += float((error * inside).sum() / inside.sum().clamp(min=1)) * len(pictures)
            count += len(pictures)
        return {"l1": whole / count, "l1_subjects": subject / count}

    def sheet(self) -> Image.Image:
        """Held-out pictures above their round trips."""
        true = self.held_out.pictures[:_SHEET]
        made = to_pixels(self._round_trip(to_tensor(true).to(next(self.module.parameters()).device)))
        return grid([list(true), list(made)])
