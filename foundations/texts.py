"""Text for people: shortened at a word, made safe to open in a spreadsheet, or without this machine's paths."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

EXCERPT_CHARACTERS = 200
_GOES_ON = re.compile(r"[\w/.-]")  # before a path: it is the end of a longer one
_GOES_ON_BEHIND = re.compile(r"[\w-]")

_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def not_a_formula(cell: str) -> str:
    """A spreadsheet runs a cell that starts with one of these; a quote in front makes it text (OWASP, CSV injection)."""
    return f"'{cell}" if cell.startswith(_STARTS_A_FORMULA) else cell


def without_folders(text: str, folders: Mapping[str, Path]) -> str:
    """A message without the paths of folders: each is named by its key, as in 'ARTIFACTS/models'.

    For who is not meant to know where things lie on the machine that answers; a folder inside another comes first.
    """
    for name, folder in sorted(folders.items(), key=lambda named: -len(str(named[1]))):
        for path in (str(folder.absolute()), str(folder)):
            text = _with_path_named(text, path, name)
    return text


def _with_path_named(text: str, path: str, name: str) -> str:
    """`text` with `name` for each `path` that stands alone: not inside of a longer path or word."""
    first, *others = text.split(path)
    pieces = [first]
    for piece in others:
        stands_alone = not _GOES_ON.search(pieces[-1][-1:]) and not _GOES_ON_BEHIND.match(piece)
        pieces += [name if stands_alone else path, piece]
    return "".join(pieces)


def shortened(text: str, characters: int = EXCERPT_CHARACTERS) -> str:
    """White space folded, cut at a word: at most `characters` and an ellipsis."""
    text = " ".join(text.split())
    if len(text) <= characters:
        return text
    return (text[:characters].rsplit(" ", 1)[0] or text[:characters]) + "…"
