"""The encoder in ONNX Runtime, for everything after training; it needs no PyTorch.

Texts are packed: those of similar length run together as one matrix without padding (`encoder.onnx_graph`), each pack on one
core, as many at once as there are threads. A text's vector does not depend on its neighbours. Cost grows with the number
of tokens; memory is bounded by `_PACK_TOKENS` a thread. What it costs is in docs/performance.md; the bundled encoder
takes 90 MB as fp32, 23 MB as int8.

An encoder is two files: the lower blocks, which models have in common, and the upper ones, which a model may have tuned.
Encoders of the same files share them in memory, however many models read them; and within `remembered_texts` the lower
blocks run once over a text, whichever models' upper blocks read it then.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import threading
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from encoder.text_encoder import EncoderIdentity, KeptStates, TextEncoder
from foundations.long_work import check_deadline

# Before the import: ONNX Runtime's own builds report their use to their maker and leave a device number in ~/.cache.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime

# The graphs' inputs, for `tokens` tokens of `texts` texts; the grid has a row a text and a column a place in it.
TOKENS = "tokens"  # (tokens,) int64: token ids, text after text
PLACES = "places"  # (tokens,) int64: where in its text each token stands
GRID = "grid"  # (texts, longest) int64: which token is in each slot; 0 in the gaps
SLOTS = "slots"  # (tokens,) int64: in which slot of the flattened grid each token is
COUNTS = "counts"  # (texts,) int64: how many tokens each text has; what follows them in the grid is a gap
SHARES = "shares"  # (texts, longest, 1) float32: 1 / length of the text, 0 in the gaps
STATES = "states"  # (tokens, dim) float32: what the lower blocks give and the upper ones read
OUTPUT = "vectors"  # (texts, dim) float32
Inputs = dict[str, NDArray[Any]]
LOWER_INPUTS = (TOKENS, PLACES, GRID, SLOTS, COUNTS)
UPPER_INPUTS = (STATES, GRID, SLOTS, COUNTS, SHARES)

_PACK_TOKENS = 256  # tokens in one run: enough for full speed, few enough that what flows stays near the core
_LEAST_TOKENS = 16  # a run of fewer costs hardly less than one of as many
_GRID_SLACK = 64  # slots that a grid may always waste
_sessions: WeakValueDictionary[bytes, onnxruntime.InferenceSession] = WeakValueDictionary()  # by the file's SHA-256
_opening = threading.Lock()


class EncoderFiles(NamedTuple):
    """The bytes of an encoder's two ONNX files, by `encoder.onnx_graph`."""

    lower: bytes
    upper: bytes


class OnnxTextEncoder(TextEncoder):
    """An exported encoder, safe to use from many threads."""

    def __init__(
        self, files: EncoderFiles, tokenizer: Tokenizer, identity: EncoderIdentity, max_tokens: int, threads: int
    ) -> None:
        os.environ.setdefault("RAYON_NUM_THREADS", str(threads))  # the tokenizer's own, read when it is first used
        self._lower, self._upper = shared_session(files.lower), shared_session(files.upper)
        super().__init__(identity, tokenizer, int(self._upper.get_outputs()[0].shape[1]), max_tokens)
        self.threads = threads
        # The calling thread works too, so one fewer; the pool starts them only when they are needed.
        self._helpers = ThreadPoolExecutor(max(1, threads - 1), thread_name_prefix="encoder")

    @property
    def same_vectors(self) -> Hashable:
        return self._lower, self._upper

    def _embed_distinct(self, texts: list[str]) -> NDArray[np.float32]:
        states = self._kept_states(self._lower)
        new = [text for text in texts if text not in states]
        token_ids = dict(zip(new, self.token_ids(new), strict=True))
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        lengths = [len(token_ids[text] if text in token_ids else states[text]) for text in texts]

        def embed(pack: list[int]) -> None:
            layout = grid_inputs([lengths[index] for index in pack])
            inputs = {STATES: self._lower_states([texts[index] for index in pack], token_ids, layout, states), **layout}
            vectors[pack] = self._upper.run([OUTPUT], {name: inputs[name] for name in UPPER_INPUTS})[0]

        self._each(deque(packs(lengths, self.threads)), embed)
        return vectors

    def _lower_states(
        self, texts: list[str], token_ids: dict[str, list[int]], layout: Inputs, states: KeptStates
    ) -> NDArray[np.float32]:
        """(tokens, dim), text after text; those that `states` lacks are run and, where it takes them, kept there."""
        new = [text for text in texts if text in token_ids]
        if new:
            lengths = [len(token_ids[text]) for text in new]
            layout = layout if len(new) == len(texts) else grid_inputs(lengths)
            inputs = {TOKENS: np.array([token for text in new for token in token_ids[text]]), **layout}
            found = self._lower.run([STATES], {name: inputs[name] for name in LOWER_INPUTS})[0]
            ends = list(itertools.accumulate(lengths))
            parts = {text: found[end - length : end] for text, length, end in zip(new, lengths, ends, strict=True)}
            states.add(parts)
            if len(new) == len(texts):
                return np.asarray(found, dtype=np.float32)
        return np.concatenate([parts[text] if text in token_ids else states[text] for text in texts])

    def _each(self, waiting: deque[list[int]], embed: Callable[[list[int]], None]) -> None:
        """Embeds every pack; helpers take packs from the same queue as the caller, who waits for none that is busy."""

        def work() -> None:
            while waiting:
                try:
                    pack = waiting.pop()
                except IndexError:  # another thread took the last one
                    return
                check_deadline()
                embed(pack)

        helpers = [self._helpers.submit(copy_context().run, work) for _ in range(min(self.threads, len(waiting)) - 1)]
        work()
        for helper in helpers:
            if not helper.cancel():
                helper.result()


def shared_session(model: bytes) -> onnxruntime.InferenceSession:
    """The session of an ONNX file: one for all who have the same file, as long as any of them lives."""
    key = hashlib.sha256(model).digest()
    with _opening:
        session = _sessions.get(key)
        if session is None:
            _sessions[key] = session = inference_session(model)
        return session


def inference_session(model: bytes, threads: int = 1) -> onnxruntime.InferenceSession:
    """A session whose threads never wait by spinning. Serving's run on the calling thread alone: packs are parallel."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def packs(lengths: Sequence[int], threads: int) -> list[list[int]]:
    """Indices of texts that run together, of similar length and, in all, of nearly equal numbers of tokens.

    There are as many packs as threads if the texts are few, else packs of about `_PACK_TOKENS`. A pack's grid is at most
    twice its tokens (and `_GRID_SLACK`), so that gaps cost little even in attention.
    """
    total = sum(lengths)
    size = min(max(total / threads, _LEAST_TOKENS), _PACK_TOKENS)
    count = max(1, round(total / size))
    shares = _even_shares(lengths, count) if count <= threads else _runs(lengths, count)
    return [pack for share in shares for pack in _without_large_gaps(share, lengths)]


def _even_shares(lengths: Sequence[int], count: int) -> list[list[int]]:
    """The longest first, each to the share with the fewest tokens so far: the largest share decides how long it takes."""
    shares: list[list[int]] = [[] for _ in range(count)]
    tokens = [0] * count
    for index in sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True):
        least = tokens.index(min(tokens))
        shares[least].append(index)
        tokens[least] += lengths[index]
    return shares


def _runs(lengths: Sequence[int], count: int) -> list[list[int]]:
    """Cut from the texts in order of length, so that those of a run are alike."""
    runs: list[list[int]] = [[] for _ in range(count)]
    total, passed = sum(lengths), 0
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        runs[int((passed + lengths[index] / 2) * count / total)].append(index)
        passed += lengths[index]
    return runs


def _without_large_gaps(share: list[int], lengths: Sequence[int]) -> Iterator[list[int]]:
    pack: list[int] = []
    tokens = 0
    for index in sorted(share, key=lengths.__getitem__):
        length = lengths[index]
        if pack and (len(pack) + 1) * length > 2 * (tokens + length) + _GRID_SLACK:
            yield pack
            pack, tokens = [], 0
        pack.append(index)
        tokens += length
    if pack:
        yield pack


def graph_inputs(token_ids: Sequence[Sequence[int]] | NDArray[np.int64]) -> Inputs:
    """What a whole encoder's graph reads for these texts, none of them without a token."""
    tokens = np.concatenate(token_ids).astype(np.int64)
    return {TOKENS: tokens, **grid_inputs([len(ids) for ids in token_ids])}


def grid_inputs(token_counts: Sequence[int]) -> Inputs:
    """How the tokens of texts with so many tokens each, none of them 0, lie text by text."""
    lengths = np.array(token_counts)
    longest = int(lengths.max())
    mask = np.arange(longest) < lengths[:, None]
    slots = np.flatnonzero(mask)
    grid = np.zeros(mask.shape, dtype=np.int64)
    grid.reshape(-1)[slots] = np.arange(len(slots))
    return {
        PLACES: slots % longest,
        GRID: grid,
        SLOTS: slots,
        COUNTS: lengths,
        SHARES: (mask / lengths[:, None]).astype(np.float32)[:, :, None],
    }
