"""Where the time of one prediction goes: ONNX Runtime's own profile of the encoder, and what is spent outside it."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnxruntime

from conversation import Conversation
from conversation_vectors import segment_conversations
from conversion_model import ConversionModel
from onnx_encoder import LOWER_INPUTS, OUTPUT, STATES, UPPER_INPUTS, EncoderFiles, graph_inputs

OUTSIDE = "cutting into sentences, tokens, pooling, classifier: Python"
_KINDS = {
    "matrix products": ("MatMulIntegerToFloat", "MatMul"),
    "attention": ("MultiHeadAttention",),
    "layer norms and sums": ("LayerNormalization", "Add"),
    "smoothing and quantising": ("Mul", "QuantizeLinear", "Cast"),
    "laying tokens out text by text": ("Gather", "Split", "Reshape"),
    "GELU": ("Gelu",),
}
_KIND_OF = {operator: kind for kind, operators in _KINDS.items() for operator in operators}
_REST = "other operators"


def seconds_by_kind(model: ConversionModel, files: EncoderFiles, texts: Sequence[str]) -> dict[str, float]:
    """Mean seconds a text on one thread, by kind of operator and for what is outside; together one prediction.

    model: reads on one thread; files: those of its encoder.
    """
    conversations = [Conversation(transcript=text) for text in texts]
    for conversation in conversations:
        model.predict_proba([conversation])
    start = time.perf_counter()
    for conversation in conversations:
        model.predict_proba([conversation])
    whole = (time.perf_counter() - start) / len(texts)
    token_ids = [model.encoder.token_ids(segment_conversations(model.encoder, [one]).texts) for one in conversations]
    found = _in_encoder(files, token_ids)
    return {**found, OUTSIDE: max(0.0, whole - sum(found.values()))}


def _in_encoder(files: EncoderFiles, token_ids: Sequence[Sequence[Sequence[int]]]) -> dict[str, float]:
    """Mean seconds a conversation; the longest first."""
    with tempfile.TemporaryDirectory() as folder:
        lower, upper = (_profiled(file, Path(folder) / name) for name, file in files._asdict().items())
        for _ in range(3):  # medians over the runs want a few of each
            for of_one in token_ids:
                inputs = graph_inputs(of_one)
                states = lower.run([STATES], {name: inputs[name] for name in LOWER_INPUTS})[0]
                inputs[STATES] = states
                upper.run([OUTPUT], {name: inputs[name] for name in UPPER_INPUTS})
        events = [json.loads(Path(session.end_profiling()).read_text()) for session in (lower, upper)]
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
