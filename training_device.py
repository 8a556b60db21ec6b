"""Where training runs: on a CUDA device when there is one, else on the processor. Decided here only.

Serving knows nothing of it; it runs in ONNX Runtime on the processor.
"""

from __future__ import annotations

import os

import torch


def training_device() -> torch.device:
    """A CUDA device where PyTorch finds one, of several processes on a machine another for each; else `cpu`."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 in hardware; without it, it would be slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
