"""Times callables against each other: alternating repeats in one process, warm-up first, medians."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def alternating_seconds(runs: Mapping[str, Callable[[], object]], repeats: int, warm_up: int = 1) -> dict[str, float]:
    """Median seconds of each, taken in turns, so that a neighbour's load or a warm processor meets all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for repeat in range(warm_up + repeats):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            if repeat >= warm_up:
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}
