"""Joining the calls of several programs into one call of a network, and splitting what comes back."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..errors import LimnerError
from .request import Call

_Holder = TypeVar("_Holder")


def rows_of(call: Call) -> int:
    """Count the rows of a call; LimnerError where it has none, or its inputs disagree."""
    counts = {value.shape[0] if value.ndim else 0 for value in call.inputs.values()}
    if len(counts) != 1 or not min(counts):
        shapes = ", ".join(f"{name} {list(value.shape)}" for name, value in call.inputs.items())
        raise LimnerError(
            f"a call of graph '{call.graph}' needs one number of rows, at least 1; got {shapes}"
        )
    return int(counts.pop())


def kind_of(call: Call) -> Hashable:
    """Give what two calls must have in common to be joined: graph, and names, types and shapes of rows."""
    return call.graph, tuple(
        sorted((name, value.dtype.str, value.shape[1:]) for name, value in call.inputs.items())
    )


def choose(
    calls: Iterable[tuple[_Holder, Call]], most: Mapping[str, int], default: int
) -> list[list[_Holder]]:
    """Group the holders of calls, one group for each kind of call, at most `most[graph]` rows in each.

    The order given is the order of precedence. The first call of a kind is always chosen, however many rows it
    has, and a later one where it still fits.
    """
    groups: dict[Hashable, list[_Holder]] = {}
    filled: dict[Hashable, int] = {}
    for holder, call in calls:
        kind, rows = kind_of(call), rows_of(call)
        if kind not in groups:
            groups[kind], filled[kind] = [holder], rows
        elif filled[kind] + rows <= most.get(call.graph, default):
            groups[kind].append(holder)
            filled[kind] += rows
    return list(groups.values())


def join(calls: Sequence[Call]) -> dict[str, NDArray[Any]]:
    """Put calls of one kind below each other."""
    if len(calls) == 1:
        return calls[0].inputs
    return {name: np.concatenate([call.inputs[name] for call in calls]) for name in calls[0].inputs}


def split(outputs: Mapping[str, NDArray[Any]], calls: Sequence[Call]) -> list[dict[str, NDArray[Any]]]:
    """Give each call its own rows; LimnerError where the outputs have not as many rows as the calls."""
    ends = np.cumsum([rows_of(call) for call in calls]).tolist()
    for name, value in outputs.items():
        if value.ndim == 0 or len(value) != ends[-1]:
            raise LimnerError(
                f"graph '{calls[0].graph}' gave output '{name}' {list(value.shape)} for {ends[-1]} rows"
            )
    starts = [0, *ends[:-1]]
    return [
        {name: value[start:end] for name, value in outputs.items()}
        for start, end in zip(starts, ends, strict=True)
    ]
