"""The image half of DAMSM: a picture to vectors of its regions and of the whole, in the words' own space (section 3.2).

A small convolutional encoder, learned along with the text, serves by default. Inception-v3, frozen, as in the paper,
does where torchvision is installed and its weights are on the disk.
"""

from __future__ import annotations

import importlib.util
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...errors import InvalidInput, NotFound, Unavailable
from .layers import leaky

_BEGIN = 0.1
_INCEPTION_SIDE = 299
_BEFORE_REGIONS = (
    "Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "pool", "Conv2d_3b_1x1", "Conv2d_4a_3x3", "pool",
    "Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e",
)  # fmt: skip
_AFTER_REGIONS = ("Mixed_7a", "Mixed_7b", "Mixed_7c")


class Trunk(Protocol):
    """What sees a picture first: a module that gives regions (B, `regions`, h, w) and the whole (B, `whole`)."""

    regions: int
    whole: int

    def __call__(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures (B, 3, side, side) in -1..1."""
        ...


class Convolutions(nn.Module):
    """A small trunk: each level halves the picture; regions come from the last but one, the whole from the last."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.levels = nn.ModuleList(
            nn.Sequential(leaky(into, out, 4, 2), leaky(out, out))
            for into, out in zip((3, *channels[:-1]), channels, strict=True)
        )
        self.regions, self.whole = channels[-2], channels[-1]

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """See `Trunk`."""
        seen, regions = pictures, pictures
        for level in self.levels:
            regions, seen = seen, level(seen)
        return regions, seen.mean((2, 3))


class Inception(nn.Module):
    """torchvision's Inception-v3 (Szegedy et al. 2016), frozen: 17 x 17 regions of Mixed_6e, the whole of Mixed_7c."""

    regions, whole = 768, 2048

    def __init__(self, weights: Path) -> None:
        """Read a state dict of torchvision's `inception_v3`; Unavailable, NotFound or InvalidInput says what lacks."""
        super().__init__()
        if importlib.util.find_spec("torchvision") is None:
            raise Unavailable(
                "damsm.inception needs torchvision, which is not installed; leave the key out for a small encoder"
            )
        from torchvision.models import inception_v3

        network = inception_v3(weights=None, init_weights=False, aux_logits=True, transform_input=False)
        try:
            network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
        except FileNotFoundError:
            raise NotFound(f"damsm.inception: '{weights}' not found") from None
        except (
            RuntimeError,
            pickle.UnpicklingError,
            TypeError,
            OSError,
            EOFError,
            KeyError,
            ValueError,
        ) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise InvalidInput(f"damsm.inception: {weights} is no Inception-v3: {reason}") from None
        self.network = network.requires_grad_(False)

    def train(self, mode: bool = True) -> Inception:
        """Stay in evaluation, whatever is asked: what is frozen keeps its statistics."""
        return super().train(False)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """See `Trunk`; pictures of any size are seen at 299 pixels."""
        seen = functional.interpolate(pictures, (_INCEPTION_SIDE,) * 2, mode="bilinear", align_corners=False)
        regions = self._through(seen, _BEFORE_REGIONS)
        return regions, self._through(regions, _AFTER_REGIONS).mean((2, 3))

    def _through(self, seen: Tensor, names: Sequence[str]) -> Tensor:
        for name in names:
            seen = functional.max_pool2d(seen, 3, 2) if name == "pool" else getattr(self.network, name)(seen)
        return seen


class ImageEncoder(nn.Module):
    """A trunk, and the two projections into the text's space."""

    def __init__(self, trunk: nn.Module, text_width: int) -> None:
        super().__init__()
        sizes = cast("Trunk", trunk)
        self.trunk = trunk
        self.regions = nn.Conv2d(sizes.regions, text_width, 1, bias=False)
        self.whole = nn.Linear(sizes.whole, text_width)
        for layer in (self.regions, self.whole):
            nn.init.uniform_(layer.weight, -_BEGIN, _BEGIN)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures (B, 3, side, side) in -1..1 to regions (B, D, h, w) and the whole (B, D)."""
        regions, whole = self.trunk(pictures)
        return self.regions(regions), self.whole(whole)
