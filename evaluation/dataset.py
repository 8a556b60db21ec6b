"""Which conversations an evaluation rests on: how many, of which outcome and form, from when, and whether any were
trained on.

Counts only; what a model makes of them is `evaluation_framework`. Costs milliseconds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conversations.conversation import Conversation
from conversations.dates import iso_date
from conversations.model_text import conversations_sha256, rendered_text
from conversations.split import SplitBy
from foundations.errors import InputError
from modelling.conversion_model import ConversionModel


@dataclass(frozen=True)
class Origin:
    """Where the conversations come from, for the report."""

    source: str  # the file the models' data were split from, or what they are
    split: SplitBy
    evaluated: str  # "the test split", or the file that was evaluated
    validation: Sequence[Conversation]


def check_same_training(models: Mapping[str, ConversionModel], learned_from: Sequence[Conversation]) -> None:
    """Raises InputError where a model learned from other conversations than the splits say, so maybe from test ones."""
    expected = conversations_sha256(learned_from)
    others = [name for name, model in models.items() if model.record.training_data_sha256 != expected]
    if others:
        raise InputError(
            f"{' and '.join(others)} learned from other conversations than the splits hold now, so the test split may hold "
            "some of theirs; train again with the same --data and --seed for all models, or evaluate another one with --model."
        )


def dataset_description(
    training: Sequence[Conversation], evaluated: Sequence[Conversation], open_deals: int, origin: Origin | None
) -> dict[str, Any]:
    """The report's "dataset": both sets in figures, what they share, and warnings where that flatters.

    open_deals: how many without an outcome were left out.
    """
    trained_texts = {rendered_text(c) for c in training}
    # Only groups that the data name: ids such as "row-1", made up for records without one, would match by accident.
    groups_in_training = {c.group for c in training if c.group is not None}
    seen = sum(rendered_text(c) in trained_texts for c in evaluated)
    shared = len({c.group for c in evaluated} & groups_in_training)
    warnings = []
    if seen:
        warnings.append(f"{seen} of the {len(evaluated)} evaluated conversations are also in the training data.")
    if shared:
        warnings.append(f"{shared} groups lie in both the training and the evaluated data; the figures flatter.")
    return {
        "training": _summary(training),
        "evaluated": _summary(evaluated),
        "open_deals_left_out": open_deals,
        "also_in_training": seen,
        "groups_also_in_training": shared,
        "warnings": warnings,
        **(_told(origin) if origin else {}),
    }


def _told(origin: Origin) -> dict[str, Any]:
    return {
        "source": origin.source,
        "split": origin.split,
        "evaluated_part": origin.evaluated,
        "validation": _summary(origin.validation),
    }


def _summary(conversations: Sequence[Conversation]) -> dict[str, Any]:
    successful = sum(c.outcome == "successful" for c in conversations)
    dialogues = sum(c.turns is not None for c in conversations)
    return {
        "conversations": len(conversations),
        "successful": successful,
        "failed": len(conversations) - successful,
        "dialogues": dialogues,
        "notes": len(conversations) - dialogues,
        "groups": len({c.group_key for c in conversations}),
        "dates": _dates(conversations),
        "sha256": conversations_sha256(conversations),
    }


def _dates(conversations: Sequence[Conversation]) -> list[str] | None:
    """[first, last] day of the conversations whose `date` is ISO 8601, as text; None where there is none."""
    written = [iso_date((conversation.model_extra or {}).get("date")) or "" for conversation in conversations]
    days = sorted(text[:10] for text in written if re.match(r"\d{4}-\d{2}-\d{2}", text))
    return [days[0], days[-1]] if days else None
