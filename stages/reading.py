"""The stage `--mode read`: shows how `--data` is understood, before anything is trained or scored; it changes nothing.

It reads as training and scoring do, with the same options, but takes outcomes that are not understood as open and tells
of them. With `--output` the same is written as JSON.
"""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table

from conversations.formats.findings import Finding
from conversations.reading.folder import read_data
from conversations.reading.understood import Reading, understood
from foundations.atomic_files import write_json
from foundations.errors import InputError
from foundations.terminal import console, say
from stages.job import Job

_MOST_FILES, _MOST_SPEAKERS, _FIRST_IDS = 20, 12, 3
_SELLS = {True: "sells", False: "customer", None: "not known"}


def read(job: Job) -> None:
    """Prints what the data hold and what was left out. Raises InputError where they can't be understood."""
    if job.data is None:
        raise InputError("--mode read needs --data FILE, or a folder or pattern of files.")
    data = job.data
    if job.output is not None and job.output.suffix != ".json":
        raise InputError(
            f"The output {str(job.output)!r} ends in {job.output.suffix!r}; give a name that ends in .json."
        )
    reading = understood(lambda: read_data(data, job.reading.for_scoring(), job.outcomes))
    for table in reading_tables(reading):
        console.print(table, end="\n\n")
    if job.output is not None:
        write_json(job.output, reading.as_json())
        say(f"Written to {job.output}")


def reading_tables(reading: Reading) -> Iterator[RenderableType]:
    """What is printed: files, what they hold, who speaks, how it begins, what was left out."""
    yield _files(reading.findings)
    if any(finding.columns for finding in reading.findings):
        yield _columns(reading.findings)
    yield _contents(reading)
    if reading.speakers:
        yield _speakers(reading)
    yield _example(reading)
    if reading.notices:
        yield _notices(reading.notices)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    table.show_header = any(columns)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _files(findings: list[Finding]) -> Table:
    table = _table("Files", "file", "read as")
    for finding in findings[:_MOST_FILES]:
        table.add_row(escape(finding.path.name), escape(finding.tool))
    if (more := len(findings) - _MOST_FILES) > 0:
        table.add_row(f"and {more} more", "")
    return table


def _columns(findings: list[Finding]) -> Table:
    table = _table("Columns", "our field", "comes from", "in")
    mapped = {(field, column): finding.path for finding in findings for field, column in finding.columns.items()}
    for (field, column), path in mapped.items():
        table.add_row(escape(field), escape(column), escape(path.name))
    return table


def _contents(reading: Reading) -> Table:
    table = _table("Understood", "", "")
    table.columns[0].no_wrap = True
    for name, value in _lines(reading):
        table.add_row(name, escape(value))
    return table


def _lines(reading: Reading) -> Iterator[tuple[str, str]]:
    conversations, dates = reading.conversations, reading.dates
    notes = sum(one.turns is None for one in conversations)
    yield "conversations", f"{len(conversations)}: {len(conversations) - notes} with turns, {notes} notes"
    ids = [one.conversation_id for one in conversations[:_FIRST_IDS]]
    yield "ids", ", ".join(ids) + (" …" if len(conversations) > _FIRST_IDS else "")
    yield "outcomes", ", ".join(f"{count} {name}" for name, count in reading.outcomes.items())
    span = f"from {_day(dates.first)} to {_day(dates.last)}, " if dates.first and dates.last else ""
    odd = f", {dates.unreadable} not in ISO 8601" if dates.unreadable else ""
    yield "dates", f"{span}{dates.missing} without one{odd}"
    yield "groups", f"{reading.groups}, {sum(one.group is None for one in conversations)} conversations without one"
    yield "deals", f"{reading.deals}, {sum(one.deal_id is None for one in conversations)} conversations without one"


def _day(moment: str) -> str:
    return moment.partition("T")[0]


def _speakers(reading: Reading) -> Table:
    table = _table("Speakers", "name", "who", "turns", "words")
    for one in reading.speakers[:_MOST_SPEAKERS]:
        table.add_row(escape(one.name or "nobody named"), _SELLS[one.sells], str(one.turns), str(one.words))
    if (more := len(reading.speakers) - _MOST_SPEAKERS) > 0:
        table.add_row(f"and {more} more", "", "", "")
    return table


def _example(reading: Reading) -> Table:
    table = _table(f"{escape(reading.conversations[0].conversation_id)} begins", "", "")
    for turn in reading.example:
        table.add_row(escape(turn["speaker"]), escape(turn["text"]))
    return table


def _notices(notices: list[str]) -> Table:
    table = _table("Left out, or to know", "")
    table.show_header = False
    for sentence in notices:
        table.add_row(escape(sentence))
    return table
