"""What a matcher learns by: a picture finds its caption among those of a batch and those wrong by an atom, and
back."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def contrastive(
    pictures: Tensor, texts: Tensor, scale: Tensor, same: Tensor, wrong: Tensor | None = None
) -> dict[str, Tensor]:
    """Symmetric cross-entropy of scaled cosines (Radford et al. 2021, figure 3).

    `pictures` and `texts` (B, D) of length 1 belong together row by row; `wrong` (W, D) are further texts, wrong of
    all or most pictures, that a picture must not choose (Yuksekgonul et al. 2023, section 4). `same` bool (B, B + W)
    is true where a text says what picture i's own says: it is no wrong choice. "found" is the share of pictures that
    find their own caption first.
    """
    every = texts if wrong is None else torch.cat([texts, wrong])
    count = len(pictures)
    with torch.autocast(pictures.device.type, enabled=False):  # of bfloat16 no more is left than two digits
        logits = scale * pictures.float() @ every.float().T  # (B, B + W)
    own = torch.eye(count, len(every), dtype=torch.bool, device=logits.device)
    logits = logits.masked_fill(same & ~own, float("-inf"))
    right = torch.arange(count, device=logits.device)
    by_picture = functional.cross_entropy(logits, right)
    by_text = functional.cross_entropy(logits[:, :count].T, right)
    found = (logits.argmax(1) == right).float().mean()
    return {
        "loss": (by_picture + by_text) / 2,
        "by_picture": by_picture,
        "by_text": by_text,
        "found": found,
    }
