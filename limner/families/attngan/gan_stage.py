"""Training the generator against its discriminators: the second stage (Xu et al. 2018, section 3.1 and 3.3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from ...sheets import captioned
from ...training.pictures import to_pixels
from ...training.stage import Turn
from ..words import Words
from .damsm_stage import Match, encode_text, spelled, validated
from .discriminator import Discriminator, discriminators
from .examples import Batch, Examples
from .generator import Generator, Made
from .loss import discriminator_loss, generator_loss, kl_divergence
from .recipe import Damsm, Gan
from .shape import Shape

_SHEET = 8
_SETTLING, _LOOKING = 40, 10  # batches: before export, and to look at what has been learned so far


@dataclass(frozen=True)
class _Drawn:
    """What both turns of a step look at."""

    batch: Batch
    words: Tensor
    sentence: Tensor
    made: Made


class GanStage:
    """The loop's view of the generator and the discriminators, which take turns; text and image encoder are frozen."""

    name = "gan"

    def __init__(
        self,
        recipe: Gan,
        damsm: Damsm,
        shape: Shape,
        match: Match,
        train: Examples,
        held_out: Examples,
        words: Words,
        seed: int,
    ) -> None:
        self.recipe, self.damsm, self.shape, self.seed = recipe, damsm, shape, seed
        self.train, self.held_out, self.words = train, held_out, words
        self.match = match
        for encoder in (match.text, match.image):
            encoder.eval().requires_grad_(False)
        torch.manual_seed(seed)
        self.generator = Generator(shape)
        self.judges = discriminators(shape, recipe.discriminator_channels)
        self.module: nn.Module = nn.ModuleDict({"generator": self.generator, "discriminators": self.judges})
        self.averaged: nn.Module = self.generator
        self._drawn: dict[int, _Drawn] = {}

    def turns(self) -> Sequence[Turn]:
        """The discriminators see what the generator has drawn, and then it learns from what they say."""
        return (
            Turn("discriminators", self.judges, self._judge),
            Turn("generator", self.generator, self._please),
        )

    def loss(self, step: int, first: int, size: int, generator: torch.Generator) -> dict[str, Tensor]:
        """What both lose."""
        judged = self._judge(step, first, size, generator)
        pleased = self._please(step, first, size, generator)
        return judged | pleased | {"loss": judged["loss"] + pleased["loss"]}

    def _draw(self, batch: Batch, words: Tensor, sentence: Tensor, generator: torch.Generator) -> Made:
        """Pictures of the batch's own texts."""
        count, device = len(batch.pictures), sentence.device
        noise = torch.randn(count, self.shape.noise + self.shape.condition, generator=generator).to(device)
        given, further = noise[:, : self.shape.noise], noise[:, self.shape.noise :]
        made: Made = self.generator(words[:count], sentence[:count], batch.mask[:count], given, further)
        return made

    def _pairs(self) -> Iterator[tuple[int, Discriminator]]:
        """The number and discriminator of each size."""
        for k, judge in enumerate(self.judges):
            assert isinstance(judge, Discriminator)
            yield k, judge

    def _judge(self, step: int, first: int, size: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw, and see how well the discriminators tell that from what is real."""
        batch = self.train.at_random(
            first, size, self.seed, step, self.shape.sides[-1], self.damsm.words, flip=self.recipe.flip
        ).to(next(self.generator.parameters()).device)
        with torch.no_grad():
            words, sentence = encode_text(self.match.text, batch)
        made = self._draw(batch, words, sentence, generator)
        self._drawn[first] = _Drawn(batch, words, sentence, made)
        real = batch.pictures
        losses = {}
        for k, judge in self._pairs():
            side = self.shape.sides[k]
            small = functional.avg_pool2d(real, real.shape[-1] // side)
            losses[f"discriminator_{side}"] = discriminator_loss(
                judge, small, made.pictures[k], sentence, batch.same, batch.wrong_of
            )
        return {"loss": torch.stack(list(losses.values())).sum(), **losses}

    def _please(self, step: int, first: int, size: int, generator: torch.Generator) -> dict[str, Tensor]:
        """How far what was drawn is from pleasing the discriminators, and from its words."""
        drawn = self._drawn.pop(first)
        with _frozen(self.judges):
            taken = [
                generator_loss(judge, drawn.made.pictures[k], drawn.sentence[: len(drawn.batch.pictures)])
                for k, judge in self._pairs()
            ]
        words, sentence, found = self.match.losses(
            drawn.batch, drawn.made.pictures[-1], (drawn.words, drawn.sentence)
        )
        kl = kl_divergence(drawn.made.mean, drawn.made.logvar)
        adversarial = torch.stack(taken).sum()
        loss = adversarial + self.recipe.match_weight * (words + sentence) + self.recipe.kl_weight * kl
        return {
            "loss": loss, "adversarial": adversarial, "words": words, "sentence": sentence, "found": found, "kl": kl,
        }  # fmt: skip

    def _shown(self, batch: Batch, first: int) -> Tensor:
        """The largest pictures to the texts of a batch that begins at an example, always with the same noise."""
        words, sentence = encode_text(self.match.text, batch)
        made = self._draw(batch, words, sentence, torch.Generator().manual_seed(self.seed + first))
        return made.pictures[-1].float()

    def _norms(self) -> list[nn.BatchNorm1d | nn.BatchNorm2d]:
        return [m for m in self.generator.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]

    @contextmanager
    def _settled(self) -> Iterator[None]:
        """Within it batch norm is settled for the weights that are there."""
        kept = [{name: value.clone() for name, value in norm.named_buffers()} for norm in self._norms()]
        self.settle(_LOOKING)
        try:
            yield
        finally:
            for norm, values in zip(self._norms(), kept, strict=True):
                norm.load_state_dict(values, strict=False)

    @torch.no_grad()
    def settle(self, batches: int = _SETTLING) -> None:
        """Count batch norm's means and variances afresh, for weights that are averages: those that were counted while
        it learned are of other weights."""
        norms = self._norms()
        before = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the mean of all batches
        self.generator.train()
        device, size = next(self.generator.parameters()).device, self.recipe.batch_size
        for k in range(batches):
            batch = self.train.at_random(
                k * size, size, self.seed, 0, self.shape.sides[-1], self.damsm.words
            ).to(device)
            self._draw(batch, *encode_text(self.match.text, batch), torch.Generator().manual_seed(k))
        self.generator.eval()
        for norm, momentum in zip(norms, before, strict=True):
            norm.momentum = momentum

    def validate(self) -> dict[str, float]:
        """How well pictures drawn to held-out captions match their words, and the share that find their caption."""
        with self._settled():
            return validated(self.match, self.held_out, self.damsm, self.shape.sides[-1], self._shown)

    def sheet(self) -> Image.Image:
        """Pictures drawn to held-out captions."""
        batch = self.held_out.in_order(0, _SHEET, self.shape.sides[-1], self.damsm.words)
        batch = batch.to(next(self.generator.parameters()).device)
        with self._settled():
            pictures = list(to_pixels(self._shown(batch, 0)))
        return captioned(pictures, [spelled(self.words, ids) for ids in batch.ids])


@contextmanager
def _frozen(module: nn.Module) -> Iterator[None]:
    """Within it what is computed leaves no gradients to the module's parameters."""
    parameters = [p for p in module.parameters() if p.requires_grad]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)
