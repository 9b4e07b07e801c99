"""Training the text and the image encoder together: DAMSM, the first stage (Xu et al. 2018, section 3.2)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from PIL import Image
from torch import Tensor, nn

from ...sheets import captioned
from ..words import Words
from .damsm import Convolutions, ImageEncoder, Inception
from .examples import Batch, Examples
from .loss import Encoded, Sharpness, damsm_losses, sentence_scores
from .recipe import Damsm
from .shape import Shape
from .text import TextEncoder

_HELD_OUT = 256
_SHEET = 8


def build_image_encoder(recipe: Damsm) -> ImageEncoder:
    """The image encoder that a recipe asks for; errors as `Inception`."""
    trunk = Convolutions(recipe.channels) if recipe.inception is None else Inception(recipe.inception)
    return ImageEncoder(trunk, recipe.text_width)


def encode_text(text: TextEncoder, batch: Batch) -> tuple[Tensor, Tensor]:
    """Words (B + W, D, T) and sentences (B + W, D) of a batch, always in float32."""
    with torch.autocast(batch.ids.device.type, enabled=False):
        words, sentence = text(batch.ids, batch.lengths)
    return words, sentence


class Match:
    """Text and image encoder as a judge of how well pictures match their texts."""

    def __init__(self, text: TextEncoder, image: ImageEncoder, sharpness: Sharpness) -> None:
        self.text, self.image, self.sharpness = text, image, sharpness

    def losses(
        self, batch: Batch, pictures: Tensor, told: tuple[Tensor, Tensor] | None = None
    ) -> list[Tensor]:
        """The loss of words and of sentences of `pictures` (B, 3, side, side) that were drawn to the texts of a batch.

        `told` are its encodings, where they are known already. Third comes the share of pictures, a number, that
        find their own text, or one as true, before all others of the batch.
        """
        words, sentence = told if told is not None else encode_text(self.text, batch)
        regions, whole = self.image(pictures)
        found = Encoded(regions, whole, words, sentence, batch.mask, batch.same, batch.wrong_of)
        first = sentence_scores(whole.float(), sentence[: len(whole)]).argmax(1)
        right = batch.same[torch.arange(len(first), device=first.device), first].float().mean()
        return [*damsm_losses(found, self.sharpness), right]


class DamsmStage:
    """The loop's view of both encoders."""

    name = "damsm"

    def __init__(
        self, recipe: Damsm, shape: Shape, train: Examples, held_out: Examples, words: Words, seed: int
    ) -> None:
        self.recipe, self.train, self.held_out, self.words, self.seed = recipe, train, held_out, words, seed
        self.side = shape.sides[-1]
        torch.manual_seed(seed)
        self.text, self.image = TextEncoder(shape, recipe.dropout), build_image_encoder(recipe)
        self.match = Match(self.text, self.image, recipe.sharpness)
        self.module: nn.Module = nn.ModuleDict({"text": self.text, "image": self.image})

    @property
    def _device(self) -> torch.device:
        return self.text.embedding.weight.device

    def loss(self, step: int, first: int, size: int, generator: torch.Generator) -> dict[str, Tensor]:
        recipe = self.recipe
        batch = self.train.at_random(
            first,
            size,
            self.seed,
            step,
            self.side,
            recipe.words,
            recipe.unknown_share,
            recipe.flip,
            recipe.blurred,
        ).to(self._device)
        words, sentence, found = self.match.losses(batch, batch.pictures)
        return {"loss": words + sentence, "words": words, "sentence": sentence, "found": found}

    def validate(self) -> dict[str, float]:
        """Both losses on held-out pictures, and the share that find their own caption among those of a batch."""
        return validated(
            self.match, self.held_out, self.recipe, self.side, lambda batch, first: batch.pictures
        )

    def sheet(self) -> Image.Image:
        """Held-out pictures above the captions that each finds first among all that are shown."""
        batch = self.held_out.in_order(0, _SHEET, self.side, self.recipe.words).to(self._device)
        _, sentence = encode_text(self.text, batch)
        _, whole = self.image(batch.pictures)
        found = sentence_scores(whole.float(), sentence).argmax(1).tolist()
        return captioned(
            list(self.held_out.pictures[:_SHEET]), [spelled(self.words, batch.ids[k]) for k in found]
        )


def spelled(words: Words, ids: Tensor) -> str:
    """The words of ids (T,)."""
    return " ".join(words.words[number] for number in ids.tolist() if number)


@torch.no_grad()
def validated(
    match: Match, held_out: Examples, recipe: Damsm, side: int, drawn: Callable[[Batch, int], Tensor]
) -> dict[str, float]:
    """Means of `Match.losses` over held-out examples, in batches of the recipe's size; `drawn` gives the pictures of
    a batch that begins at an example. An example with no other beside it says nothing: a last batch of one is left
    out, and of one example in all nothing is said."""
    sums, count = [0.0, 0.0, 0.0], min(_HELD_OUT, len(held_out.pictures))
    if count % recipe.batch_size == 1:
        count -= 1
    if count == 0:
        return {}
    device = match.text.embedding.weight.device
    for first in range(0, count, recipe.batch_size):
        batch = held_out.in_order(first, min(recipe.batch_size, count - first), side, recipe.words).to(device)
        for k, value in enumerate(match.losses(batch, drawn(batch, first))):
            sums[k] += float(value) * len(batch.ids) / count
    return dict(zip(("words", "sentence", "found"), sums, strict=True))
