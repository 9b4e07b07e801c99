"""The scene graph: what a picture shows, and the statements that can be checked about it."""

from __future__ import annotations

from dataclasses import dataclass, replace

SIZES = ("small", "medium", "large")
RELATIONS = ("left of", "right of", "above", "below", "on top of")
PLACES = ("table", "street", "mountain", "sea", "forest", "desert", "meadow", "snow", "farm", "room")
INDOORS = ("table", "room")
TIMES = ("day", "sunset", "night")
WEATHERS = ("clear", "rain", "snow")
SIGN_WORDS = ("OPEN", "HOME", "SALE", "ZOO", "STOP", "TEA", "ART", "HELLO", "CAFE", "BUS")
MAX_COUNT = 4


@dataclass(frozen=True)
class Thing:
    """One to four subjects of a kind. A None is something that a caption did not say."""

    subject: str
    colour: str | None = None
    size: str | None = None
    count: int = 1


@dataclass(frozen=True)
class Scene:
    """One or two things, how the first stands to the second, and where and when it is. None: not said."""

    things: tuple[Thing, ...]
    relation: str | None = None
    place: str | None = None
    time: str | None = None
    weather: str | None = None
    sign: str | None = None


@dataclass(frozen=True)
class Statement:
    """One atom of a scene graph that a picture shows or does not: `value` of a kind, of the thing at index `thing`.

    In scenes the kinds are subject, colour, count, relation, place, time and sign.
    """

    kind: str
    value: str
    thing: int = 0

    def __str__(self) -> str:
        return f"{self.kind}[{self.thing}]={self.value}"


def statements(scene: Scene) -> tuple[Statement, ...]:
    """All that a scene says and the checker can check; size and weather are drawn but not checked."""
    said: list[Statement] = []
    for k, thing in enumerate(scene.things):
        said.append(Statement("subject", thing.subject, k))
        if thing.colour is not None:
            said.append(Statement("colour", thing.colour, k))
        said.append(Statement("count", str(thing.count), k))
    if scene.relation is not None:
        said.append(Statement("relation", scene.relation))
    if scene.place is not None:
        said.append(Statement("place", scene.place))
    if scene.time is not None:
        said.append(Statement("time", scene.time))
    if scene.sign is not None:
        said.append(Statement("sign", scene.sign))
    return tuple(said)


def with_statement(scene: Scene, statement: Statement) -> Scene:
    """The scene with one atom set to the statement's value; this is how a scene is falsified."""
    value = statement.value
    match statement.kind:
        case "place":
            return replace(scene, place=value)
        case "time":
            return replace(scene, time=value)
        case "relation":
            return replace(scene, relation=value)
        case "sign":
            return replace(scene, sign=value)
        case "subject":
            changed = replace(scene.things[statement.thing], subject=value)
        case "colour":
            changed = replace(scene.things[statement.thing], colour=value)
        case "count":
            changed = replace(scene.things[statement.thing], count=int(value))
        case kind:
            raise ValueError(f"scenes have no statements of kind {kind!r}")
    things = list(scene.things)
    things[statement.thing] = changed
    return replace(scene, things=tuple(things))
