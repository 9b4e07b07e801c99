"""A matcher on the bench: how well it tells true pictures and texts apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor

from ..families.matcher.matcher import Matcher, open_matcher
from ..registry.models import Model
from ..storybook.grammar import random_for
from ..storybook.worlds import World, wrong_captions
from .asking import Tell
from .bench import now
from .captioned import Pair
from .card import Bench, Card, Cost, Score
from .intervals import wilson_of_groups
from .machine import hardware
from .material import Frozen, Material
from .retrieval import AMONG, CHANCE, Pool, finds_its_own, pool_of, wrong_texts

_FRESH_SEED = 0x7E57
_FRESH = 500
_WRONG = 4
BLIND = "without looking"


def matching(model: Model, material: Material, pool: Executor, tell: Tell) -> Card:
    """The card of a matcher: of true pictures of each file the share that find their own text among a hundred, and of
    fresh pictures of a world the share nearer to a caption than to the same with one atom falsified, by its kind."""
    matcher = open_matcher(model)
    bench = _Bench(matcher, material, f"{model.name}@{model.version}")
    total = sum(len(prompts) for prompts in material.files.values())
    true = material.real(0, total, matcher.side, pool)
    scores, first = [], 0
    for name, prompts in material.files.items():
        part = true[first : first + len(prompts)]
        first += len(prompts)
        scores += bench.retrieval(name, part, tell(f"{name.replace('_', ' ')}: embedding", len(part)))
    if isinstance(material, Frozen):
        count = min(_FRESH, total)
        scores += bench.told_apart(material.world, count, tell("one atom falsified: embedding", count))
    lineage = model.manifest.lineage
    return Card(
        model=model.name,
        version=model.version,
        title=model.manifest.title,
        world=material.world.name if material.world is not None else None,
        bench=Bench(name=material.name, hash=material.hash),
        created=now(),
        scores=tuple(scores),
        missing={}
        if scores
        else {"retrieval": "there are no true pictures of these prompts, or too few texts"},
        cost=Cost(
            seconds_a_picture=0.0,
            at_once=1,
            hardware=hardware(),
            training_hardware=lineage.hardware,
            training_hours=lineage.hours,
            training_examples=lineage.examples,
        ),
    )


class _Bench:
    def __init__(self, matcher: Matcher, material: Material, name: str) -> None:
        self.matcher, self.material, self.name = matcher, material, name
        world = material.world
        self.pool = pool_of(world) if world is not None else Pool(list(dict.fromkeys(material.texts())), None)
        self.others = matcher.embed_texts(self.pool.texts) if len(self.pool.texts) >= AMONG else None

    def retrieval(self, file: str, true: Sequence[Pair], told: Callable[[int], None]) -> list[Score]:
        if self.others is None or not true:
            return []
        pictures = self.matcher.embed_pictures([pair.pixels for pair in true], told)
        texts = self.matcher.embed_texts([pair.text for pair in true])
        found: list[tuple[bool, object]] = []
        for number, pair in enumerate(true):
            wrong = wrong_texts(
                self.pool, self.material.same(pair.text), pair.shown, self.material.world, number
            )
            if wrong is not None:
                found.append((finds_its_own(pictures[number], texts[number], self.others[wrong]), number))
        title = f"Finds its text, 1 in {AMONG}: {file.replace('_', ' ')}"
        return [self._share(f"retrieval-{file}", title, found, CHANCE)] if found else []

    def told_apart(self, world: World, count: int, told: Callable[[int], None]) -> list[Score]:
        fresh = [world.fresh(_FRESH_SEED, 2 * k + 1, self.matcher.side) for k in range(count)]
        pictures = self.matcher.embed_pictures([pixels for pixels, _ in fresh], told)
        pairs = [
            (k, pair)
            for k, (_, graph) in enumerate(fresh)
            for pair in wrong_captions(world, graph, random_for(_FRESH_SEED, k), _WRONG)
        ]
        right = self.matcher.embed_texts([pair.right for _, pair in pairs])
        wrong = self.matcher.embed_texts([pair.text for _, pair in pairs])
        shown = pictures[[k for k, _ in pairs]]
        apart = (shown * right).sum(1) > (shown * wrong).sum(1)
        # What is true is also what is usual: some of it is told without looking, by the mean of all pictures.
        blind = right @ pictures.mean(0) > wrong @ pictures.mean(0)
        outcomes = [(bool(told), k) for told, (k, _) in zip(apart, pairs, strict=True)]
        title = "One atom falsified: told apart"
        found = [self._share("told-apart", title, outcomes, float(blind.mean()), BLIND)]
        for kind in world.values:
            places = [place for place, (_, pair) in enumerate(pairs) if pair.kind == kind]
            if places:
                own, beside = [outcomes[place] for place in places], float(blind[places].mean())
                found.append(self._share(f"told-apart-{kind}", f"told apart by {kind}", own, beside, BLIND))
        return found

    def _share(
        self,
        id: str,
        title: str,
        found: Sequence[tuple[bool, object]],
        beside: float,
        name: str = "chance",
    ) -> Score:
        """The share of what is right, each outcome with its picture."""
        right = [each for each, _ in found]
        low, high = wilson_of_groups(right, [picture for _, picture in found])
        return Score(
            id=id,
            title=title,
            value=round(sum(right) / len(right), 4),
            low=round(low, 4),
            high=round(high, 4),
            n=len(right),
            beside={name: round(beside, 4)},
            encoder=self.matcher.name,
            encoder_hash=self.matcher.hash,
            resize=self.matcher.resize,
            model=self.name,
            data=self.material.hash,
        )
