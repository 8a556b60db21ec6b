"""Reads many files at once, and what says how their conversations ended where another file does.

A folder or a pattern stands for all its files: each is read as by itself, one that can't be read is told of and stops
nothing. How deals ended comes from a table that is named, or from a table of deals among the files, as CRMs export it
beside their activities: an activity then has the outcome, the account and the id of its deal. Reads all into memory.
"""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from conversations.conversation import Conversation
from conversations.formats.fields import plain_name
from conversations.formats.notices import notice
from conversations.formats.options import ReadingOptions
from conversations.formats.research.corpora import is_companion
from conversations.reading.files import read_conversations, tell_of_repeated_ids
from conversations.reading.joining import FileRead, with_deals, with_endings
from conversations.reading.record import is_row_id
from conversations.reading.tables import deals_in, endings_in
from foundations.errors import InputError

_MOST_TOLD = 5  # files that can't be read, each with its reason
_OF_OFFICE = "~$"  # begins the name of a file that an Office program has open


def are_many(data: Path) -> bool:
    """Whether a path stands for several files: a folder or a pattern."""
    return data.is_dir() or (glob.has_magic(str(data)) and not data.is_file())


def files_of(pattern: Path, left_out: Path | None = None) -> list[Path]:
    """The files that a path, a folder or a glob pattern names, in order of name, without hidden ones.

    What is the file `left_out`, or lies in that folder, is not meant. Raises InputError where there are none.
    """
    if pattern.is_file():
        return [pattern.absolute()]
    search = pattern / "*" if pattern.is_dir() else pattern
    named = [Path(name).absolute() for name in sorted(glob.glob(str(search), recursive=True)) if os.path.isfile(name)]
    apart = left_out.absolute() if left_out else None
    found = [
        path for path in named if path != apart and apart not in path.parents and not path.name.startswith(_OF_OFFICE)
    ]
    if not found:
        raise InputError(
            f"There is no file {str(pattern)!r}; give a path, a folder, or a pattern such as 'calls/*.jsonl'."
        )
    return found


def read_data(data: Path, options: ReadingOptions, outcomes: Path | None = None) -> list[Conversation]:
    """The conversations of a file, or of all files of a folder or a pattern, with the outcomes of another file.

    Of options.columns those that `outcomes` has for its fields are meant for it alone. Raises InputError where no file can
    be read, and where `outcomes` names none of the conversations.
    """
    endings = endings_in(outcomes, options) if outcomes else None
    if endings:
        theirs = {name: column for name, column in options.columns.items() if endings.takes(name, column)}
        options = replace(options, columns={k: v for k, v in options.columns.items() if k not in theirs})
    several = are_many(data)
    read = _read_all(data, options, outcomes) if several else [FileRead(data, read_conversations(data, options))]
    if endings:
        read = with_endings(read, endings, data)
    return [conversation for file in read for conversation in file.conversations]


def _read_all(data: Path, options: ReadingOptions, outcomes: Path | None) -> list[FileRead]:
    """Every file that is one of conversations, in order of name, with the endings of the tables of deals among them."""
    paths = [path for path in files_of(data, outcomes) if not is_companion(path)]
    deals = {} if outcomes else {path: table for path in paths if (table := deals_in(path, options))}
    attempts = _Attempts(options)
    read = _without_repeated(attempts.read(path for path in paths if path not in deals), data)
    for path, table in deals.items():
        joined = with_deals(read, table, data)
        if joined is None:
            read += attempts.read([path])
        else:
            read = joined
            table.tell_words()
    attempts.tell(data, len(paths), any_read=bool(read))
    named = _with_own_ids(sorted(read))
    of_files = ({one.conversation_id for one in file.conversations} for file in named)
    tell_of_repeated_ids((name for ids in of_files for name in sorted(ids)), data)
    return named


def _without_repeated(read: Sequence[FileRead], data: Path) -> list[FileRead]:
    """Without the activities that another file's conversations name as their own: Salesforce keeps a mail twice."""
    named = {one: file.path for file in read for conversation in file.conversations if (one := _activity(conversation))}
    kept = [
        FileRead(path, [one for one in found if named.get(one.conversation_id, path) == path]) for path, found in read
    ]
    if repeated := sum(len(file.conversations) for file in read) - sum(len(file.conversations) for file in kept):
        notice(data, f"{repeated} activities are left out, as mails in another file say that they are the same.")
    return [file for file in kept if file.conversations]


def _activity(conversation: Conversation) -> str:
    """The id in the column ActivityId, which an EmailMessage has beside its own."""
    extra = conversation.model_extra or {}
    named = next((str(value) for name, value in extra.items() if plain_name(name) == "activityid"), "")
    return named if named != conversation.conversation_id else ""


class _Attempts:
    """Reads files one by one, and keeps why some can't be read."""

    def __init__(self, options: ReadingOptions) -> None:
        self._options = options
        self._refused: list[str] = []

    def read(self, paths: Iterable[Path]) -> list[FileRead]:
        """Those that can be read."""
        read = []
        for path in paths:
            try:
                read.append(FileRead(path, read_conversations(path, self._options)))
            except InputError as error:
                self._refused.append(str(error))
        return read

    def tell(self, data: Path, total: int, any_read: bool) -> None:
        """Tells of those that can't. Raises InputError where that's all of them."""
        if not any_read:
            first = f", the first since: {self._refused[0]}" if self._refused else "."
            raise InputError(f"None of the {total} files of {data} can be read as conversations{first}")
        for sentence in self._refused[:_MOST_TOLD]:
            notice(data, f"a file is left out: {sentence}")
        if (more := len(self._refused) - _MOST_TOLD) > 0:
            notice(data, f"{more} more files are left out, as they can't be read.")


def _with_own_ids(read: Sequence[FileRead]) -> list[FileRead]:
    """A conversation without an id of its own is called like its file, where that has several by file and row."""
    stems = Counter(file.path.stem for file in read)
    return [
        FileRead(path, [_with_own_id(one, path, len(found) == 1, stems[path.stem] == 1) for one in found])
        for path, found in read
    ]


def _with_own_id(conversation: Conversation, path: Path, alone: bool, only_one: bool) -> Conversation:
    identifier = conversation.conversation_id
    name = path.stem if only_one else path.name
    if is_row_id(identifier):
        identifier = name if alone else f"{path.name}:{identifier}"
    elif identifier == path.stem:
        identifier = name
    return conversation.model_copy(update={"conversation_id": identifier})
