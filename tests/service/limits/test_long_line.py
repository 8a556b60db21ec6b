"""Whether one more long prediction can be done in time, worked by hand; the clock stands until it is moved."""

from __future__ import annotations

import pytest

from service.limits.long_line import Long, LongLine
from service.limits.work import Paces, Work

TIME = 24.0  # seconds that are counted on for a request, of 30
NEVER = float("inf")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def paces(clock: Clock) -> Paces:
    """A thousand characters of "known" take a second."""
    made = Paces(clock)
    made.learn(Work("known", 10_000), 10.0)
    return made


@pytest.fixture
def line(paces: Paces, clock: Clock) -> LongLine:
    return LongLine(paces, clock)


def long(clock: Clock, caller: str, seconds: int, place: float = 0.0, kind: str = "known") -> Long:
    return Long(caller, Work(kind, 1000 * seconds), place, until=clock.now + TIME, latest=NEVER)


def joined(line: LongLine, one: Long, begins: bool = False) -> Long:
    assert line.has_time_for(one)
    line.join(one)
    if begins:
        line.begin(one)
    return one


# What work may take at most


def test_at_most_is_the_slowest_long_one_of_the_last_minute(paces: Paces, clock: Clock) -> None:
    # 1 ms a character was learned; then 2 ms, so that the mean is 1 + 0.3 × (2 − 1) = 1.3 ms, and 1 ms: 1.21 ms.
    work = Work("known", 10_000)
    paces.learn(work, 20.0)
    clock.now = 1.0
    paces.learn(work, 10.0)
    assert paces.seconds(work) == pytest.approx(12.1)
    assert paces.seconds_at_most(work) == pytest.approx(20.0)
    clock.now = 60.0
    assert paces.seconds_at_most(work) == pytest.approx(12.1), "what was slow is a minute ago"


def test_at_most_is_never_below_the_mean(paces: Paces) -> None:
    work = Work("short", 10_000)
    paces.learn(work, 5.0, long=False)
    assert paces.seconds_at_most(work) == pytest.approx(5.0), "several short ones at once say nothing of the slowest"
    paces.learn(work, 1.0)  # the mean: 5 + 0.3 × (1 − 5) = 3.8
    assert paces.seconds_at_most(work) == pytest.approx(3.8)


def test_a_guess_may_be_wrong_by_a_factor_of_four(paces: Paces) -> None:
    work = Work("never done", 200_000)  # 4 s at 20 µs a character
    assert paces.seconds(work) == pytest.approx(4.0)
    assert paces.seconds_at_most(work) == pytest.approx(16.0)
    paces.learn(work, 11.0)
    assert paces.seconds_at_most(work) == pytest.approx(11.0)


# Who has time


def test_the_longest_of_a_kind_never_done_is_tried_alone(line: LongLine, paces: Paces, clock: Clock) -> None:
    # A guess of 4 s each let three of a caller in, 4 + 4 + 4 s of 24; they took 11 s each, and the third ended after 33 s.
    # They may take 16 s: a second one would end after 32 s.
    first, second = (Long("a", Work("new", 200_000), 0.0, until=TIME, latest=NEVER) for _ in range(2))
    joined(line, first, begins=True)
    assert not line.has_time_for(second)
    assert line.seconds_left() == pytest.approx(16.0)
    clock.now = 11.0
    paces.learn(first.work, 11.0)
    line.leave(first)
    assert line.has_time_for(second)


def test_what_waits_is_estimated_anew(line: LongLine, paces: Paces, clock: Clock) -> None:
    # a's and b's of 5 s each are let in, a's takes 20 s: as b's may too, c's second would end after 20 + 20 s, of 24.
    first = joined(line, long(clock, "a", 5), begins=True)
    joined(line, long(clock, "b", 5))
    assert line.seconds_left() == pytest.approx(10.0)
    clock.now = 20.0
    paces.learn(first.work, 20.0)  # 4 ms a character
    line.leave(first)
    assert line.seconds_left() == pytest.approx(20.0)
    assert not line.has_time_for(long(clock, "c", 5, place=1.0))
    assert line.has_time_for(long(clock, "c", 1, place=1.0)), "20 + 4 s"


def test_what_runs_slowly_tells_of_those_that_follow(line: LongLine, clock: Clock) -> None:
    joined(line, long(clock, "a", 6), begins=True)
    clock.now = 5.0
    assert line.seconds_left() == pytest.approx(1.0)
    assert line.seconds(Work("known", 12_000)) == pytest.approx(12.0)
    assert line.has_time_for(long(clock, "b", 12)), "1 + 12 s"
    clock.now = 9.0  # half as long again as expected, and as much may follow: 9 s, and b's takes 18
    assert line.seconds_left() == pytest.approx(9.0)
    assert line.seconds(Work("known", 12_000)) == pytest.approx(18.0)
    assert line.seconds(Work("new", 100_000)) == pytest.approx(8.0), "another kind"
    assert not line.has_time_for(long(clock, "b", 12)), "27 s of 24"


def test_nobody_goes_before_one_that_would_then_be_late(line: LongLine, clock: Clock) -> None:
    # a's first runs for 8 s, his second waits behind it, at place 8. Whoever comes new stands at 0, before that.
    first = joined(line, long(clock, "a", 8), begins=True)
    waiting = joined(line, long(clock, "a", 8, place=8.0))
    newcomer = joined(line, long(clock, "b", 8))  # ends after 16 s, and a's second after 24
    assert not line.has_time_for(long(clock, "c", 1)), "a's second would end after 25 s"
    clock.now = 8.0
    line.leave(first)
    line.begin(newcomer)
    assert not line.has_time_for(long(clock, "c", 1)), "as before, though c's own would end after 9 s of 24"
    assert line.has_time_for(long(clock, "c", 8, place=9.0)), "behind a's: 8 + 8 + 8 s"
    line.leave(waiting)
    assert line.has_time_for(long(clock, "c", 1)), "nobody else waits any more"


def test_a_second_one_is_no_more_than_what_is_left_beside_the_first(line: LongLine, clock: Clock) -> None:
    # Of 24 s a's first leaves 17: both of his together may take as long.
    joined(line, long(clock, "a", 7), begins=True)
    assert line.has_time_for(long(clock, "a", 10, place=7.0))
    assert not line.has_time_for(long(clock, "a", 11, place=7.0))
    assert line.has_time_for(long(clock, "b", 17))
    assert not line.has_time_for(long(clock, "b", 18))


def test_who_gave_up_waiting_counts_no_more(line: LongLine, clock: Clock) -> None:
    joined(line, long(clock, "a", 12), begins=True)
    waiting = joined(line, long(clock, "b", 12))
    assert not line.has_time_for(long(clock, "c", 1, place=1.0))
    line.leave(waiting)
    assert line.has_time_for(long(clock, "c", 12, place=1.0))
