"""How a deal ended, by the word or the stage that says so.

The person who gives the file may say what a word means; that comes first. A word that nobody knows is an error that
quotes it where outcomes are needed, else it is left out and told. In a column known to hold stages, a stage that says
neither won nor lost is an open one. Which columns these are it does not know (`conversations.formats.tables` does).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from conversations.conversation import Outcome
from conversations.formats.notices import notice
from conversations.formats.options import ReadingOptions
from foundations.errors import InputError

_MOST_QUOTED = 5  # words in one message

_WON = set("won gewonnen ganado ganada gagné gagnée vinto vinta ganho ganha".split())
_LOST = set("lost verloren perdido perdida perdu perdue perso persa".split())
_YES = {"closedwon", "successful", "success", "yes", "y", "true", "1", "converted"}
_NO = {"closedlost", "unsuccessful", "failed", "failure", "no", "n", "false", "0", "notwon", "notconverted", "rejected"}
_CLOSED = set("closed disqualified cancelled canceled abandoned dead".split())
# One of these words makes a stage an open one: the stages that Salesforce and HubSpot begin with, and common others.
_OPEN = set(
    """open pending new lead prospect prospecting qualification qualified qualifying qualify needs analysis value
    proposition decision makers perception proposal price quote negotiation negotiating review discovery demo
    presentation meeting appointment scheduled contract sent evaluation pilot trial progress ongoing active contacted
    commit verbal hold nurture stalled pipeline undecided unknown appointmentscheduled qualifiedtobuy
    presentationscheduled decisionmakerboughtin contractsent""".split()
)


def outcome_of_word(word: str, where: str) -> Outcome | None:
    """The outcome that a cell says; None for an open deal ("Negotiation", or nothing). Upper and lower case are one.

    Raises InputError for a word that is none of these, beginning with `where`.
    """
    known, outcome = _known_outcome(word)
    if not known:
        raise InputError(
            f"{where}: the outcome {word[:60]!r} is not known; write won, lost, yes, no, 1, 0, successful or failed, "
            "leave it empty or write open for an open deal, or say what it means with --won or --lost."
        )
    return outcome


def outcome_of_stage(stage: str, where: str) -> Outcome | None:
    """The outcome of a CRM's stage; any stage that says neither won nor lost is open: None.

    Raises InputError for a closed stage that does not say how it ended, and for a pipeline's internal number.
    """
    known, outcome = _known_outcome(stage)
    if stage.strip().isdecimal():
        raise InputError(
            f"{where}: the stage {stage[:60]!r} is an internal number; export the stages' names, or say what it "
            "means with --won or --lost."
        )
    if not known and _words(stage) & (_CLOSED | _WON | _LOST):
        raise InputError(
            f"{where}: the stage {stage[:60]!r} is closed but does not say how; name it 'Closed Won' or 'Closed Lost', "
            "or say what it means with --won or --lost."
        )
    return outcome


def is_known_open(stage: str) -> bool:
    """Whether the words of a stage say that the deal is open, rather than nothing that is known."""
    return _known_outcome(stage) == (True, None)


@lru_cache(maxsize=1024)  # a column says the same few words again and again
def _known_outcome(text: str) -> tuple[bool, Outcome | None]:
    words = _words(text)
    whole = "".join(re.findall(r"\w+", text.casefold().strip().removesuffix(".0"))).replace("_", "")
    if not whole:
        return True, None
    if whole in _YES or whole in _NO:
        return True, "successful" if whole in _YES else "failed"
    won, lost = bool(words & _WON), bool(words & _LOST)
    if won != lost and "not" not in words:
        return True, "successful" if won else "failed"
    is_open = not won and not lost and not words & _CLOSED and bool(words & _OPEN)
    return is_open, None


def _words(text: str) -> set[str]:
    return set(re.findall(r"[^\W_]+", text.casefold().replace("'", "").replace("’", "")))


class OutcomeReader:
    """The outcomes of one file, each by the person's words or else by its own; `finish` tells what says nothing."""

    def __init__(self, path: Path, options: ReadingOptions) -> None:
        self._path, self._options = path, options
        self._unknown: Counter[str] = Counter()
        self._open_stages: Counter[str] = Counter()
        self._first: InputError | None = None

    def of_word(self, word: str, where: str) -> Outcome | None:
        """None for an open deal and, until `finish`, for a word that is not known."""
        return self._options.outcome_of(word) or self._understood(outcome_of_word, word, where)

    def of_stage(self, stage: str, where: str) -> Outcome | None:
        """The same of a CRM's stage."""
        if (named := self._options.outcome_of(stage)) is not None:
            return named
        outcome = self._understood(outcome_of_stage, stage, where)
        if outcome is None and stage not in self._unknown and not is_known_open(stage):
            self._open_stages[stage] += 1
        return outcome

    def of_status(self, status: str) -> tuple[bool, Outcome | None]:
        """Whether a status speaks of a deal, and the outcome: nothing and "Completed" do not, "Open" does."""
        if (named := self._options.outcome_of(status)) is not None:
            return True, named
        known, outcome = _known_outcome(status)
        is_number = status.strip().removesuffix(".0").isdecimal()  # of a list of states, in whatever order
        return known and bool(status.strip()) and not is_number, outcome

    def not_understood(self, word: str, why: InputError) -> None:
        """A word that says nothing, and the sentence that refuses it."""
        self._first = self._first or why
        self._unknown[word] += 1

    def finish(self) -> None:
        """To be called once, after the last. Raises InputError for words that are not known, where outcomes are needed."""
        if self._open_stages:
            notice(self._path, f"taken as open, since they say neither won nor lost: {_counts(self._open_stages, 10)}.")
        if self._first is None:
            return
        if self._options.needs_outcomes:
            raise InputError(_with_others(str(self._first), self._unknown))
        total = self._unknown.total()
        notice(self._path, f"{total} outcomes are not understood and left out: {_counts(self._unknown, _MOST_QUOTED)}.")

    def _understood(self, read: Callable[[str, str], Outcome | None], word: str, where: str) -> Outcome | None:
        try:
            return read(word, where)
        except InputError as why:
            self.not_understood(word, why)
            return None


def _with_others(sentence: str, unknown: Counter[str]) -> str:
    """The sentence on the first word, and the others beside it, so that all can be named at once."""
    first = next(iter(unknown))
    others = Counter({word: count for word, count in unknown.items() if word != first})
    return f"{sentence.rstrip('.')}; not known either: {_counts(others, _MOST_QUOTED)}." if others else sentence


def _counts(words: Counter[str], most: int) -> str:
    """The commonest words: "'Connected' (17), 'Busy' (2) and 4 more"."""
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(f"{word[:40]!r} ({count})" for word, count in words.most_common(most)) + more
