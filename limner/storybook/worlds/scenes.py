"""The world of scenes: subjects in places, by day and by night."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..captions import captions, describe, vocabulary
from ..completion import completed
from ..contradiction import scenes_contradict
from ..falsify import VALUES, at_random, falsified
from ..grammar import HELD_OUT, pairs, random_for, sample
from ..layout import Drawings
from ..prompts import from_dict, frozen
from ..render import draw_scene, render
from ..scene import Scene, Statement, statements, with_statement
from ..subjects import SUBJECTS
from .world import IDEAS, Example, Prompt, Rng, Verdict


class Scenes:
    """See `World`; its graphs are `Scene`."""

    name = "scenes"
    values: Mapping[str, tuple[str, ...]] = VALUES
    subsets: Mapping[str, str] = {"one": "One subject", "several": "Several of a kind", "two": "Two things"}
    has_drawings = True

    def example(self, seed: int, index: int, size: int, drawings: Drawings = "all") -> Example:
        """As `World.example`."""
        drawn = render(seed, index, size, drawings=drawings)
        # A stream of its own, so that wordings do not depend on how many numbers the drawing used.
        texts = captions(drawn.scene, np.random.Generator(np.random.SFC64([seed, index, 1])))
        mask = np.zeros((size, size), np.uint8)
        for k, shown in enumerate(drawn.masks, 1):
            mask[shown] = k
        subjects = [
            {
                "thing": one.thing,
                "subject": one.subject,
                "colour": one.colour,
                "box": box,
                "frame": one.frame,
                "mirrored": one.mirrored,
                "drawing": one.drawing,
                "pose": one.pose,
            }
            for one, box in zip(drawn.placed, drawn.boxes, strict=True)
        ]
        return Example(drawn.image, mask, texts, drawn.scene, subjects)

    def fresh(self, seed: int, index: int, size: int) -> tuple[NDArray[np.uint8], Scene]:
        """As `World.fresh`; half of the scenes hold a pair that training never sees."""
        drawn = render(seed, index, size, held_out=index % 4 > 1)
        whole = index % 2 == 1
        said = drawn.scene if whole else describe(drawn.scene, random_for(seed + 1, index))[1]
        return np.asarray(drawn.image), said

    def prompt(self, rng: Rng, held_out: bool) -> tuple[str, Scene]:
        """As `World.prompt`."""
        return describe(sample(rng, held_out=held_out), rng)

    def idea(self, seed: int) -> str:
        """As `World.idea`; of plain scenes in clear weather."""
        rng = random_for(IDEAS, seed)
        return describe(replace(sample(rng), weather="clear", sign=None), rng)[0]

    def graph(self, data: Mapping[str, Any]) -> Scene:
        """As `World.graph`."""
        return from_dict(dict(data))

    def describe(self, graph: Scene, rng: Rng) -> tuple[str, Scene]:
        """As `World.describe`."""
        return describe(graph, rng)

    def contradicts(self, shown: Scene, said: Scene) -> bool:
        """As `World.contradicts`."""
        return scenes_contradict(shown, said)

    def picture(self, said: Scene, rng: Rng, size: int) -> NDArray[np.uint8]:
        """As `World.picture`."""
        return np.asarray(draw_scene(completed(said, rng), rng, size, with_masks=False).image)

    def classes(self) -> tuple[str, ...]:
        """As `World.classes`; the subjects."""
        names = [subject.words[0] for subject in SUBJECTS.values()]
        return tuple(f"{'an' if name[0] in 'aeiou' else 'a'} {name}" for name in names)

    def never_shown(self, graph: Scene) -> bool:
        """As `World.never_shown`."""
        return bool(pairs(graph) & HELD_OUT)

    def frozen(self, name: str) -> tuple[Prompt, ...]:
        """As `World.frozen`."""
        return frozen(name)

    def subset(self, graph: Scene) -> str:
        """As `World.subset`."""
        if len(graph.things) == 2:
            return "two"
        return "one" if graph.things[0].count == 1 else "several"

    def at_random(self, graph: Scene, rng: Rng) -> Scene:
        """As `World.at_random`."""
        return at_random(graph, rng)

    def falsified(self, graph: Scene, rng: Rng) -> list[tuple[Statement, Scene]]:
        """As `World.falsified`."""
        wrong = [falsified(graph, said, rng) for said in statements(graph)]
        return [(false, with_statement(graph, false)) for false in wrong]

    def judge(self, pixels: NDArray[np.uint8], graphs: Sequence[Scene]) -> list[tuple[Verdict, ...]]:
        """As `World.judge`; the first graph says whether a sign may stand in the way of what is looked for."""
        from ..checker import read, verdicts  # needs scipy, which drawing does not

        reading = read(pixels, graphs[0].sign is not None, any(graph.sign is not None for graph in graphs))
        return [verdicts(reading, graph) for graph in graphs]

    def vocabulary(self) -> tuple[str, ...]:
        """As `World.vocabulary`."""
        return vocabulary()
