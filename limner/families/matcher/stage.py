"""Training both towers: the loop's view of a matcher."""

from __future__ import annotations

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from ...sheets import captioned
from ..words import Words
from .examples import Batch, Examples
from .loss import contrastive
from .model import MatcherNetwork
from .recipe import Towers
from .shape import Shape

_HELD_OUT = 512
_AMONG = 100
_SHEET = 8


class MatcherStage:
    """Pictures and captions of a batch learn to find each other."""

    name = "matcher"

    def __init__(
        self, recipe: Towers, shape: Shape, train: Examples, held_out: Examples, words: Words, seed: int
    ) -> None:
        self.recipe, self.train, self.held_out, self.words, self.seed = recipe, train, held_out, words, seed
        torch.manual_seed(seed)
        self.network = MatcherNetwork(shape)
        self.module: nn.Module = self.network

    def _vectors(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Pictures, texts and wrong texts of a batch as vectors of length 1, float32."""
        texts = self.network.text(torch.cat([batch.texts, batch.wrong]))
        pictures = self.network.image(batch.pictures)
        found = functional.normalize(texts.float(), dim=1)
        own = len(batch.texts)
        return functional.normalize(pictures.float(), dim=1), found[:own], found[own:]

    def loss(self, step: int, first: int, size: int, generator: torch.Generator) -> dict[str, Tensor]:
        recipe = self.recipe
        batch = self.train.at_random(
            first,
            size,
            self.seed,
            step,
            recipe.shift,
            recipe.unknown_share,
            recipe.blurred,
            recipe.wrong_each,
        ).to(self._device)
        pictures, texts, wrong = self._vectors(batch)
        found = contrastive(pictures, texts, self.network.scale, batch.same, wrong)
        return found | {"scale": self.network.scale}

    @property
    def _device(self) -> torch.device:
        return self.network.log_scale.device

    def validate(self) -> dict[str, float]:
        """On held-out pictures, 100 at a time: the loss, and the share that find their caption first.

        "told_apart" is the share that are nearer to it than to the same words with one atom wrong, 0 where no scene
        graph tells.
        """
        count = min(_HELD_OUT, len(self.held_out.pictures))
        sums, apart, compared = {"loss": 0.0, "found": 0.0}, 0.0, 0
        for first in range(0, count, _AMONG):
            batch = self.held_out.in_order(first, min(_AMONG, count - first)).to(self._device)
            pictures, texts, wrong = self._vectors(batch)
            same = batch.same[:, : len(texts)]
            losses = contrastive(pictures, texts, self.network.scale, same)
            for name in sums:
                sums[name] += float(losses[name]) * len(texts) / count
            own, right = pictures[batch.wrong_of], texts[batch.wrong_of]
            apart += float(((own * right).sum(1) > (own * wrong).sum(1)).sum())
            compared += len(wrong)
        return {**sums, "told_apart": apart / max(1, compared), "scale": float(self.network.scale)}

    def sheet(self) -> Image.Image:
        """Held-out pictures above the captions that each finds first among a hundred."""
        batch = self.held_out.in_order(0, _AMONG).to(self._device)
        pictures, texts, _ = self._vectors(batch)
        found = (pictures[:_SHEET] @ texts.T).argmax(1).tolist()
        told = [" ".join(self.words.words[n] for n in batch.texts[k].tolist() if n) for k in found]
        return captioned(list(self.held_out.pictures[:_SHEET]), told)
