"""JSON records of our own shape, and what is like it: fields and turns under other names, outcomes in other words.

`messages: [{role, content}]`, a `transcript` that is a list, an `id`: each becomes our field beside those that the record has.
It judges no record (`conversations.conversation` does).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from conversations.conversation import DEAL_PARTS, SIDES, canonical_speaker
from conversations.formats.fields import plain_name, text_or_empty
from conversations.formats.findings import found_columns
from conversations.formats.kinds import Placed
from conversations.formats.limits import Limit
from conversations.formats.notices import notice
from conversations.formats.options import CONTEXT_COLUMNS, NAMED, ReadingOptions
from conversations.formats.outcomes import OutcomeReader
from conversations.formats.tables.crm import message_records
from conversations.formats.tables.delimited import quoted_columns
from conversations.formats.tables.messages import id_column
from conversations.formats.tables.names import ID_NAMES, message_columns, named_columns
from conversations.formats.tables.silence import with_words
from conversations.formats.turns import speaker_with_role
from foundations.errors import InputError

_LISTS = ("turns", "messages", "conversation", "dialogue", "dialog", "utterances", "conversations", "transcript")
_SPEAKERS = ("speaker", "sender", "role", "author", "from", "speaker_name", "user", "name")
_WORDS = ("text", "content", "message", "words", "body", "utterance", "value")
_STARTS = ("start", "start_time", "time", "timestamp", "offset")
_NOT_SAID = {"system", "developer", "tool", "function"}  # roles of instructions to a program, and its workings
_DEAL_IDS = ("dealid", "opportunityid")  # as `plain_name` makes them


def own_records(
    placed: Sequence[Placed], path: Path, options: ReadingOptions, limit: Limit | None = None
) -> list[Placed]:
    """Records with our fields, and those that they have; rows of messages as conversations.

    Raises InputError where the options name a field that is not there, for a record without a field that holds words, for
    an outcome that is not understood where outcomes are needed, and where no record has words (NoWordsError).
    """
    names = list(dict.fromkeys(name for _, record in placed if isinstance(record, dict) for name in record))
    named = named_columns(names, path, options)
    found_columns(path, named)
    if has_message_rows(placed, path, options):
        rows = [(where, _cells(record)) for where, record in placed]
        return message_records(rows, names, path, options, limit) or []
    reader = OutcomeReader(path, options)
    records = [
        (where, _own(record, named, where, reader) if isinstance(record, dict) else record) for where, record in placed
    ]
    for where, record in records:
        _check_words_are_named(record, where)
    reader.finish()
    _tell_of_turns(records, path)
    _tell_of_instructions([record for _, record in placed], path)
    return with_words(records, _speaks, path, "records have no words")


def are_messages(records: Sequence[Any], options: ReadingOptions) -> bool:
    """Whether each record may be one message of a conversation; if their ids repeat, they are."""
    if not records or not all(isinstance(record, dict) for record in records):
        return False
    if any(isinstance(record.get(name), list) for record in records for name in _LISTS):
        return False
    columns = {field: name for field, name in options.columns.items() if all(name in record for record in records)}
    return message_columns(list(dict.fromkeys(name for record in records for name in record)), columns) is not None


def has_message_rows(placed: Sequence[Placed], path: Path, options: ReadingOptions) -> bool:
    """Whether each record is one message of a conversation, whose id comes again."""
    if not are_messages([record for _, record in placed], options):
        return False
    names = list(dict.fromkeys(name for _, record in placed for name in record))
    columns = message_columns(names, named_columns(names, path, options))
    rows = [(where, _cells(record)) for where, record in placed]
    return columns is not None and id_column(rows, columns, options) is not None


def _cells(record: Mapping[str, Any]) -> dict[str, Any]:
    """A message's fields as a table would hold them, but for objects and lists."""
    kept = {name: value for name, value in record.items() if value is not None}
    return {name: value if isinstance(value, dict | list) else _cell(value) for name, value in kept.items()}


def _cell(value: Any) -> str:
    return str(int(value) if isinstance(value, float) and value.is_integer() else value).strip()


def _own(record: Mapping[str, Any], named: Mapping[str, str], where: str, reader: OutcomeReader) -> dict[str, Any]:
    own = _renamed(record, named) if named else dict(record)
    for field, known in (("conversation_id", ID_NAMES), ("deal_id", _DEAL_IDS)):
        if own.get(field) is None and (found := _first_of(own, known)):
            own[field] = found
    if (turns := _turns(own)) is not None:
        own["turns"] = turns
        if isinstance(own.get("transcript"), list):
            del own["transcript"]
    if isinstance(own.get("outcome"), str | int | float):
        own["outcome"] = reader.of_word(str(own["outcome"]), where)
    return own


def _first_of(record: Mapping[str, Any], known: Sequence[str]) -> str:
    plain: dict[str, str] = {plain_name(name): name for name in reversed(list(record)) if "." not in name}
    return next((value for name in known if name in plain and (value := text_or_empty(record[plain[name]]))), "")


def _turns(record: Mapping[str, Any]) -> list[Any] | None:
    """The turns of a record, under whatever name; None where it has none, or ones that need no change."""
    for name in _LISTS:
        given = record.get(name)
        if not isinstance(given, list) or not given:
            continue
        if all(isinstance(one, dict) and any(key in one for key in _WORDS) for one in given):
            return [_turn(one) for one in given if not _is_instruction(one)]
        if name == "turns":
            return None  # for `Conversation` to say what is wrong
    return None


def _is_instruction(given: Mapping[str, Any]) -> bool:
    role = given.get("role")
    return "speaker" not in given and isinstance(role, str) and role in _NOT_SAID


def _turn(given: Mapping[str, Any]) -> dict[str, Any]:
    words = next((given[name] for name in _WORDS if given.get(name) is not None), "")
    start = next((given[name] for name in _STARTS if given.get(name) is not None), None)
    turn = {**given, "text": _joined(words), "start": start}
    if not isinstance(given.get("speaker", {}), dict):
        return turn
    speaker = next((given[name] for name in _SPEAKERS if given.get(name) not in (None, "")), "")
    name = _name(speaker)
    if not isinstance(name, str):
        return turn | {"speaker": name}  # for `Conversation` to refuse
    own_name = {} if canonical_speaker(name) in SIDES else {"name": given.get("name") or name}
    return turn | {"speaker": speaker_with_role(name)} | own_name


def _name(speaker: Any) -> Any:
    """A name, also of an object that holds it; a whole number as text."""
    if isinstance(speaker, dict):
        speaker = next((speaker[key] for key in ("name", "display_name", "role", "id") if speaker.get(key)), "")
    return text_or_empty(speaker) or ("" if isinstance(speaker, int | float) else speaker)


def _joined(words: Any) -> Any:
    """A text, also in parts: `[{"type": "text", "text": …}]`; anything else for `Conversation` to refuse."""
    if isinstance(words, list) and all(isinstance(part, dict) for part in words):
        return " ".join(part["text"] for part in words if isinstance(part.get("text"), str))
    return words


def _renamed(record: Mapping[str, Any], named: Mapping[str, str]) -> dict[str, Any]:
    values = {field: record.get(name) for field, name in named.items()}
    renamed = {name: value for name, value in record.items() if name not in named.values()}
    context = {field: value for field, value in values.items() if field in CONTEXT_COLUMNS}
    if context and isinstance(renamed.get("conversation_context", {}), dict):
        renamed["conversation_context"] = {**(renamed.get("conversation_context") or {}), **context}
    return renamed | {field: value for field, value in values.items() if field not in CONTEXT_COLUMNS}


def _check_words_are_named(record: Any, where: str) -> None:
    if isinstance(record, dict) and not {"transcript", "turns"} & record.keys():
        raise InputError(
            f"{where}: neither 'transcript' nor 'turns' is there (found: {quoted_columns(list(record)) or 'nothing'}); "
            f"give a list of conversations, or {NAMED}."
        )


def _tell_of_turns(records: Sequence[Placed], path: Path) -> None:
    """Tells where turns have no speaker at all; in a joined deal that this program wrote, notes are turns of nobody."""
    given = [record for _, record in records if isinstance(record, dict) and DEAL_PARTS not in record]
    lists = [record["turns"] for record in given if _has_turns(record)]
    nobody = sum(not any(turn.get("speaker") for turn in turns) for turns in lists)
    if nobody:
        found = f"in {nobody} of {len(lists)} conversations with turns nobody is found to speak"
        notice(path, f"{found}; a turn names its speaker in one of the fields {', '.join(_SPEAKERS)}.")


def _tell_of_instructions(records: Sequence[Any], path: Path) -> None:
    given = [record[name] for record in records if isinstance(record, dict) for name in _LISTS if name in record]
    lists = [one for one in given if isinstance(one, list)]
    if said := sum(isinstance(one, dict) and _is_instruction(one) for turns in lists for one in turns):
        notice(
            path, f"{said} instructions to a program and its workings ({', '.join(sorted(_NOT_SAID))}) are left out."
        )


def _has_turns(record: Mapping[str, Any]) -> bool:
    turns = record.get("turns")
    return isinstance(turns, list) and bool(turns) and all(isinstance(turn, dict) for turn in turns)


def _speaks(record: Any) -> bool:
    """Whether there are words, or something that is no text and has to be refused."""
    if not isinstance(record, dict):
        return True
    transcript, turns = record.get("transcript"), record.get("turns") or []
    if transcript is not None and not (isinstance(transcript, str) and not transcript.strip()):
        return True
    if _has_turns(record):
        return any(not isinstance(text := turn.get("text"), str) or text.strip() for turn in turns)
    return turns != []
