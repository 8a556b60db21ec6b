"""Where the time of one prediction goes: ONNX Runtime's own profile of the encoder, and what is spent outside it."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from conversations.conversation import Conversation
from encoder.onnx_encoder import (
    LOWER_INPUTS,
    OUTPUT,
    STATES,
    UPPER_INPUTS,
    EncoderFiles,
    Inputs,
    graph_inputs,
    inference_session,
)
from modelling.conversion_model import ConversionModel
from modelling.segments import segment_conversations

BETWEEN = "what ONNX Runtime does between operators"
OUTSIDE = "cutting into sentences, tokens, pooling, classifier: Python"
_ROUNDS = 5
_KINDS = {
    "matrix products": ("MatMulIntegerToFloat", "MatMul"),
    "attention": ("Attention",),
    "layer norms and sums": ("LayerNormalization", "Add"),
    "smoothing and quantising": ("Mul", "QuantizeLinear", "Cast"),
    "laying tokens out text by text": ("Gather", "Reshape"),
    "GELU": ("Gelu",),
}
_KIND_OF = {operator: kind for kind, operators in _KINDS.items() for operator in operators}
_REST = "other operators"


def seconds_by_kind(model: ConversionModel, files: EncoderFiles, texts: Sequence[str]) -> dict[str, float]:
    """Mean seconds a text on one thread, by kind of operator, for what lies between operators, and for what is outside.

    Together they are one prediction. model: reads on one thread; files: those of its encoder.
    """
    conversations = [Conversation(transcript=text) for text in texts]
    token_ids = [model.encoder.token_ids(segment_conversations(model.encoder, [one]).texts) for one in conversations]
    sessions = [inference_session(file) for file in files]
    whole, encoder = [], []
    for _ in range(_ROUNDS):
        for conversation, of_one in zip(conversations, token_ids, strict=True):
            whole.append(_seconds(partial(model.predict_proba, [conversation])))
            encoder.append(_seconds(partial(_encode, sessions, graph_inputs(of_one))))
    in_prediction, in_encoder = (_mean_of_medians(taken, len(texts)) for taken in (whole, encoder))
    kinds = _in_operators(files, token_ids)
    between = max(0.0, in_encoder - sum(kinds.values()))
    return {**kinds, BETWEEN: between, OUTSIDE: max(0.0, in_prediction - in_encoder)}


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _mean_of_medians(taken: Sequence[float], texts: int) -> float:
    """taken: round after round of all texts."""
    return float(np.median(np.reshape(taken, (-1, texts)), axis=0).mean())


def _encode(sessions: Sequence[onnxruntime.InferenceSession], inputs: Inputs) -> None:
    lower, upper = sessions
    states = lower.run([STATES], {name: inputs[name] for name in LOWER_INPUTS})[0]
    upper.run([OUTPUT], {name: {**inputs, STATES: states}[name] for name in UPPER_INPUTS})


def _in_operators(files: EncoderFiles, token_ids: Sequence[Sequence[Sequence[int]]]) -> dict[str, float]:
    """Mean seconds a conversation; the longest first."""
    with tempfile.TemporaryDirectory() as folder:
        sessions = [_profiled(file, Path(folder) / name) for name, file in files._asdict().items()]
        for _ in range(_ROUNDS):  # medians over the runs want a few of each
            for of_one in token_ids:
                _encode(sessions, graph_inputs(of_one))
        events = [json.loads(Path(session.end_profiling()).read_text()) for session in sessions]
    totals: dict[str, float] = defaultdict(float)
    for nodes in events:
        for kind, seconds in _medians(nodes).items():
            totals[kind] += seconds
    return dict(sorted(totals.items(), key=lambda item: -item[1]))


def _medians(events: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Sums over a file's nodes, of each the median of its runs; the profiler's own cost is not among them."""
    runs: dict[str, list[float]] = defaultdict(list)
    operator = {}
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("kernel_time"):
            runs[event["name"]].append(event["dur"] / 1e6)
            operator[event["name"]] = event["args"]["op_name"]
    found: dict[str, float] = defaultdict(float)
    for node, seconds in runs.items():
        found[_KIND_OF.get(operator[node], _REST)] += statistics.median(seconds)
    return found


def _profiled(file: bytes, prefix: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    options.enable_profiling = True
    options.profile_file_prefix = str(prefix)
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
