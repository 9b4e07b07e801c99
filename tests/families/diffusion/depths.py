"""A torch UNet whose deep features are seen and replaced on the way: the slow reference of both depths."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from diffusers import UNet2DConditionModel
from numpy.typing import NDArray

from limner.engine.depth import FEATURES

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
