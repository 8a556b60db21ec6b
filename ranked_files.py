"""A file of conversations as it comes back ranked: its own columns after the score, as CSV that a spreadsheet can open.

Knows nothing of models (`batch_scoring` scores) and of HTTP. In memory.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from batch_scoring import SCORE_COLUMNS
from conversations.conversation import Conversation
from foundations.texts import not_a_formula

_ABOUT_TRAINING = {"split", "true_probability"}  # nobody asks for them back


def ranking(rows: Sequence[dict[str, Any]]) -> list[int]:
    """Places in `rows` (of `batch_scoring.score_conversations`), the likeliest to convert first; of equals the earlier."""
    return sorted(range(len(rows)), key=lambda n: -rows[n]["probability"])


def ranked_csv(conversations: Sequence[Conversation], rows: Sequence[dict[str, Any]]) -> str:
    """`rank`, SCORE_COLUMNS, and what each record came with; its own outcome is called `recorded_outcome`.

    rows: one a conversation, in the same order. Cells that a spreadsheet would run are made text.
    """
    own = [_own_columns(conversation) for conversation in conversations]
    columns = list(dict.fromkeys(name for cells in own for name in cells))
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(["rank", *SCORE_COLUMNS, *map(not_a_formula, columns)])
    for rank, n in enumerate(ranking(rows), start=1):
        score = [rows[n][column] for column in SCORE_COLUMNS]
        cells = [*score, *(own[n].get(column, "") for column in columns)]
        writer.writerow([rank, *(not_a_formula(cell) if isinstance(cell, str) else cell for cell in cells)])
    return buffer.getvalue()


def _own_columns(conversation: Conversation) -> dict[str, str | int | float]:
    record = conversation.model_dump(mode="json", exclude_none=True, exclude=_ABOUT_TRAINING | {"conversation_id"})
    turns, context = record.pop("turns", []), record.pop("conversation_context", {})
    cells = {"transcript": record.pop("transcript", None) or _as_lines(turns)}
    if "outcome" in record:
        cells["recorded_outcome"] = record.pop("outcome")
    named = {
        name if name not in ("rank", *SCORE_COLUMNS) else f"own_{name}": v for name, v in (context | record).items()
    }
    return cells | {name: _cell(value) for name, value in named.items()}


def _as_lines(turns: Sequence[dict[str, str]]) -> str:
    return "\n".join(f"{turn['speaker']}: {turn['text']}" if turn["speaker"] else turn["text"] for turn in turns)


def _cell(value: Any) -> str | int | float:
    return value if isinstance(value, str | int | float) else json.dumps(value, ensure_ascii=False)
