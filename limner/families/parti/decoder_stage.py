"""Teaching the image tokenizer's decoder once more, when tokens no longer change (Yu et al. 2022, Parti, section 2.1).

Encoder and codebook are left as they are, so that tokens mean what they meant. The decoder then learns on them alone,
some of them wrong as a transformer's are: a code that lies near the right one in its place. Where subjects are planned
it is told of them, and so draws them where tokens are wrong.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from ...data.arrays import PictureArrays
from ...sheets import grid
from ...training.pictures import order, to_pixels, to_tensor
from ...training.reconstruction import reconstruction_loss
from .image_tokenizer import ImageTokenizer
from .loss import RandomFeatures
from .planning import Planning, background_tones
from .recipe import Decoder

_SHEET = 8
_HELD_OUT, _AT_ONCE = 128, 16
_NEIGHBOURS = 8
_UNTOLD = 0.1  # share of the pictures of which nothing is told: they come from elsewhere at times

Tokens = NDArray[np.uint16]


class DecoderStage:
    """The loop's view of an image tokenizer's decoder; tokens (N, side * side) are those of the pictures, whose plans
    `planning` makes, where there is one."""

    name = "decoder"

    def __init__(
        self,
        recipe: Decoder,
        tokenizer: ImageTokenizer,
        train: tuple[PictureArrays, Tokens],
        held_out: tuple[PictureArrays, Tokens],
        seed: int,
        planning: Planning | None = None,
    ) -> None:
        self.recipe, self.tokenizer, self.seed, self.planning = recipe, tokenizer, seed, planning
        self.train, self.held_out = train, held_out
        self.features = RandomFeatures()
        learns = {
            "wide": tokenizer.wide,
            "decoder": tokenizer.decoder,
            "drawing": tokenizer.drawing,
            "features": self.features,
        } | ({} if tokenizer.told is None else {"told": tokenizer.told})
        self.module: nn.Module = nn.ModuleDict(learns)
        self.module.requires_grad_(True)
        self.near = neighbours(tokenizer.quantizer.directions())

    def _seen(
        self, part: tuple[PictureArrays, Tokens], chosen: NDArray[np.int64]
    ) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """Pictures (B, 3, S, S), whether a subject shows (B, 1, S, S), tokens (B, N), and what plans tell of them, (B,
        N, TOLD), on the device."""
        device = self.tokenizer.quantizer.used.device
        arrays, tokens = part
        shown = torch.from_numpy(arrays.subjects[chosen] > 0).float().unsqueeze(1)
        ids = torch.from_numpy(tokens[chosen].astype(np.int64))
        told = None
        if self.planning is not None:
            tones = background_tones(arrays.pictures[chosen], arrays.subjects[chosen])
            plans = self.planning.tokens(arrays.placings[chosen], tones)
            told = torch.from_numpy(self.planning.told(plans, self.tokenizer.shape.side)).to(device)
        return to_tensor(arrays.pictures[chosen]).to(device), shown.to(device), ids.to(device), told

    def loss(self, step: int, first: int, size: int, generator: torch.Generator) -> dict[str, Tensor]:
        recipe = self.recipe
        chosen = np.sort(order(len(self.train[1]), self.seed, first, size))
        pictures, shown, tokens, told = self._seen(self.train, chosen)
        if told is not None:
            told = told * (torch.rand(size, 1, 1, generator=generator) >= _UNTOLD).to(told)
        made = self.tokenizer.decode_tokens(self._mistaken(tokens, generator), told).float()
        rebuilt = reconstruction_loss(made, pictures, 1 + recipe.mask_weight * shown, recipe.edge_weight)
        found = {"loss": rebuilt, "reconstruction": rebuilt}
        if recipe.perceptual_weight:
            found["perceptual"] = self.features(made, pictures)
            found["loss"] = rebuilt + recipe.perceptual_weight * found["perceptual"]
        return found

    def _mistaken(self, tokens: Tensor, generator: torch.Generator) -> Tensor:
        """Tokens (B, N), a share of them now codes near them; how large a share differs from picture to picture."""
        share = self.recipe.mistaken * 2 * torch.rand(len(tokens), 1, generator=generator)
        wrong = torch.rand(tokens.shape, generator=generator) < share
        which = torch.randint(self.near.shape[1], tokens.shape, generator=generator)
        near = self.near.to(tokens.device)[tokens, which.to(tokens.device)]
        return torch.where(wrong.to(tokens.device), near, tokens)

    def validate(self) -> dict[str, float]:
        """L1 over whole held-out pictures and over their subjects alone, in grey levels of 255."""
        sums = np.zeros(4)
        many = min(_HELD_OUT, len(self.held_out[1]))
        for first in range(0, many, _AT_ONCE):
            chosen = np.arange(first, min(first + _AT_ONCE, many))
            pictures, shown, tokens, told = self._seen(self.held_out, chosen)
            made = self.tokenizer.decode_tokens(tokens, told).float()
            error = (made.clamp(-1, 1) - pictures).abs().mean(1, keepdim=True) * 127.5
            sums += [float(error.sum()), error.numel(), float((error * shown).sum()), float(shown.sum())]
        found = {"l1": float(sums[0] / sums[1])}
        return found | ({"l1_subjects": float(sums[2] / sums[3])} if sums[3] else {})

    def sheet(self) -> Image.Image:
        """Held-out pictures above what the decoder makes of their tokens."""
        arrays, _ = self.held_out
        _, _, tokens, told = self._seen(self.held_out, np.arange(min(_SHEET, len(arrays.pictures))))
        made = to_pixels(self.tokenizer.decode_tokens(tokens, told))
        return grid([list(arrays.pictures[: len(made)]), list(made)])


def neighbours(directions: Tensor) -> Tensor:
    """Of codes of unit length (K, C) the numbers of those nearest to each but itself, int64 (K, at most 8)."""
    alike = (directions @ directions.T).fill_diagonal_(-2.0)
    return alike.topk(min(_NEIGHBOURS, len(directions) - 1)).indices
