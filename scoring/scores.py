"""Scores conversations, labelled or not, and writes a row for each, or for each turn: JSON lines or CSV.

Works on one machine and in memory: a hundred thousand notes are a matter of minutes and about a gigabyte. A row for each
turn costs little more, but for calls of several hundred turns (`ConversionModel.trajectory`).

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

from conversations.conversation import Conversation
from conversations.model_text import transcript_of
from foundations.atomic_files import write_text
from foundations.errors import InputError
from foundations.long_work import Progress
from foundations.texts import not_a_formula
from modelling.conversion_model import ConversionModel
from probability.bands import prediction_of, ranking

_ABOUT_TRAINING = {"split", "true_probability"}  # nobody asks for them back
_TOLD_APART = {"conversation_id", "transcript", "turns"}  # columns of their own


SCORE_COLUMNS = (
    "conversation_id",
    "probability",
    "outcome",
    "confidence",
    "model",
    "reliability",
    "reliability_reasons",
)
TURN_COLUMNS = ("conversation_id", "turn", "speaker", "probability", "model")
_CHUNK = 256  # conversations between two steps of the progress bar


def score_conversations(
    model: ConversionModel,
    conversations: Sequence[Conversation],
    rank: bool = False,
    progress: Progress = lambda share: None,
) -> list[dict[str, Any]]:
    """One row of SCORE_COLUMNS a conversation, in input order, or with `rank` from the likeliest to close down.

    `outcome` is the predicted one, whether or not the record has an outcome of its own.
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
                }
            )
        progress((start + len(chunk)) / len(conversations))
    rows = [{column: row[column] for column in SCORE_COLUMNS} for row in rows]
    return [rows[n] for n in _ranking(rows)] if rank else rows


def score_turns(
    model: ConversionModel,
    conversations: Sequence[Conversation],
    rank: bool = False,
    progress: Progress = lambda share: None,
) -> list[dict[str, Any]]:
    """One row of TURN_COLUMNS a turn, of a note one a sentence: the probability of all that was said up to it.

    A conversation's rows stay together and in order; with `rank`, those come first that look likeliest at their end.
    """
    trajectories: list[list[dict[str, Any]]] = []
    for done, conversation in enumerate(conversations, start=1):
        steps = [vars(step) for step in model.trajectory(conversation)]
        shared = {"conversation_id": conversation.conversation_id, "model": model.name}
        trajectories.append([{column: (shared | step)[column] for column in TURN_COLUMNS} for step in steps])
        progress(done / len(conversations))
    if rank:
        trajectories.sort(key=lambda rows: -rows[-1]["probability"])
    return [row for rows in trajectories for row in rows]


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
    """`rank`, SCORE_COLUMNS, and what each record came with; its own outcome is called `recorded_outcome`.

    rows: one a conversation, in the same order. Cells that a spreadsheet would run are made text.
    """
    own = [_own_columns(conversation) for conversation in conversations]
    columns = list(dict.fromkeys(name for cells in own for name in cells))
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(["rank", *SCORE_COLUMNS, *map(not_a_formula, columns)])
    for rank, n in enumerate(_ranking(rows), start=1):
        score = [rows[n][column] for column in SCORE_COLUMNS]
        cells = [*score, *(own[n].get(column, "") for column in columns)]
        writer.writerow([rank, *(not_a_formula(cell) if isinstance(cell, str) else cell for cell in cells)])
    return buffer.getvalue()


def _ranking(rows: Sequence[dict[str, Any]]) -> list[int]:
    return ranking([row["probability"] for row in rows])


def _own_columns(conversation: Conversation) -> dict[str, str | int | float]:
    record = conversation.model_dump(mode="json", exclude_none=True, exclude=_ABOUT_TRAINING | _TOLD_APART)
    context = record.pop("conversation_context", {})
    cells = {"transcript": transcript_of(conversation)}
    if "outcome" in record:
        cells["recorded_outcome"] = record.pop("outcome")
    named = {
        name if name not in ("rank", *SCORE_COLUMNS) else f"own_{name}": v for name, v in (context | record).items()
    }
    return cells | {name: _cell(value) for name, value in named.items()}


def _cell(value: Any) -> str | int | float:
    return value if isinstance(value, str | int | float) else json.dumps(value, ensure_ascii=False)
