"""Reads dialogues of research corpora: ConvoKit's utterances.jsonl and PersuasionForGood's full_dialog.csv.

Both hold one utterance a row, and the outcome in a second file of the same folder (`conversations.json`,
`full_info.csv`); without it the conversations are unlabelled. A conversation counts as won where its outcome says so or
the persuaded person donated. It downloads nothing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from conversations.conversation import SIDES
from conversations.formats.kinds import ListFormat, Placed
from conversations.formats.outcomes import outcome_of_word
from conversations.formats.tables.delimited import Table, read_table
from conversations.formats.turns import Spoken, merged_turns, speaker_with_role
from foundations.errors import InputError

_CONVERSATIONS = "conversations.json"
_PARTICIPANTS = "full_info.csv"
_ROLES = {"0": "seller", "1": "customer"}  # persuader and persuadee


def companion_files(path: Path) -> list[Path]:
    """The files beside `path` that may say how its conversations ended: what a stage has to watch besides `path`."""
    beside = [path.parent / _CONVERSATIONS, path.parent / _PARTICIPANTS]
    return [other for other in beside if other != path and other.is_file()]


def is_companion(path: Path) -> bool:
    """Whether a file only says how the conversations of another one ended, which lies beside it under its usual name."""
    main = {_CONVERSATIONS: "utterances.jsonl", _PARTICIPANTS: "full_dialog.csv"}.get(path.name)
    return main is not None and (path.parent / main).is_file()


def is_utterance(record: Any) -> bool:
    """Whether a JSON record is one utterance of ConvoKit, in its present or its first field names.

    Others have one message a row, too (`conversations.formats.tables.messages`), but not what only a corpus says of it.
    """
    fields = set(record) if isinstance(record, dict) else set()
    is_ours = fields & {"turns", "transcript"}
    is_message = "text" in fields and fields & {"speaker", "user"} and fields & {"conversation_id", "root"}
    return not is_ours and bool(is_message and fields & {"meta", "reply-to", "reply_to", "root"})


def convokit_records(placed: Sequence[Placed], path: Path) -> list[Placed]:
    """One record a conversation, in the order of their first utterances.

    Raises InputError for a line that is no utterance, or a broken conversations.json.
    """
    conversations: dict[str, list[dict[str, Any]]] = {}
    for where, utterance in placed:
        if not is_utterance(utterance) or not isinstance(utterance["text"], str):
            raise InputError(f"{where}: a ConvoKit utterance has 'conversation_id', 'speaker' and 'text' (words).")
        name = str(utterance.get("conversation_id", utterance.get("root")))
        conversations.setdefault(name, []).append(utterance)
    known = _read_conversations_json(path.parent / _CONVERSATIONS, path)
    return [
        (f"{path}, conversation {name!r}", _convokit_record(name, utterances, known.get(name, {}), path))
        for name, utterances in conversations.items()
    ]


def _convokit_record(
    name: str, utterances: Sequence[Mapping[str, Any]], meta: Mapping[str, Any], path: Path
) -> dict[str, Any]:
    if all(isinstance(utterance.get("timestamp"), int | float) for utterance in utterances):
        utterances = sorted(utterances, key=lambda utterance: utterance["timestamp"])
    record: dict[str, Any] = {
        "conversation_id": name,
        "turns": merged_turns(Spoken(_person(one), one["text"], _convokit_side(one)) for one in utterances),
    }
    customers = {_person(one) for one in utterances if _convokit_side(one) == "customer"} - {"customer"}
    if len(customers) == 1:
        record["group"] = customers.pop()  # the same person may have been talked to twice
    where = f"{path.parent / _CONVERSATIONS}, conversation {name!r}"
    if meta.get("outcome") is not None:
        record["outcome"] = outcome_of_word(str(meta["outcome"]), where)
    elif isinstance(meta.get("donation_ee"), str | int | float):
        record["outcome"] = _outcome_of_donation(meta["donation_ee"], where)
    return record


def _convokit_side(utterance: Mapping[str, Any]) -> str:
    """ "seller" or "customer", by the role or else by the name; "" where neither says it."""
    meta = utterance.get("meta")
    role = str(meta.get("role", "")) if isinstance(meta, dict) else ""
    named = (_ROLES.get(role), speaker_with_role(role), speaker_with_role(_person(utterance)))
    return next((side for side in named if side in SIDES), "")


def _person(utterance: Mapping[str, Any]) -> str:
    speaker = utterance.get("speaker", utterance.get("user"))
    return str(speaker.get("id", "") if isinstance(speaker, dict) else speaker or "")


def _read_conversations_json(companion: Path, path: Path) -> dict[str, dict[str, Any]]:
    """What is known of each conversation; its fields lie under "meta", in older corpora beside each other."""
    if companion == path or not companion.is_file():
        return {}
    try:
        known = json.loads(companion.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"{companion}, which lies beside {path.name}, is not the JSON of a ConvoKit corpus."
        ) from error
    entries = (
        {name: entry for name, entry in known.items() if isinstance(entry, dict)} if isinstance(known, dict) else {}
    )
    return {name: entry["meta"] if isinstance(entry.get("meta"), dict) else entry for name, entry in entries.items()}


def is_persuasion_table(columns: Sequence[str]) -> bool:
    """Whether a table is PersuasionForGood's full_dialog.csv: Unit (words), Turn, B4 (role), B2 (dialogue)."""
    return {"Unit", "Turn", "B4", "B2"} <= set(columns)


def persuasion_records(table: Table, path: Path) -> list[Placed]:
    """One record a dialogue: the persuader sells, the persuadee is the customer; won where the persuadee donated.

    Raises InputError for a role other than 0 and 1, and for a donation that is no number.
    """
    dialogues: dict[str, list[Spoken]] = {}
    for where, cells in table.rows:
        role = cells.get("B4", "")
        if role not in _ROLES:
            raise InputError(f"{where}: the role B4 is {role[:60]!r}; it should be 0 (persuader) or 1 (persuadee).")
        dialogues.setdefault(cells.get("B2", ""), []).append(Spoken("", cells.get("Unit", ""), _ROLES[role]))
    persuadees = _persuadees(path.parent / _PARTICIPANTS)
    return [
        (
            f"{path}, dialogue {name!r}",
            {"conversation_id": name, "turns": merged_turns(said), **persuadees.get(name, {})},
        )
        for name, said in dialogues.items()
    ]


def _persuadees(companion: Path) -> dict[str, dict[str, Any]]:
    """Outcome and group of each dialogue, from the row of its persuadee: B3 the person, B6 the donation in dollars."""
    if not companion.is_file():
        return {}
    try:
        table = read_table(companion.read_text(encoding="utf-8-sig"), companion)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"Cannot read {str(companion)!r}, which should say who donated; mend or move it.") from error
    found: dict[str, dict[str, Any]] = {}
    for where, cells in table.rows:
        if cells.get("B4", "").removesuffix(".0") == "1" and "B6" in cells:
            outcome = _outcome_of_donation(cells["B6"], where)
            found[cells.get("B2", "")] = {"outcome": outcome, "group": cells.get("B3")}
    return found


def _outcome_of_donation(amount: str | int | float, where: str) -> str | None:
    try:
        donation = float(amount)
    except (ValueError, OverflowError) as error:
        raise InputError(f"{where}: the donation {str(amount)[:60]!r} should be a number of dollars.") from error
    return None if math.isnan(donation) else "successful" if donation > 0 else "failed"  # NaN: not known


CONVOKIT = ListFormat("ConvoKit", is_utterance, convokit_records)
