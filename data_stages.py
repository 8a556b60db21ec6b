"""The stages of a run that make the data: synthetic conversations, and the split of these or of the user's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from conversations.conversation import Conversation
from conversations.model_text import rendered_text, spoken_text
from conversations.reading.files import write_splits
from data_pipeline import read_conversations, split_conversations
from foundations.atomic_files import write_json
from foundations.errors import InputError
from foundations.terminal import console, progress_bar, say
from pipeline_job import Job, data_inputs, is_up_to_date, split_files
from stage_records import code_sha256

# The modules that do each stage's work; what they import counts with them.
_GENERATE_CODE = ("generate_sales_data", Path("conversations/generated/sales_phrasings.json"))
_DATA_CODE = ("data_pipeline", "conversations.split", "conversations.reading.files", "dataset_plots")


def generate(job: Job) -> None:
    """Writes the synthetic conversations and prints how hard they are."""
    output = job.output or job.folder.generated_data
    inputs = {"count": job.count, "seed": job.seed, "noise": job.noise, "code": code_sha256(_GENERATE_CODE)}
    if is_up_to_date(job, f"generate {output}", inputs):
        return
    from evaluation.difficulty import check_generated, difficulty_table
    from generate_sales_data import generate_conversations

    with progress_bar("Generating conversations") as report:
        records = generate_conversations(job.count, job.seed, job.noise)
        write_json(output, records)
        report(0.1)
        figures = check_generated(records, job.seed)
    say(f"{len(records)} conversations in {output}")
    console.print(difficulty_table(figures))
    job.records.remember(f"generate {output}", inputs, [output])


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
