"""What a person says of a file who gives it: which column is which field, and which words mean won and lost.

The command line, the API and the page have the same options. It reads no file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from conversations.conversation import ConversationContext, Outcome
from foundations.errors import InputError

CONTEXT_COLUMNS = tuple(ConversationContext.model_fields)
RECORD_COLUMNS = ("transcript", "outcome", "conversation_id", "group", "deal_id", "date", "split")
MESSAGE_COLUMNS = ("speaker", "time")  # of a table with one message a row
FIELDS = (*RECORD_COLUMNS, *MESSAGE_COLUMNS, *CONTEXT_COLUMNS)  # what a person can name a column for
NAMED = "name the one that holds the words with the option column, as in transcript=Notes"  # the way on, in messages


@dataclass(frozen=True)
class ReadingOptions:
    """How a file is meant. The outcome words are without case and surplus spaces, as `plain_word` makes them."""

    columns: Mapping[str, str] = field(default_factory=dict)  # our field: the file's column
    won: frozenset[str] = frozenset()
    lost: frozenset[str] = frozenset()
    needs_outcomes: bool = True  # an outcome that is not understood is an error; else it is left out, with a notice
    speech_model: Path | None = None  # a folder with another Whisper than the packaged one, for recordings

    @classmethod
    def given(cls, columns: Sequence[str], won: Sequence[str] = (), lost: Sequence[str] = ()) -> ReadingOptions:
        """From `["transcript=Notes"]`, `["Connected"]` and `["No answer"]`.

        Raises InputError for an option without "=", an unknown field, a field given twice, an outcome word without a
        letter or digit, and one that is to mean both.
        """
        options = cls(_column_mapping(columns), _outcome_words("won", won), _outcome_words("lost", lost))
        if both := options.won & options.lost:
            raise InputError(f"The outcome {min(both)!r} is given as won and as lost; give it once.")
        return options

    def for_scoring(self) -> ReadingOptions:
        """The same where outcomes are of no use."""
        return replace(self, needs_outcomes=False)

    def refuse_columns(self, path: Path, what: str) -> None:
        """Raises InputError for columns that are named where the file is no table; `what` it is ends "deals.docx is …"."""
        if self.columns:
            given = ", ".join(f"{name}={column}" for name, column in self.columns.items())
            raise InputError(f"{path} is {what}, which has no columns to name; leave out the option column, {given}.")

    def outcome_of(self, word: str) -> Outcome | None:
        """What the person said that a word means; None where they said nothing of it."""
        plain = plain_word(word)
        return "successful" if plain in self.won else "failed" if plain in self.lost else None


def plain_word(word: str) -> str:
    """An outcome's word without case and surplus spaces."""
    return " ".join(word.casefold().split())


def _column_mapping(options: Iterable[str]) -> dict[str, str]:
    mapping: dict[str, str] = {}
    for option in options:
        name, equals, column = (part.strip() for part in option.partition("="))
        if not equals or not column or name not in FIELDS:
            raise InputError(
                f"The column {option[:80]!r} is not FIELD=COLUMN, such as transcript=Notes; the fields are "
                f"{', '.join(FIELDS)}."
            )
        if name in mapping:
            raise InputError(f"A column is given twice for {name}, {mapping[name]!r} and {column!r}; give it once.")
        mapping[name] = column
    return mapping


def _outcome_words(meaning: str, words: Iterable[str]) -> frozenset[str]:
    plain = [plain_word(word) for word in words]
    if not all(plain):
        raise InputError(f"The option {meaning} is empty; give a word of the outcome's column, such as Connected.")
    return frozenset(plain)
