"""The autoencoder with layout channels beside its own: its encoder guesses them, its decoder learns to read them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from diffusers import AutoencoderKL
from torch import Tensor
from torch.nn import functional

from ..layout import CHANNELS

_AT_ONCE = 32
_DECODES = "decoder.conv_in.weight"
_LATENT_SIDED = (_DECODES, "post_quant_conv.weight", "post_quant_conv.bias")
_LOGVAR = -4.0  # of the new channels' posterior


@torch.no_grad()
def widened(vae: AutoencoderKL, pictures: Tensor, channels: Tensor) -> AutoencoderKL:
    """The autoencoder with further latent channels, which its decoder does not read yet.

    Its encoder guesses them by least squares from `pictures` (N, 3, H, W) and what the new channels should be there,
    `channels` (N, CHANNELS, h, w). Everything else stays as it was.
    """
    width = vae.config.latent_channels
    made = AutoencoderKL.from_config(dict(vae.config) | {"latent_channels": width + CHANNELS}).to(vae.device)
    weights = made.state_dict()
    for name, narrow in vae.state_dict().items():
        at = _kept(name, width, CHANNELS)
        if at is None:
            weights[name] = narrow
        else:
            weights[name].zero_()[at] = narrow
    new = slice(width, width + CHANNELS)
    weights["encoder.conv_out.weight"][new], weights["encoder.conv_out.bias"][new] = _fitted(
        vae, pictures, channels
    )
    for part in ("quant_conv", "post_quant_conv"):
        weights[f"{part}.weight"][new, new, 0, 0] = torch.eye(CHANNELS, device=vae.device)
    weights["quant_conv.bias"][-CHANNELS:] = _LOGVAR
    made.load_state_dict(weights)
    return made.eval().requires_grad_(False)


def narrowed(weights: Mapping[str, Tensor], width: int) -> dict[str, Tensor]:
    """The weights of a widened autoencoder without what its layout channels have added, of `width` latent channels."""
    further, found = weights[_DECODES].shape[1] - width, {}
    for name, wide in weights.items():
        at = _kept(name, width, further)
        found[name] = wide if at is None else wide[at]
    return found


@torch.no_grad()
def take_decoder(vae: AutoencoderKL, weights: Mapping[str, Tensor]) -> bool:
    """Give a widened autoencoder the decoder of another of as many channels, or fewer, and say whether it could.

    It goes on drawing what that one drew; the channels that nothing was drawn by can be learned from then on.
    """
    own = vae.state_dict()
    further = own[_DECODES].shape[1] - weights[_DECODES].shape[1]
    decoder = {
        name: grown(each, own[name]) if further >= 0 and name in _LATENT_SIDED else each
        for name, each in weights.items()
        if name.startswith(("decoder.", "post_quant_conv."))
    }
    fits = all(name in own and own[name].shape == each.shape for name, each in decoder.items())
    if fits:
        vae.load_state_dict({name: each.to(own[name]) for name, each in decoder.items()}, strict=False)
        through = vae.post_quant_conv.weight
        unread = through.flatten(1).abs().sum(1) == 0
        through[unread, unread] = 1.0
    return fits


def grown(weight: Tensor, like: Tensor) -> Tensor:
    """`weight` in the shape of `like`, zero beyond its own; as it is where that one is smaller."""
    if weight.ndim != like.ndim or any(a > b for a, b in zip(weight.shape, like.shape, strict=True)):
        return weight
    made = torch.zeros(like.shape, dtype=weight.dtype)
    made[tuple(slice(length) for length in weight.shape)] = weight
    return made


def _kept(name: str, width: int, further: int) -> tuple[Tensor | slice, ...] | None:
    """Where a weight of the narrow autoencoder lies in the wide one; None where both are of one shape."""
    means = torch.arange(width)
    both = torch.cat([means, means + width + further])  # then come the logarithms of the variances
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
    """Kernel (CHANNELS, D, 3, 3) and bias (CHANNELS,) that make the channels of what the last convolution reads."""
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
    found = torch.linalg.solve((square + ridge).double(), product.double()).float()  # (9 D + 1, CHANNELS)
    return found[:-1].T.unflatten(1, (-1, 3, 3)), found[-1]
