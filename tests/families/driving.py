"""Driving a program with the torch networks themselves, to see all that it asks and shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from limner.engine.request import Call, Stepped
from limner.families import Program
from limner.families.plans import Plan

Driven = tuple[NDArray[Any], list[Call], list[Stepped]]


@torch.no_grad()
def driven(program: Program, plans: Sequence[Plan]) -> Driven:
    """The picture, what was asked of the graphs (`plans`), as it was then, and the steps that were shown."""
    graphs = {plan.name: plan for plan in plans}
    calls, steps = list[Call](), list[Stepped]()
    answer: dict[str, NDArray[Any]] | None = None
    try:
        while True:
            found = program.send(answer)
            answer = None
            if isinstance(found, Stepped):
                steps.append(found)
                continue
            calls.append(Call(found.graph, {name: np.array(value) for name, value in found.inputs.items()}))
            plan = graphs[found.graph]
            given = {name: torch.from_numpy(value) for name, value in found.inputs.items()}
            answer = {name: v.numpy() for name, v in zip(plan.outputs, plan.network(**given), strict=True)}
    except StopIteration as end:
        picture: NDArray[Any] = end.value
        return picture, calls, steps
