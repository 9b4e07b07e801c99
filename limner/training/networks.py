"""The networks of a stage as the loop sees them: which are called, compiling them, and when the first begins."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


def called(module: nn.Module) -> list[nn.Module]:
    """The networks that a stage calls: what is in those that are never called as a whole, containers and networks
    without a `forward`, and of an autoencoder its two halves."""
    inside = type(module).forward is nn.Module.forward
    if inside or (hasattr(module, "encode") and hasattr(module, "decode")):
        return [network for child in module.children() for network in called(child)]
    return [module]


def compile_networks(module: nn.Module, backend: str = "inductor") -> None:
    """Compile a stage's networks (`torch.compile`) for the shapes that come; names and values of weights stay."""
    for network in called(module):
        network.compile(backend=backend, dynamic=False)


class Waiting:
    """How long a device waits for what it is to compute on: from the beginning of a loss to its first network."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._began: float | None = None

    def begin(self) -> None:
        """A loss begins: its examples are chosen, read and taken to the device."""
        self._began = time.perf_counter()

    def _first(self, network: nn.Module, inputs: object) -> None:
        if self._began is not None:
            self.seconds += time.perf_counter() - self._began
            self._began = None

    @contextmanager
    def watching(self, module: nn.Module) -> Iterator[None]:
        """Within it the networks of a stage's module are watched."""
        # A compiler would take the clock for a constant.
        first = torch.compiler.disable(self._first)  # type: ignore[no-untyped-call]
        hooks = [network.register_forward_pre_hook(first) for network in called(module)]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()
