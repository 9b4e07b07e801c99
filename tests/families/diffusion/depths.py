"""A torch UNet that is watched: its deep features, seen and replaced, and where it looks: the slow references."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from diffusers import UNet2DConditionModel
from numpy.typing import NDArray

from limner.engine.variants import FEATURES

Outputs = dict[str, NDArray[Any]]


class Watched:
    """Calls a UNet; what the last resnet of its last up block reads from below are the features."""

    def __init__(self, unet: UNet2DConditionModel) -> None:
        self._unet = unet
        resnet = unet.up_blocks[-1].resnets[-1]
        self._width = resnet.in_channels - unet.config["block_out_channels"][0]
        self._given: torch.Tensor | None = None
        self._seen = torch.zeros(0)
        resnet.register_forward_pre_hook(self._swap)

    def _swap(self, module: Any, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        self._seen, kept = inputs[0][:, : self._width], inputs[0][:, self._width :]
        given = self._seen if self._given is None else self._given
        return torch.cat([given, kept], 1), *inputs[1:]

    @torch.no_grad()
    def __call__(self, inputs: Outputs) -> Outputs:
        """The whole UNet, with the features in `inputs` put in the place of its own where they are there."""
        told = {name: torch.from_numpy(np.ascontiguousarray(rows)) for name, rows in inputs.items()}
        self._given = told.pop(FEATURES, None)
        out = self._unet(**told).sample
        return {"out_sample": out.numpy(), FEATURES: self._seen.numpy()}


class Attended:
    """Calls a UNet, and says how its places look at the text: by their number, the mean over heads and layers."""

    def __init__(self, unet: UNet2DConditionModel) -> None:
        self._unet = unet
        self._seen: dict[int, list[torch.Tensor]] = {}
        for name, module in unet.named_modules():
            if name.endswith("attn2"):
                module.register_forward_pre_hook(self._look, with_kwargs=True)

    def _look(self, module: Any, inputs: tuple[torch.Tensor, ...], told: dict[str, Any]) -> None:
        queries, keys = module.to_q(inputs[0]), module.to_k(told["encoder_hidden_states"])
        split = [each.unflatten(-1, (module.heads, -1)).transpose(1, 2) for each in (queries, keys)]
        shares = (split[0] @ split[1].transpose(-1, -2) / split[0].shape[-1] ** 0.5).softmax(-1)
        self._seen.setdefault(shares.shape[2], []).append(shares.mean(1))

    @torch.no_grad()
    def __call__(self, inputs: Outputs) -> tuple[NDArray[Any], dict[int, NDArray[Any]]]:
        """What it predicts, and the shares (B, places, tokens) by the number of places."""
        self._seen.clear()
        out = self._unet(
            **{name: torch.from_numpy(np.ascontiguousarray(rows)) for name, rows in inputs.items()}
        )
        return out.sample.numpy(), {n: torch.stack(seen).mean(0).numpy() for n, seen in self._seen.items()}
