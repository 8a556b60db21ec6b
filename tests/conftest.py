"""How the tests are run: by how many processes, and in which order. What they share is in shared/fixtures.py.

The process that only hands out the tests imports none of it, as that takes seconds.
"""

from __future__ import annotations

import os
import sys

import pytest

import foundations.thread_policy  # noqa: F401 — before torch, which the fixtures import
from foundations.machine import available_cores, put_aside_what_stays

os.environ["HF_HUB_OFFLINE"] = "1"  # before the hub's library is imported: no test may reach for it by accident
# Tests start hundreds of processes, and without bytecode each compiles the whole project anew.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_configure(config: pytest.Config) -> None:
    """A process that runs tests has the shared fixtures."""
    hands_out = config.getoption("dist", "no") != "no" and "PYTEST_XDIST_WORKER" not in os.environ
    if not hands_out:
        config.pluginmanager.import_plugin("tests.shared.fixtures")


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: a third of the time a test waits for a server, a browser or a database."""
    return available_cores() + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest first (`pytestmark = pytest.mark.seconds(…)`): else one begun last is waited for alone."""

    def seconds(item: pytest.Item) -> float:
        mark = item.get_closest_marker("seconds")
        return float(mark.args[0]) if mark else 0.0

    items.sort(key=seconds, reverse=True)


def pytest_collection_finish() -> None:
    """What all tests import stays to the end: no garbage collection of any test looks through it again."""
    put_aside_what_stays()
