"""One model on the bench: its pictures drawn, checked and measured, as a card."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypedDict

from ..engine.request import DrawRequest
from ..engine.studio import LocalStudio
from ..families.matcher.matcher import Matcher
from ..registry.choices import Choices
from ..registry.models import Model, Registry
from .askable import Askable
from .asking import AT_ONCE, Asked, Drawn, Pixels, Tell, asked, checked, drawn
from .captioned import Captioned
from .card import Bench, Card, Ceiling, Cost, Settings
from .checking import accuracy, plans_first, round_trip
from .distances import LEAST
from .lineage import Past, past_of
from .machine import hardware
from .material import Frozen, Material
from .memory import memory_of
from .scoring import Scorer, Scores
from .standard import standard_fid

_CEILING_PICTURES = 250
_UNTOLD = (
    "the decoder is told nothing of a plan here, as it is when it draws: this is not the most that it can do"
)
NO_MATCHER = "no matcher is named; one of recipes/matcher-*.toml makes one for --matcher"


@dataclass(frozen=True)
class CloseShown:
    """A drawn picture beside the nearest that was learned from, both uint8 (H, W, 3), and how far apart they are."""

    prompt: str
    pixels: Pixels
    learned: Pixels
    distance: float


@dataclass(frozen=True)
class Evaluation:
    """A card, the pictures by file that it was made from, and those nearest to what was learned from."""

    card: Card
    drawn: Mapping[str, Drawn]
    closest: tuple[CloseShown, ...] = ()


class Judges(TypedDict):
    """What measures pictures: an encoder, and a file of Inception's weights; neither needs to be there."""

    matcher: Matcher | None
    inception: Path | None


def evaluated(
    registry: Registry,
    model: Model,
    material: Material,
    seeds: int,
    judges: Judges,
    pool: Executor,
    tell: Tell,
    true_size: int | None = None,
) -> Evaluation:
    """Draw, check and measure one model's pictures of all prompts of `material` with `seeds` seeds.

    Encoders hold them against true pictures of `true_size` pixels, without it of as many as are drawn.
    """
    reference, parts = str(model.path), dict[str, Drawn]()
    say = Askable(model).literally if isinstance(material, Captioned) else str
    with closing(LocalStudio(registry)) as studio:
        studio.preload(reference)
        first = next(iter(material.files.values()))[0].text
        settings = studio.resolve(DrawRequest(prompt=first, model=reference, seed=0))
        for name, prompts in material.files.items():
            wanted = asked(prompts, seeds)
            told = tell(f"{_words(name)}: drawing", len(wanted))
            parts[name] = drawn(studio, reference, wanted, told, say)
    size = settings.width or 128
    memory = memory_of(model, first, registry.data_dir)
    past, files = past_of(model, material.learned(), true_size or size, pool), {}
    for name, part in parts.items():
        if material.world is None:  # nobody can check it
            continue
        told = tell(f"{_words(name)}: checking", len(part.asked))
        parts[name], card = checked(part, material.world, past, pool, told)
        if card is not None:
            files[name] = card
    every = [one for part in parts.values() for one in part.asked]
    found, closest = _measured(model, material, every, parts, true_size or size, past, judges, pool, tell)
    true, back = _ceilings(model, material, len(every) // seeds, size, pool, tell)
    lineage = model.manifest.lineage
    spent = sum(part.seconds for part in parts.values())
    card_of_all = Card(
        model=model.name,
        version=model.version,
        title=model.manifest.title,
        world=material.world.name if material.world is not None else None,
        bench=Bench(name=material.name, hash=material.hash),
        created=now(),
        settings=Settings(
            sampler=settings.sampler or "",
            steps=settings.steps or 0,
            guidance_scale=settings.guidance_scale or 1.0,
            guidance_interval=settings.guidance_interval or (0.0, 1.0),
            feature_reuse=settings.feature_reuse or 1,
            width=size,
            height=settings.height or size,
            seeds=seeds,
        ),
        files=files,
        true_renders=true,
        round_trip=back,
        scores=tuple(found.scores),
        missing=found.missing,
        histograms=tuple(found.histograms),
        cost=Cost(
            seconds_a_picture=round(spent / max(1, len(every)), 3),
            at_once=AT_ONCE,
            memory=memory,
            hardware=hardware(),
            training_hardware=lineage.hardware,
            training_hours=lineage.hours,
            training_examples=lineage.examples,
            training_parent=lineage.parent,
        ),
        choices=Choices.read(model.path),
    )
    return Evaluation(card_of_all, parts, closest)


def _measured(
    model: Model,
    material: Material,
    every: list[Asked],
    parts: Mapping[str, Drawn],
    true_size: int,
    past: Past,
    judges: Judges,
    pool: Executor,
    tell: Tell,
) -> tuple[Scores, tuple[CloseShown, ...]]:
    """What encoders say, and the pictures nearest to what was learned from."""
    matcher, inception = judges["matcher"], judges["inception"]
    name = f"{model.name}@{model.version}"
    if matcher is None and inception is None:
        return Scores(missing={"scores": NO_MATCHER}), ()
    pictures = [picture for part in parts.values() for picture in part.pictures]
    true, more = (material.real(copy, len(every), true_size, pool) for copy in (0, 1))
    found = Scores(missing={"scores": NO_MATCHER})
    closest: tuple[CloseShown, ...] = ()
    if matcher is not None:
        found = Scorer(matcher, material, name, tell).measure(every, pictures, (true, more), past)
        closest = tuple(
            CloseShown(
                every[one.drawn].prompt.text, pictures[one.drawn], past.pictures[one.learned], one.distance
            )
            for one in found.closest
        )
    if inception is not None:
        real, further = ([pair.pixels for pair in part] for part in (true, more))
        if (count := min(len(pictures), len(real), len(further))) < LEAST:
            found.missing["fid"] = f"needs {LEAST} pictures of each kind, and there are {count}"
        else:
            found.scores.append(standard_fid(pictures, real, further, inception, name, material.hash))
    return found, closest


def _ceilings(
    model: Model, material: Material, prompts: int, size: int, pool: Executor, tell: Tell
) -> tuple[Ceiling | None, Ceiling | None]:
    """The checker's own accuracy on true renders of a world, and on those that went through the autoencoder."""
    if not isinstance(material, Frozen):
        return None, None
    world, count = material.world.name, min(_CEILING_PICTURES, max(map(len, material.files.values())))
    told = tell("checker on true renders", count)
    true = Ceiling(accuracy=accuracy(world, count, size, pool=pool, on_checked=told))
    if model.manifest.preview is None and model.manifest.tokens is None:
        return true, Ceiling(accuracy=None, note="has no autoencoder")
    try:
        through = round_trip(model.path)
    except ModuleNotFoundError:
        return true, Ceiling(accuracy=None, note="needs [train]")
    told = tell("checker on round trips", count)
    back = accuracy(world, count, size, through, pool=pool, on_checked=told)
    return true, Ceiling(accuracy=back, note=_UNTOLD if plans_first(model.path) else None)


def now() -> str:
    """The time of a card."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _words(name: str) -> str:
    return name.replace("_", " ")
