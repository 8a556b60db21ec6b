"""Scores shards on this machine: a process for each core, each with a model of its own.

Processes, not threads: reading, validating and cutting texts are Python's work, which threads of one process take turns
at, and a process that dies takes no other with it. Pebble's pool starts another one then; the standard library's gives
up. When the one that started them is killed, processes end before they write.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from ctypes import Array, c_longlong
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from foundations.errors import InputError
from scoring.handing_out import WAIT, Event, Lost, Waiting, hand_out
from scoring.job import ScoringJob, Shard
from scoring.worker import Reply, attempt, packed

if TYPE_CHECKING:
    from pebble import ProcessPool

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")


def score_locally(
    artifacts: Path, job: ScoringJob, shards: Sequence[Shard], workers: int, skip: bool
) -> Generator[Event | Waiting]:
    """Scores the shards with so many processes; every second something comes, be it that nothing has happened.

    Raises InputError where processes can't start, or a shard has cost too many of them.
    """
    from pebble import ProcessPool  # the command line's other modes need it as little as the image

    context = get_context("spawn")  # a fork would share threads' locks
    rows = context.RawArray(c_longlong, len(job.shards))  # without a lock, which a process that dies might hold
    workers = min(workers, len(shards))
    pool = ProcessPool(workers, 0, _begin, (packed(artifacts, job, skip), rows), context)
    try:
        yield from hand_out(_Processes(pool, workers, rows), job, shards)
    except BrokenProcessPool as error:
        raise InputError(
            f"The worker processes can't start ({error}); see the lines above, or give fewer --workers."
        ) from error
    finally:
        pool.stop()
        pool.join()


class _Processes:
    """An engine of so many processes. `rows`: how many are done, by shard."""

    def __init__(self, pool: ProcessPool, room: int, rows: Array[c_longlong]) -> None:
        self.room, self.state = room, f"{room} processes"
        self._pool, self._rows = pool, rows

    def give(self, shard: Shard) -> Future[Reply]:
        self._rows[shard.number] = 0
        return self._pool.schedule(_score, (shard,))

    def heard(self, out: Mapping[Future[Reply], Shard]) -> Iterator[tuple[Future[Reply], int | Reply | Lost]]:
        done, working = wait(out, WAIT, FIRST_COMPLETED)
        yield from ((task, _answer(task)) for task in done)
        yield from ((task, self._rows[out[task].number]) for task in working)


def _answer(task: Future[Reply]) -> Reply | Lost:
    from pebble import ProcessExpired

    try:
        return task.result()
    except ProcessExpired as error:
        code = error.exitcode
        return Lost(f"A worker process {f'was ended by signal {-code}' if code < 0 else f'ended with code {code}'}")


class _Mine:
    """What a worker process has from its start on; a task is a function and a shard, nothing more."""

    packed: ClassVar[bytes]
    rows: ClassVar[Array[c_longlong]]


def _begin(given: bytes, rows: Array[c_longlong]) -> None:
    from threadpoolctl import threadpool_limits

    _Mine.packed, _Mine.rows = given, rows
    threadpool_limits(1)  # the processes are the parallelism
    os.environ.update(dict.fromkeys(_THREADS, "1"))  # for libraries that are loaded later
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a pool that is stopped waits for no piece to be scored
    logging.getLogger().setLevel(logging.ERROR)  # of rows without words: importers warn once a piece, the end counts


def _score(shard: Shard) -> Reply:
    starter = parent_process()
    for said in attempt(_Mine.packed, shard):
        if isinstance(said, Reply):
            return said
        _Mine.rows[shard.number] = said
        if starter is None or not starter.is_alive():
            raise SystemExit("who started this has ended")
    raise AssertionError("an attempt ends with a reply")
