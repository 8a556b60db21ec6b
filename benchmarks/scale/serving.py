"""The service under load with 1 and 2 workers, what its database then sees, and how many machines 1,000 predictions/s
need.

    python -m benchmarks.scale.serving --artifacts DIR [--write docs/scaling.md] [--seconds 30] [--database URL]

Starts `python main.py --mode deploy` on a copy of the artifacts' settings, each worker with one thread, and PostgreSQL
as its database: --database, or one of its own. Clients of another process send one note after the other over kept
connections, no sentence twice. Everything runs on this machine, clients and database too, so a machine that only serves
does better; the arithmetic does not count on that. Takes about two minutes.
"""

from __future__ import annotations

import argparse
import http.client
import json
import math
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psutil
from sqlalchemy import create_engine, text

from benchmarks.postgresql_server import postgresql
from benchmarks.running_server import free_port
from benchmarks.speed.service import ROOT, answers
from benchmarks.tables import in_words, plain_table, rich_table, write_between_markers
from benchmarks.texts import WORDS_A_NOTE, notes
from foundations.errors import InputError
from foundations.machine import available_cores
from foundations.settings import with_driver
from foundations.terminal import console, say

WANTED = 1000  # predictions a second
HEADROOM = 0.3  # of what was measured, left for peaks and for a machine that is being replaced
CLIENTS_A_WORKER = 4
MARKERS = "serving"
HEADINGS = (
    "workers",
    "predictions/s",
    "p50",
    "p95",
    "database: transactions/s",
    "rows/s",
    "bytes a prediction",
    "connections",
)
_LONGEST_START = 60
_DISTINCT = 2000  # notes; then they come again
_SETTLE = 2.0  # seconds in which what is queued is stored


class Load(NamedTuple):
    """What was measured with some workers."""

    workers: int
    rate: float  # predictions a second
    p50: float  # seconds
    p95: float
    transactions: float  # a second
    rows: float  # a second, of all tables
    bytes_each: float  # of the tables with their indexes, a prediction
    log_bytes_each: float  # of PostgreSQL's write-ahead log, a prediction
    connections: int
    cores: float  # that the service kept busy
    client_cores: float


class _Counters(NamedTuple):
    transactions: int
    rows: int
    bytes: int
    log_bytes: int
    connections: int


def measure(artifacts: Path, workers: int, seconds: float, url: str) -> Load:
    """Starts the service, lets clients load it, and asks the database what it saw."""
    with _service(artifacts, workers, url) as (process, port):
        _clients(port, workers, 3.0)  # warm: every worker has its model and its connections
        time.sleep(_SETTLE)
        first, before = _counters(url), _counters(url)
        own = before.transactions - first.transactions  # of asking for the counters
        used = _cpu_seconds(process)
        start = time.perf_counter()
        latencies, client_seconds = _clients(port, workers, seconds)
        took = time.perf_counter() - start
        used = _cpu_seconds(process) - used
        time.sleep(_SETTLE)
        after = _counters(url)
    answered = len(latencies)
    return Load(
        workers=workers,
        rate=answered / took,
        p50=statistics.median(latencies),
        p95=statistics.quantiles(latencies, n=20)[-1],
        transactions=max(0, after.transactions - before.transactions - own) / took,
        rows=(after.rows - before.rows) / took,
        bytes_each=(after.bytes - before.bytes) / answered,
        log_bytes_each=(after.log_bytes - before.log_bytes) / answered,
        connections=after.connections,
        cores=used / took,
        client_cores=client_seconds / took,
    )


def arithmetic(load: Load) -> list[str]:
    """How many machines WANTED predictions a second need, and what the database sees: sentences for a document."""
    usable = load.rate * (1 - HEADROOM)
    machines = math.ceil(WANTED / usable)
    per_day = WANTED * 86_400
    stored, logged = per_day * load.bytes_each, per_day * load.log_bytes_each
    transactions = load.transactions * machines
    counts = max(0.0, load.rows - load.rate) * machines
    return [
        f"**Machines.** One machine like this, with {load.workers} workers, clients and database on it too, answers "
        f"{load.rate:.0f} predictions a second. With {HEADROOM:.0%} left free it takes {load.rate:.0f} × {1 - HEADROOM:.1f} "
        f"= {usable:.0f}; {WANTED:,} / {usable:.0f} = {WANTED / usable:.1f}, so **{machines} machines**.",
        f"**Rows.** {WANTED:,} predictions and {counts:.1f} rows of request counts a second "
        f"at most, in {transactions:.0f} transactions: {machines} machines × {load.transactions:.1f}. A worker writes what "
        "came in 0.2 s in one transaction, so that their number grows with the workers and not with the predictions.",
        f"**Bytes.** {WANTED:,} × 86,400 s × {load.bytes_each:.0f} bytes = {stored / 1e9:.0f} GB a day with indexes and "
        f"masked transcripts of {WORDS_A_NOTE} words, and {logged / 1e9:.0f} GB of write-ahead log; at "
        f"SALES_RETENTION_DAYS=7 that is {7 * stored / 1e9:,.0f} GB, at 90 {90 * stored / 1e12:,.1f} TB.",
        f"**Connections.** {machines} machines × {load.connections} = {machines * load.connections}, of the 100 that "
        "PostgreSQL allows by default"
        + ("." if machines * load.connections < 90 else ": raise max_connections, or put PgBouncer in front."),
    ]


def row(load: Load) -> tuple[str, ...]:
    """Of the table."""
    return (
        str(load.workers),
        f"{load.rate:.0f}",
        in_words(load.p50),
        in_words(load.p95),
        f"{load.transactions:.1f}",
        f"{load.rows:.0f}",
        f"{load.bytes_each:.0f}",
        str(load.connections),
    )


@contextmanager
def _service(artifacts: Path, workers: int, url: str) -> Iterator[tuple[psutil.Process, int]]:
    port = free_port()
    command = [sys.executable, "main.py", "--mode", "deploy", "--artifacts", str(artifacts.resolve())]
    command += ["--workers", str(workers), "--port", str(port)]
    with tempfile.TemporaryDirectory() as state:
        settings = {"STATE": state, "DATABASE_URL": url, "RATE_LIMIT": "0", "THREADS": "1", "LOG_LEVEL": "error"}
        environment = {**os.environ, **{f"SALES_{name}": value for name, value in settings.items()}}
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
        try:
            _wait_for(process, port, workers)
            yield psutil.Process(process.pid), port
        finally:
            process.terminate()
            process.wait()


def _wait_for(process: subprocess.Popen[bytes], port: int, workers: int) -> None:
    deadline = time.monotonic() + _LONGEST_START
    while not (answers(port) and _health(port)["workers"] == workers):
        if process.poll() is not None or time.monotonic() > deadline:
            raise InputError("The service did not start; the lines above say why.")
        time.sleep(0.1)


def _health(port: int) -> dict[str, int]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/health")
    health: dict[str, int] = json.loads(connection.getresponse().read())
    connection.close()
    return health


def _clients(port: int, workers: int, seconds: float) -> tuple[list[float], float]:
    """Seconds of each answer, and the processor seconds of the clients, which are a process of their own."""
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[tuple[list[float], float]] = context.Queue()
    process = context.Process(target=_load, args=(port, CLIENTS_A_WORKER * workers, seconds, results))
    process.start()
    found = results.get(timeout=seconds + _LONGEST_START)
    process.join()
    return found


def _load(port: int, clients: int, seconds: float, results: multiprocessing.Queue[tuple[list[float], float]]) -> None:
    bodies = [json.dumps({"transcript": note}).encode() for note in notes(_DISTINCT, seed=port)]
    latencies: list[list[float]] = [[] for _ in range(clients)]
    before, deadline = time.process_time(), time.perf_counter() + seconds
    threads = [
        threading.Thread(target=_ask_until, args=(deadline, port, bodies[number::clients], latencies[number]))
        for number in range(clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results.put(([one for own in latencies for one in own], time.process_time() - before))


def _ask_until(deadline: float, port: int, bodies: Sequence[bytes], latencies: list[float]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    number = 0
    while time.perf_counter() < deadline:
        start = time.perf_counter()
        connection.request("POST", "/predict", bodies[number % len(bodies)], {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.read()
        if response.status != 200:
            raise RuntimeError(f"the service answered {response.status}: {answer!r}")
        latencies.append(time.perf_counter() - start)
        number += 1
    connection.close()


def _counters(url: str) -> _Counters:
    tables = ("predictions", "request_counts")
    size = " + ".join(f"pg_total_relation_size('{table}')" for table in tables)
    engine = create_engine(with_driver(url), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_stat_force_next_flush()"))
        transactions, rows = connection.execute(
            text(
                "SELECT xact_commit, (SELECT sum(n_tup_ins + n_tup_upd) FROM pg_stat_user_tables) "
                "FROM pg_stat_database WHERE datname = current_database()"
            )
        ).one()
        stored = connection.execute(text(f"SELECT {size}")).scalar_one()
        logged = connection.execute(text("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn")).scalar_one()
        open_now = connection.execute(
            text("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'sales-service'")
        ).scalar_one()
    engine.dispose()
    return _Counters(int(transactions), int(rows), int(stored), int(logged), int(open_now))


def _cpu_seconds(process: psutil.Process) -> float:
    times = [one.cpu_times() for one in (process, *process.children(recursive=True))]
    return sum(one.user + one.system for one in times)


def main() -> int:
    """Measures, prints table and arithmetic, and writes both where asked; 0, or 2 after one sentence for bad input."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scale.serving",
        description="The service under load, and what that means for many machines.",
    )
    parser.add_argument("--artifacts", type=Path, default=Path("artifacts"), metavar="DIR", help="trained models")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put it between the markers of this document")
    parser.add_argument("--seconds", type=float, default=30.0, help="of load for each number of workers (30)")
    parser.add_argument("--database", metavar="URL", help="a PostgreSQL, instead of one of its own")
    options = parser.parse_args()
    try:
        with postgresql(options.database) as url:
            loads = [measure(options.artifacts, workers, options.seconds, url) for workers in (1, 2)]
        best = max(loads, key=lambda load: load.rate)
        title = (
            f"{available_cores()} cores for service, clients and database together; {CLIENTS_A_WORKER} clients a worker, "
            f"notes of {WORDS_A_NOTE} words, {options.seconds:.0f} s each. With {best.workers} workers the service kept "
            f"{best.cores:.2f} cores busy and the clients {best.client_cores:.2f}."
        )
        rows, sentences = [row(load) for load in loads], arithmetic(best)
        console.print(rich_table(rows, title, HEADINGS))
        for sentence in sentences:
            say(sentence.replace("**", ""))
        if options.write:
            said = "\n\n".join([plain_table(HEADINGS, rows, title), *sentences])
            write_between_markers(options.write, said, MARKERS)
    except InputError as error:
        say(f"Error: {error}")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
