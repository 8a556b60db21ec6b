"""Scores shards on a Ray cluster: a task for each processor, each in a process with a model of its own.

Plain tasks that get one shard each, not Ray Data (docs/scaling.md says why). A task reads and writes its shard itself;
nothing travels but the shard's number and place, and row counts on the way back. A node that dies takes its tasks; their
shards go to others. A node that comes gets tasks. Ray keeps a process for the next task, with the model in it.

The project's folder, the data, the artifacts and the output must lie where every node sees them under the same path.

A cluster is reached, or a Ray started on this machine; where nobody answers that is told at once, in one sentence.
Nothing is reported to anybody: usage statistics and the dashboard are off. Needs requirements/scale.txt.
"""

from __future__ import annotations

import os
import pickle
import socket
import subprocess
import sys
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from foundations.errors import InputError
from scoring.handing_out import WAIT, Event, Lost, Waiting, hand_out
from scoring.job import ScoringJob, Shard
from scoring.worker import Reply, packed

_CONNECT = 5.0  # seconds within which a cluster's head must answer
_FOUND = 30.0  # seconds within which Ray must find a cluster of this machine
_FIND = "import ray; ray.init('auto', log_to_driver=False, logging_level='error')"
_OBJECT_STORE = 100 * 2**20  # bytes: hardly anything goes through it
_ROOT = str(Path(__file__).resolve().parents[1])


def score_on_ray(
    artifacts: Path, job: ScoringJob, shards: Sequence[Shard], workers: int | None, skip: bool, address: str | None
) -> Generator[Event | Waiting]:
    """Scores the shards on the cluster at `address` (host:port, or "auto"), or with None on a Ray of its own.

    workers: at most so many at once; None: one a processor of the cluster. Every second something comes. Raises
    InputError where Ray is not installed, the address doesn't answer, or a shard has cost too many workers.
    """
    ray = started_ray(address, workers)
    try:
        yield from hand_out(_Cluster(ray, artifacts, job, workers, skip), job, shards)
    finally:
        ray.shutdown()  # its workers end with it


class _Cluster:
    """An engine of Ray tasks, at most `most` at once."""

    def __init__(self, ray: Any, artifacts: Path, job: ScoringJob, most: int | None, skip: bool) -> None:
        self._ray, self._job, self._most = ray, job, most
        self._task = _task(ray)
        self._given = ray.put(packed(artifacts.absolute(), job, skip))
        self._begun: set[Any] = set()
        self.state = "no Ray task begun"

    @property
    def room(self) -> int:
        processors = max(1, int(self._ray.cluster_resources().get("CPU", 0)))
        return min(self._most or processors, processors)

    def give(self, shard: Shard) -> Any:
        return self._task.remote(_ROOT, self._given, pickle.dumps(shard))

    def heard(self, out: Mapping[Any, Shard]) -> Iterator[tuple[Any, int | Reply | Lost]]:
        works = [*out]
        self._ray.wait(works, timeout=WAIT)  # for the first one
        ready, _ = self._ray.wait(works, num_returns=len(works), timeout=0)
        self._begun = self._begun.intersection(works).union(ready)
        self.state = f"{len(self._begun)} of {len(out)} Ray tasks begun, room for {self.room}"
        yield from ((work, self._next(work, out[work])) for work in ready)

    def _next(self, work: Any, shard: Shard) -> int | Reply | Lost:
        try:
            said: int | Reply = self._ray.get(next(work))
        except self._ray.exceptions.RayTaskError:  # of the program itself
            raise
        except self._ray.exceptions.RayError as error:
            return Lost(f"A Ray task was lost ({type(error).__name__})")
        finished = isinstance(said, Reply) and not said.failed and not said.unreadable
        if finished and self._job.receipt(shard) is None:
            raise InputError(
                f"A Ray node wrote shard {shard.name} but it is not in {str(self._job.folder)!r} here; --output must lie on a "
                "disk that all nodes share."
            )
        return said


def _task(ray: Any) -> Any:
    """Made here, so that it travels as code and puts the project's folder on the path before it imports from there."""

    def score(root: str, given: bytes, shard: bytes) -> Iterator[Any]:
        import pickle
        import sys

        yield 0  # rows: it has begun
        if root not in sys.path:
            sys.path.insert(0, root)
        from scoring.worker import attempt

        yield from attempt(given, pickle.loads(shard))

    # Ray itself tries none again: where memory is short it would do so without end, and tell none of the rows a second time.
    return ray.remote(num_cpus=1, max_retries=0, scheduling_strategy="SPREAD")(score)


def check_ray(address: str | None) -> Any:
    """The package. Raises InputError where it isn't installed, or nobody answers at the address of a cluster.

    Asking for "auto" costs some seconds, as Ray alone knows its clusters on this machine.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # before the import: nothing leaves the machine
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else Ray warns of a change to come
    try:
        import ray
    except ModuleNotFoundError as error:
        raise InputError(
            "--engine ray needs the package 'ray': pip install -r requirements/scale.txt, or use --engine local."
        ) from error
    if address == "auto" and not os.environ.get("RAY_ADDRESS"):
        _check_found()
    elif address is not None:
        _check_answers(address, os.environ["RAY_ADDRESS"] if address == "auto" else address)
    return ray


def started_ray(address: str | None, workers: int | None) -> Any:
    """The package, connected to the cluster at `address`; with None, to a Ray of its own with `workers` processors.

    Raises InputError as `check_ray` does. Whoever started it ends it with `shutdown`.
    """
    ray = check_ray(address)
    own = {"include_dashboard": False, "num_cpus": workers, "object_store_memory": _OBJECT_STORE}
    try:
        ray.init(address=address or "local", log_to_driver=False, logging_level="error", **({} if address else own))
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise _no_cluster(address or "local", error) from error
    return ray


def _check_found() -> None:
    """In a process of its own: where a cluster has ended without a word, Ray waits for minutes and then ends the process."""
    try:
        subprocess.run([sys.executable, "-c", _FIND], check=True, capture_output=True, timeout=_FOUND)
    except subprocess.SubprocessError as error:
        raise _no_cluster("auto", ValueError("none is running here")) from error


def _check_answers(address: str, named: str) -> None:
    """Ray itself waits for minutes, and may end the process, where nobody is there."""
    try:
        if named.startswith("ray://"):
            raise ValueError("Ray Client is not used here; give HOST:PORT, without ray://")
        host, _, port = named.rpartition(":")
        if not host or not port.isdecimal():
            raise ValueError("not HOST:PORT")
        with socket.create_connection((host.strip("[]"), int(port)), _CONNECT):
            pass
    except (OSError, ValueError) as error:
        raise _no_cluster(address, error) from error


def _no_cluster(address: str, error: Exception) -> InputError:
    told = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return InputError(
        f"No Ray cluster answers at {address!r} ({told.rstrip('.')}); give --ray-address HOST:PORT of its head node, 'auto' "
        "on one of its machines, or leave it out to use this machine."
    )
