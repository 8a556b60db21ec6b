"""Hands shards out to an engine's workers, one each, and gives a lost worker's shard to another.

No more shards are out than there are workers: what is not begun belongs to nobody, so that workers who come get some, and
one that dies takes no queue along. What a worker is, a process or a task of a cluster, only its engine knows.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from foundations.errors import InputError
from scoring.job import ScoringJob, Shard
from scoring.worker import Reply

MOST_LOSSES = 3  # of workers at one shard: then it is the shard
WAIT = 1.0  # seconds


class Event(NamedTuple):
    """What a worker says of a shard: so many of its rows are done, or that it is done with it."""

    shard: Shard
    said: int | Reply


class Waiting(NamedTuple):
    """An engine's word that it lives; `state` says what it does."""

    state: str


class Lost(NamedTuple):
    """In place of a reply: the worker is gone. `how`: "A worker process was ended by signal 9"."""

    how: str


class Engine(Protocol):
    """Workers of one kind, and how they are reached."""

    @property
    def room(self) -> int: ...  # how many can work at once; it may change

    @property
    def state(self) -> str: ...  # for people

    def give(self, shard: Shard) -> Any: ...  # to a worker; what comes back stands for its work

    def heard(self, out: Mapping[Any, Shard]) -> Iterable[tuple[Any, int | Reply | Lost]]: ...  # within WAIT seconds


def hand_out(engine: Engine, job: ScoringJob, shards: Sequence[Shard]) -> Generator[Event | Waiting]:
    """Has the shards scored and tells of each; every WAIT seconds something comes, be it that nothing has happened.

    Raises InputError where a shard has cost MOST_LOSSES workers.
    """
    waiting, losses = deque(shards), Counter[int]()
    out: dict[Any, Shard] = {}
    while waiting or out:
        while waiting and len(out) < engine.room:
            shard = waiting.popleft()
            out[engine.give(shard)] = shard
        yield Waiting(engine.state)
        for work, said in list(engine.heard(out)):
            shard = out[work] if isinstance(said, int) else out.pop(work)
            if isinstance(said, Lost):
                losses[shard.number] += 1
                if losses[shard.number] >= MOST_LOSSES:
                    raise _lost_too_often(said, shard, job)
                waiting.appendleft(shard)
            else:
                yield Event(shard, said)


def _lost_too_often(last: Lost, shard: Shard, job: ScoringJob) -> InputError:
    return InputError(
        f"{last.how}, the {MOST_LOSSES}rd one at shard {shard.name} of {job.files[shard.file].path}; memory may be short: "
        "give fewer --workers."
    )
