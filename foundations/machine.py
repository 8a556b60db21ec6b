"""The machine this process runs on: how many cores it may use, and memory given back between stages that need much of it.

Counting cores costs reading a few small files. glibc keeps freed blocks for later, several hundred megabytes after a
training run; giving them back costs a few milliseconds, once what stays has been put aside. What is kept comes to lie in
pieces between what lives, so training has large blocks go back at once.
"""

from __future__ import annotations

import ctypes
import gc
import math
import os
import sys
from pathlib import Path

_MMAP_THRESHOLD, _LARGE_BLOCK = -3, 8 * 1024**2  # mallopt's number for it, bytes


def available_cores() -> int:
    """The cores this process may use: in a container fewer than the machine has, a part of one counting as one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(cores, allotted_cores())))


def allotted_cores(groups: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> float:
    """Processor time that Linux control groups allow this process, in cores; infinite where none does.

    groups: where they are mounted; own: the file that names this process's own. Each group also has the limits of those
    that it lies in.
    """
    try:
        names = [line.split(":", 2) for line in own.read_text(encoding="ascii").splitlines()]
    except (OSError, ValueError):
        return math.inf
    allotted = math.inf
    for _, kinds, name in names:
        if kinds in ("", "cpu", "cpu,cpuacct"):  # version 2, or version 1's for processors
            mounted = groups / kinds
            folder = mounted / name.strip("/")
            for path in (folder, *folder.parents):
                if path.is_relative_to(mounted):
                    allotted = min(allotted, _quota(path))
    return allotted


def _quota(group: Path) -> float:
    """Cores by the quota of one control group, version 2 or 1; infinite where it has none."""
    try:
        version_1 = [group / "cpu.cfs_quota_us", group / "cpu.cfs_period_us"]
        files = [group / "cpu.max"] if (group / "cpu.max").exists() else version_1
        quota, period = (float(word) for file in files for word in file.read_text(encoding="ascii").split())
    except (OSError, ValueError):  # no quota, or "max"
        return math.inf
    return quota / period if quota > 0 and period > 0 else math.inf


def give_large_blocks_back_at_once() -> None:
    """From now on in this process, where the C library can: a freed block of 8 MB or more is the system's again.

    Else glibc raises the size from which it does so to that of the largest block freed so far, up to 32 MB, and the
    tensors of training steps, each step's of other sizes, leave gaps that no later one fits. From 1 MB on, training would
    peak lower still, and fetching fresh pages would take it a third longer.
    """
    if sys.platform == "linux":
        option = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc has it, musl hasn't
        if option is not None:
            option(_MMAP_THRESHOLD, _LARGE_BLOCK)


def put_aside_what_stays() -> None:
    """Spares garbage collections what there is now: of PyTorch's modules alone half a million objects, 0.2 s each time."""
    gc.collect()
    gc.freeze()


def release_unused_memory() -> None:
    """Collects garbage and, where the C library can, returns free heap pages to the system."""
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it, musl hasn't
        if trim is not None:
            trim(0)
