"""Training the autoencoder: pictures in, latents out, pictures back."""

from __future__ import annotations

import numpy as np
import torch
from diffusers import AutoencoderKL
from diffusers.models.resnet import ResnetBlock2D
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from ...data.arrays import PictureArrays
from ...sheets import grid
from ...training.pictures import order, to_pixels, to_tensor
from ...training.reconstruction import reconstruction_loss
from .loss import kl_divergence
from .recipe import Autoencoder

_SHEET = 8
_HELD_OUT = 64
_HEAD_WIDTH = 64


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
    set_posterior(module, -6.0)


@torch.no_grad()
def set_posterior(vae: AutoencoderKL, logvar: float) -> None:
    """Give all latents the same posterior variance, exp(logvar), whatever the picture."""
    channels = vae.config.latent_channels
    vae.quant_conv.weight[channels:] = 0
    vae.quant_conv.bias[channels:] = logvar


def squares(
    subjects: NDArray[np.uint8],
    chosen: NDArray[np.int64],
    side: int,
    factor: int,
    rng: np.random.Generator,
    first: int,
) -> list[tuple[int, int, int]]:
    """Of each chosen picture a square of `side` pixels, as (picture, top, left): every second one, by its place in the
    run from `first` on, around a subject, the others anywhere, on whole multiples of the factor.

    `subjects` (N, H, W) are 0 where there is background.
    """
    found = []
    for k, example in enumerate(chosen.tolist()):
        shown = subjects[example]
        room = shown.shape[0] - side
        y, x = rng.integers(0, room + 1, 2)
        inside = np.flatnonzero(shown) if (first + k) % 2 else np.empty(0)
        if len(inside):
            cy, cx = divmod(int(inside[rng.integers(len(inside))]), shown.shape[1])
            y, x = np.clip((cy - side // 2, cx - side // 2), 0, room)
        found.append((example, int(y) // factor * factor, int(x) // factor * factor))
    return found


class AutoencoderStage:
    """The loop's view of the autoencoder."""

    name = "autoencoder"

    def __init__(self, recipe: Autoencoder, train: PictureArrays, held_out: PictureArrays, seed: int) -> None:
        self.recipe, self.train, self.held_out, self.seed = recipe, train, held_out, seed
        self.factor = recipe.factor
        torch.manual_seed(seed)
        self.vae = build_autoencoder(recipe, train.pictures.shape[1])
        _initialise(self.vae)
        if recipe.gradient_checkpointing:
            self.vae.enable_gradient_checkpointing()
        head = nn.Sequential(
            nn.Conv2d(recipe.latent_channels, _HEAD_WIDTH, 1),
            nn.SiLU(),
            nn.Conv2d(_HEAD_WIDTH, len(train.names) + 1, 1),
        )
        self.module: nn.Module = nn.ModuleDict({"vae": self.vae, "head": head})

    def _tensors(
        self, pictures: NDArray[np.uint8], subjects: NDArray[np.uint8]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Pictures (B, 3, H, W) in -1..1, weights (B, 1, H, W), kinds of subject (B, h, w), on the device.

        A latent shows the kind that the middle of its square shows.
        """
        device = next(self.module.parameters()).device
        weight = 1 + self.recipe.mask_weight * torch.from_numpy(subjects > 0).float().unsqueeze(1)
        middle = slice(self.factor // 2, None, self.factor)
        kinds = torch.from_numpy(subjects[:, middle, middle].astype(np.int64))
        return to_tensor(pictures).to(device), weight.to(device), kinds.to(device)

    def _crops(self, step: int, first: int, size: int) -> tuple[Tensor, Tensor, Tensor]:
        side = self.recipe.crop
        rng = np.random.Generator(np.random.SFC64([self.seed, step, first]))
        chosen = order(len(self.train.pictures), self.seed, first, size)
        found = squares(self.train.subjects, chosen, side, self.factor, rng, first)
        pictures, subjects = (
            np.stack([each[k, y : y + side, x : x + side] for k, y, x in found])
            for each in (self.train.pictures, self.train.subjects)
        )
        return self._tensors(pictures, subjects)

    def _batch(self, step: int, first: int, size: int) -> tuple[Tensor, Tensor, Tensor]:
        whole = self.train.pictures.shape[1]
        if step < self.recipe.whole_from * self.recipe.steps and self.recipe.crop < whole:
            return self._crops(step, first, size)
        fewer = max(1, size * self.recipe.crop**2 // whole**2) if self.recipe.crop < whole else size
        chosen = np.sort(order(len(self.train.pictures), self.seed, first, fewer))
        return self._tensors(self.train.pictures[chosen], self.train.subjects[chosen])

    def loss(self, step: int, first: int, size: int, generator: torch.Generator) -> dict[str, Tensor]:
        recipe = self.recipe
        pictures, weight, kinds = self._batch(step, first, size)
        posterior = self.vae.encode(pictures).latent_dist
        noise = torch.randn(posterior.mean.shape, generator=generator).to(pictures.device)
        latents = (posterior.mean + posterior.std * noise).to(posterior.mean.dtype)
        rebuilt = reconstruction_loss(self._decode(latents), pictures, weight, recipe.edge_weight)
        kl = kl_divergence(posterior.mean.float(), posterior.logvar.float())
        rise = min(1.0, 2 * step / recipe.steps)
        found = {"loss": rebuilt + rise * recipe.kl_weight * kl, "reconstruction": rebuilt, "kl": kl}
        if recipe.scale_weight:
            halves = [functional.avg_pool2d(whole, 2) for whole in (latents, pictures, weight)]
            found["halved"] = reconstruction_loss(
                self._decode(halves[0]), halves[1], halves[2], recipe.edge_weight
            )
            found["loss"] = found["loss"] + recipe.scale_weight * found["halved"]
        if recipe.subject_weight:
            found["subjects"] = functional.cross_entropy(self._kinds(latents), kinds)
            found["loss"] = found["loss"] + recipe.subject_weight * found["subjects"]
        return found

    def _decode(self, latents: Tensor) -> Tensor:
        made: Tensor = self.vae.decode(latents).sample
        return made.float()

    def _kinds(self, latents: Tensor) -> Tensor:
        """Scores (B, kinds + 1, h, w) of what each latent shows."""
        scores: Tensor = self.module.get_submodule("head")(latents)
        return scores.float()

    def validate(self) -> dict[str, float]:
        """L1 over whole held-out pictures and over their subjects alone, in grey levels of 255, and the share
        of the latents inside subjects whose kind the head reads off rightly."""
        whole, inside_error, inside_area, right, cells, count = 0.0, 0.0, 0.0, 0.0, 0.0, 0
        for first in range(0, min(_HELD_OUT, len(self.held_out.pictures)), 8):
            part = slice(first, first + 8)
            pictures, _, kinds = self._tensors(self.held_out.pictures[part], self.held_out.subjects[part])
            latents = self.vae.encode(pictures).latent_dist.mean
            error = (self._decode(latents) - pictures).abs().mean(1, keepdim=True) * 127.5
            whole += float(error.mean()) * len(pictures)
            inside = torch.from_numpy(self.held_out.subjects[part] > 0).unsqueeze(1).to(error.device)
            inside_error += float((error * inside).sum())
            inside_area += float(inside.sum())
            right += float(((self._kinds(latents).argmax(1) == kinds) & (kinds > 0)).sum())
            cells += float((kinds > 0).sum())
            count += len(pictures)
        found = {"l1": whole / count}
        if inside_area:
            found["l1_subjects"] = inside_error / inside_area
        if cells and self.recipe.subject_weight:
            found["subjects"] = right / cells
        return found

    def sheet(self) -> Image.Image:
        """Held-out pictures above their round trips."""
        true = self.held_out.pictures[:_SHEET]
        pictures = to_tensor(true).to(next(self.module.parameters()).device)
        made = to_pixels(self._decode(self.vae.encode(pictures).latent_dist.mean))
        return grid([list(true), list(made)])
