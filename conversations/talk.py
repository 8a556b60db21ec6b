"""A call's talk figures: who spoke how much and for how long at a stretch, who asked, who waited. No score reads them.

The notions are those that Gong's help centre made usual (help.gong.io, "Analyze team performance"). Talk ratio: the share of
the talk that is the seller's. Longest monologue: how long one person goes on before another speaks. Questions: how many each
side asks. Patience: how long the seller waits when the customer has finished. Interactivity: how often the speaker changes.
Two things differ: silence counts for nobody, so that shares add up to one, by time as by words; and interactivity is a plain
rate, not a score from 0 to 10.

By time where every turn has a start and an end that can be true, else by words. Costs milliseconds.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from conversations.conversation import Conversation, Turn

Measure = Literal["time", "words"]
SLOWEST, FASTEST = 10.0, 600.0  # words a minute; a call beyond them has times of another kind
_MARKS = re.compile(r"(?<![?？؟!])[?？؟!]++(?!\w)")  # not one inside of an address
_ASKING = frozenset("?？؟")
_SENTENCE_END = re.compile(r"[.?？؟!。…](?!\w)")

Length = Annotated[float, Field(ge=0, description="Seconds, or words where `measured_by` is words")]


@dataclass(frozen=True)
class Talk:
    """What one side said, or one speaker. Questions are unknown, None, in a transcript without punctuation."""

    share: Annotated[float, Field(ge=0, le=1, description="Of all that was said, by time or by words")]
    words: int
    seconds: Annotated[float | None, Field(description="Null where it is measured by words")]
    longest_monologue: Length
    questions: Annotated[int | None, Field(description="Null where the transcript has no punctuation")]


@dataclass(frozen=True)
class SpeakerTalk(Talk):
    """What one speaker said."""

    speaker: Annotated[str, Field(description="seller or customer where it is known, else the name in lower case")]
    name: Annotated[str | None, Field(description="As the recorder wrote it")]


@dataclass(frozen=True)
class TalkFigures:
    """The figures of a call. What rests on who sells is None where that is not known."""

    measured_by: Annotated[Measure, Field(description="time where every turn has sensible times, else words")]
    talk_ratio: Annotated[float | None, Field(ge=0, le=1, description="The seller's share of all that was said")]
    patience: Annotated[
        float | None,
        Field(ge=0, description="Mean seconds from a customer's last word to the seller's first; by time only"),
    ]
    interactivity: Annotated[
        float, Field(ge=0, description="Changes of speaker a minute, or for each 1,000 words where it is by words")
    ]
    speaker_changes: int
    minutes: Annotated[float | None, Field(description="From the first word to the last; by time only")]
    seller: Talk | None
    customer: Talk | None
    speakers: Annotated[list[SpeakerTalk], Field(description="Who spoke most comes first")]


class _Stretch(NamedTuple):
    """What one voice says until another speaks."""

    speaker: str
    name: str | None
    words: int
    seconds: float  # pauses between its turns left out; 0 where times are not known
    questions: int
    start: float
    end: float


def talk_figures(conversation: Conversation) -> TalkFigures | None:
    """The figures of a conversation; None for a note, and where no turn says who speaks."""
    turns = conversation.turns or []
    if not any(turn.speaker for turn in turns):
        return None
    by: Measure = "time" if _has_times(turns) else "words"
    stretches = [
        _stretch(list(said)) for _, said in itertools.groupby(turns, key=lambda turn: (turn.speaker, turn.name))
    ]
    asks = any(_SENTENCE_END.search(turn.text) for turn in turns)
    sides = {side: [one for one in stretches if one.speaker == side] for side in ("seller", "customer")}
    total = sum(_length(one, by) for one in stretches)
    seller, customer = (_talk(said, by, total, asks) if said else None for said in sides.values())
    changes = len(stretches) - 1
    minutes = (max(one.end for one in stretches) - stretches[0].start) / 60 if by == "time" else None
    return TalkFigures(
        measured_by=by,
        talk_ratio=seller.share if seller else None,
        patience=_patience(stretches) if by == "time" else None,
        interactivity=changes / minutes if minutes else 1000 * changes / sum(one.words for one in stretches),
        speaker_changes=changes,
        minutes=minutes,
        seller=seller,
        customer=customer,
        speakers=_speakers(stretches, by, total, asks),
    )


def _has_times(turns: Sequence[Turn]) -> bool:
    """Whether each turn has times, in order, and together they are as long as so many words take."""
    times = [(turn.start, turn.end) for turn in turns if turn.start is not None and turn.end is not None]
    if len(times) < len(turns) or any(end < start for start, end in times):
        return False
    minutes = sum(end - start for start, end in times) / 60
    words = sum(len(turn.text.split()) for turn in turns)
    in_order = all(one <= other for (one, _), (other, _) in itertools.pairwise(times))
    return in_order and SLOWEST * minutes <= words <= FASTEST * minutes


def _stretch(turns: Sequence[Turn]) -> _Stretch:
    return _Stretch(
        speaker=turns[0].speaker,
        name=turns[0].name,
        words=sum(len(turn.text.split()) for turn in turns),
        seconds=sum((turn.end or 0.0) - (turn.start or 0.0) for turn in turns),
        questions=sum(not _ASKING.isdisjoint(marks) for turn in turns for marks in _MARKS.findall(turn.text)),
        start=turns[0].start or 0.0,
        end=max(turn.end or 0.0 for turn in turns),
    )


def _length(stretch: _Stretch, by: Measure) -> float:
    return stretch.seconds if by == "time" else float(stretch.words)


def _talk(stretches: Sequence[_Stretch], by: Measure, total: float, asks: bool) -> Talk:
    lengths = [_length(one, by) for one in stretches]
    return Talk(
        share=min(1.0, sum(lengths) / total),
        words=sum(one.words for one in stretches),
        seconds=sum(lengths) if by == "time" else None,
        longest_monologue=max(lengths),
        questions=sum(one.questions for one in stretches) if asks else None,
    )


def _speakers(stretches: Sequence[_Stretch], by: Measure, total: float, asks: bool) -> list[SpeakerTalk]:
    voices: dict[tuple[str, str | None], list[_Stretch]] = {}
    for one in stretches:
        voices.setdefault((one.speaker, one.name), []).append(one)
    found = [
        SpeakerTalk(**vars(_talk(said, by, total, asks)), speaker=speaker, name=name)
        for (speaker, name), said in voices.items()
    ]
    return sorted(found, key=lambda one: -one.share)


def _patience(stretches: Iterable[_Stretch]) -> float | None:
    """Who begins before the other has ended has waited for nothing, and not for less."""
    pauses = [
        max(0.0, answer.start - said.end)
        for said, answer in itertools.pairwise(stretches)
        if (said.speaker, answer.speaker) == ("customer", "seller")
    ]
    return sum(pauses) / len(pauses) if pauses else None
