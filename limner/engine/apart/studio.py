"""The service's side: a Studio that holds requests and hands them to the engine of the moment."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...errors import Busy, Lost, Unavailable
from ..backends import chosen
from ..identity import identity
from ..request import DrawRequest, Event, Failed, Finished, Stepped, Stopped
from ..resolving import Resolver
from ..source import Source
from ..watching import EngineEnded, Watcher, tell, unwatched
from .framing import Frame
from .messages import (
    Beat,
    Cancel,
    ExtraModel,
    Load,
    Loaded,
    Log,
    Ready,
    Seen,
    Setup,
    Unmade,
    error_of,
    event_of,
    start_frame,
)
from .process import COMMAND, EngineProcess
from .supervising import Rules, Supervisor

if TYPE_CHECKING:
    from ...registry.models import Model, Registry

_MOST = 256  # pictures that are being drawn or wait for the engine
_log = logging.getLogger(__name__)


@dataclass
class _Asked:
    """A picture that was asked for: `handed` to the engine of now, or waiting for the next."""

    frame: Frame[Any]
    on_event: Callable[[Event], None]
    handed: bool = False
    cancelled: bool = False


@dataclass
class _Loading:
    """A model that every engine loads at its start."""

    ended: threading.Event = field(default_factory=threading.Event)
    loaded: bool = False
    error: Exception | None = None


class ApartDrawing:
    """A picture that is being drawn apart."""

    def __init__(self, cancel: Callable[[], None]) -> None:
        """Made by `ApartStudio.start`."""
        self._cancel = cancel

    def cancel(self) -> None:
        """Stop at the next step; without effect once it has ended."""
        self._cancel()


class ApartStudio:
    """A Studio over an engine in a process of its own, which is watched and started again.

    Pictures that the engine was drawing when it ended get Failed with Lost; those that it had not been given yet
    wait for the next one. Requests are resolved here, so that the service answers whether or not there is an engine.
    """

    def __init__(
        self,
        registry: Registry,
        backend: str = "auto",
        max_rows: int | None = None,
        threads: int | None = None,
        watcher: Watcher = unwatched,
        memory: int | None = None,
        *,
        rules: Rules | None = None,
        command: Sequence[str] = COMMAND,
    ) -> None:
        """The first six as of `LocalStudio`; `command` runs the engine.

        `choice` says which backend draws. NotFound or Unavailable where `backend` cannot be had.
        """
        self.choice = chosen(backend)
        self._setup = Setup(
            data_dir=str(registry.data_dir),
            extra=tuple(
                ExtraModel(
                    path=str(model.path),
                    manifest=model.manifest.model_dump_json(),
                    built_in=model.built_in,
                )
                for model in registry.extra
            ),
            backend=self.choice.name,
            max_rows=max_rows,
            threads=threads,
            model_memory=memory,
            log_level=logging.getLogger("limner").getEffectiveLevel(),
            watched=watcher is not unwatched,
        )
        self._watcher = watcher
        self._resolver, self._command = Resolver(registry), tuple(command)
        self._lock = threading.Lock()
        self._ids = itertools.count()
        self._pictures: dict[int, _Asked] = {}
        self._loading: dict[str, _Loading] = {}
        self._process: EngineProcess | None = None
        self._closed = False
        self._supervisor = Supervisor(self._begin, self._over, self._busy, rules or Rules())

    def models(self) -> list[Model]:
        """The registry's models that draw."""
        return self._resolver.models()

    def model(self, reference: str) -> Model:
        """As `Studio` says."""
        return self._resolver.model(reference)

    def resolve(self, request: DrawRequest, source: Source | None = None) -> DrawRequest:
        """Fill every None of a request, as `Studio` says."""
        return self._resolver.resolve(request, source)

    def identity(self, request: DrawRequest) -> str:
        """As `Studio` says."""
        return identity(self._resolver.stamp(request), self.choice.name)

    def judged(self, model: Model) -> bool:
        """As `Studio` says."""
        return self._resolver.judged(model)

    def state(self) -> str:
        """`ok`, or what the engine is at."""
        process = self._process
        if process is None or not process.ready:
            return self._supervisor.told
        with self._lock:
            if any(not loading.loaded and loading.error is None for loading in self._loading.values()):
                return "loading the model"
        return "ok"

    @property
    def pid(self) -> int | None:
        """The process id of the engine of the moment."""
        process = self._process
        return None if process is None else process.pid

    def preload(self, name: str) -> None:
        """Have a model loaded, now and by every engine that follows; raises what drawing with it would."""
        with self._lock:
            loading = self._loading.setdefault(name, _Loading())
            if self._process is not None:
                self._process.send(Frame(Load(model=name)))
            if self._closed:
                loading.ended.set()
        loading.ended.wait()
        if loading.error is not None:
            raise loading.error
        if not loading.loaded:
            raise Unavailable("the studio is closed; it loads nothing more")

    def start(
        self,
        request: DrawRequest,
        on_event: Callable[[Event], None],
        source: Source | None = None,
        name: str = "",
        bulk: bool = False,
    ) -> ApartDrawing:
        """Begin a picture, as `Studio` says; it waits where there is no engine at the moment."""
        resolved = self._resolver.resolve(request, source)
        with self._lock:
            if self._closed:
                raise Unavailable("the studio is closed; it takes no more requests")
            if len(self._pictures) >= _MOST:
                raise Busy(f"the engine draws {len(self._pictures)} pictures already; try again later", 1.0)
            number = next(self._ids)
            frame = start_frame(number, resolved, source, name, bulk)
            asked = self._pictures[number] = _Asked(frame, on_event)
            self._hand_over(asked)
        return ApartDrawing(lambda: self._cancel(number))

    def close(self) -> None:
        """Stop all pictures and end the engine. Idempotent."""
        with self._lock:
            self._closed = True
            for loading in self._loading.values():
                loading.ended.set()
        self._supervisor.close()
        with self._lock:
            left = list(self._pictures.values())
            self._pictures.clear()
        for asked in left:
            _tell(asked, Stopped())

    def _cancel(self, number: int) -> None:
        with self._lock:
            asked = self._pictures.get(number)
            if asked is None:
                return
            asked.cancelled = True
            if asked.handed and self._process is not None:
                self._process.send(Frame(Cancel(picture=number)))
                return
            del self._pictures[number]
        _tell(asked, Stopped())

    def _hand_over(self, asked: _Asked) -> None:
        process = self._process
        if process is not None and process.ready and not (process.retiring or process.ended):
            asked.handed = True
            process.send(asked.frame)

    def _busy(self) -> bool:
        with self._lock:
            return any(asked.handed for asked in self._pictures.values())

    def _begin(self) -> EngineProcess:
        with self._lock:
            process = self._process = EngineProcess(self._command, self._heard)
            process.send(Frame(self._setup))
            for name, loading in self._loading.items():
                loading.loaded = False
                process.send(Frame(Load(model=name)))
        return process

    def _over(self, how: str) -> None:
        with self._lock:
            from_outside = self._process is not None and self._process.from_outside
            self._process = None
            lost = {number: asked for number, asked in self._pictures.items() if asked.handed}
            for number in lost:
                del self._pictures[number]
            closed = self._closed
        tell(self._watcher, EngineEnded(how))
        for asked in lost.values():
            stopped = closed or asked.cancelled
            error = Lost(f"the engine {how} while it drew this", from_outside)
            _tell(asked, Stopped() if stopped else Failed(error))

    def _heard(self, process: EngineProcess, frame: Frame[Any]) -> None:
        message = frame.message
        if isinstance(message, Beat | Unmade):  # the process knows what they say
            return
        if isinstance(message, Ready):
            with self._lock:
                for asked in self._pictures.values():
                    if not asked.handed:
                        self._hand_over(asked)
        elif isinstance(message, Loaded):
            self._loaded(message)
        elif isinstance(message, Seen):
            for sight in message.sights:
                tell(self._watcher, sight)
        elif isinstance(message, Log):
            logging.getLogger(message.logger).log(message.level, "%s", message.text)
        else:
            self._happened(process, message.picture, event_of(message, frame.arrays))

    def _loaded(self, message: Loaded) -> None:
        with self._lock:
            loading = self._loading[message.model]
            loading.loaded = message.fault is None
            loading.error = None if message.fault is None else error_of(message.fault)
            loading.ended.set()

    def _happened(self, process: EngineProcess, number: int, event: Event) -> None:
        with self._lock:
            asked = self._pictures.get(number)
            if asked is None:
                return
            if not isinstance(event, Stepped):
                del self._pictures[number]
                if process.retiring:
                    process.changed.set()
        if asked.cancelled and isinstance(event, Stepped | Finished):
            if isinstance(event, Stepped):
                return
            event = Stopped()
        _tell(asked, event)


def _tell(asked: _Asked, event: Event) -> None:
    try:
        asked.on_event(event)
    except Exception:  # noqa: BLE001 - it is logged, and the others go on
        _log.exception("who listened to a picture failed")
