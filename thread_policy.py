"""Importing this makes OpenMP's idle threads sleep instead of spin; it must come before PyTorch is imported.

By default a thread that waits for its neighbour burns its core. On a machine whose cores are shared with anything else
that made a training step of 1 s take 2 to 5 s and slowed the neighbours as well; on idle cores sleeping costs nothing
measurable. OMP_WAIT_POLICY in the environment has the last word.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
