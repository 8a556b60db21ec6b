"""Scores shards on a Ray cluster: an actor for each processor, each with a model of its own.

Plain actors that are given one shard after another, not Ray Data, whose parts don't fit exactly-once shards: in Ray 2.60
the default Parquet reader dies with its node, a job hangs without a word when a surviving node has less than one free
processor beside the actors, and blocks are made again by lineage, not by what lies finished on disk. Here an actor reads
and writes its shard itself, nothing but a shard's number travels, and no task needs a processor beside the actors. A node
that dies takes its actors; their shards go to others. A node that comes gets actors.

The project's folder, the data, the artifacts and the output must lie where every node sees them under the same path.

A cluster is reached, or a Ray started on this machine; where nobody answers that is told at once, in one sentence.
Nothing is reported to anybody: usage statistics and the dashboard are off. Needs requirements/scale.txt.
"""

from __future__ import annotations

import os
import pickle
import socket
from collections import Counter, deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foundations.errors import InputError
from scoring.handing_out import MOST_LOSSES, Event, Waiting
from scoring.job import ScoringJob, Shard
from scoring.worker import Reply

_CONNECT = 5.0  # seconds within which a cluster's head must answer
_OBJECT_STORE = 100 * 2**20  # bytes: hardly anything goes through it


_WAIT = 1.0  # seconds
_ROOT = str(Path(__file__).resolve().parents[1])


@dataclass
class _Worker:
    actor: Any
    call: Any  # its loading, then its shard
    shard: Shard | None = None
    ready: bool = False
    poll: Any = None  # asks for the rows that are done


class _Crew:
    """The actors and what they have to do."""

    def __init__(self, ray: Any, artifacts: Path, job: ScoringJob, shards: Sequence[Shard], skip: bool) -> None:
        self._ray = ray
        self._job = job
        self._deaths = Counter[int]()
        self._actor_class = _actor_class(ray)
        self._given = pickle.dumps((artifacts.absolute(), job, skip))
        self.waiting = deque(shards)
        self.workers: list[_Worker] = []

    @property
    def is_done(self) -> bool:
        return not self.waiting and not any(worker.shard for worker in self.workers)

    def fill(self, most: int | None) -> None:
        """Starts actors up to the cluster's processors and the shards there are, and gives idle ones a shard."""
        for worker in self.workers:
            if worker.ready and worker.shard is None and self.waiting:
                worker.shard = self.waiting.popleft()
                worker.call = worker.actor.attempt.remote(pickle.dumps(worker.shard))
        idle = sum(worker.shard is None for worker in self.workers)
        if idle < len(self.waiting):
            room = max(1, int(self._ray.cluster_resources().get("CPU", 0)))
            wanted = min(most or room, room, len(self.workers) - idle + len(self.waiting))
            for _ in range(wanted - len(self.workers)):
                actor = self._actor_class.remote(_ROOT, self._given)
                self.workers.append(_Worker(actor, actor.load.remote()))

    def heard(self) -> Iterator[Event]:
        """What actors have answered within a second."""
        calls = [worker.call for worker in self.workers if worker.call is not None]
        done, _ = self._ray.wait(calls, timeout=_WAIT)
        for worker in [worker for worker in self.workers if worker.call in done]:
            answer = self._answer(worker, worker.call)
            if answer is None:
                self._replace(worker)
                continue
            worker.call = None
            if worker.ready and worker.shard is not None:
                shard, worker.shard = worker.shard, None
                self._check_seen(shard, answer)
                yield Event(shard, answer)
            elif answer.failed:
                raise InputError(answer.failed)
            worker.ready = True
        yield from self._polled()

    @property
    def state(self) -> str:
        """For people."""
        ready = sum(worker.ready for worker in self.workers)
        room = self._ray.cluster_resources().get("CPU", 0)
        return f"{ready} of {len(self.workers)} Ray actors ready, {room:.0f} processors in the cluster"

    def dismiss(self) -> None:
        """Ends the actors."""
        for worker in self.workers:
            self._ray.kill(worker.actor)

    def _polled(self) -> Iterator[Event]:
        for worker in [worker for worker in self.workers if worker.shard is not None]:
            if worker.poll is None:
                worker.poll = worker.actor.rows.remote()
            elif self._ray.wait([worker.poll], timeout=0)[0]:
                rows, worker.poll = self._answer(worker, worker.poll), None
                if rows and worker.shard is not None:
                    yield Event(worker.shard, rows)

    def _answer(self, worker: _Worker, call: Any) -> Any:
        """None where the actor is lost; an error of the program itself is raised."""
        try:
            return self._ray.get(call)
        except self._ray.exceptions.RayTaskError:
            raise
        except self._ray.exceptions.RayError:
            return None

    def _replace(self, worker: _Worker) -> None:
        """Its shard is the next to be given away. An actor that only can't be reached must not go on beside others."""
        self.workers.remove(worker)
        self._ray.kill(worker.actor)
        if worker.shard is None:
            self._deaths[-1] += 1
            if self._deaths[-1] >= MOST_LOSSES and not self.workers:
                raise InputError("The Ray actors end before they have loaded the model; see the logs of the Ray nodes.")
            return
        self._deaths[worker.shard.number] += 1
        if self._deaths[worker.shard.number] >= MOST_LOSSES:
            raise InputError(
                f"{MOST_LOSSES} Ray actors were lost at shard {worker.shard.name} of "
                f"{self._job.files[worker.shard.file].path}; memory may be short: give fewer --workers."
            )
        self.waiting.appendleft(worker.shard)

    def _check_seen(self, shard: Shard, reply: Reply) -> None:
        if not reply.failed and not reply.unreadable and self._job.receipt(shard) is None:
            raise InputError(
                f"A Ray node wrote shard {shard.name} but it is not in {str(self._job.folder)!r} here; --output must lie on a "
                "disk that all nodes share."
            )


def score_on_ray(
    artifacts: Path, job: ScoringJob, shards: Sequence[Shard], workers: int | None, skip: bool, address: str | None
) -> Generator[Event | Waiting]:
    """Scores the shards on the cluster at `address` (host:port, or "auto"), or with None on a Ray of its own.

    workers: at most so many actors; None: one a processor of the cluster. Every second something comes. Raises
    InputError where Ray is not installed, the address doesn't answer, or a shard has cost MOST_LOSSES actors.
    """
    ray = started_ray(address, workers)
    crew = _Crew(ray, artifacts, job, shards, skip)
    try:
        while not crew.is_done:
            crew.fill(workers)
            yield Waiting(crew.state)
            yield from crew.heard()
    finally:
        try:
            crew.dismiss()
        finally:
            ray.shutdown()


def _actor_class(ray: Any) -> Any:
    """Made here, so that it travels as code and puts the project's folder on the path before it imports from there."""

    class Scorer:
        def __init__(self, root: str, given: bytes) -> None:
            import sys

            sys.path.insert(0, root)
            self._given, self._rows = given, 0

        def load(self) -> Any:
            import pickle

            from foundations.errors import InputError
            from scoring.worker import Reply, ShardScorer

            try:
                self._scorer = ShardScorer(*pickle.loads(self._given))
            except InputError as error:
                return Reply(failed=str(error))
            return Reply()

        def attempt(self, shard: bytes) -> Any:
            import pickle

            for said in self._scorer.attempt(pickle.loads(shard)):
                self._rows = said if isinstance(said, int) else 0
            return said

        def rows(self) -> int:
            return self._rows

    # A second thread answers `rows` while the first one scores. A lost actor is replaced by another, not started again.
    return ray.remote(num_cpus=1, max_concurrency=2, max_restarts=0, scheduling_strategy="SPREAD")(Scorer)


def check_ray(address: str | None) -> Any:
    """The package. Raises InputError where it isn't installed, or nobody answers at the address of a cluster."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # before the import: nothing leaves the machine
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else Ray warns of a change to come
    try:
        import ray
    except ModuleNotFoundError as error:
        raise InputError(
            "--engine ray needs the package 'ray': pip install -r requirements/scale.txt, or use --engine local."
        ) from error
    if address is not None:
        try:
            _check_answers(_head_address(address))
        except (OSError, ValueError) as error:
            raise _no_cluster(address, error) from error
    return ray


def started_ray(address: str | None, workers: int | None) -> Any:
    """The package, connected to the cluster at `address`; with None, to a Ray of its own with `workers` processors.

    Raises InputError as `check_ray` does. Whoever started it ends it with `shutdown`.
    """
    ray = check_ray(address)
    own: dict[str, Any] = {}
    if address is None:
        own = {"include_dashboard": False, "num_cpus": workers, "object_store_memory": _OBJECT_STORE}
    try:
        ray.init(address=address or "local", log_to_driver=False, logging_level="error", **own)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise _no_cluster(address or "local", error) from error
    return ray


def _no_cluster(address: str, error: Exception) -> InputError:
    told = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return InputError(
        f"No Ray cluster answers at {address!r} ({told.rstrip('.')}); give --ray-address HOST:PORT of its head node, 'auto' "
        "on one of its machines, or leave it out to use this machine."
    )


def _head_address(address: str) -> str:
    if address.startswith("ray://"):
        raise ValueError("Ray Client is not used here; give HOST:PORT, without ray://")
    from ray._private.services import canonicalize_bootstrap_address

    return str(canonicalize_bootstrap_address(address))


def _check_answers(address: str) -> None:
    """Ray itself waits for minutes, and may end the process, where nobody is there."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise ValueError("not HOST:PORT")
    with socket.create_connection((host.strip("[]"), int(port)), _CONNECT):
        pass
