"""So many requests a minute of each caller, by hand, over two workers."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.access.rate_limit import RateLimit


def test_the_rate_limit_by_hand(tmp_path: Path) -> None:
    # 60 a minute: one a second, and ten seconds' worth at once. Two workers share the table.
    now = [100.0]
    workers = [RateLimit(tmp_path, 60, clock=lambda: now[0]) for _ in range(2)]
    assert [workers[n % 2].wait("a") for n in range(10)] == [0.0] * 10
    assert workers[0].wait("a") == pytest.approx(1.0)
    assert workers[1].wait("b") == 0.0, "another caller has its own"
    now[0] += 0.75
    assert workers[1].wait("a") == pytest.approx(0.25), "a refused request does not count"
    now[0] += 0.25
    assert workers[0].wait("a") == 0.0
    now[0] += 1000.0
    assert [workers[0].wait("a") > 0 for _ in range(11)] == [False] * 10 + [True]


def test_a_rate_limit_of_zero_is_none(tmp_path: Path) -> None:
    unlimited = RateLimit(tmp_path, 0)
    assert all(unlimited.wait("a") == 0.0 for _ in range(1000))
