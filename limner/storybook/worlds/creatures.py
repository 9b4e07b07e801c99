"""The world of creatures: pocket monsters before a plain ground."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..captions import COLOUR_WORDS
from ..contradiction import contradicting
from ..creatures.captions import BODY_WORDS, captions, describe, vocabulary
from ..creatures.checker import read, verdicts
from ..creatures.creature import HELD_OUT, VALUES, Creature, pairs, sample, statements, with_statement
from ..creatures.drawing import draw, frame_of, parts_of, pose
from ..creatures.prompts import frozen
from ..grammar import random_for
from ..layout import Drawings
from ..scene import Statement
from .world import IDEAS, Example, Prompt, Rng, Verdict, check_drawings


class Creatures:
    """See `World`; its graphs are `Creature`."""

    name = "creatures"
    values: Mapping[str, tuple[str, ...]] = VALUES
    subsets: Mapping[str, str] = {"few": "Up to three traits", "many": "More traits"}
    has_drawings = False

    def example(self, seed: int, index: int, size: int, drawings: Drawings = "all") -> Example:
        """As `World.example`."""
        check_drawings(self, drawings)
        rng = random_for(seed, index)
        creature = sample(rng)
        how = pose(rng)
        image, shown = draw(creature, how, size)
        texts = captions(creature, np.random.Generator(np.random.SFC64([seed, index, 1])))
        ys, xs = np.nonzero(shown)
        subject = {
            "thing": 0,
            "subject": creature.body,
            "colour": creature.colour,
            "box": (int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1),
            "frame": [round(side, 4) for side in frame_of(how)],
            "drawing": VALUES["pattern"].index(creature.pattern or "plain"),
            "pose": how.pose,
            "mirrored": how.mirrored,
            "parts": parts_of(creature, how),
        }
        return Example(image, shown.astype(np.uint8), texts, creature, [subject])

    def fresh(self, seed: int, index: int, size: int) -> tuple[NDArray[np.uint8], Creature]:
        """As `World.fresh`; half of the creatures hold a pair that training never sees."""
        rng = random_for(seed, index)
        creature = sample(rng, held_out=index % 4 > 1)
        image, _ = draw(creature, pose(rng), size)
        said = creature if index % 2 else describe(creature, random_for(seed + 1, index))[1]
        return np.asarray(image), said

    def prompt(self, rng: Rng, held_out: bool) -> tuple[str, Creature]:
        """As `World.prompt`."""
        while True:
            text, said = describe(sample(rng, held_out=held_out), rng)
            if statements(said):
                return text, said

    def idea(self, seed: int) -> str:
        """As `World.idea`."""
        return self.prompt(random_for(IDEAS, seed), held_out=False)[0]

    def graph(self, data: Mapping[str, Any]) -> Creature:
        """As `World.graph`."""
        return Creature(**data)

    def describe(self, graph: Creature, rng: Rng) -> tuple[str, Creature]:
        """As `World.describe`."""
        return describe(graph, rng)

    def contradicts(self, shown: Creature, said: Creature) -> bool:
        """As `World.contradicts`."""
        return contradicting(zip(astuple(shown), astuple(said), strict=True))

    def picture(self, said: Creature, rng: Rng, size: int) -> NDArray[np.uint8]:
        """As `World.picture`."""
        known = {kind: value for kind, value in asdict(said).items() if value is not None}
        return np.asarray(draw(replace(sample(rng), **known), pose(rng), size)[0])

    def classes(self) -> tuple[str, ...]:
        """As `World.classes`; bodies in their colours."""
        return tuple(
            f"a {COLOUR_WORDS[colour][0]} {BODY_WORDS[body][0]} creature"
            for body in VALUES["body"]
            for colour in VALUES["colour"]
        )

    def never_shown(self, graph: Creature) -> bool:
        """As `World.never_shown`."""
        return bool(pairs(graph) & HELD_OUT)

    def frozen(self, name: str) -> tuple[Prompt, ...]:
        """As `World.frozen`."""
        return frozen(name)

    def subset(self, graph: Creature) -> str:
        """As `World.subset`."""
        return "few" if len(statements(graph)) <= 3 else "many"

    def at_random(self, graph: Creature, rng: Rng) -> Creature:
        """As `World.at_random`."""
        said = {one.kind: VALUES[one.kind] for one in statements(graph)}
        return replace(
            graph, **{kind: values[int(rng.integers(len(values)))] for kind, values in said.items()}
        )

    def falsified(self, graph: Creature, rng: Rng) -> list[tuple[Statement, Creature]]:
        """As `World.falsified`."""
        wrong = []
        for said in statements(graph):
            others = [value for value in VALUES[said.kind] if value != said.value]
            wrong.append(replace(said, value=others[int(rng.integers(len(others)))]))
        return [(false, with_statement(graph, false)) for false in wrong]

    def judge(self, pixels: NDArray[np.uint8], graphs: Sequence[Creature]) -> list[tuple[Verdict, ...]]:
        """As `World.judge`."""
        reading = read(pixels)
        return [verdicts(reading, graph) for graph in graphs]

    def vocabulary(self) -> tuple[str, ...]:
        """As `World.vocabulary`."""
        return vocabulary()
