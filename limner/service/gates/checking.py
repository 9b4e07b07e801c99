"""Asking gates, each with a time limit: what is not let through in time is not let through."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from queue import Empty, SimpleQueue
from traceback import format_tb
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ...engine.request import DrawRequest
from ...errors import Refused, Unavailable
from ..watching.sights import GateFailed, GateRefused, Judged, Watching

Pixels = NDArray[np.uint8]
"""A picture, uint8 (H, W, 3), RGB."""
SECONDS = 5.0
PLACES = 8
"""Calls of one gate at the same time."""
_LONGEST_REASON = 300
log = logging.getLogger(__name__)


class PromptGate(Protocol):
    """Looks at what is asked for, before it becomes a job. It is called from several threads at once."""

    def __call__(self, request: DrawRequest, /) -> str | None:
        """None lets it through; else the reason that the user is told, in a sentence."""
        ...


class PictureGate(Protocol):
    """Looks at a picture that was drawn or sent. It is called from several threads at once."""

    def __call__(self, pixels: Pixels, /) -> str | None:
        """None lets uint8 (H, W, 3), RGB, through; else the reason that the user is told, in a sentence."""
        ...


class Gates:
    """The gates of a service by name, each with `seconds` to answer in; `tell` is told of what they refuse.

    `mark` names those of pictures with their `versions`: what one version let through, another may not.

    What a gate cannot say in time, or says in no form that is known, counts as no: Unavailable.
    """

    def __init__(
        self,
        prompts: Mapping[str, PromptGate] | None = None,
        pictures: Mapping[str, PictureGate] | None = None,
        seconds: float = SECONDS,
        versions: Mapping[str, str] | None = None,
    ) -> None:
        known = versions or {}
        self.mark = "".join(f"\ngate {name} {known.get(name, '')}" for name in sorted(pictures or {}))
        self._prompts = [_Guarded(name, gate, seconds) for name, gate in (prompts or {}).items()]
        self._pictures = [_Guarded(name, gate, seconds) for name, gate in (pictures or {}).items()]
        self.tell = Watching()

    @property
    def look_at_pictures(self) -> bool:
        """Whether any gate looks at pictures."""
        return bool(self._pictures)

    def check_prompt(self, request: DrawRequest, field: str = "prompt") -> None:
        """Ask the gates of prompts; Refused names the first that refuses, and the `field` that the words stood in,
        Unavailable one that does not answer."""
        for gate in self._prompts:
            reason = self._ask(gate, "prompt", lambda gate=gate: gate.call(request))  # type: ignore[misc]
            if reason is not None:
                raise Refused(f"gate '{gate.name}' refuses it: {reason}", field, gate.name, reason)

    def check_picture(self, pixels: Pixels, what: Judged) -> None:
        """Ask the gates of pictures, of one that was drawn (`picture`) or sent (`upload`); raises as check_prompt."""
        for gate in self._pictures:
            reason = self._ask(gate, what, lambda gate=gate: gate.call(pixels), what == "picture")  # type: ignore[misc]
            if reason is not None:
                raise Refused(f"gate '{gate.name}' withholds it: {reason}", None, gate.name, reason)

    def _ask(
        self, gate: _Guarded, what: Judged, call: Callable[[], object], patient: bool = False
    ) -> str | None:
        try:
            answer = gate.ask(call, patient)
            if answer is not None and not isinstance(answer, str):
                raise _Mute("TypeError", f"it answers {type(answer).__name__}, neither None nor a text")
        except Exception as error:  # noqa: BLE001 - whatever it raises, it stays closed
            # What an error says may hold words of the prompt: its kind and its place do not.
            kind = type(error).__name__
            told = "\n".join([kind, *map(str.rstrip, format_tb(error.__traceback__))])
            if isinstance(error, _Mute):
                kind, told = error.kind, str(error)
            log.error("gate '%s' stays closed: %s", gate.name, told)
            self.tell(GateFailed(gate.name, what, kind))
            raise Unavailable(f"gate '{gate.name}' does not answer, so nothing passes; try again") from None
        if answer is None:
            return None
        self.tell(GateRefused(gate.name, what))
        return " ".join(answer.split())[:_LONGEST_REASON] or "it gives no reason"


class _Mute(Exception):
    """A gate gives no answer, or none that is one: of which `kind` that is, and why, without words of the prompt."""

    def __init__(self, kind: str, why: str) -> None:
        super().__init__(why)
        self.kind = kind


class _Guarded:
    """A gate that is waited for `seconds`, not longer. Where PLACES calls hang, further ones fail."""

    def __init__(self, name: str, call: Callable[..., object], seconds: float) -> None:
        self.name, self.call, self._seconds = name, call, seconds
        self._places = threading.BoundedSemaphore(PLACES)
        self._hanging = 0
        self._lock = threading.Lock()

    def ask(self, call: Callable[[], object], patient: bool = False) -> object:
        """What `call` gives or raises, in a thread of its own; _Mute where it gives nothing in time.

        While PLACES others are asked it waits for `seconds`; who is `patient`, as long as they do not all hang.
        """
        while self._hanging >= PLACES or not self._places.acquire(timeout=self._seconds):
            if self._hanging >= PLACES:
                raise _Mute("TimeoutError", f"{PLACES} calls of it hang")
            if not patient:
                raise _Mute("TimeoutError", f"{PLACES} others are asked, and none of them is done")
        outcomes: SimpleQueue[_Outcome] = SimpleQueue()
        outcome = _Outcome()
        threading.Thread(
            target=self._run, args=(call, outcome, outcomes), name=f"gate {self.name}", daemon=True
        ).start()
        try:
            outcomes.get(timeout=self._seconds)
        except Empty:
            with self._lock:
                if not outcome.over:
                    outcome.hangs = True
                    self._hanging += 1
            raise _Mute("TimeoutError", f"no answer in {self._seconds:g} seconds") from None
        if outcome.error is not None:
            raise outcome.error
        return outcome.answer

    def _run(self, call: Callable[[], object], outcome: _Outcome, outcomes: SimpleQueue[_Outcome]) -> None:
        try:
            outcome.answer = call()
        except BaseException as error:  # noqa: BLE001 - SystemExit of a gate closes it as well
            outcome.error = error if isinstance(error, Exception) else RuntimeError(repr(error))
        with self._lock:
            outcome.over = True
            self._hanging -= outcome.hangs
        self._places.release()
        outcomes.put(outcome)


class _Outcome:
    """What became of one call."""

    def __init__(self) -> None:
        self.answer: object = None
        self.error: Exception | None = None
        self.over = self.hangs = False
