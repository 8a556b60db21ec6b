"""Goes through the rows of JSON lines and tables between two bytes of a file, and tells after each where it ended.

About two million lines a second, in the memory of one row. What a row means is told by the importers, not here.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import BinaryIO

from input_files import InputFile

LONGEST_LINE = 32 * 2**20  # bytes; a transcript has a million characters at most


def raw_lines(stream: BinaryIO, end: int) -> Iterator[tuple[bytes | None, int]]:
    """The lines of a stream up to byte `end`, each with the place after it; None for one longer than LONGEST_LINE."""
    offset = stream.tell()
    while offset < end and (line := stream.readline(LONGEST_LINE)):
        offset += len(line)
        kept: bytes | None = line
        while len(line) == LONGEST_LINE and not line.endswith(b"\n"):
            kept = None
            line = stream.readline(LONGEST_LINE)
            offset += len(line)
        yield kept, offset


class TableRows:
    """The rows of a table between two bytes of a stream; after each, `offset` and `lines` say where it ended.

    `first_line` is where it began: a quote that is never closed takes all that follows into its row.
    """

    def __init__(self, stream: BinaryIO, file: InputFile, end: int, lines: int) -> None:
        csv.field_size_limit(max(csv.field_size_limit(), LONGEST_LINE))
        self.offset = stream.tell()
        self._text = io.TextIOWrapper(stream, encoding=file.encoding, newline="")
        self._encoding, self._end, self._before = file.encoding, end, lines
        self.first_line = lines + 1
        self._reader = csv.reader(self._counted(), delimiter=file.delimiter, strict=True)

    @property
    def lines(self) -> int:
        """Lines of the file up to the end of the last row."""
        return self._before + self._reader.line_num

    def __iter__(self) -> Iterator[list[str] | csv.Error]:
        """A broken row comes as its error, and reading goes on at the next line."""
        while True:
            self.first_line = self.lines + 1
            try:
                yield next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield error

    def _counted(self) -> Iterator[str]:
        while self.offset < self._end and (line := self._text.readline(LONGEST_LINE)):
            self.offset += len(line.encode(self._encoding))
            yield line
