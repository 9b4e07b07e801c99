"""Drawing with the networks themselves, all pictures of a batch at the same token, for pages to look at in training."""

from __future__ import annotations

import torch
from torch import Tensor

from .planning import TOLD, Planning
from .sampling import drawn, guided
from .transformer import TokenTransformer


@torch.no_grad()
def draw_tokens(
    network: TokenTransformer,
    ids: Tensor,
    mask: Tensor,
    numbers: Tensor,
    guidance: float,
    temperature: float,
    top_k: int,
) -> Tensor:
    """Tokens (B, N) to texts, those of a plan first, where there is one, by numbers (B, N) in 0..1.

    `ids` and `mask` (2 B, T) are those of nothing, then those of the texts.
    """
    count, places = numbers.shape
    shape, device = network.shape, ids.device
    memory = network.remember(ids, mask)
    cache = memory.new_zeros((2 * count, shape.decoder_layers, 2, shape.heads, places, shape.head))
    tokens = torch.full((count, places), network.codes, device=device)
    told = None if network.planning is None else torch.zeros(count, places, TOLD, device=device)
    for place in range(places):
        if network.planning is not None and told is not None and place == network.planned:
            told[:, place:] = told_of(network.planning, tokens, network.side)
        given = network.given(tokens)[:, place].repeat(2, 1)
        position = torch.full((2 * count,), place, device=device)
        here = None if told is None else told[:, place].repeat(2, 1)
        scores, kept, _ = network.step(given, position, memory, mask, cache, here)
        cache[:, :, :, :, place] = kept
        free, bound = scores.float().cpu().numpy().reshape(2, count, -1)
        part = 1.0 if network.planning is None else network.planning.warmth(place)
        chosen = drawn(
            guided(free, bound, guidance), part * temperature, top_k, numbers[:, place].double().numpy()
        )
        tokens[:, place] = torch.from_numpy(chosen).to(device)
    return tokens


def told_of(planning: Planning, tokens: Tensor, side: int) -> Tensor:
    """What plans, the first of tokens (B, N), tell of each square: (B, side * side, TOLD)."""
    plans = tokens[:, : planning.length].cpu().numpy()
    return torch.from_numpy(planning.told(plans, side)).to(tokens.device)
