"""Scenes in words: many wordings of the same scene, so that people's own words work.

A caption says some of what a scene shows; `describe` returns the words together with the scene as far as it
was said, which is what a picture drawn from those words can be held to.
"""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from .scene import INDOORS, SIGN_WORDS, Scene, Thing
from .subjects import SUBJECTS

Rng = np.random.Generator

COLOUR_WORDS: dict[str, tuple[str, ...]] = {
    "red": ("red", "crimson", "scarlet"),
    "green": ("green", "emerald"),
    "blue": ("blue", "navy"),
    "yellow": ("yellow", "golden"),
    "orange": ("orange",),
    "purple": ("purple", "violet"),
    "pink": ("pink", "rosy"),
    "white": ("white", "ivory"),
    "black": ("black",),
    "brown": ("brown", "chocolate"),
}
SIZE_WORDS = {
    "small": ("small", "little", "tiny"),
    "medium": ("medium-sized",),
    "large": ("large", "big", "huge"),
}
COUNT_WORDS = {2: ("two", "2", "a pair of"), 3: ("three", "3"), 4: ("four", "4")}
PLACE_WORDS: dict[str, tuple[str, ...]] = {
    "table": ("on a wooden table", "on the table", "on a table"),
    "street": ("on a street", "on the street", "in the city", "in a town"),
    "mountain": ("on the mountain", "in the mountains", "on a mountain", "on a hill"),
    "sea": ("by the sea", "on the sea", "at the seaside", "on the ocean", "in the water"),
    "forest": ("in a forest", "in the forest", "in the woods", "among the trees"),
    "desert": ("in the desert", "in a desert", "on the sand"),
    "meadow": ("in a meadow", "in the meadow", "on the grass", "in a field of flowers", "in the garden"),
    "snow": ("in the snow", "on the snow", "in a snowy field", "in a winter landscape"),
    "farm": ("on a farm", "on the farm", "by a barn", "in front of a red barn"),
    "room": ("in a room", "in the room", "indoors", "inside a room"),
}
TIME_WORDS = {
    "day": ("by day", "in daylight", "during the day", "on a bright day"),
    "sunset": ("at sunset", "in the evening", "at dusk"),
    "night": ("at night", "by night", "under the moon", "by moonlight"),
}
WEATHER_WORDS = {
    "clear": ("under a clear sky",),
    "rain": ("in the rain", "on a rainy day", "while it rains"),
    "snow": ("while it snows", "in falling snow", "on a snowy day"),
}
DRESSED_WORDS = ("in", "dressed in", "wearing")
PARKED = ("car", "bicycle", "train")
RELATION_WORDS = {
    "left of": ("left of", "to the left of", "on the left of"),
    "right of": ("right of", "to the right of", "on the right of"),
    "above": ("above", "over", "flying above"),
    "below": ("below", "under", "beneath"),
    "on top of": ("on top of", "standing on", "on"),
}
OPENINGS = (
    "",
    "",
    "",
    "",
    "",
    "a picture of ",
    "a drawing of ",
    "a photo of ",
    "an illustration of ",
    "draw ",
)


def _pick(rng: Rng, words: tuple[str, ...], plain: float = 0.55) -> str:
    return words[0] if len(words) == 1 or rng.random() < plain else words[int(rng.integers(1, len(words)))]


def _article(phrase: str) -> str:
    return ("an " if phrase[0] in "aeiou" else "a ") + phrase


def _thing(rng: Rng, thing: Thing, colour: bool, size: bool) -> str:
    subject = SUBJECTS[thing.subject]
    which = 0 if rng.random() < 0.6 else int(rng.integers(len(subject.words)))
    words = []
    if size and thing.size is not None:
        words.append(_pick(rng, SIZE_WORDS[thing.size]))
    dressed = ""
    if colour and thing.colour is not None:
        word = _pick(rng, COLOUR_WORDS[thing.colour], 0.75)
        if thing.subject == "person":
            dressed = f" {_pick(rng, DRESSED_WORDS, 0.7)} {word}"
        else:
            words.append(word)
    if thing.count == 1:
        words.append(subject.words[which])
        phrase = " ".join(words) + dressed
        return _article(phrase) if rng.random() < 0.9 else phrase
    return " ".join([_pick(rng, COUNT_WORDS[thing.count], 0.7), *words, subject.plurals[which]]) + dressed


def describe(scene: Scene, rng: Rng) -> tuple[str, Scene]:
    """One caption of a whole scene, and the scene as far as the caption says it."""
    say_size = rng.random() < 0.3 and (len(scene.things) == 1 and scene.things[0].count == 1)
    said_things, phrases = [], []
    for thing in scene.things:
        say_colour = rng.random() < 0.9
        say_this_size = say_size and thing.size != "medium"
        phrases.append(_thing(rng, thing, say_colour, say_this_size))
        said_things.append(
            replace(
                thing, colour=thing.colour if say_colour else None, size=thing.size if say_this_size else None
            )
        )
    text, relation = phrases[0], None
    if len(phrases) == 2:
        relation = scene.relation if scene.relation and rng.random() < 0.93 else None
        if relation:
            text = f"{phrases[0]} {_pick(rng, RELATION_WORDS[relation], 0.6)} {phrases[1]}"
        else:
            order = phrases if rng.random() < 0.5 else phrases[::-1]
            text = f"{order[0]} and {order[1]}"
    say_place = scene.place is not None and rng.random() < 0.85
    say_time = scene.time is not None and rng.random() < (0.15 if scene.time == "day" else 0.8)
    outdoors = scene.place not in INDOORS
    say_weather = (
        scene.weather is not None and outdoors and rng.random() < (0.05 if scene.weather == "clear" else 0.8)
    )
    where = []
    if say_place:
        parked = scene.place == "street" and scene.things[0].subject in PARKED and rng.random() < 0.4
        where.append("parked on a street" if parked else _pick(rng, PLACE_WORDS[scene.place or ""], 0.5))
    if say_time:
        where.append(_pick(rng, TIME_WORDS[scene.time or ""], 0.6))
    if say_weather:
        where.append(_pick(rng, WEATHER_WORDS[scene.weather or ""], 0.6))
    if scene.sign is not None:
        text += rng.choice(
            [f' next to a sign that says "{scene.sign}"', f' with a sign saying "{scene.sign.lower()}"']
        )
    if where and rng.random() < 0.12:
        text = ", ".join([where[0], " ".join([text, *where[1:]])])
    else:
        text = (OPENINGS[rng.integers(len(OPENINGS))] if rng.random() < 0.6 else "") + " ".join(
            [text, *where]
        )
    said = Scene(
        tuple(said_things),
        relation,
        scene.place if say_place else None,
        scene.time if say_time else None,
        scene.weather if say_weather else None,
        scene.sign,
    )
    return text, said


def captions(scene: Scene, rng: Rng, count: int = 5) -> list[str]:
    """Several different wordings of a scene."""
    found: dict[str, None] = {}
    while len(found) < count:
        found[describe(scene, rng)[0]] = None
    return list(found)


def vocabulary() -> tuple[str, ...]:
    """Every word that a caption can have, in lower case, sorted."""
    texts = [word for s in SUBJECTS.values() for word in (*s.words, *s.plurals)]
    for table in (
        COLOUR_WORDS,
        SIZE_WORDS,
        COUNT_WORDS,
        PLACE_WORDS,
        TIME_WORDS,
        WEATHER_WORDS,
        RELATION_WORDS,
        {"": DRESSED_WORDS},
    ):
        texts += [word for words in table.values() for word in words]
    texts += [*OPENINGS, *SIGN_WORDS, "parked a an and with next to a sign that says saying"]
    return tuple(sorted({word for text in texts for word in re.findall(r"[a-z0-9-]+", text.lower())}))
