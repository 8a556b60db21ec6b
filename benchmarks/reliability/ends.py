"""Proofs 2 and 3: workers are killed under load, and the service is ended under load; no client is left without answer."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.clients import Load
from benchmarks.reliability.figures import Figure, Progress, Sizes, of_all
from benchmarks.running_server import START_SECONDS, running_server, until
from benchmarks.texts import notes

WORKERS, CLIENTS = 4, 8
KILL_EVERY = 5.0  # seconds
_LOAD_SECONDS = 2.0  # before SIGTERM
_STOP_SECONDS = 20.0


def killed_workers(artifacts: Path, sizes: Sizes, progress: Progress) -> Iterator[Figure]:
    """Four workers, one of them killed every five seconds; a client sends again, once, what was not answered."""
    chosen = random.Random(1)
    killed = 0
    with running_server(artifacts, WORKERS) as server:
        with Load(server, CLIENTS, notes(50, seed=21), retries=1, stay=True) as load:
            began = time.monotonic()
            while (passed := time.monotonic() - began) < sizes.kill_seconds:
                progress(passed / sizes.kill_seconds)
                time.sleep(KILL_EVERY)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(chosen.choice(server.workers()), signal.SIGKILL)
                    killed += 1
        with contextlib.suppress(AssertionError):  # then the table says how many there are
            until(lambda: server.health().get("workers") == WORKERS, START_SECONDS)
        left = server.health().get("workers", 0)
    answered, lost = load.statuses[200], len(load.lost)
    share = answered / max(1, answered + lost)
    yield Figure("workers killed", f"{killed} in {sizes.kill_seconds:.0f} s, {CLIENTS} clients")
    yield Figure(
        "requests answered, sent again once where needed",
        f"{of_all(answered, answered + lost)} ({100 * share:.3f} %)",
        "≥ 99.9 %",
        share >= 0.999 and answered > 0,
    )
    yield Figure(
        "other answers than 200", str(sum(load.statuses.values()) - answered), "0", set(load.statuses) == {200}
    )
    yield Figure("connections that nobody took, tried again", str(load.refused))
    yield Figure("workers at the end", str(left), str(WORKERS), left == WORKERS)


def ended_under_load(artifacts: Path, sizes: Sizes, progress: Progress) -> Iterator[Figure]:
    """SIGTERM while clients send as fast as they can: whatever was sent is answered; later connections are refused."""
    lost: list[str] = []
    answered, slowest, codes = 0, 0.0, set()
    for stop in range(sizes.stops):
        progress(stop / sizes.stops)
        with running_server(artifacts, (1, 2, WORKERS)[stop % 3]) as server:
            with Load(server, CLIENTS, notes(50, seed=22)) as load:
                time.sleep(_LOAD_SECONDS)
                sent = time.monotonic()
                codes.add(server.stop())
                slowest = max(slowest, time.monotonic() - sent)
            lost += load.lost
            answered += load.statuses[200]
            lost += [str(answer.status) for answer in load.answers if answer.status != 200]
    yield Figure("SIGTERMs", f"{sizes.stops}, to 1, 2 and {WORKERS} workers in turn, {CLIENTS} clients")
    yield Figure(
        "requests sent and not answered", of_all(len(lost), answered + len(lost)), "0", not lost and answered > 0
    )
    yield Figure("slowest end", f"{slowest:.1f} s", f"≤ {_STOP_SECONDS:.0f} s", slowest <= _STOP_SECONDS)
    yield Figure("exit codes", ", ".join(map(str, sorted(codes))), "0", codes == {0})
