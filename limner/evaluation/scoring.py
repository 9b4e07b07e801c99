"""What an encoder says of pictures: how far they are from true ones, whether they find their text, how they differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..families.matcher.matcher import Matcher, Vectors
from .asking import Asked, Pixels, Tell
from .captioned import Pair
from .card import Histogram, Score
from .distances import LEAST, LEAST_PROMPTS, Measured, features, frechet, kid, kid_interval
from .intervals import wilson_of_groups
from .lineage import Past
from .material import Material
from .retrieval import AMONG, CHANCE, Pool, finds_its_own, pool_of, wrong_texts
from .spread import diversity, inception_score, inception_score_interval, mean_of, nearest, softmax

REAL, FLOOR, SHUFFLED = "true pictures", "true against true", "another prompt's"
_BINS = 24
_CLOSEST = 6


@dataclass(frozen=True)
class Close:
    """A drawn picture, the nearest that was learned from, both by their place, and the distance between them."""

    drawn: int
    learned: int
    distance: float


@dataclass
class Scores:
    """What was measured, and why the rest was not."""

    scores: list[Score] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    histograms: list[Histogram] = field(default_factory=list)
    closest: list[Close] = field(default_factory=list)


class Scorer:
    """All that an encoder measures of one model's pictures."""

    def __init__(self, matcher: Matcher, material: Material, model: str, tell: Tell) -> None:
        self.matcher, self.material, self.model, self._tell = matcher, material, model, tell
        self.found, self.by = Scores(), f"by {matcher.name.partition('@')[0]}"

    def measure(
        self, asked: Sequence[Asked], drawn: Sequence[Pixels], true: tuple[list[Pair], list[Pair]], past: Past
    ) -> Scores:
        """Measure pictures that were drawn for what was asked, in its order, beside two sets of true ones, and beside
        what the model has learned from."""
        texts = [one.prompt.text for one in asked]
        self.resize = made_ready(self.matcher.resize, drawn, [pair.pixels for pair in true[0]])
        of_drawn, of_texts = self._embed("drawn pictures", drawn), self.matcher.embed_texts(texts)
        of_true, of_more = (self._embed("true pictures", [pair.pixels for pair in part]) for part in true)
        own, more = ([pair.text for pair in part] for part in true)
        self._distances((of_drawn, of_true, of_more), (texts, own, more))
        self._retrieval(asked, of_drawn, of_texts, true[0], of_true)
        self._match(texts, of_drawn, of_texts, true[0], of_true)
        self._classes(texts, of_drawn, of_true)
        self._diversity(asked, of_drawn, true[0], of_true)
        self._memory(of_drawn, of_true, past)
        return self.found

    def _embed(self, words: str, pictures: Sequence[Pixels] | Pixels) -> Vectors:
        if not len(pictures):
            return np.empty((0, 1), np.float32)
        return self.matcher.embed_pictures(pictures, self._tell(f"{words}: embedding", len(pictures)))

    def _add(self, id: str, title: str, measured: Measured | float, n: int, **more: Any) -> None:
        if not isinstance(measured, Measured):
            measured = Measured(measured, np.nan, np.nan)
        low, high = (None if np.isnan(end) else _rounded(end) for end in (measured.low, measured.high))
        more["beside"] = {name: _rounded(value) for name, value in more.get("beside", {}).items()}
        self.found.scores.append(
            Score(
                id=id,
                title=title,
                value=_rounded(measured.value),
                low=low,
                high=high,
                n=n,
                encoder=self.matcher.name,
                encoder_hash=self.matcher.hash,
                resize=self.resize,
                model=self.model,
                data=self.material.hash,
                **more,
            )
        )

    def _distances(
        self, vectors: tuple[Vectors, Vectors, Vectors], texts: tuple[list[str], list[str], list[str]]
    ) -> None:
        """Of drawn pictures, true ones and further true ones, with the texts of each."""
        count = min(map(len, vectors))
        if count < LEAST:
            reason = (
                f"needs {LEAST} pictures of each kind, and there are {count}"
                if len(vectors[1])
                else "there are no true pictures of these prompts"
            )
            self.found.missing |= {"kid": reason, "frechet": reason}
            return
        a, b, c = (features(part[_places(len(part), count)]) for part in vectors)
        of_a, of_b, of_c = ([part[k] for k in _places(len(part), count)] for part in texts)
        prompts = min(len(set(part)) for part in (of_a, of_b, of_c))
        if prompts < LEAST_PROMPTS:
            self.found.missing["kid"] = f"needs {LEAST_PROMPTS} different prompts, and there are {prompts}"
        else:
            self._add(
                "kid", f"KID {self.by}", kid_interval(a, b, (of_a, of_b)), count, better="lower",
                beside={FLOOR: kid(c, b, (of_c, of_b))}, note="Of pairs of pictures that are of two prompts.",
            )  # fmt: skip
        note = "Falls with N, also for one source: compare it at this N alone."
        self._add(
            "frechet", "Fréchet distance", frechet(a, b), count, better="lower", beside={FLOOR: frechet(c, b)},
            note=note,
        )  # fmt: skip

    def _retrieval(
        self, asked: Sequence[Asked], drawn: Vectors, texts: Vectors, true: list[Pair], of_true: Vectors
    ) -> None:
        world = self.material.world
        pool = pool_of(world) if world is not None else Pool(list(dict.fromkeys(self.material.texts())), None)
        if len(pool.texts) < AMONG:
            self.found.missing["r-precision"] = (
                f"needs {AMONG} texts to choose from, and there are {len(pool.texts)}"
            )
            return
        others = self.matcher.embed_texts(pool.texts)
        told = [(one.prompt.text, one.prompt.scene) for one in asked]
        by_graph = pool.graphs is not None and all(shown is not None for _, shown in told)
        of_own = self.matcher.embed_texts([pair.text for pair in true])
        found, of = self._found(told, drawn, texts, pool, others)
        own = [(pair.text, pair.shown if by_graph else None) for pair in true]
        ceiling, _ = self._found(own, of_true, of_own, pool, others)
        if not found:
            self.found.missing["r-precision"] = "too few texts are wrong of these pictures"
            return
        beside = {"chance": CHANCE} | ({REAL: sum(ceiling) / len(ceiling)} if ceiling else {})
        known = "captions of other pictures of the set" if world is None else "any others of the world"
        known = "each wrong by its scene graph" if by_graph else known
        self._add(
            "r-precision", f"R-precision, 1 in {AMONG}",
            Measured(sum(found) / len(found), *wilson_of_groups(found, of)), len(found),
            beside=beside, note=f"{AMONG - 1} other texts, {known}.",
        )  # fmt: skip

    def _found(
        self, told: Sequence[tuple[str, Any]], pictures: Vectors, texts: Vectors, pool: Pool, others: Vectors
    ) -> tuple[list[bool], list[str]]:
        """Whether each picture finds its own text, and that text, of those that have enough wrong ones."""
        found, of = list[bool](), list[str]()
        for number, (text, shown) in enumerate(told):
            wrong = wrong_texts(pool, self.material.same(text), shown, self.material.world, number)
            if wrong is not None:
                found.append(finds_its_own(pictures[number], texts[number], others[wrong]))
                of.append(text)
        return found, of

    def _match(
        self, prompts: list[str], drawn: Vectors, texts: Vectors, true: list[Pair], of_true: Vectors
    ) -> None:
        id, title = ("clip-score", "CLIP score") if self.matcher.clip else ("match-score", "Match score")
        own = 100 * (drawn * texts).sum(1)
        shuffled = 100 * (drawn * np.roll(texts, max(1, len(texts) // 2), 0)).sum(1)
        kinds = {"drawn": own}
        if true:
            kinds[REAL] = 100 * (of_true * self.matcher.embed_texts([pair.text for pair in true])).sum(1)
        kinds |= {SHUFFLED: shuffled} if len(texts) > 1 else {}
        beside = {name: float(values.mean()) for name, values in kinds.items() if name != "drawn"}
        mean, least = mean_of(own, prompts), -100.0
        if self.matcher.clip:  # as torchmetrics has it: the mean of 100 cosines, and no less than 0
            least, beside = 0.0, {name: max(0.0, value) for name, value in beside.items()}
        low, high = (None if end is None else max(least, end) for end in (mean.low, mean.high))
        self._add(
            id, title, Measured(max(least, mean.value), low, high), len(own), beside=beside,
            note="100 x the cosine of a picture and its text.",
        )  # fmt: skip
        self.found.histograms.append(_histogram(f"{title} of each picture", kinds))

    def _classes(self, prompts: list[str], drawn: Vectors, true: Vectors) -> None:
        world = self.material.world
        if world is None or len(drawn) < LEAST:
            reason = (
                "no classes are known"
                if world is None
                else f"needs {LEAST} pictures, and there are {len(drawn)}"
            )
            self.found.missing["inception-score"] = reason
            return
        classes = self.matcher.embed_texts(world.classes())
        shares, ceiling = (softmax(self.matcher.scale * pictures @ classes.T) for pictures in (drawn, true))
        self._add(
            "inception-score", f"Class score {self.by}", inception_score_interval(shares, prompts), len(drawn),
            beside={REAL: inception_score(ceiling)},
            note="The formula of the Inception score; the classifier is the encoder itself, on "
            f"{len(classes)} sentences such as '{world.classes()[0]}'.",
        )  # fmt: skip

    def _diversity(self, asked: Sequence[Asked], drawn: Vectors, true: list[Pair], of_true: Vectors) -> None:
        found = diversity(drawn, [one.prompt.id for one in asked])
        if found is None:
            self.found.missing["diversity"] = "needs two seeds a prompt"
            return
        same = diversity(of_true, [pair.text for pair in true]) if true else None
        self._add(
            "diversity", "Diversity over seeds", found, len(drawn), better="neither",
            beside={REAL: same.value} if same is not None else {},
            note="Mean of 1 - cosine between pictures of one prompt. Above that of true pictures it is disorder.",
        )  # fmt: skip

    def _memory(self, drawn: Vectors, true: Vectors, past: Past) -> None:
        if not past.captions:
            self.found.missing["nearest-learned"] = past.note or "nothing is known to have been learned from"
            return
        learned = self._embed("pictures learned from", past.pictures)
        places, distances = nearest(drawn, learned)
        kinds = {"drawn": distances}
        if len(true):
            kinds[REAL] = nearest(true, learned)[1]
        searched = f"among {len(learned):,} of {past.count:,} pictures that it learned from"
        title = "Distance to the nearest learned picture"
        for id, words, percent in (
            ("nearest-learned", "Median", 50),
            ("nearest-learned-low", "First percentile", 1),
        ):
            low = {name: float(np.percentile(values, percent)) for name, values in kinds.items()}
            self._add(
                id, title if percent == 50 else f"{title}, {words.lower()}", low.pop("drawn"), len(drawn),
                better="neither", beside=low,
                note=f"{words} of 1 - cosine, {searched}. Far below that of true pictures it is copying; near it does "
                "not prove that nothing was copied.",
            )  # fmt: skip
        self.found.histograms.append(_histogram(title, kinds))
        first: dict[int, int] = {}  # no learned picture twice
        for k in np.argsort(distances, kind="stable").tolist():
            first.setdefault(int(places[k]), k)
        near = list(first.items())[:_CLOSEST]
        self.found.closest += [Close(k, place, _rounded(float(distances[k]))) for place, k in near]


def _places(total: int, count: int) -> NDArray[np.int64]:
    """So many places, evenly over all."""
    return np.linspace(0, total - 1, count).astype(np.int64)


def made_ready(resize: str, drawn: Sequence[Pixels], true: Sequence[Pixels]) -> str:
    """How pictures were made ready, with the size of true ones where it is not that of drawn ones."""
    sides = [part[0].shape[0] for part in (drawn, true) if part]
    return resize if len(set(sides)) < 2 else f"{resize}, true ones from {sides[1]} px"


def _histogram(title: str, kinds: dict[str, NDArray[Any]]) -> Histogram:
    every = np.concatenate(list(kinds.values()))
    low, high = float(every.min()), float(every.max())
    edges = np.linspace(low, max(high, low + 1e-6), _BINS + 1)
    shares = {
        name: tuple((np.histogram(values, edges)[0] / len(values)).round(4).tolist())
        for name, values in kinds.items()
    }
    return Histogram(title=title, edges=tuple(edges.round(4).tolist()), shares=shares)


def _rounded(value: float) -> float:
    return float(f"{value:.5g}")
