"""What people call a won, a lost and an open deal, in CRM stages and in columns of their own.

It reads one cell and never guesses: a word it does not know is an error that quotes it, but in a column known to hold
stages, where a stage that says neither won nor lost is an open one.
"""

from __future__ import annotations

import re

from conversation import Outcome
from foundations.errors import InputError

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
            "and leave it empty, or write open, for an open deal."
        )
    return outcome


def outcome_of_stage(stage: str, where: str) -> Outcome | None:
    """The outcome of a CRM's stage; any stage that says neither won nor lost is open: None.

    Raises InputError for a closed stage that does not say how it ended, and for a pipeline's internal number.
    """
    known, outcome = _known_outcome(stage)
    if stage.strip().isdecimal():
        raise InputError(f"{where}: the stage {stage[:60]!r} is an internal number; export the stages' names.")
    if not known and _words(stage) & (_CLOSED | _WON | _LOST):
        raise InputError(
            f"{where}: the stage {stage[:60]!r} is closed but does not say how; name it 'Closed Won' or 'Closed Lost'."
        )
    return outcome


def is_known_open(stage: str) -> bool:
    """Whether the words of a stage say that the deal is open, rather than nothing that is known."""
    return _known_outcome(stage) == (True, None)


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
