"""From a conversation to model text, and from a file to train, validation and test data.

`render_input` is the one place where a conversation becomes the text that models and bags of words read; `segments`
cuts that text to what one encoder window holds, at turn boundaries and without dropping a word. Reading files is
`conversations.reading.files`, splitting is `conversations.split`; both are offered here under one name.
"""

from __future__ import annotations

from collections.abc import Sequence

from conversations.conversation import Conversation, ConversationContext, Turn, conversation_from_record
from conversations.model_text import Passage, render_input, rendered_text, spoken_text
from conversations.reading.files import read_conversations, read_splits, write_splits
from conversations.sentences import sentence_spans, split_sentences
from conversations.split import DataSplits, split_conversations
from foundations.errors import InputError
from foundations.terminal import console, say
from modelling.segments import Segment, segments
from stages.job import Job, data_inputs, is_up_to_date, split_files
from stages.records import code_sha256

_DATA_CODE = ("data_pipeline", "conversations.split", "conversations.reading.files", "dataset_plots")


__all__ = [
    "Conversation",
    "ConversationContext",
    "DataSplits",
    "Passage",
    "Segment",
    "Turn",
    "conversation_from_record",
    "read_conversations",
    "read_splits",
    "render_input",
    "rendered_text",
    "segments",
    "sentence_spans",
    "split_conversations",
    "split_sentences",
    "spoken_text",
    "write_splits",
]


def prepare_data(job: Job) -> None:
    """Reads, validates and splits the conversations, and draws their distribution."""
    source = job.data or job.output or job.folder.generated_data  # where it was generated, if it was
    inputs = {
        "data": data_inputs(source, job.columns),
        "source": source.name,
        "split": job.split,
        "seed": job.seed,
        "code": code_sha256(_DATA_CODE),
    }
    if is_up_to_date(job, "split", inputs):
        return
    from evaluation.pictures.dataset import plot_dataset_distribution

    splits = split_conversations(read_conversations(source, job.columns), job.seed, job.split)
    check_words_differ(splits.learned_from)
    for warning in splits.warnings:
        say(f"Warning: {warning}", style="yellow")
    write_splits(splits, job.folder.data)
    picture = job.folder.reports / "dataset_distribution.png"
    plot_dataset_distribution(splits, picture)
    console.print(f"Split: {len(splits.train)} train, {len(splits.validation)} validation, {len(splits.test)} test")
    job.records.remember("split", inputs, [*split_files(job), picture])


def check_words_differ(conversations: Sequence[Conversation]) -> None:
    """Raises InputError where all conversations to learn from are the same but for their outcome."""
    if len({rendered_text(conversation) for conversation in conversations}) == 1:
        raise InputError(
            f"The {len(conversations)} conversations to learn from all have the same words, "
            f"{spoken_text(conversations[0])[:60]!r}, so nothing tells their outcomes apart; see that the column of the "
            "words is the right one."
        )
