"""Logs as JSON, one line an event, for programs; people get warnings in words, as Python writes them.

A prompt is in no line unless it was asked for: `prompts` adds it to a job's acceptance alone.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

from ...engine.watching import EngineEnded, LetGo, Loaded
from ..jobs import Job
from .requests import request_id
from .sights import (
    Answered,
    GateFailed,
    GateRefused,
    JobAccepted,
    JobEnded,
    JobReturned,
    JobTaken,
    PictureFailed,
    PictureKept,
    Sight,
)

LogFormat = Literal["human", "json"]
_ASKED_ALL_THE_TIME = frozenset({"/metrics", "/healthz", "/readyz", "/v1/admin/status"})
_FIELDS = "fields"
_SERVICE = __name__.rpartition(".watching")[0]
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LogSettings:
    """How the service logs: in which form, and whether with prompts."""

    form: LogFormat = "human"
    prompts: bool = False


FOR_PEOPLE = LogSettings()


def log_as_json(stream: TextIO | None = None) -> None:
    """From now on write every line of this process's log to `stream` (stderr) as JSON: the events of EventLog, and
    what
    else the service says, and warnings of everybody."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(_SERVICE).setLevel(logging.INFO)


class JsonLines(logging.Formatter):
    """A record as one line of JSON: `time` (UTC), `level`, `event`, and what belongs to it."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
        }
        told = getattr(record, _FIELDS, None)
        if isinstance(told, dict):
            line |= {"event": record.getMessage(), **told}
        else:
            line |= {"event": "log", "logger": record.name, "message": record.getMessage()}
            for name in ("job", "request"):
                if value := getattr(record, name, None) or (request_id.get() if name == "request" else None):
                    line[name] = value
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class EventLog:
    """Logs what happens, as records that JsonLines writes in full; with `prompts` also what a job asks for."""

    def __init__(self, prompts: bool = False) -> None:
        self._prompts = prompts
        self._tell: dict[type, Callable[[Any], None]] = {
            Answered: self._answered,
            JobAccepted: self._accepted,
            JobTaken: self._taken,
            PictureKept: self._kept,
            PictureFailed: self._failed,
            JobReturned: self._returned,
            JobEnded: self._ended,
            Loaded: self._loaded,
            LetGo: self._let_go,
            EngineEnded: self._engine_ended,
            GateRefused: self._refused,
            GateFailed: self._gate_failed,
        }

    def __call__(self, sight: Sight, /) -> None:
        """Log what is worth a line; a step or a network call is not."""
        if tell := self._tell.get(type(sight)):
            tell(sight)

    def _answered(self, sight: Answered) -> None:
        if sight.status == 200 and sight.route in _ASKED_ALL_THE_TIME:
            return
        level = logging.ERROR if sight.failed else logging.INFO
        _line(
            "request",
            level,
            method=sight.method,
            route=sight.route,
            status=sight.status,
            seconds=round(sight.seconds, 4),
            request=sight.request,
            key=sight.caller,
        )

    def _accepted(self, sight: JobAccepted) -> None:
        asked = sight.job.request
        prompt = {"prompt": asked.prompt, "negative_prompt": asked.negative_prompt} if self._prompts else {}
        _line(
            "job accepted",
            **_job(sight.job),
            request=sight.request,
            n=sight.job.n,
            width=asked.width,
            height=asked.height,
            steps=asked.steps_taken,
            **prompt,
        )

    def _taken(self, sight: JobTaken) -> None:
        job = sight.job
        _line("job begun", **_job(job), attempt=job.attempts, waited=_between(job.created_at, job.started_at))

    def _kept(self, sight: PictureKept) -> None:
        image = sight.image
        seconds = round(image.seconds, 3)
        _line("picture", **_job(sight.job), index=image.index, image=image.id, seconds=seconds)

    def _failed(self, sight: PictureFailed) -> None:
        _line("picture failed", logging.WARNING, **_job(sight.job), kind=sight.kind)

    def _returned(self, sight: JobReturned) -> None:
        level = logging.INFO if sight.reason is None else logging.WARNING
        _line("job queued again", level, **_job(sight.job), reason=sight.reason)

    def _ended(self, sight: JobEnded) -> None:
        job = sight.job
        level = logging.WARNING if job.state == "failed" else logging.INFO
        seconds = _between(job.created_at, job.finished_at)
        _line(f"job {job.state}", level, **_job(job), seconds=seconds, error=job.error)

    def _loaded(self, sight: Loaded) -> None:
        seconds = round(sight.seconds, 3)
        _line("graph loaded", model=sight.model, graph=sight.graph, backend=sight.backend, seconds=seconds)

    def _let_go(self, sight: LetGo) -> None:
        _line("model let go", model=sight.model)

    def _engine_ended(self, sight: EngineEnded) -> None:
        _line("engine ended", how=sight.how)

    def _refused(self, sight: GateRefused) -> None:
        _line("gate refused", gate=sight.gate, what=sight.what, request=request_id.get())

    def _gate_failed(self, sight: GateFailed) -> None:
        _line(
            "gate failed",
            logging.ERROR,
            gate=sight.gate,
            what=sight.what,
            kind=sight.kind,
            request=request_id.get(),
        )


def _line(event: str, level: int = logging.INFO, /, **fields: object) -> None:
    log.log(
        level,
        event,
        extra={_FIELDS: {name: value for name, value in fields.items() if value not in (None, "")}},
    )


def _job(job: Job) -> dict[str, object]:
    return {"job": job.id, "model": job.request.model, "owner": job.owner}


def _between(before: float, after: float | None) -> float | None:
    return None if after is None else round(max(0.0, after - before), 3)
