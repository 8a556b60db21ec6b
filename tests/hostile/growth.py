"""How the time of a call grows with its text: in proportion at most, or faster. Run as a program, which can be killed.

Only what is slow at the longest text is measured at 1, 2, 4 and 8 times the length: the least of several times counts, and
it is measured again before it is believed, so that a busy machine changes nothing.
"""

from __future__ import annotations

import gc
import json
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from tests.hostile.attacks import Attack, attacks

LONGEST = 1024  # characters of an attack, or FEWEST_PUMPS where its pump is long
FEWEST_PUMPS = 128
_FLOOR = 0.25e-3  # seconds, below which the longest text is no trouble; a quadratic pattern takes 1 ms and more
_STEEPEST = 20.0  # times as long for 8 times the text: 8 in proportion, 64 with the square
_AT_MOST = 1.0  # seconds of the processor for one text
_STEEPEST_STEP = 2.8  # for twice the text: 2 in proportion, 4 with the square
_ROUNDS = 3
_TIMES = 5
_TICK = 0.004  # seconds, in which some machines count processor time

Method = Callable[[re.Pattern[Any], Any], object]
METHODS: dict[str, Method] = {
    "match": lambda pattern, text: pattern.match(text),
    "fullmatch": lambda pattern, text: pattern.fullmatch(text),
    "search": lambda pattern, text: pattern.search(text),
    "findall": lambda pattern, text: pattern.findall(text),
    "finditer": lambda pattern, text: list(pattern.finditer(text)),
    "split": lambda pattern, text: pattern.split(text),
    "sub": lambda pattern, text: pattern.sub("", text),
}


class OutOfTimeError(Exception):
    """A call took longer than any text may."""


def slow_attack(pattern: re.Pattern[Any], methods: list[str]) -> str | None:
    """What makes a pattern slower than in proportion to the text, in words; None where nothing does."""
    is_bytes = isinstance(pattern.pattern, bytes)
    for attack in attacks(pattern):
        for name in methods:

            def text(times: int, attack: Attack = attack) -> Any:
                whole = attack.text(times)
                return whole.encode("utf-8") if is_bytes else whole

            pumps = max(LONGEST // len(attack.pump), FEWEST_PUMPS)
            if (why := growth(partial(METHODS[name], pattern), text, pumps)) is not None:
                return f"{name} of {attack.start!r} + {attack.pump!r} × n + {attack.end!r}: {why}"
    return None


def growth(
    call: Callable[[Any], object],
    text: Callable[[int], Any],
    pumps: int,
    floor: float = _FLOOR,
    at_most: float = _AT_MOST,
) -> str | None:
    """Why a call grows faster than its text; None where it does not.

    text: makes one of so many pumps. floor: seconds that the longest text may take without being asked about. at_most:
    seconds of the processor for one text, after which the call is broken off.
    """
    try:
        with _time_limit(at_most):  # an exponential pattern ends here
            last = _seconds(call, text(pumps))
            if last < floor or last < _STEEPEST * _seconds(call, text(pumps // 8)):
                return None
        for _ in range(_ROUNDS):
            times = [_least_seconds(call, text(pumps * part // 8), at_most) for part in (1, 2, 4, 8)]
            if times[3] < max(floor, _STEEPEST * times[0]) or times[3] < _STEEPEST_STEP * times[2]:
                return None
    except OutOfTimeError:
        return f"more than {at_most} s for {len(text(pumps)):,} characters, or for fewer"
    told = ", ".join(f"{1000 * seconds:.2f}" for seconds in times)
    return f"{told} ms for 1, 2, 4, 8 times {len(text(pumps // 8)):,} characters"


def _least_seconds(call: Callable[[Any], object], text: Any, at_most: float) -> float:
    found = []
    for _ in range(_TIMES):
        with _time_limit(at_most):
            found.append(_seconds(call, text))
    return min(found)


def _seconds(call: Callable[[Any], object], text: Any) -> float:
    """By the clock, or by the processor's where others kept it busy meanwhile."""
    gc.disable()
    started, of_processor = time.perf_counter(), time.process_time()
    try:
        call(text)
    finally:
        gc.enable()
    return min(time.perf_counter() - started, time.process_time() - of_processor + _TICK)


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Raises OutOfTimeError in what takes too long, as `re` looks for signals while it goes back and forth."""
    before = signal.signal(signal.SIGVTALRM, _out_of_time)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _out_of_time(*_: object) -> None:
    raise OutOfTimeError


def main() -> None:
    """Reads [[name, pattern, flags, is bytes, methods], …] as JSON, and writes {name: what makes it slow} of the slow ones."""
    slow = {}
    for name, source, flags, is_bytes, methods in json.load(sys.stdin):
        sys.stderr.write(f"{name}\n")  # the last one is where it hangs, if it does
        pattern = re.compile(source.encode("latin-1") if is_bytes else source, flags)
        if (why := slow_attack(pattern, methods)) is not None:
            slow[name] = why
    json.dump(slow, sys.stdout)


if __name__ == "__main__":
    main()
