"""Training the transformer on the tokens of pictures and the pieces of their captions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from ...sheets import captioned
from ...training.pictures import order, to_pixels
from .drawing import draw_tokens, told_of
from .image_tokenizer import ImageTokenizer
from .loss import token_loss
from .planning import TOLD
from .recipe import Decoding
from .shape import Subjects, Transformer
from .text import PAD, TextTokenizer
from .transformer import TokenTransformer

_HELD_OUT, _AT_ONCE = 256, 32
_PLANS = 4  # times as many pictures at a step where plans alone are learned, for these are short
_SHEET, _SHEET_GUIDANCE, _SHEET_TEMPERATURE, _SHEET_TOP_K = 8, 1.5, 1.0, 64


@dataclass(frozen=True)
class TokenExamples:
    """What the transformer learns from.

    `tokens` (N, side * side), the pictures; `plans` (N, P), their plans, P may be 0; `cells` (N, side * side) float16,
    the share of each token's square that shows a subject; `texts` (M, T), the ids of all captions; those of picture i
    are `first[i]` to `first[i + 1]`; `single` (N,) bool says that there is one subject.
    """

    tokens: NDArray[np.uint16]
    plans: NDArray[np.int32]
    cells: NDArray[np.float16]
    texts: NDArray[np.int32]
    first: NDArray[np.int64]
    single: NDArray[np.bool_]


class TransformerStage:
    """The loop's view of the transformer; the image tokenizer is there to look at what is drawn."""

    name = "transformer"

    def __init__(
        self,
        recipe: Decoding,
        shape: Transformer,
        train: TokenExamples,
        held_out: TokenExamples,
        text: TextTokenizer,
        tokenizer: ImageTokenizer,
        seed: int,
        subjects: Subjects | None = None,
    ) -> None:
        self.recipe, self.train, self.held_out, self.seed = recipe, train, held_out, seed
        self.text, self.tokenizer = text, tokenizer
        torch.manual_seed(seed)
        codes, side = tokenizer.shape.codes, tokenizer.shape.side
        self.network = TokenTransformer(shape, codes, side, recipe.dropout, subjects)
        self.module: nn.Module = self.network
        self.empty = torch.from_numpy(text.row("", shape.text_tokens))[None]
        self.singles = np.flatnonzero(train.single)

    def _chosen(self, step: int, first: int, size: int) -> NDArray[np.int64]:
        if step < self.recipe.simple_until * self.recipe.steps and len(self.singles):
            return self.singles[order(len(self.singles), self.seed, first, size)]
        return order(len(self.train.tokens), self.seed, first, size)

    def loss(self, step: int, first: int, size: int, generator: torch.Generator) -> dict[str, Tensor]:
        alone = bool(self.network.planned) and step < self.recipe.plans_until * self.recipe.steps
        if alone:
            first, size = _PLANS * first, _PLANS * size
        train, chosen = self.train, self._chosen(step, first, size)
        many = train.first[chosen + 1] - train.first[chosen]
        pick = (torch.rand(size, generator=generator).numpy() * many).astype(np.int64)
        ids = torch.from_numpy(train.texts[train.first[chosen] + pick]).long()
        dropped = torch.rand(size, generator=generator) < self.recipe.caption_dropout
        captions = torch.where(dropped[:, None], self.empty, ids)
        scores, tokens, weight = self._scored(train, chosen, captions, alone)
        right = (scores.detach().argmax(-1) == tokens).float().mean()
        return {"loss": token_loss(scores, tokens, weight), "right": right}

    def _scored(
        self, examples: TokenExamples, chosen: NDArray[np.int64], ids: Tensor, plans_alone: bool = False
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Scores (B, N, K) of the tokens (B, N) of pictures to texts (B, T), or of their plans alone, and how much each
        token weighs."""
        planning, device = self.network.planning, self.network.positions.device
        ids = ids[:, : max(2, int((ids != PAD).sum(1).max()))].to(device)  # shorter rows cost less
        plans = examples.plans[chosen].astype(np.int64)
        plan, picture = (
            torch.from_numpy(each).to(device) for each in (plans, examples.tokens[chosen].astype(np.int64))
        )
        cells = torch.from_numpy(examples.cells[chosen]).float().to(device)
        if plans_alone:
            picture, cells = picture[:, :0], cells[:, :0]
        tokens, weight = torch.cat([plan, picture], 1), 1 + self.recipe.mask_weight * cells
        told = None
        if planning is not None:
            counted = torch.from_numpy(planning.counted(plans)).to(weight)
            weight = torch.cat([self.recipe.plan_weight * counted, weight], 1)
            told = weight.new_zeros((*tokens.shape, TOLD))
            if not plans_alone:
                told[:, plan.shape[1] :] = told_of(planning, tokens, self.network.side)
        return self.network(ids, (ids != PAD).float(), tokens, told), tokens, weight

    def validate(self) -> dict[str, float]:
        """On held-out pictures with their first captions: the loss in nats a token, of all of a picture, where subjects
        are, and of what a plan says, and the share of the tokens of a picture, and of a plan, whose best score is
        right."""
        sums, areas, planned = np.zeros(5), np.zeros(5), self.network.planned
        many = min(_HELD_OUT, len(self.held_out.tokens))
        for first in range(0, many, _AT_ONCE):
            chosen = np.arange(first, min(first + _AT_ONCE, many))
            ids = torch.from_numpy(self.held_out.texts[self.held_out.first[chosen]]).long()
            scores, tokens, weight = self._scored(self.held_out, chosen, ids)
            both = functional.cross_entropy(scores.float().transpose(1, 2), tokens, reduction="none")
            each, says = both[:, planned:], weight[:, :planned] > 0
            inside = torch.from_numpy(self.held_out.cells[chosen] > 0.5).to(each.device)
            right = scores.argmax(-1) == tokens
            sums += [
                float(each.sum()), float((each * inside).sum()), float(right[:, planned:].sum()),
                float((both[:, :planned] * says).sum()), float((right[:, :planned] & says).sum()),
            ]  # fmt: skip
            areas += [each.numel(), float(inside.sum()), each.numel(), float(says.sum()), float(says.sum())]
        loss, subjects, right_share, plan, plan_right = (sums / np.maximum(areas, 1)).tolist()
        found = {"nats": loss, "subjects": subjects, "right": right_share}
        return found | {"plan": plan, "plan_right": plan_right} if planned else found

    def sheet(self) -> Image.Image:
        """Pictures drawn to held-out captions, with fixed numbers."""
        device = self.network.positions.device
        texts = torch.from_numpy(self.held_out.texts[self.held_out.first[:-1][:_SHEET]]).long()
        ids = torch.cat([self.empty.repeat(len(texts), 1), texts]).to(device)
        places = self.network.positions.shape[0]
        numbers = torch.rand((len(texts), places), generator=torch.Generator().manual_seed(0))
        tokens = draw_tokens(
            self.network,
            ids,
            (ids != PAD).float(),
            numbers,
            _SHEET_GUIDANCE,
            _SHEET_TEMPERATURE,
            _SHEET_TOP_K,
        )
        planning, told = self.network.planning, None
        if planning is not None:
            told, tokens = told_of(planning, tokens, self.network.side), tokens[:, planning.length :]
        pictures = to_pixels(self.tokenizer.to(device).decode_tokens(tokens, told))
        return captioned(list(pictures), [self.text.text(row) for row in texts.tolist()])
