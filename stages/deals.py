"""`--by deal`: the data of a run with the conversations of each deal joined, and what is told of it."""

from __future__ import annotations

from pathlib import Path

from conversations.conversation import Conversation
from conversations.reading.folder import read_data
from deals.deal import Deal
from deals.grouping import Deals, before_close, deals_of
from foundations.errors import InputError
from foundations.terminal import say
from stages.job import Job


def data_to_learn_from(job: Job, source: Path) -> list[Conversation]:
    """The conversations of a file or folder, or each of its deals as one, without what took place after its close."""
    conversations = read_data(source, job.reading, job.outcomes)
    return _told(before_close(deals_of(conversations))).wholes if job.by == "deal" else conversations


def deals_to_score(job: Job, source: Path) -> list[Deal]:
    """The deals of a file or folder, open or closed, with all of their conversations."""
    return _told(deals_of(read_data(source, job.reading.for_scoring(), job.outcomes))).deals


def check_split_by(job: Job) -> None:
    """Raises InputError where deals are to be measured and the splits hold single conversations."""
    if job.by == "deal" and job.records.inputs_of("split").get("by") != "deal":
        raise InputError(
            f"The data in {str(job.folder.data)!r} were split by conversation, not by deal; train with: python main.py --mode "
            "train --data FILE --by deal"
        )


def _told(deals: Deals) -> Deals:
    for sentence in deals.notices:
        say(f"Warning: {sentence}", style="yellow")
    return deals
