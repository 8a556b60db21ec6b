"""The encoder in ONNX Runtime, for everything after training; it needs no PyTorch.

Texts are packed: those of similar length run together as one matrix without padding (`encoder_graph`), each pack on one
core, as many at once as there are threads. A text's vector does not depend on its neighbours. Cost grows with the number
of tokens; memory is bounded by `_PACK_TOKENS` a thread. What it costs is in docs/performance.md; the bundled encoder
takes 90 MB as fp32, 23 MB as int8.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from text_encoder import EncoderIdentity, TextEncoder

# Before the import: ONNX Runtime's own builds report their use to their maker and leave a device number in ~/.cache.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime

# The graph's inputs, for `tokens` tokens of `texts` texts; its grid has a row a text and a column a place in it.
TOKENS = "tokens"  # (tokens,) int64: token ids, text after text
PLACES = "places"  # (tokens,) int64: where in its text each token stands
GRID = "grid"  # (texts, longest) int64: which token is in each slot; 0 in the gaps
SLOTS = "slots"  # (tokens,) int64: in which slot of the flattened grid each token is
MASK = "mask"  # (texts, longest) int32: 1 for a token, 0 for a gap
SHARES = "shares"  # (texts, longest, 1) float32: 1 / length of the text, 0 in the gaps
OUTPUT = "vectors"  # (texts, dim) float32

_PACK_TOKENS = 512  # tokens in one run: enough for full speed, few enough that what flows stays near the core
_LEAST_TOKENS = 16  # a run of fewer costs hardly less than one of as many
_GRID_SLACK = 64  # slots that a grid may always waste


class OnnxTextEncoder(TextEncoder):
    """An exported encoder, safe to use from many threads.

    model: the bytes of an ONNX file by `encoder_graph`.
    """

    def __init__(
        self, model: bytes, tokenizer: Tokenizer, identity: EncoderIdentity, max_tokens: int, threads: int
    ) -> None:
        os.environ.setdefault("RAYON_NUM_THREADS", str(threads))  # the tokenizer's own, read when it is first used
        self._session = inference_session(model)
        super().__init__(identity, tokenizer, int(self._session.get_outputs()[0].shape[1]), max_tokens)
        self.threads = threads
        # The calling thread works too, so one fewer; the pool starts them only when they are needed.
        self._helpers = ThreadPoolExecutor(max(1, threads - 1), thread_name_prefix="encoder")

    def _embed_distinct(self, texts: list[str]) -> NDArray[np.float32]:
        token_ids = self.token_ids(texts)
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        self._run(deque(packs([len(ids) for ids in token_ids], self.threads)), token_ids, vectors)
        return vectors

    def _run(self, waiting: deque[list[int]], token_ids: list[list[int]], vectors: NDArray[np.float32]) -> None:
        """Fills `vectors`; helpers take packs from the same queue as the caller, who waits for none that is busy."""

        def work() -> None:
            while waiting:
                try:
                    pack = waiting.pop()
                except IndexError:  # another thread took the last one
                    return
                vectors[pack] = self._session.run([OUTPUT], graph_inputs([token_ids[index] for index in pack]))[0]

        helpers = [self._helpers.submit(work) for _ in range(min(self.threads, len(waiting)) - 1)]
        work()
        for helper in helpers:
            if not helper.cancel():
                helper.result()


def inference_session(model: bytes) -> onnxruntime.InferenceSession:
    """A session that runs on the calling thread alone: the packs are the parallelism, and no thread waits by spinning."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def packs(lengths: Sequence[int], threads: int) -> list[list[int]]:
    """Indices of texts that run together, of similar length and, in all, of nearly equal numbers of tokens.

    There are as many packs as threads if the texts are few, else packs of about `_PACK_TOKENS`. A pack's grid is at most
    twice its tokens (and `_GRID_SLACK`), so that gaps cost little even in attention.
    """
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    total = sum(lengths)
    size = min(max(total / threads, _LEAST_TOKENS), _PACK_TOKENS)
    count = max(1, round(total / size))
    found: list[list[int]] = []
    last_part, tokens, passed = -1, 0, 0
    for index in order:
        length = lengths[index]
        part = int((passed + length / 2) * count / total)
        passed += length
        if part == last_part and (len(found[-1]) + 1) * length <= 2 * (tokens + length) + _GRID_SLACK:
            found[-1].append(index)
            tokens += length
        else:
            found.append([index])
            last_part, tokens = part, length
    return found


def graph_inputs(token_ids: Sequence[Sequence[int]] | NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """What the graph reads for these texts, none of them without a token."""
    lengths = np.array([len(ids) for ids in token_ids])
    longest = int(lengths.max())
    mask = np.arange(longest) < lengths[:, None]
    slots = np.flatnonzero(mask)
    grid = np.zeros(mask.shape, dtype=np.int64)
    grid.reshape(-1)[slots] = np.arange(len(slots))
    return {
        TOKENS: np.concatenate(token_ids).astype(np.int64),
        PLACES: slots % longest,
        GRID: grid,
        SLOTS: slots,
        MASK: mask.astype(np.int32),
        SHARES: (mask / lengths[:, None]).astype(np.float32)[:, :, None],
    }
