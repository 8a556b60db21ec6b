"""What a person pastes or uploads, to conversations: the importers of files, without a file.

Nothing is written to disk, logged or told but to the sender, and nothing beside an upload is read: the name that comes
with it serves for messages only.
Costs what reading a file costs; the first
conversation too many ends it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from conversations.conversation import Conversation
from conversations.formats.limits import Limit
from conversations.formats.notices import gathered_notices
from conversations.formats.options import ReadingOptions
from conversations.formats.recordings.sound import is_recording
from conversations.reading.files import as_utf8, conversations_of, decoded_text, parse_conversations
from conversations.reading.recognise import packed_format, spoken_records
from foundations.errors import InputError

MOST_CONVERSATIONS = 1000  # of one upload
_AS_IT_IS = ReadingOptions()
_NOWHERE = Path(os.devnull)  # no file lies below it, so that a corpus's other files are not found on the server
_UNUSUAL = re.compile(r"[^\w .()+-]")
_HAS_A_FORMAT = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:WEBVTT\b|\[\s*[\[{\]]|\{\s*[\"}])"
)  # as a file; else it is plain text
_TABLES = (".csv", ".tsv")
_JSON = (".json", ".jsonl")


class Upload(NamedTuple):
    """The conversations of a file, and what its sender is told of it: what was left out, and why."""

    conversations: list[Conversation]
    notices: list[str]


Reader = Callable[[bytes, str, ReadingOptions], list[Conversation]]


def received(reader: Reader, data: bytes, name: str, options: ReadingOptions) -> Upload:
    """What `uploaded_records` or `uploaded_transcript` reads, with its notices. Raises InputError as they do."""
    with gathered_notices() as notices:
        found = reader(data, name, options)
    return Upload(found, [_without_folder(sentence) for sentence in notices])


def uploaded_records(data: bytes, name: str, options: ReadingOptions = _AS_IT_IS) -> list[Conversation]:
    """The conversations of a file: JSON, JSON lines, a table, or another tool's export; at most MOST_CONVERSATIONS.

    Raises InputError, with `name` in its message, for anything that isn't right, and for a recording, which takes longer than
    a request may: `uploaded_recording` hears it.
    """
    path = _NOWHERE / _plain(name)
    if is_recording(data):
        raise InputError(
            f"{path.name} is a recording, and hearing it takes longer than a request may; POST /recordings takes it, and the "
            "first form of the page /app."
        )
    try:
        with gathered_notices():
            return parse_conversations(data, path, options.for_scoring(), Limit(MOST_CONVERSATIONS))
    except InputError as error:
        raise InputError(_without_folder(str(error))) from error


def uploaded_transcript(data: bytes, name: str, options: ReadingOptions = _AS_IT_IS) -> list[Conversation]:
    """As `uploaded_records`, but a text that is neither subtitles nor JSON is one conversation: turns, or else a note.

    A table is one only where `name` says so: any text could be a table with one column. So is broken JSON.
    """
    data = as_utf8(data)
    ending = Path(_plain(name).lower()).suffix
    if (
        packed_format(data)
        or _HAS_A_FORMAT.match(data)
        or ending in _TABLES
        or (ending in _JSON and data.lstrip()[:1] in (b"{", b"["))
    ):
        return uploaded_records(data, name, options)
    path = _NOWHERE / _plain(name)
    try:
        with gathered_notices():
            return conversations_of(spoken_records(decoded_text(data, path), path), path)
    except InputError as error:
        raise InputError(_without_folder(str(error))) from error


def uploaded_recording(data: bytes, name: str, options: ReadingOptions = _AS_IT_IS) -> list[Conversation]:
    """The one conversation of a recording, as `uploaded_records`; takes minutes. Raises InputError for anything else, too."""
    path = _NOWHERE / _plain(name)
    check_is_recording(data, name)
    try:
        with gathered_notices():
            return parse_conversations(data, path, options.for_scoring())
    except InputError as error:
        raise type(error)(_without_folder(str(error))) from error


def check_is_recording(beginning: bytes, name: str) -> None:
    """Raises InputError where the first bytes of a file are not those of a recording."""
    if not is_recording(beginning):
        raise InputError(
            f"{_plain(name)} is no recording that is known; give WAV, MP3, M4A, Ogg, FLAC or WebM. Transcripts and tables go "
            "to POST /conversations/read."
        )


def _plain(name: str) -> str:
    """The last part of a name, with signs that no file name needs replaced."""
    return _UNUSUAL.sub("_", re.split(r"[/\\]", name)[-1])[:100].strip(" .") or "upload"


def _without_folder(message: str) -> str:
    return message.replace(f"{_NOWHERE}{os.sep}", "")
