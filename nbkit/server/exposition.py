"""The numbers in Prometheus' text format, made when they are asked for."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.exposition import choose_encoder

import nbkit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prometheus_client.metrics_core import Metric

    from nbkit.server.metrics import Histogram
    from nbkit.server.service import Service

_FRESH = 60.0  # seconds; a folder of 20 GiB is not walked through for each who asks


class Exposition:
    """Makes the text.

    Args:
        service: Whose numbers.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._registry = CollectorRegistry()
        self._registry.register(_Numbers(service, self))
        self.folder_bytes = 0
        self._walked = float("-inf")

    async def text(self, accept: str) -> tuple[bytes, str]:
        """The text, and its content type.

        Args:
            accept: What the caller reads, as its header says.
        """
        if time.monotonic() - self._walked > _FRESH:
            self._walked = time.monotonic()
            self.folder_bytes = await asyncio.to_thread(_size, self._service.settings.data_dir)
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type


class _Numbers:
    """What the registry asks each time."""

    def __init__(self, service: Service, exposition: Exposition) -> None:
        self._service = service
        self._exposition = exposition

    def collect(self) -> Iterator[Metric]:
        """Give everything as it is now."""
        yield from self._counted()
        yield from self._measured()

    def _counted(self) -> Iterator[Metric]:
        metrics = self._service.telemetry.metrics
        yield _counter("nbkit_requests_accepted", "Requests taken in", ["endpoint"], metrics.accepted)
        yield _counter("nbkit_requests_ended", "Requests that ended", ["endpoint", "outcome"], metrics.ended)
        yield _counter("nbkit_requests_refused", "Requests not taken in", ["reason"], metrics.refused)
        yield _counter(
            "nbkit_http_requests", "HTTP exchanges that are over", ["method", "route", "status"], metrics.http
        )
        yield CounterMetricFamily("nbkit_http_received_bytes", "Bodies that came", metrics.bytes_in)
        yield CounterMetricFamily("nbkit_http_sent_bytes", "Bodies that were sent", metrics.bytes_out)
        yield _counter("nbkit_webhooks", "Attempts to deliver webhooks", ["outcome"], metrics.webhooks)
        yield _counter("nbkit_worker_ends", "Workers ended before their time", ["reason"], metrics.workers)
        yield CounterMetricFamily(
            "nbkit_journal_failures", "Writes of the journal that failed", metrics.journal_failures
        )
        yield _histogram("nbkit_journal_write_seconds", "Writing one request down", [], {"": metrics.journal})
        yield _histogram("nbkit_queue_seconds", "Waiting before computing", ["endpoint"], metrics.queued)
        yield _histogram("nbkit_computing_seconds", "Computing", ["endpoint"], metrics.computing)

    def _measured(self) -> Iterator[Metric]:
        service = self._service
        dispatcher, disk = service.dispatcher, shutil.disk_usage(service.settings.data_dir)
        oldest = dispatcher.oldest()
        facts = {
            "nbkit_queue_length": ("Requests that wait", dispatcher.queue_length()),
            "nbkit_queue_oldest_seconds": (
                "Age of the oldest request that waits",
                0.0 if oldest is None else max(0.0, time.time() - oldest),
            ),
            "nbkit_running": ("Requests that are computed", dispatcher.running),
            "nbkit_workers": ("Requests that can be computed at once", dispatcher.room),
            "nbkit_journal_trouble": (
                "1 while requests cannot be written down",
                bool(service.telemetry.trouble),
            ),
            "nbkit_draining": ("1 while the server ends", service.draining.is_on),
            "nbkit_data_bytes": ("Files in the data folder", self._exposition.folder_bytes),
            "nbkit_disk_free_bytes": ("Room left on its disk", disk.free),
        }
        for name, (help_, value) in facts.items():
            yield GaugeMetricFamily(name, help_, float(value))
        build = {"version": nbkit.__version__, "python": platform.python_version()}
        yield InfoMetricFamily("nbkit_build", "What is running", build)


def _counter(name: str, help_: str, labels: list[str], counts: Mapping[Any, int]) -> Metric:
    family = CounterMetricFamily(name, help_, labels=labels)
    for key, count in counts.items():
        family.add_metric([str(it) for it in (key if isinstance(key, tuple) else (key,))], count)
    return family


def _histogram(name: str, help_: str, labels: list[str], found: Mapping[str, Histogram]) -> Metric:
    family = HistogramMetricFamily(name, help_, labels=labels)
    for key, histogram in found.items():
        family.add_metric([key] if labels else [], histogram.buckets(), histogram.sum)
    return family


def _size(folder: Path) -> int:
    """Bytes of the files in a folder, as far as they can be seen."""
    total = 0
    for place, _, names in os.walk(folder):
        total += sum(_length(Path(place, name)) for name in names)
    return total


def _length(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0
