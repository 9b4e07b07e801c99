"""How the service is now, put together from what is known of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from ... import __version__
from ...answers import LastMinute, MemoryNow, Mishap, ModelNow, QueueNow, RunningNow, Status
from ...errors import StorageDown
from ..storage import room
from .memory import resident
from .recently import Progress, Recently

if TYPE_CHECKING:
    from ..service import Service


def status_of(service: Service, recently: Recently) -> Status:
    """The status of `service`; what does not answer is None."""
    return Status(
        version=__version__,
        up_seconds=recently.since(),
        ready=service.readiness(),
        queue=_queue(service),
        running=[_running(progress, recently) for progress in recently.running()],
        last_minute=_last_minute(recently),
        memory=MemoryNow(
            service=resident(),
            engine=None if service.studio.pid is None else resident(service.studio.pid),
            data_free=room(service.storage, service.data_dir),
        ),
        models=_models(service, set(recently.loaded())),
        mishaps=[
            Mishap(at=datetime.fromtimestamp(each.at, UTC), what=each.what, job=each.job)
            for each in recently.mishaps()
        ],
    )


def _queue(service: Service) -> QueueNow | None:
    try:
        queue = service.queue()
    except (SQLAlchemyError, StorageDown):
        return None
    return QueueNow(
        waiting=queue.waiting, limit=service.store.limit, oldest_seconds=queue.oldest, running=queue.running
    )


def _running(progress: Progress, recently: Recently) -> RunningNow:
    job, reached = progress.job, list(progress.reached.values())
    return RunningNow(
        id=job.id,
        model=job.request.model,
        width=job.request.width,
        height=job.request.height,
        step=min(reached) if len(reached) + len(job.images) >= job.n else 0,
        steps=progress.steps,
        done=progress.done,
        n=job.n,
        seconds=recently.since(progress.began),
        attempts=job.attempts,
    )


def _last_minute(recently: Recently) -> LastMinute:
    counted = recently.counted()
    calls = counted["calls"]
    return LastMinute(
        requests=counted["requests"],
        refused=counted["refused"],
        failures=counted["failures"],
        pictures=counted["pictures"],
        steps=counted["steps"],
        calls=calls,
        rows_per_call=counted["rows"] / calls if calls else 0.0,
        pictures_per_call=counted["shares"] / calls if calls else 0.0,
        texts=counted["texts"],
        texts_kept=counted["texts_kept"],
    )


def _models(service: Service, loaded: set[str]) -> list[ModelNow]:
    found = []
    for model in service.studio.models():
        exact = f"{model.name}@{model.version}"
        found.append(
            ModelNow(
                name=model.name,
                version=model.version,
                family=model.manifest.family,
                served=service.model in {model.name, exact},
                loaded=exact in loaded,
            )
        )
    return found
