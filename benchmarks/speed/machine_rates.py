"""What this machine's arithmetic can do, and how much of it a text needs: together the least time a row could take."""

from __future__ import annotations

import numpy as np
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper

from benchmarks.speed.timing import alternating_seconds
from encoder.onnx_encoder import inference_session

ROWS, INNER, COLUMNS = 2048, 384, 1536  # the bundled encoder's first feed-forward layer, for many tokens
OPERATIONS = 2 * ROWS * INNER * COLUMNS


def measured_rates(threads: int, repeats: int = 15) -> dict[str, float]:
    """Operations a second (a multiplication and an addition are two) of matrix products in fp32, bf16 and int8."""
    torch.set_num_threads(threads)
    inputs, weights = torch.randn(ROWS, INNER), torch.randn(COLUMNS, INNER)
    half = inputs.bfloat16(), weights.bfloat16()
    session, feed = _int8_product(threads)
    linear = torch.nn.functional.linear
    seconds = alternating_seconds(
        {
            "fp32": lambda: linear(inputs, weights),
            "bf16": lambda: linear(*half),
            "int8": lambda: session.run(None, feed),
        },
        repeats,
        warm_up=3,
    )
    return {precision: OPERATIONS / value for precision, value in seconds.items()}


def operations_per_token(dim: int, hidden: int, blocks: int) -> int:
    """Of the linear layers; attention and the rest are a few per cent for texts of a few dozen tokens."""
    return 2 * blocks * (4 * dim * dim + 2 * dim * hidden)


def _int8_product(threads: int) -> tuple[onnxruntime.InferenceSession, dict[str, np.ndarray]]:
    random = np.random.default_rng(0)
    constants = {
        "weights": random.integers(-127, 128, (INNER, COLUMNS)).astype(np.int8),
        "step": np.float32(0.02),
        "steps": np.full(COLUMNS, 0.01, np.float32),
        "zero": np.uint8(128),
    }
    node = helper.make_node(
        "MatMulIntegerToFloat", ["x", "weights", "step", "steps", "zero"], ["y"], domain="com.microsoft"
    )
    graph = helper.make_graph(
        [node],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, [ROWS, INNER])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [ROWS, COLUMNS])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()
    # Threads that spin after a run would take a core from the next one's.
    return inference_session(model, threads), {"x": random.integers(0, 256, (ROWS, INNER)).astype(np.uint8)}
