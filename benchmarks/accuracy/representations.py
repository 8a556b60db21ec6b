"""What each step from segment vectors to a conversation vector is worth, each judged by one logistic regression.

    python -m benchmarks.accuracy.representations --data FILE     5 folds × 3 seeds of a data file, three conditions
    python -m benchmarks.accuracy.representations                 10 seeds of the generated data
    python -m benchmarks.accuracy.representations --encoder NAME  with another encoder than the default

The frozen encoder reads every text once; the rest is linear algebra, so a table takes minutes. Here the training
conversations of a fold are used whole, as nothing is stopped early, and nothing is chosen by looking at the held-out
fold.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table
from sklearn.linear_model import LogisticRegression

import foundations.thread_policy  # noqa: F401 — before the libraries whose threads it governs
from benchmarks.accuracy.cross_validation import (
    CONDITIONS,
    FOLDS,
    SMALL_PER_CLASS,
    Condition,
    balanced_sample,
    first_half,
    mean_and_error,
)
from benchmarks.accuracy.tables import markdown
from conversations.conversation import Conversation, labels_of
from conversations.folds import group_folds
from conversations.reading.record import conversation_from_record
from data_pipeline import read_conversations
from encoder.text_encoder import SALES
from encoder.torch_encoder import SalesEncoder
from foundations.artifact_folder import ArtifactFolder
from foundations.errors import InputError
from foundations.terminal import console, progress_bar, say
from generate_sales_data import generate_conversations
from modelling.conversation_vectors import Floats
from modelling.segments import ANYONE, BLOCKS, Block, Segment, block_weights, segments
from modelling.whitening import BlockScaling, SegmentWhitening, normalised
from modelling.words import WordModel
from probability.metrics import classification_metrics
from stages.job import cache_folder

WINDOW_TOKENS = 128
_EVEN = 1e6  # a recency at which early and late words weigh the same
_TFIDF = "TF-IDF + logistic regression"


@dataclass(frozen=True)
class Variant:
    """One way to make a conversation vector."""

    title: str
    blocks: tuple[Block, ...]
    whiten: bool = False
    packed: bool = False  # neighbouring turns share a window
    strength: float = 1.0  # C of the logistic regression
    with_words: bool = False  # TF-IDF's log-odds added


EVEN = (Block(ANYONE, _EVEN, 1.0),)
LATE = (Block(ANYONE, 0.5, 1.0),)
SIDES = (Block("customer", 0.5, 1.0), Block("seller", 0.5, 1.0))
VARIANTS = (
    Variant(f"turns packed into windows of {WINDOW_TOKENS} tokens, plain mean", EVEN, packed=True),
    Variant("a segment for each turn, plain mean", EVEN),
    Variant("late turns weigh more", LATE),
    Variant("customer and seller apart", SIDES),
    Variant("and the customer's last words, and the context", BLOCKS),
    Variant("the same, whitened", BLOCKS, whiten=True),
    Variant("the same, C = 0.3", BLOCKS, whiten=True, strength=0.3),
    Variant("not whitened, C = 10", BLOCKS, strength=10.0),
    Variant("whitened, and TF-IDF's log-odds added", BLOCKS, whiten=True, with_words=True),
    Variant("not whitened, and TF-IDF's log-odds added", BLOCKS, with_words=True),
)


@dataclass
class Pieces:
    """The segments of all conversations with their vectors."""

    parts: list[list[Segment]]  # by conversation
    vectors: Floats  # (segments, dim), L2-normalised, conversation after conversation

    @classmethod
    def of(cls, encoder: SalesEncoder, conversations: Sequence[Conversation], packed: bool) -> Pieces:
        """Encodes what was not encoded before."""
        parts = [segments(c, encoder.token_count, encoder.window) for c in conversations]
        if packed:
            parts = [_packed(of_one, encoder) for of_one in parts]
        return cls(parts, normalised(encoder.embed_texts([part.text for of_one in parts for part in of_one])))

    def pooled(self, variant: Variant, kept: NDArray[np.int64]) -> Floats:
        """(n, blocks · dim); centring, whitening and scaling are fitted on the conversations `kept`."""
        speakers = [part.speaker for of_one in self.parts for part in of_one]
        owner = np.repeat(np.arange(len(self.parts)), [len(of_one) for of_one in self.parts])
        inside = np.isin(owner, kept)
        of_kept = [speaker for speaker, is_kept in zip(speakers, inside, strict=True) if is_kept]
        vectors = SegmentWhitening.fit(self.vectors[inside], of_kept, variant.whiten).apply(self.vectors, speakers)
        ends = np.cumsum([0, *(len(of_one) for of_one in self.parts)])
        blocks = np.stack(
            [
                (block_weights(of_one, variant.blocks).T @ vectors[start : start + len(of_one)]).ravel()
                for of_one, start in zip(self.parts, ends, strict=False)
            ]
        )
        return BlockScaling.fit(blocks[kept], variant.blocks).apply(blocks)


def main() -> int:
    """Prints a table for each condition; 0, or 2 after one sentence for bad input."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.accuracy.representations", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--data", type=Path, metavar="FILE", help="labelled conversations; default: generated ones")
    parser.add_argument("--conditions", nargs="+", choices=CONDITIONS, default=list(CONDITIONS), help="default: all")
    parser.add_argument("--seeds", type=int, help="default: 3 with --data, 10 without")
    parser.add_argument("--encoder", default=SALES, metavar="NAME", help=f"as of --mode train; default: {SALES}")
    parser.add_argument("--markdown", action="store_true", help="print the tables as Markdown, too")
    options = parser.parse_args()
    try:
        encoder = SalesEncoder.load(options.encoder, keep_states=True, cache_folder=cache_folder(ArtifactFolder()))
        conditions: list[Condition] = options.conditions if options.data else ["full"]
        for condition in conditions:
            table = _table(encoder, options.data, condition, options.seeds or (3 if options.data else 10))
            encoder.keep_on_disk()
            console.print(table)
            if options.markdown:
                say(markdown(table))
    except InputError as error:
        say(f"Error: {error}")
        return 2
    return 0


def _table(encoder: SalesEncoder, data: Path | None, condition: Condition, seeds: int) -> Table:
    found: dict[str, list[dict[str, float]]] = {}
    with progress_bar(CONDITIONS[condition]) as report:
        for seed in range(seeds):
            conversations = _conversations(data, seed)
            for title, figures in _folds(encoder, conversations, condition, seed, lambda s=seed: report(s / seeds)):
                found.setdefault(title, []).append(figures)
    reference = [figures["roc_auc"] for figures in found[_TFIDF]]
    table = Table(
        *("", "ROC AUC", "− TF-IDF", "accuracy", "log loss"),
        title=f"{CONDITIONS[condition]}: mean ± standard error of {len(reference)} folds",
        caption="the generated data" if data is None else data.name,
    )
    for title, rows in found.items():
        auc = [row["roc_auc"] for row in rows]
        difference = [value - other for value, other in zip(auc, reference, strict=True)]
        shown = [
            _shown(auc),
            _shown(difference, "+"),
            *(_shown([r[m] for r in rows]) for m in ("accuracy", "log_loss")),
        ]
        table.add_row(title, *shown)
    return table


def _conversations(data: Path | None, seed: int) -> list[Conversation]:
    if data is None:
        return [conversation_from_record(record, "generated") for record in generate_conversations(seed=seed)]
    return [c for c in read_conversations(data) if c.outcome is not None]


def _folds(
    encoder: SalesEncoder,
    conversations: Sequence[Conversation],
    condition: Condition,
    seed: int,
    report: Callable[..., Any],
) -> Iterator[tuple[str, dict[str, float]]]:
    """(variant, metrics) for each fold of one seed."""
    seen = [first_half(c) for c in conversations] if condition == "half" else list(conversations)
    labels = labels_of(seen)
    pieces = {packed: Pieces.of(encoder, seen, packed) for packed in (False, True)}
    place = {id(conversation): index for index, conversation in enumerate(seen)}
    for fold, (kept, held) in enumerate(group_folds(conversations, seed, FOLDS)):
        if condition == "small":
            sample = balanced_sample([seen[index] for index in kept], SMALL_PER_CLASS, 1000 * seed + fold)
            kept = np.array([place[id(conversation)] for conversation in sample])
        words = WordModel.fit([seen[index] for index in kept]).log_odds([seen[index] for index in held])
        yield _TFIDF, _figures(labels[held], words)
        for variant in VARIANTS:
            vectors = pieces[variant.packed].pooled(variant, kept)
            probe = LogisticRegression(C=variant.strength, max_iter=1000).fit(vectors[kept], labels[kept])
            said = probe.decision_function(vectors[held]) + (words if variant.with_words else 0)
            yield variant.title, _figures(labels[held], said)
        report()


def _figures(labels: NDArray[np.int64], log_odds: NDArray[np.float64]) -> dict[str, float]:
    return classification_metrics(labels, 1 / (1 + np.exp(-log_odds)))


def _packed(parts: Sequence[Segment], encoder: SalesEncoder) -> list[Segment]:
    """Neighbouring segments of a conversation joined while they fit WINDOW_TOKENS; whose words they are is lost."""
    packed: list[list[Segment]] = []
    for part in parts:
        joined = " ".join([*(p.text for p in packed[-1]), part.text]) if packed else ""
        if joined and part.speaker != "context" and encoder.token_count(joined) <= WINDOW_TOKENS:
            packed[-1].append(part)
        else:
            packed.append([part])
    return [Segment(" ".join(p.text for p in group), "", group[-1].position) for group in packed]


def _shown(values: Sequence[float], sign: str = "") -> str:
    mean, error = mean_and_error(values)
    return f"{mean:{sign}.3f} ± {error:.3f}"


if __name__ == "__main__":
    sys.exit(main())
