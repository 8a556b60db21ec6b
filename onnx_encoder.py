"""The encoder in ONNX Runtime, for everything after training; it needs no PyTorch.

Texts of equal length run together, so nothing is padded, and several groups run at once on one core each: a text's
vector does not depend on its neighbours. An int8 model quantises what flows through it by the range it finds in a batch,
so there each text runs alone. Costs about 10 ms for a 40-word note on 2 cores (make bench); the bundled encoder takes
90 MB as fp32, 23 MB as int8.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

from text_encoder import EncoderIdentity, TextEncoder, each_text_once

INPUT, OUTPUT = "input_ids", "vectors"
_GROUP_TOKENS = 2048  # tokens in one run: enough for full speed, small enough that all cores get work


class OnnxTextEncoder(TextEncoder):
    """An exported encoder, safe to use from many threads.

    model: the bytes of the ONNX file, whose input is (n, tokens) int64 without padding and whose output is (n, dim).
    """

    def __init__(
        self, model: bytes, tokenizer: Tokenizer, identity: EncoderIdentity, max_tokens: int, int8: bool, threads: int
    ) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # the threads of the pool below are the parallelism
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        super().__init__(identity, tokenizer, int(self._session.get_outputs()[0].shape[1]), max_tokens)
        self._texts_together = 1 if int8 else _GROUP_TOKENS
        self._threads = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="encoder")

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See TextEncoder."""
        return each_text_once(self, texts, self._encode)

    def _encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        token_ids = self.token_ids(texts)
        order = sorted(range(len(texts)), key=lambda index: len(token_ids[index]))
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        groups = self._groups(order, token_ids)
        batches = [np.array([token_ids[index] for index in group], dtype=np.int64) for group in groups]
        run = map(self._run, batches) if len(batches) == 1 else self._threads.map(self._run, batches)
        for group, found in zip(groups, run, strict=True):
            vectors[group] = found
        return vectors

    def _groups(self, order: list[int], token_ids: list[list[int]]) -> list[list[int]]:
        """Indices of texts of one length each, at most `_texts_together` tokens (or one text) a group."""
        groups: list[list[int]] = []
        for index in order:
            length = len(token_ids[index])
            last = groups[-1] if groups else []
            fits = last and len(token_ids[last[0]]) == length and (len(last) + 1) * length <= self._texts_together
            if fits:
                last.append(index)
            else:
                groups.append([index])
        return groups

    def _run(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        return np.asarray(self._session.run([OUTPUT], {INPUT: ids})[0], dtype=np.float32)
