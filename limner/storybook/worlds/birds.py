"""The world of birds: one at a time, near enough to name its parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..birds.bird import ABSENT, HELD_OUT, VALUES, Bird, completed, pairs, sample, statements, with_statement
from ..birds.captions import BODY_WORDS, WORDS_OF, captions, describe, vocabulary
from ..birds.checker import read, verdicts
from ..birds.drawing import draw, pose
from ..birds.prompts import frozen
from ..contradiction import contradicting
from ..grammar import random_for
from ..layout import Drawings
from ..scene import Statement
from .world import IDEAS, Example, Prompt, Rng, Verdict, check_drawings


class Birds:
    """See `World`; its graphs are `Bird`."""

    name = "birds"
    values: Mapping[str, tuple[str, ...]] = VALUES
    subsets: Mapping[str, str] = {"few": "Up to three traits", "many": "More traits"}
    has_drawings = False

    def example(self, seed: int, index: int, size: int, drawings: Drawings = "all") -> Example:
        """As `World.example`; ten captions."""
        check_drawings(self, drawings)
        rng = random_for(seed, index)
        bird = sample(rng)
        image, shown = draw(bird, pose(rng), size)
        texts = captions(bird, np.random.Generator(np.random.SFC64([seed, index, 1])))
        ys, xs = np.nonzero(shown)
        box = (int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1)
        subject = {"thing": 0, "subject": bird.body, "colour": bird.colour, "box": box}
        return Example(image, shown.astype(np.uint8), texts, bird, [subject])

    def fresh(self, seed: int, index: int, size: int) -> tuple[NDArray[np.uint8], Bird]:
        """As `World.fresh`; half of the birds hold a pair that training never sees."""
        rng = random_for(seed, index)
        bird = sample(rng, held_out=index % 4 > 1)
        image, _ = draw(bird, pose(rng), size)
        said = bird if index % 2 else describe(bird, random_for(seed + 1, index))[1]
        return np.asarray(image), said

    def prompt(self, rng: Rng, held_out: bool) -> tuple[str, Bird]:
        """As `World.prompt`."""
        return describe(sample(rng, held_out=held_out), rng)

    def idea(self, seed: int) -> str:
        """As `World.idea`."""
        return self.prompt(random_for(IDEAS, seed), held_out=False)[0]

    def graph(self, data: Mapping[str, Any]) -> Bird:
        """As `World.graph`."""
        return Bird(**data)

    def describe(self, graph: Bird, rng: Rng) -> tuple[str, Bird]:
        """As `World.describe`."""
        return describe(graph, rng)

    def contradicts(self, shown: Bird, said: Bird) -> bool:
        """As `World.contradicts`; an eyering that is not there has no colour."""
        if ABSENT in (shown.eyering, said.eyering) and (shown.eyering_colour or said.eyering_colour):
            return True
        return contradicting(zip(astuple(shown), astuple(said), strict=True))

    def picture(self, said: Bird, rng: Rng, size: int) -> NDArray[np.uint8]:
        """As `World.picture`."""
        return np.asarray(draw(completed(said, rng), pose(rng), size)[0])

    def classes(self) -> tuple[str, ...]:
        """As `World.classes`; bodies in their colours."""
        return tuple(
            f"a {BODY_WORDS[body][0]} {WORDS_OF[colour][0]} bird"
            for body in VALUES["body"]
            for colour in VALUES["colour"]
        )

    def never_shown(self, graph: Bird) -> bool:
        """As `World.never_shown`."""
        return bool(pairs(graph) & HELD_OUT)

    def frozen(self, name: str) -> tuple[Prompt, ...]:
        """As `World.frozen`."""
        return frozen(name)

    def subset(self, graph: Bird) -> str:
        """As `World.subset`."""
        return "few" if len(statements(graph)) <= 3 else "many"

    def at_random(self, graph: Bird, rng: Rng) -> Bird:
        """As `World.at_random`; an eyering keeps being there or not, for its colour would be of nothing else."""
        said = {one.kind: VALUES[one.kind] for one in statements(graph)}
        if graph.eyering_colour is not None and graph.eyering is not None:
            said["eyering"] = tuple(value for value in VALUES["eyering"] if value != ABSENT)
        return replace(
            graph, **{kind: values[int(rng.integers(len(values)))] for kind, values in said.items()}
        )

    def falsified(self, graph: Bird, rng: Rng) -> list[tuple[Statement, Bird]]:
        """As `World.falsified`."""
        wrong = []
        for said in statements(graph):
            others = [value for value in VALUES[said.kind] if value != said.value]
            wrong.append(replace(said, value=others[int(rng.integers(len(others)))]))
        return [(false, self._with(graph, false, rng)) for false in wrong]

    def _with(self, graph: Bird, false: Statement, rng: Rng) -> Bird:
        changed = with_statement(graph, false)
        if false.kind != "eyering" or graph.eyering != ABSENT:
            return changed
        colours = [
            colour for colour in VALUES["eyering_colour"] if colour != graph.colour
        ]  # it has to be seen
        return replace(changed, eyering_colour=colours[int(rng.integers(len(colours)))])

    def judge(self, pixels: NDArray[np.uint8], graphs: Sequence[Bird]) -> list[tuple[Verdict, ...]]:
        """As `World.judge`."""
        reading = read(pixels)
        return [verdicts(reading, graph) for graph in graphs]

    def vocabulary(self) -> tuple[str, ...]:
        """As `World.vocabulary`."""
        return vocabulary()
