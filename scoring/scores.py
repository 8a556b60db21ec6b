"""Scores conversations, labelled or not, and writes a row for each, or for each turn: JSON lines or CSV.

Works on one machine and in memory: a hundred thousand notes are a matter of minutes and about a gigabyte. A row for each
turn costs little more, but for calls of several hundred turns (`ConversionModel.trajectory`).

A ranking is of open deals: those that are closed already, as the record says, are scored as well and stand below all open ones.

A file that was uploaded comes back ranked: its own columns after the score, as CSV that a spreadsheet can open.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from conversations.conversation import Conversation, Outcome
from conversations.model_text import transcript_of
from foundations.atomic_files import write_text
from foundations.errors import InputError
from foundations.long_work import Progress
from foundations.texts import not_a_formula
from modelling.conversion_model import ConversionModel
from probability.bands import prediction_of, ranking

_ABOUT_TRAINING = {"split", "true_probability"}  # nobody asks for them back
_TOLD_APART = {"conversation_id", "transcript", "turns", "outcome"}  # columns of their own


SCORE_COLUMNS = (
    "conversation_id",
    "probability",
    "outcome",
    "confidence",
    "model",
    "reliability",
    "reliability_reasons",
    "recorded_outcome",
)
DEAL_COLUMNS = ("deal_id", "conversations", "first_date", "last_date", *SCORE_COLUMNS[1:])
TURN_COLUMNS = ("conversation_id", "turn", "speaker", "probability", "model", "recorded_outcome")
_CHUNK = 256  # conversations between two steps of the progress bar


def score_conversations(
    model: ConversionModel,
    conversations: Sequence[Conversation],
    rank: bool = False,
    progress: Progress = lambda share: None,
) -> list[dict[str, Any]]:
    """One row of SCORE_COLUMNS a conversation, in input order, or with `rank` in that of `ranked_order`.

    `outcome` is the predicted one; the record's own is `recorded_outcome`, None for an open deal.
    """
    rows = []
    for start in range(0, len(conversations), _CHUNK):
        chunk = conversations[start : start + _CHUNK]
        for conversation, assessed in zip(chunk, model.assess(chunk), strict=True):
            rows.append(
                {
                    "conversation_id": conversation.conversation_id,
                    **vars(prediction_of(assessed.probability)),
                    "model": model.name,
                    "reliability": assessed.reliability,
                    "reliability_reasons": " ".join(reason.sentence for reason in assessed.reasons),
                    "recorded_outcome": conversation.outcome,
                }
            )
        progress((start + len(chunk)) / len(conversations))
    rows = [{column: row[column] for column in SCORE_COLUMNS} for row in rows]
    return [rows[n] for n in _order_of(rows)] if rank else rows


def score_turns(
    model: ConversionModel,
    conversations: Sequence[Conversation],
    rank: bool = False,
    progress: Progress = lambda share: None,
) -> list[dict[str, Any]]:
    """One row of TURN_COLUMNS a turn, of a note one a sentence: the probability of all that was said up to it.

    A conversation's rows stay together and in order; with `rank`, in `ranked_order` by what is said at their end.
    """
    trajectories: list[list[dict[str, Any]]] = []
    for done, conversation in enumerate(conversations, start=1):
        steps = [vars(step) for step in model.trajectory(conversation)]
        shared = {
            "conversation_id": conversation.conversation_id,
            "model": model.name,
            "recorded_outcome": conversation.outcome,
        }
        trajectories.append([{column: (shared | step)[column] for column in TURN_COLUMNS} for step in steps])
        progress(done / len(conversations))
    order = _order_of([rows[-1] for rows in trajectories]) if rank else range(len(trajectories))
    return [row for n in order for row in trajectories[n]]


def ranked_order(probabilities: Sequence[float], outcomes: Sequence[Outcome | None]) -> list[int]:
    """The places of the conversations: open deals from the likeliest to close down, then those closed already, alike."""
    order = ranking(probabilities)
    return [n for n in order if outcomes[n] is None] + [n for n in order if outcomes[n] is not None]


def closed_deals_sentence(outcomes: Sequence[Outcome | None]) -> str | None:
    """What a ranking's reader has to know of deals that are closed already; None where there are none."""
    closed = sum(outcome is not None for outcome in outcomes)
    if not closed:
        return None
    place = "below the open ones" if closed < len(outcomes) else "in one ranking, as none is open"
    return f"{closed:,} of {len(outcomes):,} deals are closed already (recorded_outcome); they stand {place}."


def check_score_output(path: Path) -> None:
    """Refuses, before any work, an output whose ending says neither .jsonl nor .csv, or whose folder can't be written."""
    if path.suffix not in (".jsonl", ".csv"):
        raise InputError(f"The output {str(path)!r} ends in {path.suffix!r}; give a name that ends in .jsonl or .csv.")
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise InputError(f"Cannot write {str(path)!r}; choose a folder that you may write to.")


def write_scores(path: Path, rows: Sequence[dict[str, Any]], columns: Sequence[str] = SCORE_COLUMNS) -> None:
    """Writes rows as .jsonl or .csv, atomically. Raises InputError for another ending or a folder that can't be written."""
    check_score_output(path)
    if path.suffix == ".jsonl":
        write_text(path, json_lines(rows))
        return
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, columns)
    writer.writeheader()
    writer.writerows(
        {column: not_a_formula(cell) if isinstance(cell, str) else cell for column, cell in row.items()} for row in rows
    )
    write_text(path, buffer.getvalue())


def json_lines(rows: Sequence[Mapping[str, Any]]) -> str:
    """A JSON object a line, the last one too with its line's end."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def ranked_csv(conversations: Sequence[Conversation], rows: Sequence[dict[str, Any]]) -> str:
    """`rank`, SCORE_COLUMNS, and what each record came with, in `ranked_order`.

    rows: one a conversation, in the same order. Cells that a spreadsheet would run are made text.
    """
    own = [_own_columns(conversation) for conversation in conversations]
    columns = list(dict.fromkeys(name for cells in own for name in cells))
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(["rank", *SCORE_COLUMNS, *map(not_a_formula, columns)])
    for rank, n in enumerate(_order_of(rows), start=1):
        score = [rows[n][column] for column in SCORE_COLUMNS]
        cells = [*score, *(own[n].get(column, "") for column in columns)]
        writer.writerow([rank, *(not_a_formula(cell) if isinstance(cell, str) else cell for cell in cells)])
    return buffer.getvalue()


def _order_of(rows: Sequence[dict[str, Any]]) -> list[int]:
    return ranked_order([row["probability"] for row in rows], [row["recorded_outcome"] for row in rows])


def _own_columns(conversation: Conversation) -> dict[str, str | int | float]:
    record = conversation.model_dump(mode="json", exclude_none=True, exclude=_ABOUT_TRAINING | _TOLD_APART)
    context = record.pop("conversation_context", {})
    cells = {"transcript": transcript_of(conversation)}
    named = {
        name if name not in ("rank", *SCORE_COLUMNS) else f"own_{name}": v for name, v in (context | record).items()
    }
    return cells | {name: _cell(value) for name, value in named.items()}


def _cell(value: Any) -> str | int | float:
    return value if isinstance(value, str | int | float) else json.dumps(value, ensure_ascii=False)
