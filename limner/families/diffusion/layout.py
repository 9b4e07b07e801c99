"""Further channels of the latents that say where subjects are: the denoiser plans a picture before it paints it.

Beside what the autoencoder makes of a picture, every latent tells how much of it a subject fills, and where in that
subject's box it lies. These three fields are smooth, so that they are settled while there is still much noise, and what
a latent shows follows from them and the text alone, without a look around. Features that are diffused along
with the latents for their own sake are from Kouzelis et al. (2025, "ReDi"), coordinates within an object from
Wang et al. (2019, "NOCS"). The decoder does not read these channels; the encoder guesses them.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ...errors import InvalidInput
from ...registry.manifest import Layout

CHANNELS = 3
_AT_ONCE = 32
_DECODES = "decoder.conv_in.weight"
_LOGVAR = -4.0  # of the new channels' posterior
_REACH = 1.25  # how far beyond its box, in halves of the box, a subject still gives coordinates


def layout(boxes: NDArray[np.float32], cells: NDArray[np.float16]) -> NDArray[np.float32]:
    """The layout channels (N, 3, h, w) of pictures: share filled, then x and y within the box of the nearest subject.

    `boxes` (N, K, 4) as in `PictureArrays`; `cells` (N, h, w) the share of each latent that shows a subject. The
    share is scaled to -1..1; coordinates run from -1 to 1 over the box, and are 0 away from every box.
    """
    h, w = cells.shape[1:]
    middle = (boxes[..., :2] + boxes[..., 2:]) / 2  # (N, K, 2)
    half = np.maximum((boxes[..., 2:] - boxes[..., :2]) / 2, 1e-3)
    x = ((np.arange(w) + 0.5) / w - middle[..., 0, None]) / half[..., 0, None]  # (N, K, w)
    y = ((np.arange(h) + 0.5) / h - middle[..., 1, None]) / half[..., 1, None]
    far = np.maximum(
        np.abs(y)[..., :, None], np.abs(x)[..., None, :]
    )  # (N, K, h, w), NaN where no subject is
    far = np.where(np.isnan(far), np.inf, far)
    nearest = far.argmin(1)  # (N, h, w)
    n, rows, columns = np.ogrid[: len(cells), :h, :w]
    within = far.min(1) <= _REACH
    return np.stack(
        [
            2 * cells.astype(np.float32) - 1,
            np.where(within, x[n, nearest, columns], 0),
            np.where(within, y[n, nearest, rows], 0),
        ],
        1,
    ).astype(np.float32)


def check_boxes(boxes: NDArray[np.float32]) -> None:
    """Raise InvalidInput where no picture has a subject to tell the place of."""
    if np.isnan(boxes).all():
        raise InvalidInput(
            "denoiser.layout needs masks of subjects, and no training picture has one", "denoiser.layout"
        )


def scale_of(channels: NDArray[np.float32]) -> Layout:
    """Mean and deviation of each layout channel over a training set (N, 3, h, w)."""
    mean, std = channels.mean((0, 2, 3)), np.maximum(channels.std((0, 2, 3)), 1e-3)
    return Layout.model_validate({"mean": mean.tolist(), "std": std.tolist()})


def standardised(channels: NDArray[np.float32], scale: Layout) -> NDArray[np.float16]:
    """Layout channels (..., 3, h, w) as a denoiser reads them: of mean 0 and deviation 1 where `scale` is from."""
    mean, std = (np.array(each, np.float32)[:, None, None] for each in (scale.mean, scale.std))
    return ((channels - mean) / std).astype(np.float16)


@torch.no_grad()
def widened(vae: AutoencoderKL, pictures: Tensor, channels: Tensor) -> AutoencoderKL:
    """The autoencoder with three further latent channels, which its decoder does not read.

    Its encoder guesses them by least squares from `pictures` (N, 3, H, W) and what the new channels should be there,
    `channels` (N, 3, h, w). Everything else stays as it was.
    """
    width = vae.config.latent_channels
    made = AutoencoderKL.from_config(dict(vae.config) | {"latent_channels": width + CHANNELS}).to(vae.device)
    weights = made.state_dict()
    for name, narrow in vae.state_dict().items():
        at = _kept(name, width)
        if at is None:
            weights[name] = narrow
        else:
            weights[name].zero_()[at] = narrow
    new = slice(width, width + CHANNELS)
    weights["encoder.conv_out.weight"][new], weights["encoder.conv_out.bias"][new] = _fitted(
        vae, pictures, channels
    )
    weights["quant_conv.weight"][new, new, 0, 0] = torch.eye(CHANNELS, device=vae.device)
    weights["quant_conv.bias"][-CHANNELS:] = _LOGVAR
    made.load_state_dict(weights)
    return made.eval().requires_grad_(False)


def is_widened(weights: Mapping[str, Tensor], width: int) -> bool:
    """Whether these are the weights of what `widened` makes of an autoencoder of `width` latent channels."""
    kernel = weights[_DECODES]
    return kernel.shape[1] == width + CHANNELS and not bool(kernel[:, width:].any())


def narrowed(weights: Mapping[str, Tensor], width: int) -> dict[str, Tensor]:
    """The weights that `widened` was given, of an autoencoder of `width` latent channels."""
    found = {}
    for name, wide in weights.items():
        at = _kept(name, width)
        found[name] = wide if at is None else wide[at]
    return found


def _kept(name: str, width: int) -> tuple[Tensor | slice, ...] | None:
    """Where a weight of the narrow autoencoder lies in the wide one; None where both are of one shape."""
    means = torch.arange(width)
    both = torch.cat([means, means + width + CHANNELS])  # then come the logarithms of the variances
    part = name.rpartition(".")[0]
    if part == "encoder.conv_out":
        return (both,)
    if part == "quant_conv":
        return (both[:, None], both) if name.endswith("weight") else (both,)
    if part == "post_quant_conv":
        return (means[:, None], means) if name.endswith("weight") else (means,)
    if name == _DECODES:
        return (slice(None), means)
    return None


def _fitted(vae: AutoencoderKL, pictures: Tensor, channels: Tensor) -> tuple[Tensor, Tensor]:
    """Kernel (3, D, 3, 3) and bias (3,) that make the channels out of what the encoder's last convolution reads."""
    seen: list[Tensor] = []
    hook = vae.encoder.conv_out.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    square, product = torch.zeros(()), torch.zeros(())
    for at in range(0, len(pictures), _AT_ONCE):
        vae.encode(pictures[at : at + _AT_ONCE])
        patches = functional.unfold(functional.pad(seen.pop(), (1, 1, 1, 1)), 3).transpose(1, 2).flatten(0, 1)
        rows = torch.cat([patches, torch.ones_like(patches[:, :1])], 1)  # (cells, 9 D + 1)
        square = square + rows.T @ rows
        product = product + rows.T @ channels[at : at + _AT_ONCE].to(rows).permute(0, 2, 3, 1).flatten(0, 2)
    hook.remove()
    ridge = 1e-4 * square.diagonal().mean() * torch.eye(len(square), device=square.device)
    found = torch.linalg.solve((square + ridge).double(), product.double()).float()  # (9 D + 1, 3)
    return found[:-1].T.unflatten(1, (-1, 3, 3)), found[-1]
