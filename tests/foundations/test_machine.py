"""Memory that training frees goes back to the system."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HAS_GLIBC = sys.platform == "linux" and hasattr(ctypes.CDLL(None), "mallopt")
FREED = """
import sys
import numpy as np
from foundations.machine import give_large_blocks_back_at_once

if sys.argv[1] == "at once":
    give_large_blocks_back_at_once()
resident = lambda: int(open("/proc/self/statm").read().split()[1]) * 4096 / 2**20
np.ones(30 * 2**17)  # freed: from here on glibc keeps blocks of up to 30 MB
before = resident()
blocks = [(np.ones(12 * 2**17), np.ones(2**14)) for _ in range(12)]  # 12 MB each, and something small that stays
small = [few for _, few in blocks]
del blocks
print(resident() - before)
"""


@pytest.mark.skipif(not HAS_GLIBC, reason="another C library")
def test_freed_blocks_do_not_stay_between_what_lives() -> None:
    kept, at_once = (mebibytes_after_freeing(when) for when in ("later", "at once"))
    assert at_once < kept / 3


def mebibytes_after_freeing(when: str) -> float:
    command = [sys.executable, "-c", FREED, when]
    return float(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)
