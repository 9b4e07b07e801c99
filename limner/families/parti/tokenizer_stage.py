"""Training the image tokenizer: pictures in, tokens out, pictures back."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from ...data.arrays import PictureArrays
from ...sheets import grid
from ...training.pictures import order, to_pixels, to_tensor
from ...training.reconstruction import reconstruction_loss
from .image_tokenizer import ImageTokenizer
from .loss import RandomFeatures
from .quantizer import Quantised, perplexity
from .recipe import Tokenizer

_SHEET = 8
_HELD_OUT, _AT_ONCE = 128, 16
_HEAD_WIDTH = 64
_LEAST_USE = 0.05


class TokenizerStage:
    """The loop's view of the image tokenizer."""

    name = "tokenizer"

    def __init__(self, recipe: Tokenizer, train: PictureArrays, held_out: PictureArrays, seed: int) -> None:
        self.recipe, self.train, self.held_out, self.seed = recipe, train, held_out, seed
        torch.manual_seed(seed)
        self.tokenizer = ImageTokenizer(recipe.image(train.pictures.shape[1]))
        self.features = RandomFeatures()
        head = nn.Sequential(
            nn.Linear(recipe.code_width, _HEAD_WIDTH), nn.SiLU(), nn.Linear(_HEAD_WIDTH, len(train.names) + 1)
        )
        self.module: nn.Module = nn.ModuleDict(
            {"tokenizer": self.tokenizer, "head": head, "features": self.features}
        )

    def _tensors(
        self, pictures: NDArray[np.uint8], subjects: NDArray[np.uint8]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Pictures (B, 3, S, S) in -1..1, weights (B, 1, S, S), kinds of subject (B, N), on the device.

        A token shows the kind that the middle of its square shows.
        """
        device = self.tokenizer.quantizer.used.device
        weight = 1 + self.recipe.mask_weight * torch.from_numpy(subjects > 0).float().unsqueeze(1)
        middle = slice(self.recipe.patch // 2, None, self.recipe.patch)
        kinds = torch.from_numpy(subjects[:, middle, middle].astype(np.int64)).flatten(1)
        return to_tensor(pictures).to(device), weight.to(device), kinds.to(device)

    def loss(self, step: int, first: int, size: int, generator: torch.Generator) -> dict[str, Tensor]:
        recipe, quantizer = self.recipe, self.tokenizer.quantizer
        chosen = np.sort(order(len(self.train.pictures), self.seed, first, size))
        pictures, weight, kinds = self._tensors(self.train.pictures[chosen], self.train.subjects[chosen])
        quantised = self.tokenizer.encode(pictures)
        if step % recipe.revive_every == 0 and step < recipe.revive_until * recipe.steps:
            quantizer.revive(quantised, _LEAST_USE)
            quantised = quantizer(quantised.vectors)
        made = self.tokenizer.decode(quantised.codes).float()
        quantizer.observe(quantised.tokens)
        rebuilt = reconstruction_loss(made, pictures, weight, recipe.edge_weight)
        found = {
            "reconstruction": rebuilt,
            "codebook": quantised.codebook_loss,
            "codes_used": _share_used(quantizer.used),
        }
        total = rebuilt + self._scaled(quantised)
        if recipe.perceptual_weight:
            found["perceptual"] = self.features(made, pictures)
            total = total + recipe.perceptual_weight * found["perceptual"]
        if recipe.subject_weight:
            found["subjects"] = functional.cross_entropy(self._kinds(quantised.codes), kinds)
            total = total + recipe.subject_weight * found["subjects"]
        return {"loss": total, **found}

    def _scaled(self, quantised: Quantised) -> Tensor:
        """What quantising loses, as the recipe weighs it."""
        lost = quantised.codebook_loss + self.recipe.commitment * quantised.commitment_loss
        return self.recipe.code_weight * lost

    def _kinds(self, codes: Tensor) -> Tensor:
        """Scores (B, kinds + 1, N) of what each code shows."""
        scores: Tensor = self.module.get_submodule("head")(codes)
        return scores.float().transpose(1, 2)

    def validate(self) -> dict[str, float]:
        """L1 over whole held-out pictures and over their subjects alone, in grey levels of 255; how many codes occur in
        them, and how many would, were all used alike; the share of the codes inside subjects whose kind the head tells.
        """
        error_sum, inside_error, inside_area, right, cells = 0.0, 0.0, 0.0, 0.0, 0.0
        counts = torch.zeros(self.recipe.codes)
        many = min(_HELD_OUT, len(self.held_out.pictures))
        for first in range(0, many, _AT_ONCE):
            part = slice(first, min(first + _AT_ONCE, many))
            pictures, _, kinds = self._tensors(self.held_out.pictures[part], self.held_out.subjects[part])
            quantised = self.tokenizer.encode(pictures)
            made = self.tokenizer.decode(quantised.codes).float()
            error = (made.clamp(-1, 1) - pictures).abs().mean(1, keepdim=True) * 127.5
            error_sum += float(error.mean()) * len(pictures)
            inside = torch.from_numpy(self.held_out.subjects[part] > 0).unsqueeze(1).to(error.device)
            inside_error += float((error * inside).sum())
            inside_area += float(inside.sum())
            right += float(((self._kinds(quantised.codes).argmax(1) == kinds) & (kinds > 0)).sum())
            cells += float((kinds > 0).sum())
            counts += torch.bincount(quantised.tokens.flatten().cpu(), minlength=len(counts))
        found = {"l1": error_sum / many, "codes": float((counts > 0).sum()), "perplexity": perplexity(counts)}
        if inside_area:
            found["l1_subjects"] = inside_error / inside_area
        if cells and self.recipe.subject_weight:
            found["subjects"] = right / cells
        return found

    def sheet(self) -> Image.Image:
        """Held-out pictures above their round trips."""
        true = self.held_out.pictures[:_SHEET]
        pictures, _, _ = self._tensors(true, self.held_out.subjects[:_SHEET])
        made = to_pixels(self.tokenizer.decode(self.tokenizer.encode(pictures).codes))
        return grid([list(true), list(made)])


def _share_used(used: Tensor) -> Tensor:
    """The share of codes that are not due to begin anew."""
    return (used >= _LEAST_USE / len(used)).float().mean()
