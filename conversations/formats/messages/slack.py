"""Reads messages of a Slack channel: a file of its export, or the answer of conversations.history or .replies.

Each thread with answers is a conversation, and so is what is said outside of threads until nobody writes for a day. Several
of one channel are a group, named after the file. Mentions become names, links their words. What programs write, who
comes and who leaves, is left out. Slack knows neither who sells nor how a deal ended.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from conversations.dates import seconds_since_1970
from conversations.formats.fields import object_or_empty, objects_in, text_or_empty
from conversations.formats.kinds import DocumentFormat, ListFormat, Placed
from conversations.formats.messages.written import Message, written_conversation
from conversations.formats.notices import left_out
from conversations.formats.turns import unescaped

_STAMP = re.compile(r"\d{9,10}\.\d{6}")
_MARK = re.compile(r"<([@#!]?)([^<>|]{1,2000})(?:\|([^<>]{0,2000}))?>")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_SAID = (None, "thread_broadcast", "me_message", "file_share")  # subtypes of messages that people write
_SILENCE = 24 * 60 * 60  # seconds without a word, after which another conversation begins

_Entry = Mapping[str, Any]


def is_slack_message(record: Any) -> bool:
    """Whether an element of a JSON list is a message of Slack."""
    if not isinstance(record, dict) or record.get("type") != "message":
        return False
    return isinstance(record.get("ts"), str) and _STAMP.fullmatch(record["ts"]) is not None


def slack_records(messages: Sequence[Any], name: str, where: str) -> list[Placed]:
    """A record a conversation, in order of time. name: of the channel or the file, without ending."""
    said = [one for one in messages if _is_said(one)]
    left_out("messages of programs, and about who comes and leaves", len(messages) - len(said))
    names = _names(messages)
    found = _conversations(sorted(said, key=lambda one: float(one["ts"])))
    group = name if len(found) > 1 and not _DAY.fullmatch(name) else None
    return [
        (
            f"{where}, conversation {number}" if len(found) > 1 else where,
            written_conversation(f"{name} {entries[0]['ts']}", [_message(one, names) for one in entries], group),
        )
        for number, entries in enumerate(found, start=1)
    ]


def _is_said(entry: Any) -> bool:
    is_written = is_slack_message(entry) and entry.get("subtype") in _SAID and not entry.get("bot_id")
    return is_written and bool(text_or_empty(entry.get("text")))


def _conversations(entries: Iterable[_Entry]) -> list[list[_Entry]]:
    threads: dict[Any, list[_Entry]] = {}
    for entry in entries:
        threads.setdefault(entry.get("thread_ts") or entry["ts"], []).append(entry)
    alone = [thread[0] for thread in threads.values() if len(thread) == 1]
    found = [thread for thread in threads.values() if len(thread) > 1] + list(_until_silence(alone))
    return sorted(found, key=lambda one: float(one[0]["ts"]))


def _until_silence(entries: Sequence[_Entry]) -> Iterator[list[_Entry]]:
    number, numbers = 0, []
    for before, entry in zip([None, *entries], entries, strict=False):
        number += before is not None and float(entry["ts"]) - float(before["ts"]) > _SILENCE
        numbers.append(number)
    for _, together in itertools.groupby(zip(numbers, entries, strict=True), key=lambda one: one[0]):
        yield [entry for _, entry in together]


def _names(entries: Iterable[Any]) -> dict[str, str]:
    """People's names by their ids, as far as the file has them."""
    profiles = {
        text_or_empty(one.get("user")): object_or_empty(one.get("user_profile"))
        for one in entries
        if isinstance(one, dict) and one.get("user_profile")
    }
    kinds = ("real_name", "display_name", "name")
    return {
        user: next((name for kind in kinds if (name := text_or_empty(profile.get(kind)))), user)
        for user, profile in profiles.items()
    }


def _message(entry: _Entry, names: Mapping[str, str]) -> Message:
    user = text_or_empty(entry.get("user")) or text_or_empty(entry.get("username"))
    words = unescaped(_MARK.sub(lambda found: _marked(found, names), entry["text"]))
    return Message(names.get(user, user), words, "", seconds_since_1970(entry["ts"]))


def _marked(found: re.Match[str], names: Mapping[str, str]) -> str:
    sign, target, label = found.groups()
    return label or (names.get(target, target) if sign == "@" else target)


def _channel_records(placed: Sequence[Placed], path: Path) -> list[Placed]:
    return slack_records([entry for _, entry in placed], path.stem, str(path))


def _is_answer(document: Mapping[str, Any]) -> bool:
    messages = objects_in(document.get("messages"))
    return bool(messages) and all(is_slack_message(one) for one in messages[:3])


def _answer_records(document: Mapping[str, Any], where: str) -> list[Placed]:
    channel = text_or_empty(document.get("channel")) or Path(where).stem
    return slack_records(objects_in(document["messages"]), channel, where)


FORMAT = ListFormat("Slack", is_slack_message, _channel_records)
ANSWER = DocumentFormat("Slack", _is_answer, _answer_records)
