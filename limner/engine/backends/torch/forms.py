"""A graph for one number of rows and sizes: traced once, on a GPU compiled and captured, then only played.

A form has its own places on the device for what it is given and what it gives. On a GPU numbers travel through pinned
memory, on the stream of their network, and the whole of a call is one CUDA graph: the processor that asks waits for
the results alone, not for a thousand small operations to be begun.

Networks are called from several threads. One form is made at a time, and nothing is launched while a call is captured;
but while one waits for its results, or is made, others are launched.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from .. import Arrays
from .graph import TorchGraph

_log = logging.getLogger(__name__)
_WARM_UPS = 3  # before a capture, as torch's notes on CUDA graphs say
_MAKING, _LAUNCHING = Lock(), Lock()

Played = Callable[[], dict[str, Tensor]]


class Form:
    """A graph for inputs of exactly these shapes and types."""

    def __init__(self, graph: TorchGraph, inputs: Arrays, stream: Any = None) -> None:
        """Made for the shapes of `inputs`; on a GPU it runs on `stream`."""
        self._device, self._stream = graph.device, stream
        on_gpu = self._device.type == "cuda"
        with _MAKING, torch.no_grad():
            self._staged = {name: _host(value, on_gpu) for name, value in inputs.items()}
            self._given = {name: value.to(self._device) for name, value in self._staged.items()}
            traced = make_fx(graph)(self._given)
            if not on_gpu:
                self._play: Played = lambda: traced(self._given)
                return
            self._play = self._captured(traced)
            self._found = {
                name: torch.empty(value.shape, dtype=value.dtype, pin_memory=True)
                for name, value in self._play().items()
            }
            self._done = torch.cuda.Event()  # type: ignore[no-untyped-call]
            torch.cuda.synchronize(self._device)

    def __call__(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        """Run the graph on inputs of its shapes; the outputs are the caller's to keep."""
        if self._stream is None:
            with torch.inference_mode():
                for name, value in inputs.items():
                    self._staged[name].copy_(torch.from_numpy(np.ascontiguousarray(value)))
                    if self._given[name] is not self._staged[name]:
                        self._given[name].copy_(self._staged[name])
                return {name: np.array(value.numpy()) for name, value in self._play().items()}
        with _LAUNCHING, torch.inference_mode(), torch.cuda.stream(self._stream):
            for name, value in inputs.items():
                self._staged[name].copy_(torch.from_numpy(np.ascontiguousarray(value)))
                self._given[name].copy_(self._staged[name], non_blocking=True)
            for name, made in self._play().items():
                self._found[name].copy_(made, non_blocking=True)
            self._done.record(self._stream)
        self._done.synchronize()
        return {name: np.array(made.numpy()) for name, made in self._found.items()}

    def _captured(self, traced: torch.fx.GraphModule) -> Played:
        """What plays a traced graph: compiled where that can be, and captured as one CUDA graph."""
        run: Callable[[dict[str, Tensor]], dict[str, Tensor]] = traced
        try:
            compiled = torch.compile(traced, dynamic=False)
            self._warm(compiled)
            run = compiled
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - compilers fail in many ways, and it runs without
            _log.warning("runs uncompiled: %s", " ".join(str(error).split())[:200] or type(error).__name__)
            self._warm(run)
        captured = torch.cuda.CUDAGraph()
        # Other threads may wait for results meanwhile, and read weights of other networks.
        with (
            _LAUNCHING,
            torch.cuda.graph(captured, stream=self._stream, capture_error_mode="thread_local"),
        ):
            made = run(self._given)

        def play() -> dict[str, Tensor]:
            captured.replay()
            return made

        return play

    def _warm(self, run: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> None:
        with torch.cuda.stream(self._stream):
            for _ in range(_WARM_UPS):
                run(self._given)
        torch.cuda.synchronize(self._device)


def _host(value: NDArray[Any], pinned: bool) -> Tensor:
    made = torch.from_numpy(np.array(value, order="C"))
    return made.pin_memory() if pinned else made
