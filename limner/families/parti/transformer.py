"""The transformer: an encoder of texts, and a decoder that tells the next image token (Yu et al. 2022, section 2.2).

Both end in a LayerNorm. Training sees all tokens at once; drawing goes one by one, and what a place has computed for
those after it is kept (`step`). One implementation of a layer serves both, and a test compares them.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from .layers import HIDDEN, Block, Told, initialise
from .planning import Planning
from .shape import Subjects, Transformer


class _Nearby(nn.Module):
    """What stands above a place: small embeddings of the tokens there, side by side, made as wide as a state."""

    def __init__(self, codes: int, above: int, width: int, count: int) -> None:
        super().__init__()
        self.embeddings = nn.ModuleList(nn.Embedding(codes + 1, above) for _ in range(count))
        self.wide = nn.Linear(count * above, width, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (B, N, count) to states (B, N, D)."""
        seen = [embed(tokens[..., k]) for k, embed in enumerate(self.embeddings)]
        made: Tensor = self.wide(torch.cat(seen, -1))
        return made


class TokenTransformer(nn.Module):
    """Texts in, scores of tokens out, first those of a plan, where `subjects` are planned, then those of the picture.

    The token numbered `codes` stands where there is none; those of a plan come after it.
    """

    allowed: Tensor

    def __init__(
        self,
        shape: Transformer,
        codes: int,
        side: int,
        dropout: float = 0.0,
        subjects: Subjects | None = None,
    ) -> None:
        super().__init__()
        self.shape, self.codes, self.side = shape, codes, side
        self.planning = None if subjects is None else Planning(subjects, codes + 1)
        self.planned = 0 if self.planning is None else self.planning.length
        vocabulary = codes + 1 if self.planning is None else self.planning.end
        width, heads, mlp = shape.width, shape.heads, shape.mlp
        self.text_embedding = nn.Embedding(shape.text_vocabulary, width)
        self.text_positions = nn.Parameter(torch.zeros(shape.text_tokens, width))
        self.encoder = nn.ModuleList(
            Block(width, heads, mlp, dropout=dropout) for _ in range(shape.encoder_layers)
        )
        self.encoder_norm = nn.LayerNorm(width)
        self.image_embedding = nn.Embedding(vocabulary, width)
        self.positions = nn.Parameter(torch.zeros(self.planned + side * side, width))
        self.above = _Nearby(codes, shape.above, width, shape.given - 1) if shape.above else None
        self.decoder = nn.ModuleList(
            Block(width, heads, mlp, cross=True, dropout=dropout) for _ in range(shape.decoder_layers)
        )
        self.decoder_norm = nn.LayerNorm(width)
        self.scores = None if shape.tied else nn.Linear(width, codes if self.planning is None else vocabulary)
        self.dropout = nn.Dropout(dropout)
        initialise(self, shape.encoder_layers + shape.decoder_layers)
        for positions in (self.text_positions, self.positions):
            nn.init.normal_(positions, std=0.02)
        self.told = None if self.planning is None else Told(width)
        if self.planning is not None:
            # The last is that of every place of a picture: graphs keep this beside the weights, so it must stay small.
            allowed = torch.from_numpy(np.concatenate([self.planning.allowed, [[0, codes]]]))
            self.register_buffer("allowed", allowed, persistent=False)

    def encode(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Texts int64 (B, T) to states (B, T, D); `mask` (B, T), float, is 1 where there is a piece."""
        states = self.dropout(self.text_embedding(ids) + self.text_positions[: ids.shape[1]])
        bias = _hidden(mask)
        for block in self.encoder:
            states = block(states, bias)
        made: Tensor = self.encoder_norm(states)
        return made

    def forward(self, ids: Tensor, mask: Tensor, tokens: Tensor, told: Tensor | None = None) -> Tensor:
        """Scores (B, N, K) of each of the tokens int64 (B, N), by the texts and the tokens before it.

        `told` (B, N, TOLD) is what the plan tells of each place of the picture, and zero at those of the plan itself.
        """
        memory, hidden = self.encode(ids, mask), _hidden(mask)
        places = torch.arange(tokens.shape[1], device=tokens.device)
        states = self.dropout(self._seen(self.given(tokens), told) + self.positions[: len(places)])
        bias = torch.where(places[None] > places[:, None], HIDDEN, 0.0).to(memory.dtype)  # (N, N)
        for block in self.decoder:
            states = block(states, bias, memory, hidden)
        return self._scored(states, places)

    def given(self, tokens: Tensor) -> Tensor:
        """What each place is given of tokens (B, N): (B, N, given), those before it, above it and beside that.

        Where no token is, there is `codes`; nothing of a plan is above a picture.
        """
        none = torch.full_like(tokens[:, :1], self.codes)
        found = [torch.cat([none, tokens[:, :-1]], 1)]
        if self.above is not None:
            plan, picture = tokens[:, : self.planned], tokens[:, self.planned :]
            above = torch.cat([none.expand(-1, self.side), picture], 1)[:, : picture.shape[1]]
            columns = torch.arange(picture.shape[1], device=tokens.device) % self.side
            beside = torch.cat([above[:, 1:], none], 1)[:, : picture.shape[1]]
            beside = torch.where(columns == self.side - 1, self.codes, beside)
            nothing = none.expand(-1, plan.shape[1])
            found += [torch.cat([nothing, above], 1), torch.cat([nothing, beside], 1)]
        return torch.stack(found, -1)

    def _seen(self, given: Tensor, told: Tensor | None) -> Tensor:
        states: Tensor = self.image_embedding(given[..., 0])
        if self.above is not None:
            states = states + self.above(given[..., 1:])
        return states if self.told is None or told is None else states + self.told(told)

    def _scored(self, states: Tensor, places: Tensor) -> Tensor:
        """Scores (..., K) of what stands at `places` (...), of what may stand there."""
        states = self.decoder_norm(states)
        if self.scores is not None:
            made: Tensor = self.scores(states)
        else:
            weight = self.image_embedding.weight
            made = nn.functional.linear(states, weight[: self.codes] if self.planning is None else weight)
        if self.planning is None:
            return made
        low, high = self.allowed[places.clamp(max=self.planned)].unbind(-1)
        numbers = torch.arange(made.shape[-1], device=made.device)
        outside = (numbers < low[..., None]) | (numbers >= high[..., None])
        return torch.where(outside, HIDDEN, made)

    def remember(self, ids: Tensor, mask: Tensor) -> Tensor:
        """What every layer of the decoder looks at in texts (B, T): keys and values (B, layers, 2, heads, T, head)."""
        memory = self.encode(ids, mask)
        return torch.stack([_of(block).cross.kept(memory) for block in self.decoder], 1)  # type: ignore[union-attr]

    def step(
        self,
        given: Tensor,
        position: Tensor,
        memory: Tensor,
        mask: Tensor,
        cache: Tensor,
        told: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Scores (B, K) of the token at each row's own `position` int64 (B,), given (B, given) as `given` says, and
        told (B, TOLD) what the plan says of that place.

        `memory` and `mask` (B, T) are those of the texts. `cache` (B, layers, 2, heads, N, head) has what the places
        before have kept, and anything at the others. Gives too what this place keeps, (B, layers, 2, heads, head), and
        how it looked at the pieces of the text: (B, T), the mean over layers and heads.
        """
        states = (self._seen(given, told) + self.positions[position])[:, None]
        places = torch.arange(cache.shape[4], device=cache.device)
        bias = torch.where(places[None] < position[:, None], 0.0, HIDDEN)[:, None, None]  # (B, 1, 1, N)
        hidden, kept, looked = _hidden(mask), [], []
        for k, block in enumerate(self.decoder):
            states, own, seen = _of(block).step(states, cache[:, k], bias, memory[:, k], hidden)
            kept.append(own)
            looked.append(seen.mean(1)[:, 0])
        return self._scored(states[:, 0], position), torch.stack(kept, 1), torch.stack(looked).mean(0)


def _of(block: nn.Module) -> Block:
    assert isinstance(block, Block)
    return block


def _hidden(mask: Tensor) -> Tensor:
    """What is added to scores so that only what the mask (B, T) says is seen: (B, 1, 1, T)."""
    return ((1 - mask) * HIDDEN)[:, None, None]
