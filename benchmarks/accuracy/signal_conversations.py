"""How well the whole finder reads sentences in their conversations, as an answer does: head, questions, grammar, sentiment.

A labelled sentence counts with every mention whose quote lies in it, before `signals.mentions` settles what holds at the
end. Sentences of the seller are among them and should give nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from conversations.conversation import Conversation
from signals.finder import SignalFinder
from signals.head import macro_f1, signal_figures
from signals.mentions import Signal, stance
from signals.sentences import SIGNAL_LABELS, SIGNAL_NAMES, LabelledSentences

Labels = NDArray[np.bool_]  # (n, len(SIGNAL_LABELS))


@dataclass(frozen=True)
class LabelledConversation:
    """A conversation, its labelled sentences and where its customer stands at the end; "" where nobody judged that."""

    conversation: Conversation
    sentences: list[tuple[int | None, str]]  # turn and words
    labels: Labels
    sentiment: str = ""


@dataclass(frozen=True)
class Reading:
    """What a finder makes of conversations."""

    labels: Labels
    found: Labels
    sentiments: Sequence[tuple[str, str]]  # as judged, as found

    @property
    def sentiment_accuracy(self) -> float:
        """The share of the conversations whose sentiment is right."""
        return float(np.mean([judged == found for judged, found in self.sentiments]))


def read_labelled_conversations(path: Path) -> list[LabelledConversation]:
    """The conversations of a file such as tests/data/signal_test_conversations.json."""
    return [_labelled(record) for record in json.loads(path.read_text(encoding="utf-8"))]


def as_notes(sentences: LabelledSentences) -> list[LabelledConversation]:
    """Each sentence as a note of its own."""
    return [
        LabelledConversation(Conversation(transcript=text), [(None, text)], row[None])
        for text, row in zip(sentences.texts, sentences.labels, strict=True)
    ]


def read_by(finder: SignalFinder, conversations: Sequence[LabelledConversation]) -> Reading:
    """What the finder makes of each labelled sentence and each conversation."""
    found, sentiments = [], []
    for one in conversations:
        mentions = finder.mentions(one.conversation)
        found += [_labels(_names(mentions, turn, words)) for turn, words in one.sentences]
        if one.sentiment:
            sentiments.append((one.sentiment, stance(mentions)))
    return Reading(np.vstack([one.labels for one in conversations]), np.array(found), sentiments)


def conversation_table(title: str, reading: Reading) -> Table:
    """Precision, recall and strict F1 of each signal."""
    silent = int((~reading.labels.any(axis=1)).sum())
    title = f"{title}: {len(reading.labels)} sentences, {silent} of them without a signal"
    table = Table("signal", "sentences", "precision", "recall", "F1", title=title)
    figures = signal_figures(reading.labels, reading.found)
    for n, name in enumerate(SIGNAL_NAMES):
        count = int(reading.labels[:, 2 * n : 2 * n + 2].sum())
        table.add_row(name.replace("_", " "), str(count), *(f"{value:.2f}" for value in figures[name]))
    means = (float(np.mean([figure[n] for figure in figures.values()])) for n in (0, 1))
    table.add_row("macro average", "", *(f"{mean:.2f}" for mean in means), f"{macro_f1(figures):.3f}", style="bold")
    return table


def _labelled(record: dict[str, Any]) -> LabelledConversation:
    said = {key: record[key] for key in ("turns", "transcript") if key in record}
    return LabelledConversation(
        Conversation.model_validate(said),
        [(label["turn"], label["sentence"]) for label in record["labels"]],
        np.array([_labels(label["signals"]) for label in record["labels"]]),
        record["sentiment"],
    )


def _names(mentions: Sequence[Signal], turn: int | None, words: str) -> Iterator[str]:
    for one in mentions:
        if one.turn == turn and (one.quote in words or words in one.quote):
            yield f"{one.name}{'+' if one.polarity == 'positive' else '-'}"


def _labels(names: Sequence[str] | Iterator[str]) -> Labels:
    named = set(names)
    return np.array([label in named for label in SIGNAL_LABELS])
