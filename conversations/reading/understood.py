"""How data were understood: the conversations, and beside them what the reader took the files for and what it left out.

`understood` reads; `Reading` says in figures what came of it, for people (`--mode read`) and as JSON. It judges nothing:
a figure here is what every other mode would work on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from conversations.conversation import SIDES, Conversation
from conversations.dates import moment_of
from conversations.formats.findings import Finding, gathered_findings
from conversations.formats.notices import gathered_notices
from foundations.errors import InputError
from foundations.texts import shortened

_FIRST_TURNS = 4
_QUOTED = 160  # characters of a turn


@dataclass(frozen=True)
class SpeakerFigures:
    """One speaker in all conversations together."""

    name: str  # as the recorder wrote it, else "seller", "customer" or the name in lower case
    sells: bool | None  # None: not known
    turns: int
    words: int


@dataclass(frozen=True)
class Dates:
    """When the conversations took place, ISO 8601; None where no date can be read."""

    first: str | None
    last: str | None
    missing: int
    unreadable: int  # such as 3/4/2024, which may be March or April


@dataclass(frozen=True)
class Reading:
    """Conversations and how they were understood."""

    conversations: list[Conversation]
    findings: list[Finding]
    notices: list[str]

    @property
    def outcomes(self) -> dict[str, int]:
        """How many conversations are won, lost and open."""
        names = {"successful": "won", "failed": "lost", None: "open"}
        counts = Counter(names[one.outcome] for one in self.conversations)
        return {name: counts[name] for name in names.values()}

    @property
    def speakers(self) -> list[SpeakerFigures]:
        """Who speaks, those with the most words first; nobody in notes."""
        turns: Counter[tuple[str, str]] = Counter()
        words: Counter[tuple[str, str]] = Counter()
        for turn in (turn for one in self.conversations for turn in one.turns or []):
            who = (turn.name or turn.speaker, turn.speaker)
            turns[who] += 1
            words[who] += len(turn.text.split())
        return [
            SpeakerFigures(name, speaker == "seller" if speaker in SIDES else None, turns[name, speaker], count)
            for (name, speaker), count in words.most_common()
        ]

    @property
    def dates(self) -> Dates:
        """From the first to the last that can be read."""
        dated = [one for one in self.conversations if (one.model_extra or {}).get("date")]
        moments = [moment for one in dated if (moment := _moment(one))]
        first, last = (min(moments), max(moments)) if moments else (None, None)
        missing = len(self.conversations) - len(dated)
        return Dates(_written(first), _written(last), missing, len(dated) - len(moments))

    @property
    def groups(self) -> int:
        """How many customers or accounts there are."""
        return len({one.group for one in self.conversations if one.group})

    @property
    def deals(self) -> int:
        """How many deals the conversations belong to, of those that name one."""
        return len({one.deal_id for one in self.conversations if one.deal_id})

    @property
    def example(self) -> list[dict[str, str]]:
        """The beginning of the first conversation: its first turns, or its note's first words."""
        first = self.conversations[0]
        if first.turns:
            return [
                {"speaker": turn.name or turn.speaker, "text": _short(turn.text)} for turn in first.turns[:_FIRST_TURNS]
            ]
        return [{"speaker": "", "text": _short(first.transcript or "")}]

    def as_json(self) -> dict[str, Any]:
        """All figures, as plain values."""
        return {
            "formats": [
                {"file": str(one.path), "format": one.tool, "columns": dict(one.columns)} for one in self.findings
            ],
            "conversations": len(self.conversations),
            "with_turns": sum(one.turns is not None for one in self.conversations),
            "ids": [one.conversation_id for one in self.conversations],
            "outcomes": self.outcomes,
            "dates": asdict(self.dates),
            "groups": {"different": self.groups, "missing": sum(one.group is None for one in self.conversations)},
            "deals": {"different": self.deals, "missing": sum(one.deal_id is None for one in self.conversations)},
            "speakers": [asdict(one) for one in self.speakers],
            "example": {"conversation_id": self.conversations[0].conversation_id, "beginning": self.example},
            "notices": self.notices,
        }


def understood(read: Callable[[], list[Conversation]]) -> Reading:
    """Calls the reader and gathers what it tells. Raises InputError as it does."""
    with gathered_notices() as notices, gathered_findings() as findings:
        conversations = read()
    return Reading(conversations, list(findings.values()), notices)


def _moment(conversation: Conversation) -> datetime | None:
    try:
        return moment_of(conversation)
    except InputError:
        return None


def _written(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _short(text: str) -> str:
    return shortened(text, _QUOTED)
