"""Proofs 4 and 9: ten times more load than the service can serve, and twenty minutes of load it can."""

from __future__ import annotations

import contextlib
import http.client
import json
import math
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from benchmarks.clients import Load
from benchmarks.reliability.figures import Figure, Progress, Sizes, in_milliseconds, of_all, percentile
from benchmarks.running_server import ROOT, RunningServer, running_server
from benchmarks.texts import notes
from foundations.machine import available_cores

TIMES = 10  # more than it can serve
KEYS = 4
_LOAD_SHARE = 0.95  # of the wanted rate: the last requests of a run are not due yet, and some find no free connection
_SETTLING = 0.25  # of a run, before memory counts as settled
_MOST_GROWTH = 0.05  # of the memory, from the settled part's beginning to its end
_BASE_REQUESTS = 300


@dataclass
class Usage:
    """What a service's processes use, looked at again and again."""

    server: RunningServer
    memory: list[int] = field(default_factory=list)  # bytes, all processes
    files: list[int] = field(default_factory=list)  # open file descriptors

    def look(self) -> None:
        """Notes down what is used now."""
        memory = files = 0
        for pid in {self.server.process.pid, *self.server.workers()}:
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(pid)
                memory += process.memory_info().rss
                files += process.num_fds()
        self.memory.append(memory)
        self.files.append(files)

    def figures(self) -> Iterator[Figure]:
        """Medians of the settled run's first and last quarter."""
        for what, values, unit in (("memory", self.memory, 1 << 20), ("file descriptors", self.files, 1)):
            settled = values[int(_SETTLING * len(values)) :]
            quarter = max(1, len(settled) // 4)
            first, last = statistics.median(settled[:quarter]), statistics.median(settled[-quarter:])
            name = f"{first / unit:,.0f} → {last / unit:,.0f}" + (" MiB" if unit > 1 else "")
            yield Figure(
                f"{what}, all processes", name, f"at most {_MOST_GROWTH:.0%} more", last <= (1 + _MOST_GROWTH) * first
            )


def overload(artifacts: Path, sizes: Sizes, progress: Progress) -> Iterator[Figure]:
    """Ten times the measured capacity at a fixed rate, and keys with a limit.

    Half as many predictions in flight as cores: the other half refuses what is too much, and runs the clients.
    """
    cores = available_cores()
    settings = {"SALES_MAX_IN_FLIGHT": str(cores), "SALES_LOG_LEVEL": "error"}
    texts = notes(50, seed=32)
    with running_server(artifacts, cores, **settings) as server:
        unloaded, capacity = _alone(server, texts), _capacity(server, texts, cores)
    keys = [f"key-number-{number}-of-the-load" for number in range(KEYS)]
    settings |= {"SALES_API_KEYS": ",".join(f"predict:{key}" for key in keys)}
    settings |= {"SALES_MAX_IN_FLIGHT": str(max(1, cores // 2))}
    settings |= {"SALES_RATE_LIMIT": str(int(60 * capacity * TIMES / KEYS * 0.75))}  # a quarter is over the limit
    with running_server(artifacts, cores, **settings) as server:
        usage, alive = Usage(server), _Alive(server)
        found = _flood(server, TIMES * capacity, sizes.overload_seconds, keys, [usage.look, alive.look], progress)
        statuses = {int(status): len(seconds) for status, seconds in found["seconds"].items()}
    yield Figure("unloaded", f"p99 {in_milliseconds(unloaded)}; capacity {capacity:.0f}/s with {cores} clients")
    yield from _answered(found, statuses, capacity, sizes.overload_seconds)
    yield from _kept_waiting(found, unloaded)
    yield from alive.figures()
    yield from usage.figures()


def _answered(found: dict[str, Any], statuses: dict[int, int], capacity: float, seconds: float) -> Iterator[Figure]:
    """How many requests were sent, and with which statuses they were answered."""
    sent = sum(statuses.values()) + found["problems_count"]
    yield Figure(
        "load",
        f"{sent / seconds:.0f}/s for {seconds:.0f} s",
        f"{TIMES} × capacity, at most {1 - _LOAD_SHARE:.0%} less",
        sent >= _LOAD_SHARE * TIMES * capacity * seconds,
    )
    said = ", ".join(f"{status}: {count:,}" for status, count in sorted(statuses.items()))
    only = set(statuses) <= {200, 429, 503} and not found["problems"]
    yield Figure(
        "statuses",
        said + (f"; no answer: {found['problems']}" if found["problems"] else ""),
        "only 200, 429, 503",
        only,
    )


def _kept_waiting(found: dict[str, Any], unloaded: float) -> Iterator[Figure]:
    """How long those waited that were predicted, and those that were sent away."""
    accepted, refused = found["seconds"].get("200", []), found["seconds"].get("503", [])
    worst = percentile(accepted, 0.99) if accepted else math.inf
    times = worst / unloaded
    yield Figure("p99 of accepted", f"{in_milliseconds(worst)} ({times:.1f} ×)", "≤ 2 × unloaded", times <= 2)
    if refused:
        late = percentile(refused, 0.99)
        yield Figure("p99 of 503", in_milliseconds(late), "≤ 50 ms", late <= 0.05)


def soak(artifacts: Path, sizes: Sizes, progress: Progress) -> Iterator[Figure]:
    """A load that two workers can serve, for long; every text is another one for a while."""
    with running_server(artifacts, 2) as server:
        usage = Usage(server)
        with Load(server, 2, notes(5000, seed=33)) as load:
            _watch(sizes.soak_seconds, [usage.look], progress)
        answered = load.statuses
    failed = len(load.lost) + sum(answered.values()) - answered[200]
    yield Figure("load", f"{answered[200]:,} predictions in {sizes.soak_seconds / 60:.1f} min")
    yield Figure("failed requests", of_all(failed, sum(answered.values()) + len(load.lost)), "0", failed == 0)
    yield from usage.figures()


class _Alive:
    """Asks /health/live on connections of its own."""

    def __init__(self, server: RunningServer) -> None:
        self._server = server
        self._seconds: list[float] = []
        self._wrong: list[str] = []

    def look(self) -> None:
        began = time.perf_counter()
        try:
            status = self._server.ask("GET", "/health/live")[0]
        except (OSError, http.client.HTTPException) as error:
            self._wrong.append(repr(error))
            return
        self._seconds.append(time.perf_counter() - began)
        if status != http.client.OK:
            self._wrong.append(str(status))

    def figures(self) -> Iterator[Figure]:
        said = f"{len(self._seconds)} times 200, the slowest after {in_milliseconds(max(self._seconds, default=0))}"
        yield Figure(
            "/health/live", said + (f"; else {self._wrong[:3]}" if self._wrong else ""), "always 200", not self._wrong
        )


def _alone(server: RunningServer, texts: list[str]) -> float:
    """The 99th percentile in seconds of one client's requests, warmed up."""
    seconds = []
    with contextlib.closing(server.connection()) as connection:
        for number in range(_BASE_REQUESTS + 20):
            body = json.dumps({"transcript": texts[number % len(texts)], "model_type": "few_shot"})
            began = time.perf_counter()
            connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
            connection.getresponse().read()
            seconds.append(time.perf_counter() - began)
    return percentile(seconds[20:], 0.99)


def _capacity(server: RunningServer, texts: list[str], clients: int) -> float:
    """Predictions a second, with as many clients as can be served at once."""
    with Load(server, clients, texts) as load:
        time.sleep(1)
        began, before = time.monotonic(), load.statuses[200]
        time.sleep(5)
        return (load.statuses[200] - before) / (time.monotonic() - began)


def _flood(
    server: RunningServer,
    rate: float,
    seconds: float,
    keys: list[str],
    looks: list[Callable[[], None]],
    progress: Progress,
) -> dict[str, Any]:
    # In life clients have machines of their own; here they only get what the service leaves them.
    command = [
        "nice",
        "-n",
        "10",
        sys.executable,
        "-m",
        "benchmarks.steady_load",
        str(server.port),
        f"{rate:.1f}",
        str(seconds),
        *keys,
    ]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as load:
        output: list[str] = []
        reader = threading.Thread(target=lambda: output.append(load.stdout.read() if load.stdout else ""))
        reader.start()
        _watch(seconds, looks, progress, every=0.25)
        reader.join(120)
    found: dict[str, Any] = json.loads(output[0])
    found["problems_count"] = sum(found["problems"].values())
    return found


def _watch(seconds: float, looks: list[Callable[[], None]], progress: Progress, every: float = 1.0) -> None:
    began = time.monotonic()
    while (passed := time.monotonic() - began) < seconds:
        progress(passed / seconds)
        for look in looks:
            look()
        time.sleep(every)
