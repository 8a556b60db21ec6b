"""Prometheus metrics of the service, added up over its workers, those that were killed included.

Each worker counts in files of its own that outlive it, in the service's folder; /metrics reads them all. That mode of
prometheus_client has to be chosen before it is imported, which is what the first lines do. A count costs a few
microseconds.
"""

from __future__ import annotations

import os
from pathlib import Path

from service.limits.shared_memory import lives
from service.shared import process_folder

FOLDER = process_folder() / "metrics"
FOLDER.mkdir(mode=0o700, exist_ok=True)
os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(FOLDER)

from prometheus_client import (  # noqa: E402
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead  # noqa: E402

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

requests = Counter("sales_requests", "Requests answered", ["method", "route", "status"])
seconds = Histogram("sales_request_seconds", "Time from a request to its answer", ["route"], buckets=_SECONDS)
shadows = Counter("sales_shadows", "Conversations for a version on trial as a shadow: asked or dropped", ["fate"])
predictions = Counter("sales_predictions", "Conversations predicted", ["model", "outcome"])
# Of all workers; each that is asked for metrics looks at what they share, so that the last one set is right.
in_flight = Gauge("sales_in_flight", "Predictions being made", multiprocess_mode="mostrecent")
queued = Gauge("sales_store_queued", "Predictions in memory, not stored yet", multiprocess_mode="livesum")
dropped = Gauge("sales_store_dropped", "Predictions that neither database nor disk took", multiprocess_mode="sum")
database_up = Gauge("sales_database_up", "1 where the database took the last write", multiprocess_mode="livemin")
webhook_events = Counter("sales_webhook_events", "Tries to tell of a score that crossed a line", ["result"])
webhook_waiting = Gauge(
    "sales_webhook_waiting", "Scores not told yet that crossed a line", multiprocess_mode="mostrecent"
)
model_ready = Gauge("sales_model_ready", "1 where the model that auto means is in memory", multiprocess_mode="livemin")


def count_request(method: str, route: str, status: int, took: float) -> None:
    """Counts an answered request. route: the template, never the path, of which there may be any number."""
    requests.labels(method, route, status).inc()
    seconds.labels(route).observe(took)


def latest() -> bytes:
    """All metrics over all workers in the text format."""
    for pid in _workers_that_ended():
        mark_process_dead(pid)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    return generate_latest(registry)


def forget_this_process() -> None:
    """For the one that starts workers: it measures nothing, and its gauges, which are zero, would count as a worker's."""
    mark_process_dead(os.getpid())


def _workers_that_ended() -> set[int]:
    """Process ids of gauges whose process is gone; counters stay."""
    files = Path(FOLDER).glob("gauge_live*_*.db")
    pids = {int(file.stem.rpartition("_")[2]) for file in files}
    return {pid for pid in pids if not lives(pid)}
