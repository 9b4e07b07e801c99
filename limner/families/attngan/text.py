"""The text encoder: one bidirectional LSTM over words (Xu et al. 2018, section 3.2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from .shape import Shape

_BEGIN = 0.1


class TextEncoder(nn.Module):
    """Word ids to one vector a word and one a sentence; a share `dropout` of what the LSTM sees is left out while it
    learns."""

    def __init__(self, shape: Shape, dropout: float = 0.0) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocabulary, shape.embedding)
        self.dropout = nn.Dropout(dropout)
        self.lstm = nn.LSTM(shape.embedding, shape.text_width // 2, batch_first=True, bidirectional=True)
        nn.init.uniform_(self.embedding.weight, -_BEGIN, _BEGIN)

    def forward(self, ids: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """int64 (B, T) and (B,), lengths from 1 to T, to words (B, D, T), zero past their length, and sentences (B, D).

        The backward direction begins at a text's last word, not at what fills it up.
        """
        seen = self.dropout(self.embedding(ids))
        packed = pack_padded_sequence(seen, lengths.cpu(), batch_first=True, enforce_sorted=False)
        states, (last, _) = self.lstm(packed)
        words, _ = pad_packed_sequence(states, batch_first=True, total_length=ids.shape[1])
        return words.transpose(1, 2), last.transpose(0, 1).flatten(1)

    def unrolled(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The same for a graph, which has no packed sequences: a fixed number of steps, written out one by one.

        `mask` float32 (B, T) is 1 where there is a word. A step without one leaves the state as it is, so the
        backward direction stays at zero until it comes to the last word.
        """
        seen = self.embedding(ids)  # (B, T, E)
        forward, first = self._direction(seen, mask, "", range(ids.shape[1]))
        backward, second = self._direction(seen, mask, "_reverse", range(ids.shape[1] - 1, -1, -1))
        words = torch.cat([forward, backward], 1)  # (B, D, T)
        return words, torch.cat([first, second], 1)

    def _direction(self, seen: Tensor, mask: Tensor, suffix: str, steps: range) -> tuple[Tensor, Tensor]:
        """One direction's states (B, D / 2, T) and its last one."""
        w_in, w_state, b_in, b_state = (
            getattr(self.lstm, f"{name}_l0{suffix}")
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        given = functional.linear(seen, w_in, b_in + b_state)  # (B, T, 2 D)
        state = cell = given[:, 0, : w_state.shape[1]] * 0
        states: dict[int, Tensor] = {}
        for step in steps:
            gates = given[:, step] + functional.linear(state, w_state)
            admit, forget, new, show = gates.chunk(4, 1)
            here = mask[:, step : step + 1]
            moved = torch.sigmoid(forget) * cell + torch.sigmoid(admit) * torch.tanh(new)
            cell = here * moved + (1 - here) * cell
            state = here * (torch.sigmoid(show) * torch.tanh(moved)) + (1 - here) * state
            states[step] = here * state
        return torch.stack([states[step] for step in sorted(states)], 2), state


def mask_of(lengths: Tensor, tokens: int) -> Tensor:
    """Where there is a word: bool (B, tokens) for lengths (B,)."""
    return torch.arange(tokens, device=lengths.device)[None] < lengths[:, None]
