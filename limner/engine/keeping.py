"""Which models stay in memory: those that were used last, never fewer than those that are being drawn."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING

from . import memory
from .loaded import LoadedModel
from .resolving import key_of

if TYPE_CHECKING:
    from ..registry.models import Model

# Models that stay in memory while none of their pictures is being drawn, where no memory is told.
_MODELS_KEPT = 2
_WEIGHTS = (".safetensors", ".onnx", ".data", ".bin")

_log = logging.getLogger(__name__)


class LoadedModels:
    """Loaded models, each let go when there is no room for all and it was used longest ago. Thread-safe."""

    def __init__(self, load: Callable[[Model], LoadedModel], most: int | None = None) -> None:
        """`load` a model when it is asked for; `most` bytes may this process hold, which takes Linux to be seen. None:
        two models may stay."""
        self._load, self._most = load, most
        self._loaded: OrderedDict[tuple[str, str, str], LoadedModel] = OrderedDict()
        self._let_go = self._leaving = 0
        self._lock = Lock()

    def open(self, model: Model) -> LoadedModel:
        """The model, loaded if it is not there; others are let go for it.

        It is drawing only from its first picture on: until then nobody else may ask for a model.
        """
        key = key_of(model)
        with self._lock:
            if key in self._loaded:
                self._loaded.move_to_end(key)
                return self._loaded[key]
        self._make_room(_bytes_of(model))
        with self._lock:
            if key not in self._loaded:
                self._loaded[key] = self._load(model)
            return self._loaded[key]

    def keep_within_bounds(self) -> None:
        """Let go of what there is no room for; called when a picture has ended, but never on a model's own thread: two
        could wait for each other's end."""
        self._make_room(None)

    @property
    def overgrown(self) -> bool:
        """Whether more is held than may be, though models were let go and none is left to go."""
        with self._lock:
            alone = self._let_go > 0 and not self._leaving and len(self._loaded) <= 1
        return self._most is not None and alone and memory.held() > self._most

    def all(self) -> list[LoadedModel]:
        """All that are loaded, the last used last."""
        with self._lock:
            return list(self._loaded.values())

    def close(self) -> None:
        """Let go of all, stopping what they draw."""
        with self._lock:
            leaving = list(self._loaded.values())
            self._loaded.clear()
        for loaded in leaving:
            loaded.close()

    def _make_room(self, coming: int | None) -> None:
        """Let models go for one of so many bytes that is to come; None: for none, and the last used stays.

        What a model has under way may take long to end, and nobody else waits for it.
        """
        while (leaving := self._next_to_go(coming)) is not None:
            key, loaded = leaving
            try:
                loaded.close()
                memory.give_back()
            finally:
                with self._lock:
                    self._leaving -= 1
            _log.info("let go of the model in %s", key[0])

    def _next_to_go(self, coming: int | None) -> tuple[tuple[str, str, str], LoadedModel] | None:
        """Take out the model that was used longest ago and rests, where there is no room for all."""
        with self._lock:
            if self._most is None:
                full = len(self._loaded) + (coming is not None) > _MODELS_KEPT
            else:
                full = memory.held() + (coming or 0) > self._most
            may_go = list(self._loaded.items())[: None if coming is not None else -1]
            found = next((each for each in may_go if not each[1].scheduler.in_flight), None) if full else None
            if found is not None:
                del self._loaded[found[0]]
                self._let_go += 1
                self._leaving += 1
            return found


def _bytes_of(model: Model) -> int:
    """About what a model takes: the bytes of its weights."""
    files = (path for path in model.path.rglob("*") if path.suffix in _WEIGHTS)
    return sum(path.stat().st_size for path in files if path.is_file())
