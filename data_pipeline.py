"""The stage between a file and the models: reads conversations, checks them, and splits them into train, validation and test.

Run by `python main.py --mode train`. The steps are rooms of their own and are offered here under one name: reading is
`conversations.reading`, splitting `conversations.split`, and `render_input` of `conversations.model_text` is the one place
where a conversation becomes the text that models read. Costs what reading the file costs, and a picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from conversations.conversation import Conversation, ConversationContext, Turn
from conversations.model_text import Passage, render_input, rendered_text, spoken_text
from conversations.reading.files import read_conversations, read_splits, write_splits
from conversations.reading.record import conversation_from_record
from conversations.sentences import sentence_spans, split_sentences
from conversations.split import DataSplits, split_conversations
from foundations.errors import InputError
from foundations.terminal import console, say
from modelling.segments import Segment, segments
from stages.deals import data_to_learn_from
from stages.job import Job, data_inputs, split_files, unless_unchanged
from stages.records import code_sha256

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

# The modules that do the work; what they import counts with them.
_CODE = ("conversations.split", "stages.deals", "evaluation.pictures.dataset")


def prepare_data(job: Job) -> None:
    """Reads, validates and splits the conversations, and draws their distribution."""
    source = job.data or job.output or job.folder.generated_data  # where it was generated, if it was
    inputs = {
        "data": data_inputs(source, job.reading, job.outcomes),
        "source": source.name,
        "split": job.split,
        "by": job.by,
        "seed": job.seed,
        "code": code_sha256(_CODE),
    }
    unless_unchanged(job, "split", inputs, lambda: _prepare(job, source))


def _prepare(job: Job, source: Path) -> list[Path]:
    from evaluation.pictures.dataset import plot_dataset_distribution

    splits = split_conversations(data_to_learn_from(job, source), job.seed, job.split)
    check_words_differ(splits.learned_from)
    for warning in splits.warnings:
        say(f"Warning: {warning}", style="yellow")
    write_splits(splits, job.folder.data)
    picture = job.folder.reports / "dataset_distribution.png"
    plot_dataset_distribution(splits, picture)
    console.print(f"Split: {len(splits.train)} train, {len(splits.validation)} validation, {len(splits.test)} test")
    return [*split_files(job), picture]


def check_words_differ(conversations: Sequence[Conversation]) -> None:
    """Raises InputError where all conversations to learn from are the same but for their outcome."""
    if len({rendered_text(conversation) for conversation in conversations}) == 1:
        raise InputError(
            f"The {len(conversations)} conversations to learn from all have the same words, "
            f"{spoken_text(conversations[0])[:60]!r}, so nothing tells their outcomes apart; see that the column of the "
            "words is the right one."
        )
