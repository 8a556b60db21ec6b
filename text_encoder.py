"""What every encoder offers, whatever runs it: texts in, one mean-pooled vector a text out.

`sales_encoder` runs it in PyTorch for training, `onnx_encoder` in ONNX Runtime for everything after. This module needs
neither.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

BUNDLED = "bundled"
MAX_BATCH_TOKENS = 4096  # padded tokens in one forward pass: a bound on memory, large enough to keep the cores busy

_Vectors = dict[tuple[int, str], NDArray[np.float32]]  # by encoder and text
_remembered: ContextVar[_Vectors | None] = ContextVar("remembered", default=None)


@dataclass(frozen=True)
class EncoderIdentity:
    """What an artifact records of its encoder, and what must be the same when it is loaded."""

    name: str  # "bundled", a hub name, or a folder
    revision: str | None  # the hub's commit; None for a package or folder
    sha256: str  # of the weight file

    def as_dict(self) -> dict[str, Any]:
        """A JSON object."""
        return asdict(self)


class TextEncoder(ABC):
    """Tokenizer and DistilBERT; a text is read up to `window` tokens at once, longer ones must be cut before."""

    def __init__(self, identity: EncoderIdentity, tokenizer: Tokenizer, dim: int, max_tokens: int) -> None:
        self.identity = identity
        self.tokenizer = tokenizer
        self.dim = dim
        self.max_tokens = max_tokens  # with the special tokens
        self.window = max_tokens - len(tokenizer.encode("").ids)  # without them

    def token_count(self, text: str) -> int:
        """Tokens of a text, without the special tokens at its start and end."""
        return len(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids with special tokens. Raises ValueError for a text that doesn't fit the window."""
        ids = [encoding.ids for encoding in self.tokenizer.encode_batch(list(texts))]
        longest = max(map(len, ids), default=0)
        if longest > self.max_tokens:
            raise ValueError(f"a text of {longest} tokens does not fit the encoder's window of {self.max_tokens}")
        return ids

    @abstractmethod
    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Mean-pooled vectors, float32 (n, dim), not normalised. Raises ValueError for a text that doesn't fit."""


def groups_of_tokens(lengths: Sequence[int], limit: int = MAX_BATCH_TOKENS) -> Iterator[slice]:
    """Cuts texts, given in order of length, into runs whose padded batch has at most `limit` tokens."""
    start = 0
    for end, length in enumerate(lengths):
        if end > start and (end - start + 1) * length > limit:
            yield slice(start, end)
            start = end
    if start < len(lengths):
        yield slice(start, len(lengths))


@contextmanager
def encoding_each_text_once() -> Iterator[None]:
    """Within it an encoder that uses `each_text_once` runs once per text: predicting, explaining and searching share it.

    For one request or one small batch: every vector is kept until the end. Other threads are not affected.
    """
    token = _remembered.set({} if _remembered.get() is None else _remembered.get())
    try:
        yield
    finally:
        _remembered.reset(token)


def each_text_once(
    encoder: TextEncoder, texts: Sequence[str], encode: Callable[[Sequence[str]], NDArray[np.float32]]
) -> NDArray[np.float32]:
    """`encode(texts)`, float32 (n, dim), but within `encoding_each_text_once` only of texts not seen there before."""
    vectors = _remembered.get()
    if vectors is None or not texts:
        return encode(texts)
    new = [text for text in dict.fromkeys(texts) if (id(encoder), text) not in vectors]
    if new:
        vectors.update(zip(((id(encoder), text) for text in new), encode(new), strict=True))
    return np.stack([vectors[id(encoder), text] for text in texts])
