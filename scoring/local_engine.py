"""Scores shards on this machine: a process for each core, each with a model of its own.

Processes, not threads: reading, validating and cutting texts are Python's work, which threads of one process take turns
at, and a process that dies takes no other with it. A process takes a shard at a time over a pipe of its own; when the one
that started it is killed, its pipe breaks and it ends before it writes. The shard of a process that dies goes to another.
"""

from __future__ import annotations

import logging
import os
import signal
from collections import Counter, deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import connection, get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import NamedTuple

from foundations.errors import InputError
from scoring.job import ScoringJob, Shard
from scoring.worker import Reply, ShardScorer

MOST_DEATHS = 3  # of workers at one shard: then it is the shard
_WAIT = 1.0  # seconds
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")


class Event(NamedTuple):
    """What an engine tells: so many rows of a shard are done, or its reply has come."""

    shard: Shard
    rows: int = 0
    reply: Reply | None = None


class Waiting(NamedTuple):
    """An engine's word that it lives; `state` says what it does."""

    state: str


@dataclass
class _Worker:
    process: SpawnProcess
    pipe: Connection
    shard: Shard | None = None

    def give(self, shard: Shard) -> None:
        self.shard = shard
        with suppress(BrokenPipeError):  # it has died; that is noticed at the other end
            self.pipe.send(shard)


def score_locally(
    artifacts: Path, job: ScoringJob, shards: Sequence[Shard], workers: int, skip: bool
) -> Generator[Event | Waiting]:
    """Scores the shards with so many processes; every second something comes, be it that nothing has happened.

    Raises InputError where a worker can't start, or a shard has cost MOST_DEATHS of them.
    """
    waiting, deaths = deque(shards), Counter[int]()
    crew: list[_Worker] = []
    try:
        for _ in range(min(workers, len(shards))):
            crew.append(_start(artifacts, job, skip))  # one by one: those that run are ended where another can't start
        while waiting or any(worker.shard for worker in crew):
            for worker in crew:
                if worker.shard is None and waiting:
                    worker.give(waiting.popleft())
            ready = connection.wait([worker.pipe for worker in crew], _WAIT)
            yield Waiting(f"{len(crew)} processes")
            for worker in [worker for worker in crew if worker.pipe in ready]:
                try:
                    yield from _heard(worker)
                except (EOFError, ConnectionResetError):
                    shard = _buried(worker, job, deaths)
                    waiting.appendleft(shard)
                    worker.pipe.close()
                    crew[crew.index(worker)] = _start(artifacts, job, skip)
    finally:
        for worker in crew:
            worker.process.kill()
            worker.process.join()
            worker.pipe.close()


def _heard(worker: _Worker) -> Iterator[Event]:
    message = worker.pipe.recv()
    if isinstance(message, InputError):
        raise message
    if worker.shard is None:
        return
    if isinstance(message, Reply):
        shard, worker.shard = worker.shard, None
        yield Event(shard, reply=message)
    else:
        yield Event(worker.shard, rows=message)


def _buried(worker: _Worker, job: ScoringJob, deaths: Counter[int]) -> Shard:
    """The shard that a dead worker leaves. Raises InputError where too many have died of it."""
    worker.process.join()
    code = worker.process.exitcode or 0
    how = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
    if worker.shard is None:
        raise InputError(f"A worker process {how} before it had work; see the lines above, or give fewer --workers.")
    deaths[worker.shard.number] += 1
    if deaths[worker.shard.number] >= MOST_DEATHS:
        raise InputError(
            f"A worker process {how}, the {MOST_DEATHS}rd one at shard {worker.shard.name} of "
            f"{job.files[worker.shard.file].path}; memory may be short: give fewer --workers."
        )
    return worker.shard


def _start(artifacts: Path, job: ScoringJob, skip: bool) -> _Worker:
    context = get_context("spawn")  # a fork would share threads' locks and every worker's pipe
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, artifacts, job, skip), daemon=True)
    with _one_thread_each():
        process.start()
    theirs.close()
    return _Worker(process, ours)


def _work(pipe: Connection, artifacts: Path, job: ScoringJob, skip: bool) -> None:
    """What a worker process does until its pipe breaks."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one that started it
    logging.getLogger().setLevel(logging.ERROR)  # of rows without words: importers warn once a piece, the end counts
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        try:
            scorer = ShardScorer(artifacts, job, skip)
        except InputError as error:
            pipe.send(InputError(str(error)))
            return
        while True:
            pipe.send(scorer.attempt(pipe.recv(), pipe.send))


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """The processes are the parallelism: a process that starts within this block does its linear algebra on one core."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value
