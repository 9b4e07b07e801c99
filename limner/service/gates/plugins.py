"""Gates of other packages, found by their entry points, and the operator's choice among them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from ...errors import InvalidInput, Unavailable
from .checking import SECONDS, Gates
from .words import NAME, read_words

PROMPT_GROUP, PICTURE_GROUP = "limner.prompt_gates", "limner.picture_gates"


@dataclass(frozen=True)
class GateOptions:
    """What the operator says of gates: the file of words that are refused, the `names` of gates that packages bring,
    and the seconds that each has to answer in."""

    words: Path | None = None
    names: tuple[str, ...] = ()
    seconds: float = SECONDS


def open_gates(options: GateOptions) -> Gates:
    """The gates that were chosen, ready to be asked.

    InvalidInput where none has such a name, two packages have one or the file of words is wrong, Unavailable where one
    cannot be loaded.
    """
    if not 0.1 <= options.seconds <= 60:
        raise InvalidInput(f"a gate cannot have {options.seconds:g} seconds; allowed: 0.1 to 60")
    words = {} if options.words is None else {NAME: read_words(options.words)}
    found = {group: _found(group) for group in (PROMPT_GROUP, PICTURE_GROUP)}
    known = sorted({name for gates in found.values() for name in gates})
    for name in options.names:
        if name not in known:
            listed = ", ".join(known) or "none is installed"
            raise InvalidInput(f"no package brings a gate '{name}'; known: {listed}", field="gate")
    prompts, pictures = (
        {name: _loaded(gates[name]) for name in options.names if name in gates} for gates in found.values()
    )
    packages = {name: points[0].dist for gates in found.values() for name, points in gates.items()}
    versions = {name: package.version for name, package in packages.items() if package is not None}
    return Gates(words | prompts, pictures, options.seconds, versions)


def _found(group: str) -> dict[str, list[EntryPoint]]:
    found: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=group):
        if point.name != NAME and point not in found.setdefault(point.name, []):
            found[point.name].append(point)
    return found


def _loaded(points: list[EntryPoint]) -> Callable[..., Any]:
    """What the factory of an entry point makes."""
    first = points[0]
    if len(points) > 1:
        values = " and ".join(point.value for point in points)
        raise InvalidInput(f"gate '{first.name}' is brought by {values}; uninstall one", field="gate")
    try:
        made: Callable[..., Any] = first.load()()
    except Exception as error:
        said = str(error).partition("\n")[0][:200]
        raise Unavailable(f"gate '{first.name}' cannot be loaded: {type(error).__name__}: {said}") from error
    if not callable(made):
        raise Unavailable(
            f"gate '{first.name}' cannot be asked: {first.value} makes a {type(made).__name__}, nothing to call"
        )
    return made
