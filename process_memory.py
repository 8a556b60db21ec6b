"""Gives memory that is no longer used back to the system, between stages that each need a lot of it for a moment.

glibc keeps freed blocks for later; after a training run that is several hundred megabytes. Costs a few milliseconds.
"""

from __future__ import annotations

import ctypes
import gc
import sys


def release_unused_memory() -> None:
    """Collects garbage and, where the C library can, returns free heap pages to the system."""
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it, musl hasn't
        if trim is not None:
            trim(0)
