"""What every encoder offers, whatever runs it: texts in, one vector a text out, pooled over its tokens.

`encoder.torch_encoder` runs it in PyTorch for training, `encoder.onnx_encoder` in ONNX Runtime for everything after.
This module needs neither. A text that occurs several times in a call runs once; within `remembered_texts`, in several
calls.
"""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from encoder.tokens import TokenIds
from foundations.tracing import span

SALES = "sales"  # the bundled one, tuned on sales conversations
BUNDLED = "bundled"
MULTILINGUAL = "multilingual"  # of a package of its own, requirements/multilingual.txt
MAX_KEPT_TOKENS = 16_384  # whose states `remembered_texts` keeps: 25 MB at 384 dimensions, more than an hour's call
MAX_BATCH_TOKENS = 4096  # padded tokens in one forward pass: a bound on memory, large enough to keep the cores busy

T = TypeVar("T")


class Pooling(StrEnum):
    """How the vectors of a text's tokens become one."""

    MEAN = "mean"  # their mean, special tokens included
    CLS = "cls"  # the first token's
    SKIP = "mean with skip"  # the mean, with what the upper blocks read added to what they give


@dataclass(frozen=True)
class EncoderIdentity:
    """What an artifact records of its encoder, and what must be the same when it is loaded."""

    name: str  # "sales", "bundled", "multilingual", a hub name, or a folder
    revision: str | None  # the hub's commit; None for what has none
    sha256: str  # of the weight file
    pooling: str = Pooling.MEAN.value

    def as_dict(self) -> dict[str, Any]:
        """A JSON object."""
        return asdict(self)


class KeptStates(dict[str, NDArray[np.float32]]):
    """Token states (tokens, dim) by text, as many as MAX_KEPT_TOKENS; of further texts none is kept."""

    def __init__(self) -> None:
        super().__init__()
        self._room = MAX_KEPT_TOKENS

    def add(self, states: Mapping[str, NDArray[np.float32]]) -> None:
        """Keeps all of them or, where they don't fit any more, none."""
        self._room -= sum(map(len, states.values()))
        if self._room >= 0:
            self.update(states)


@dataclass
class _Remembered:
    """What one encoder has made of the texts it was given."""

    vectors: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    token_counts: dict[str, int] = field(default_factory=dict)
    states: KeptStates = field(default_factory=KeptStates)
    answer: tuple[list[object], Any] | None = None  # the last one of `remembered_answer`, and what it was made of


# By what gives the same numbers. A context variable, so that each thread of a service remembers for itself and for one
# request only.
_remembered: ContextVar[dict[Hashable, _Remembered] | None] = ContextVar("remembered", default=None)


@contextmanager
def remembered_texts() -> Iterator[None]:
    """Within this block no encoder runs twice over a text, however many calls read it; afterwards all is forgotten.

    For work that reads the same texts again and again, such as the beginnings of one conversation. Costs 4 bytes × dim
    of memory a text, and as much a token up to MAX_KEPT_TOKENS. A block inside another adds nothing.

    No signature between an answer and the encoder shows this memory, on purpose: a dozen of functions in four rooms would
    pass on what none of them reads. What is hidden has narrow bounds: it lives in one thread from the beginning of this
    block to its end, it holds only what would come out again (so a result never depends on whether there is a block,
    but for the last bits of a float where texts were packed otherwise), and forgetting a block costs time alone.
    """
    if _remembered.get() is not None:
        yield
        return
    token = _remembered.set({})
    try:
        yield
    finally:
        _remembered.reset(token)


def remembered_answer(kind: Hashable, made_of: Sequence[object], make: Callable[[], T]) -> T:
    """What `make` gives; within `remembered_texts` the last answer of that kind, where it was made of the same objects.

    For work that several models do alike on the same conversations. The answer is not to be changed.
    """
    memory = _memory_of(("answer", kind))
    known = memory.answer
    if known is None or len(known[0]) != len(made_of) or not all(map(operator.is_, known[0], made_of)):
        memory.answer = known = (list(made_of), make())
    return cast(T, known[1])


class TextEncoder(ABC):
    """Tokenizer and DistilBERT; a text is read up to `window` tokens at once, longer ones must be cut before."""

    def __init__(self, identity: EncoderIdentity, tokenizer: Tokenizer, dim: int, max_tokens: int) -> None:
        self.identity = identity
        self.tokenizer = tokenizer
        self._ids = TokenIds(tokenizer)
        self.dim = dim
        self.max_tokens = max_tokens  # with the special tokens
        self.window = max_tokens - len(tokenizer.encode("").ids)  # without them

    def token_count(self, text: str) -> int:
        """Tokens of a text, without the special tokens at its start and end."""
        known = self._known().token_counts
        if text not in known:
            known[text] = len(self._ids.bare([text])[0])
        return known[text]

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids with special tokens. Raises ValueError for a text that doesn't fit the window."""
        ids = self._ids.whole(texts)
        longest = max(map(len, ids), default=0)
        if longest > self.max_tokens:
            raise ValueError(f"a text of {longest} tokens does not fit the encoder's window of {self.max_tokens}")
        return ids

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Pooled vectors, float32 (n, dim), not normalised. Raises ValueError for a text that doesn't fit."""
        known = self._known().vectors
        new = [text for text in dict.fromkeys(texts) if text not in known]
        if new:
            with span("encode", texts=len(new)):
                known.update(zip(new, self._embed_distinct(new), strict=True))
        return np.stack([known[text] for text in texts]) if texts else np.zeros((0, self.dim), dtype=np.float32)

    @property
    def same_vectors(self) -> Hashable:
        """Equal to another encoder's where both make the same vectors of the same texts."""
        return self

    @abstractmethod
    def _embed_distinct(self, texts: list[str]) -> NDArray[np.float32]:
        """What `embed_texts` promises, of texts none of which occurs twice; at least one."""

    def _known(self) -> _Remembered:
        """What is remembered of earlier calls; outside of `remembered_texts` nothing is, nor will be."""
        return _memory_of(self.same_vectors)

    def _kept_states(self, lower_blocks: Hashable) -> KeptStates:
        """The same of lower blocks that several encoders may have in common."""
        return _memory_of(lower_blocks).states


def _memory_of(what: Hashable) -> _Remembered:
    everything = _remembered.get()
    return _Remembered() if everything is None else everything.setdefault(what, _Remembered())


def groups_of_tokens(lengths: Sequence[int], limit: int = MAX_BATCH_TOKENS) -> Iterator[slice]:
    """Cuts texts, given in order of length, into runs whose padded batch has at most `limit` tokens."""
    start = 0
    for end, length in enumerate(lengths):
        if end > start and (end - start + 1) * length > limit:
            yield slice(start, end)
            start = end
    if start < len(lengths):
        yield slice(start, len(lengths))
