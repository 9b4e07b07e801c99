"""What every world of Storybook offers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...errors import InvalidInput
from ..layout import Drawings
from ..prompts import FROZEN, Prompt
from ..scene import Statement
from ..verdict import Verdict

__all__ = ["FROZEN", "Example", "Graph", "Prompt", "Verdict", "World", "check_drawings"]

Graph = Any
"""A scene graph of some world: a frozen dataclass whose None are what is not said."""

Rng = np.random.Generator

IDEAS = 0x1DEA
"""The seed of sentences to try."""


@dataclass(frozen=True)
class Example:
    """One picture to learn from.

    `mask` (H, W) uint8 is 0 where there is background and k where the k-th of `subjects` shows; `texts` are captions.
    """

    image: Image.Image
    mask: NDArray[np.uint8]
    texts: list[str]
    scene: Graph
    subjects: list[dict[str, Any]]


class World(Protocol):
    """A world: pictures with captions and scene graphs, frozen prompts, and a checker."""

    name: str
    values: Mapping[str, tuple[str, ...]]
    """What a statement of each kind can say; the kinds in the order in which they are reported."""
    subsets: Mapping[str, str]
    """The shapes of prompts that are reported apart, with their titles."""
    has_drawings: bool
    """Whether its kinds of subject can be drawn in fewer ways than there are."""

    def example(self, seed: int, index: int, size: int, drawings: Drawings = "all") -> Example:
        """Picture `index` of `seed` with captions, without any held-out pair.

        With `drawings` "still" every kind of subject is at rest and faces one way, and with "one" it is always the same
        drawing; InvalidInput in a world that does not have that (`has_drawings`).
        """

    def fresh(self, seed: int, index: int, size: int) -> tuple[NDArray[np.uint8], Graph]:
        """A picture that no training has seen, and its graph: whole, or as far as a caption says it, in turns."""

    def prompt(self, rng: Rng, held_out: bool) -> tuple[str, Graph]:
        """A sentence and what it says, with or without a held-out pair."""

    def idea(self, seed: int) -> str:
        """A sentence to try, without a held-out pair; the same for a seed."""

    def graph(self, data: Mapping[str, Any]) -> Graph:
        """A graph from the dictionary that `dataclasses.asdict` makes of it."""

    def describe(self, graph: Graph, rng: Rng) -> tuple[str, Graph]:
        """One caption of a whole graph, and the graph as far as the caption says it."""

    def contradicts(self, shown: Graph, said: Graph) -> bool:
        """Whether what is `said` is wrong of every picture that shows `shown`; False where it may be right."""

    def picture(self, said: Graph, rng: Rng, size: int) -> NDArray[np.uint8]:
        """A picture, uint8 (size, size, 3), of which `said` is true; what it does not say comes at random."""

    def classes(self) -> tuple[str, ...]:
        """Sentences that each say of a picture which class it is of, all of them together and none twice."""

    def never_shown(self, graph: Graph) -> bool:
        """Whether a graph has a pair that training never sees."""

    def frozen(self, name: str) -> tuple[Prompt, ...]:
        """The prompts of "seen" or "held_out", which never change."""

    def subset(self, graph: Graph) -> str:
        """Which of `subsets` a graph belongs to."""

    def at_random(self, graph: Graph, rng: Rng) -> Graph:
        """A graph that says as much as this one, every value drawn at random."""

    def falsified(self, graph: Graph, rng: Rng) -> list[tuple[Statement, Graph]]:
        """For each statement of a graph one with another value, and the graph that says it."""

    def judge(self, pixels: NDArray[np.uint8], graphs: Sequence[Graph]) -> list[tuple[Verdict, ...]]:
        """The verdicts on a picture, uint8 (H, W, 3), of each graph; it is looked at once."""

    def vocabulary(self) -> tuple[str, ...]:
        """Every word that a caption can have, in lower case, sorted."""


def check_drawings(world: World, asked: str) -> None:
    """Raise InvalidInput where fewer drawings than all are asked of a world that does not have that, or by no name."""
    if asked not in get_args(Drawings):
        raise InvalidInput(
            f"drawings '{asked}' not found; known: {', '.join(get_args(Drawings))}", field="drawings"
        )
    if asked != "all" and not world.has_drawings:
        raise InvalidInput(
            f"the world {world.name} has no drawings to choose from; leave it out, or draw scenes",
            field="drawings",
        )
