"""Who is let in, and when: by what a prediction costs and whose it is."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import anyio
import pytest

from service.limits.admission import Admission
from service.limits.fair_turns import FairTurns
from service.limits.in_flight import InFlight
from service.limits.long_line import LongLine
from service.limits.refused import RefusedError
from service.limits.work import Paces, Work

TIMEOUT = 30.0
SHORT = Work("few_shot", 200)
LONG = Work("few_shot", 500_000)  # 10 s at the first guess of 20 µs a character


class Predictions:
    """Work that ends when it is told to, and who began in which order."""

    def __init__(self) -> None:
        self.began: list[str] = []
        self._may_end = threading.Event()

    def of(self, name: str) -> Callable[[], str]:
        def work() -> str:
            self.began.append(name)
            self._may_end.wait(20)
            return name

        return work

    def end(self) -> None:
        self._may_end.set()


@pytest.fixture
async def admission(tmp_path: Path) -> AsyncIterator[Admission]:
    made = Admission(tmp_path, 32, TIMEOUT)
    made.in_flight.join()
    yield made
    made.close()


@pytest.fixture
async def experienced(admission: Admission) -> Admission:
    """One that knows what the kind of SHORT and LONG takes: as long as the first guess was."""
    admission._paces.learn(LONG, 10.0)
    return admission


async def until(true: Callable[[], bool]) -> None:
    for _ in range(1000):
        if true():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not happen in time")


# Turns


async def test_who_had_least_is_next_worked_by_hand() -> None:
    # One turn, taken. a asks for three of 1 each: they begin at 0, 1 and 2. b's two of 2 each, asked for later, begin at
    # 0 and 2; of those that begin alike the first that came goes first: a0 b0 a1 a2 b2.
    turns = FairTurns(1)
    await turns.take("other", 0.0)
    order: list[str] = []

    async def ask(name: str, caller: str, cost: float) -> None:
        await turns.take(caller, cost)
        order.append(name)
        turns.give_back()

    asked = [asyncio.create_task(ask(name, "a", 1.0)) for name in ("a0", "a1", "a2")]
    asked += [asyncio.create_task(ask(name, "b", 2.0)) for name in ("b0", "b2")]
    await asyncio.sleep(0)
    turns.give_back()
    await asyncio.gather(*asked)
    assert order == ["a0", "b0", "a1", "a2", "b2"]


async def test_a_turn_that_nobody_waits_for_any_more_is_passed_on() -> None:
    turns = FairTurns(1)
    await turns.take("a", 1.0)
    first, second = (asyncio.create_task(turns.take("b", 1.0)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    turns.give_back()
    await asyncio.wait_for(second, 5)
    turns.give_back()
    await asyncio.wait_for(turns.take("c", 1.0), 5)


async def test_a_turn_given_to_who_is_cancelled_in_the_same_moment_is_not_lost() -> None:
    turns = FairTurns(1)
    await turns.take("a", 1.0)
    waiting = asyncio.create_task(turns.take("b", 1.0))
    await asyncio.sleep(0)
    turns.give_back()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await asyncio.wait_for(turns.take("c", 1.0), 5)


# What work will take


def test_a_pace_is_learned_and_short_work_says_nothing() -> None:
    paces = Paces()
    assert paces.seconds(LONG) == pytest.approx(10.0)
    paces.learn(SHORT, 5.0)
    assert not paces.knows(LONG)
    paces.learn(LONG, 20.0)  # 40 µs a character
    assert paces.seconds(LONG) == pytest.approx(20.0)
    paces.learn(Work("few_shot", 100_000), 2.0)  # 20 µs: 40 + 0.3 × (20 − 40) = 34
    assert paces.seconds(LONG) == pytest.approx(17.0)
    assert paces.seconds(Work("contrastive", 100_000)) == pytest.approx(2.0), "another kind"


# Places


async def test_short_ones_are_done_while_long_ones_wait_for_each_other(experienced: Admission) -> None:
    long = Predictions()
    running = [asyncio.create_task(experienced.run(who, LONG, long.of(who))) for who in ("a", "b")]
    await until(lambda: long.began == ["a"])
    assert await asyncio.wait_for(experienced.run("c", SHORT, lambda: "short"), 10) == "short"
    assert await asyncio.wait_for(experienced.run("a", SHORT, lambda: "short"), 10) == "short"
    assert long.began == ["a"], "one at a time"
    long.end()
    assert await asyncio.gather(*running) == ["a", "b"]
    assert experienced.in_flight.count() == 0


async def test_what_cannot_be_done_in_time_is_refused_at_once(experienced: Admission) -> None:
    # Of 30 s 24 are counted on. a's and b's take 10 s each; c's third 10 s would end after 30 s. Retry-After is 20 s, less
    # what a's has run for.
    long = Predictions()
    running = [asyncio.create_task(experienced.run(who, LONG, long.of(who))) for who in ("a", "b")]
    await until(lambda: bool(long.began))
    with pytest.raises(RefusedError) as refused:
        await experienced.run("c", LONG, long.of("c"))
    assert (refused.value.status_code, refused.value.code) == (503, "busy_with_long_work")
    assert 0 < int((refused.value.headers or {})["Retry-After"]) <= 20
    long.end()
    await asyncio.gather(*running)
    assert await experienced.run("c", LONG, lambda: "c") == "c"


async def test_the_first_of_a_kind_is_tried_alone(admission: Admission) -> None:
    # Three of 4 s each, as guessed, were let in of 24 s; they took 11 s each, and the third was a 504. They may take 16 s.
    longest = Work("never done", 200_000)
    long = Predictions()
    running = asyncio.create_task(admission.run("a", longest, long.of("a")))
    await until(lambda: bool(long.began))
    for caller in ("a", "b"):
        with pytest.raises(RefusedError, match="may take 16 s"):
            await admission.run(caller, longest, long.of(caller))
    long.end()
    assert await running == "a"
    assert await admission.run("b", longest, lambda: "b") == "b"


async def test_what_would_be_begun_too_late_is_refused_and_not_begun(
    experienced: Admission, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LongLine, "has_time_for", lambda *_: True)  # as if a's had been expected to end at once
    monkeypatch.setattr(Paces, "knows", lambda *_: False)
    long = Predictions()
    running = asyncio.create_task(experienced.run("a", LONG, long.of("a")))
    await until(lambda: bool(long.began))
    with anyio.fail_after(10), pytest.raises(RefusedError, match="can't be done in time any more") as refused:
        await experienced.run("b", LONG, long.of("b"))  # takes 10 s: it is too late after a moment
    assert (refused.value.status_code, refused.value.code) == (503, "busy_with_long_work")
    assert 0 < int((refused.value.headers or {})["Retry-After"]) <= 10, "a's, and not its own"
    assert experienced.in_flight.count() == 1
    long.end()
    assert await running == "a"
    assert long.began == ["a"]


async def test_only_what_is_left_of_a_requests_time_counts(experienced: Admission) -> None:
    with anyio.fail_after(9), pytest.raises(RefusedError, match=r"about 10 s now, .* 30 s, of which \d s are left"):
        await experienced.run("a", LONG, lambda: "done")
    with anyio.fail_after(100):
        assert await experienced.run("a", LONG, lambda: "done") == "done"


async def test_a_caller_leaves_as_much_time_as_he_takes(experienced: Admission) -> None:
    # 7 s and 7 s: with the second a would have 14 s and leave 10.
    work = Work("few_shot", 350_000)
    long = Predictions()
    running = asyncio.create_task(experienced.run("a", work, long.of("a")))
    await until(lambda: bool(long.began))
    with pytest.raises(RefusedError):
        await experienced.run("a", Work("few_shot", 600_000), long.of("a"))
    other = asyncio.create_task(experienced.run("b", work, long.of("b")))
    await asyncio.sleep(0.05)
    long.end()
    assert [await running, await other] == ["a", "b"]


async def test_the_longest_is_tried_where_nothing_else_is_to_be_done(admission: Admission) -> None:
    assert await admission.run("a", Work("few_shot", 2_000_000), lambda: "done") == "done"  # 40 s as guessed


async def test_what_is_known_to_take_too_long_is_not_begun(admission: Admission) -> None:
    admission._paces.learn(LONG, 30.0)
    with pytest.raises(RefusedError, match="about 120 s now, and a request may take 30 s") as refused:
        await admission.run("a", Work("few_shot", 2_000_000), lambda: "done")
    assert (refused.value.status_code, refused.value.headers) == (503, {"Retry-After": "60"})


async def test_nothing_is_learned_from_what_is_refused_while_it_is_read(admission: Admission) -> None:
    def refused() -> None:
        raise ValueError("too long")

    for _ in range(20):
        with pytest.raises(ValueError, match="too long"):
            await admission.run("a", LONG, refused)
    assert not admission._paces.knows(LONG)


async def test_what_was_given_up_counts_double_and_only_for_a_minute() -> None:
    now = [0.0]
    paces = Paces(lambda: now[0])
    paces.learn(LONG, 30.0, finished=False)
    assert paces.seconds(LONG) == pytest.approx(60.0)
    assert paces.knows(LONG)
    now[0] = 60.0
    assert not paces.knows(LONG), "one may try again"


async def test_the_last_places_are_for_who_has_none(admission: Admission) -> None:
    many = Predictions()
    running = [asyncio.create_task(admission.run("a", SHORT, many.of("a"))) for _ in range(28)]
    await until(lambda: admission.in_flight.count() == 28)
    assert admission.full_for("a")
    with pytest.raises(RefusedError, match="taken at once"):
        await admission.run("a", SHORT, many.of("a"))
    assert not admission.full_for("b")
    running.append(asyncio.create_task(admission.run("b", SHORT, many.of("b"))))
    await until(lambda: admission.in_flight.count() == 29)
    many.end()
    assert (await asyncio.gather(*running))[-1] == "b"
    await until(lambda: many.began.index("b") < 28)  # before most of a's, which came first


async def test_who_gives_up_waiting_gives_his_place_back(experienced: Admission) -> None:
    long = Predictions()
    running = asyncio.create_task(experienced.run("a", LONG, long.of("a")))
    await until(lambda: bool(long.began))
    waiting = asyncio.create_task(experienced.run("b", LONG, long.of("b")))
    await until(lambda: experienced.in_flight.count() == 2)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert experienced.in_flight.count() == 1
    long.end()
    assert await running == "a"
    await until(lambda: experienced.in_flight.count() == 0)
    assert long.began == ["a"]


def test_a_killed_worker_leaves_no_prediction_in_flight(tmp_path: Path) -> None:
    first, second = InFlight(tmp_path, 1), InFlight(tmp_path, 1)
    first.join()
    assert first.enter()
    with first._shared.locked() as memory:  # as if by a process that is gone
        memory[0:8] = (2**22 + 1).to_bytes(8, "little")
    second.join()
    assert second.enter()
    assert not second.enter()
    second.exit()
    assert second.enter()
