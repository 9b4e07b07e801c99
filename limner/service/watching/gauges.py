"""What is looked up at each scrape: the queue, the models, whether the parts work, memory and disk."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry
from sqlalchemy.exc import SQLAlchemyError

from ... import __version__
from ...errors import StorageDown
from ..storage import room
from .memory import resident

if TYPE_CHECKING:
    from ..service import Service


class Gauges(Collector):
    """Asks `service` whenever the metrics are read; what does not answer is left out, and `limner_ready` says so."""

    def __init__(self, service: Service, registry: CollectorRegistry) -> None:
        self._service = service
        ProcessCollector(registry=registry)
        registry.register(self)

    def describe(self) -> list[Metric]:
        """Nothing: what there is shows when it is collected, after the service has started."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The gauges as they are now."""
        service = self._service
        ready = GaugeMetricFamily(
            "limner_ready", "Whether a part of the service works: 1 or 0.", labels=["part"]
        )
        for part, state in service.readiness().items():
            ready.add_metric([part], float(state == "ok"))
        yield ready
        yield from self._queue()
        yield from self._models()
        yield self._memory()
        free = room(service.storage, service.data_dir)
        if free is not None:
            yield GaugeMetricFamily("limner_data_free_bytes", "Room left where jobs and pictures lie.", free)

    def _queue(self) -> Iterator[Metric]:
        try:
            queue = self._service.queue()
        except (SQLAlchemyError, StorageDown):
            return
        yield GaugeMetricFamily("limner_queue_jobs", "Jobs that wait.", queue.waiting)
        yield GaugeMetricFamily("limner_queue_limit", "Jobs that may wait.", self._service.store.limit)
        yield GaugeMetricFamily(
            "limner_queue_oldest_seconds", "How long the oldest job that waits has waited.", queue.oldest
        )
        yield GaugeMetricFamily("limner_jobs_running", "Jobs that are being drawn.", queue.running)

    def _memory(self) -> Metric:
        memory = GaugeMetricFamily(
            "limner_memory_bytes", "Memory of the service and of its engine.", labels=["process"]
        )
        engine = self._service.studio.pid
        taken = {"service": resident(), "engine": None if engine is None else resident(engine)}
        for process, held in taken.items():
            if held is not None:
                memory.add_metric([process], held)
        return memory

    def _models(self) -> Iterator[Metric]:
        build = GaugeMetricFamily("limner_build_info", "The version of Limner, always 1.", labels=["version"])
        build.add_metric([__version__], 1)
        yield build
        labels = ["model", "version", "family", "served"]
        models = GaugeMetricFamily("limner_model_info", "The models that are here, always 1.", labels=labels)
        for model in self._service.studio.models():
            served = self._service.model in {model.name, f"{model.name}@{model.version}"}
            told = [model.name, model.version, model.manifest.family, "yes" if served else "no"]
            models.add_metric(told, 1)
        yield models
