"""What is trained on and what is held out, so that near-duplicates are on the same side."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from ..errors import InvalidInput
from .captioned import Item
from .duplicates import groups_of, read_signatures


def split(items: Sequence[Item], held_out: float, seed: int) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
    """Split into (train, held out), about the share `held_out` (0 to 1, exclusive) in the second.

    Pictures that are the same to the eye stay together. Which groups are held out follows from the seed
    and from file names and captions, not from the order or place of the files; both parts keep the order
    of `items`. Opens every picture. InvalidInput where the share is out of range, where all pictures are
    alike, or where one cannot be read. Where the set itself says of every picture whether it is for training or for
    testing, and there are both, that is kept, whatever the share.
    """
    if not 0 < held_out < 1:
        raise InvalidInput(f"held_out must be between 0 and 1, not {held_out}", field="held_out")
    if {item.part for item in items} == {"train", "test"}:
        own = {part: tuple(item for item in items if item.part == part) for part in ("train", "test")}
        return own["train"], own["test"]
    groups = groups_of(read_signatures([(item.file, item.box) for item in items]))
    if len(groups) < 2:
        raise InvalidInput(
            f"{len(items)} pictures in {len(groups)} group of duplicates cannot be split: one must be held out; "
            "add a picture that looks different"
        )

    def rank(group: list[int]) -> bytes:
        return min(_rank(items[k], f"{seed}\0") for k in group)

    target = max(1, round(held_out * len(items)))
    ranked = sorted(groups, key=rank)
    chosen: set[int] = set()
    for group in ranked:
        if len(chosen) + len(group) <= target:
            chosen.update(group)
    if not chosen:
        smallest: list[int] = min(ranked, key=len)
        chosen.update(smallest)
    train = tuple(item for k, item in enumerate(items) if k not in chosen)
    return train, tuple(item for k, item in enumerate(items) if k in chosen)


def mixed(items: Sequence[Item]) -> tuple[Item, ...]:
    """The items in an order that follows from file names and captions alone: the first of a set that lists one kind
    after another are of all kinds then."""
    return tuple(sorted(items, key=_rank))


def _rank(item: Item, salt: str = "") -> bytes:
    return hashlib.sha256(f"{salt}{item.file.name}\0{item.captions[0]}".encode()).digest()
