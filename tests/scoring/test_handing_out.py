"""Shards and workers without processes: how many are out at once, and what becomes of those whose worker is lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from foundations.errors import InputError
from scoring import worker
from scoring.cutting import Cut
from scoring.handing_out import Event, Lost, Waiting, hand_out
from scoring.inputs import InputFile
from scoring.job import ScoringJob, Shard, Terms
from scoring.worker import Reply, attempt

SHARDS = [Shard(number, 0, Cut(number, number + 1, number, number, 1)) for number in range(6)]


def job(folder: Path) -> ScoringJob:
    return ScoringJob(folder, Terms("few_shot", "1", False, "jsonl"), [InputFile("/data/calls.jsonl")], SHARDS)


class FakeEngine:
    """`room` workers; each shard is told of once and then done, or lost as often as `losses` says."""

    state = "waiting"

    def __init__(self, room: int, losses: dict[int, int] | None = None) -> None:
        self.room, self._losses = room, losses or {}
        self.given: list[int] = []
        self.most = 0

    def give(self, shard: Shard) -> int:
        self.given.append(shard.number)
        return len(self.given)  # another try is another work

    def heard(self, out: Mapping[int, Shard]) -> Iterator[tuple[int, int | Reply | Lost]]:
        self.most = max(self.most, len(out))
        work, shard = next(iter(out.items()))
        yield work, 1
        if self._losses.get(shard.number, 0):
            self._losses[shard.number] -= 1
            yield work, Lost("A worker process was ended by signal 9")
        else:
            yield work, Reply(scored=1)


def done(events: list[Event | Waiting]) -> list[int]:
    return [event.shard.number for event in events if isinstance(event, Event) and isinstance(event.said, Reply)]


def test_no_more_shards_are_out_than_there_are_workers(tmp_path: Path) -> None:
    engine = FakeEngine(room=2)
    events = list(hand_out(engine, job(tmp_path), SHARDS))
    assert done(events) == engine.given == [0, 1, 2, 3, 4, 5]
    assert engine.most == 2
    assert [event.said for event in events if isinstance(event, Event) and isinstance(event.said, int)] == [1] * 6


def test_workers_that_come_get_shards(tmp_path: Path) -> None:
    engine = FakeEngine(room=1)
    told = hand_out(engine, job(tmp_path), SHARDS)
    next(told)
    engine.room = 4
    assert len(done(list(told))) == 6
    assert engine.most == 4


def test_a_lost_workers_shard_is_the_next_to_be_given(tmp_path: Path) -> None:
    engine = FakeEngine(room=2, losses={0: 2})
    assert sorted(done(list(hand_out(engine, job(tmp_path), SHARDS)))) == [0, 1, 2, 3, 4, 5]
    assert engine.given == [0, 1, 0, 2, 0, 3, 4, 5]


def test_the_third_loss_at_one_shard_ends_the_job(tmp_path: Path) -> None:
    said = "ended by signal 9, the 3rd one at shard part-00001 of /data/calls.jsonl; memory may be short"
    with pytest.raises(InputError, match=said):
        list(hand_out(FakeEngine(room=2, losses={1: 3}), job(tmp_path), SHARDS))


def test_a_model_is_loaded_once_a_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[Any] = []

    class Scorer:
        def __init__(self, *given: object) -> None:
            loaded.append(given)

        def attempt(self, shard: Shard) -> Iterator[int | Reply]:
            yield Reply(scored=shard.number)

    monkeypatch.setattr(worker, "ShardScorer", Scorer)
    given = worker.packed(tmp_path, job(tmp_path), skip=True)
    assert [list(attempt(given, shard)) for shard in SHARDS[:2]] == [[Reply(scored=0)], [Reply(scored=1)]]
    ((artifacts, sent, skip),) = loaded
    assert (artifacts, skip, sent.files) == (tmp_path, True, job(tmp_path).files)
    assert sent.shards == [], "with millions of rows they are many, and a worker gets its own one by one"
    worker._scorer.cache_clear()


def test_a_model_that_cannot_be_loaded_is_told_in_its_sentence(tmp_path: Path) -> None:
    given = worker.packed(tmp_path / "nothing", job(tmp_path), skip=True)
    (reply,) = attempt(given, SHARDS[0])
    assert isinstance(reply, Reply) and "few_shot" in reply.failed
