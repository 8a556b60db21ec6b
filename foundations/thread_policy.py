"""Importing this keeps threads from burning cores that others need; it must come before NumPy and PyTorch are imported.

By default an OpenMP thread that waits for its neighbour spins. On a machine whose cores are shared with anything else
that made a training step of 1 s take 2 to 5 s and slowed the neighbours as well; on idle cores sleeping costs nothing
measurable. NumPy's OpenBLAS has threads of its own that do the same: what NumPy multiplies here takes milliseconds, and
with a busy neighbour an eigendecomposition took a second instead of 15 ms. OMP_WAIT_POLICY and OPENBLAS_NUM_THREADS in
the environment have the last word.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
