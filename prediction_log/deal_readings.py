"""What the log keeps of a deal's prediction: what was found in its words, and these words, conversation by conversation.

Words are stored as transcripts are: as they are, masked, or not at all. Where none are kept, what is left are figures,
dates and which kinds of warnings and of the card hold; no quote, no name and no reason that quotes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from answers.deals.requests import DealReading
from conversations.model_text import transcript_of
from deals.deal import Deal, date_of
from deals.warnings import OF_THE_DAY
from prediction_log.recorder import Words
from prediction_log.tables.rows import LONGEST_DATE, LONGEST_STEP, Record, stored_conversation_id

_SAID = {
    "sentence",
    "quote",
    "text",
    "question",
    "said_by",
    "speaker",
    "detail",
    "reason",
}  # fields with words, or names


@dataclass(frozen=True)
class ReadDeal:
    """A deal and what was found in it."""

    deal: Deal
    reading: DealReading

    @property
    def characters(self) -> int:
        """Of all its words."""
        return self.deal.whole.characters

    def rows(self, prediction_id: str, words: Words | None, with_transcripts: bool) -> dict[str, Any]:
        """The rows of a deal's prediction, as `DEAL` of the tables says; words: None where none may be stored."""
        steps = zip(self.deal.conversations, self.reading.after, strict=True)
        return {
            "reading": _reading_row(prediction_id, self.reading, words),
            "parts": [
                {
                    "prediction_id": prediction_id,
                    "place": place,
                    "conversation_id": stored_conversation_id(one.conversation_id),
                    "date": (date_of(one) or "")[:LONGEST_DATE] or None,
                    "probability": step.probability,
                    "transcript": words(transcript_of(one)) if words and with_transcripts else None,
                }
                for place, (one, step) in enumerate(steps)
            ],
        }


def _reading_row(prediction_id: str, reading: DealReading, words: Words | None) -> Record:
    found = reading.model_dump(mode="json", exclude={"band", "after"})
    kept = _stored(found, words) if words else _without_words(found)
    step = next(iter(reading.recommended_actions), None)
    silence = reading.silence
    return {
        "prediction_id": prediction_id,
        "band": reading.band,
        "next_step": step.action[:LONGEST_STEP] if step else None,
        "lasting_warnings": sum(warning.kind not in OF_THE_DAY for warning in reading.warnings),
        "last_day": silence.last_day.isoformat() if silence.last_day else None,
        "silent_since": silence.silent_since.isoformat() if silence.silent_since else None,
        "found": kept | {"words": words is not None},
    }


def _stored(value: Any, words: Words, name: str = "") -> Any:
    """The same with every word as it may be stored; ids, dates and names of fields stay."""
    if isinstance(value, dict):
        return {key: _stored(one, words, key) for key, one in value.items()}
    if isinstance(value, list):
        return [_stored(one, words, name) for one in value]
    return words(value) if isinstance(value, str) and name in _SAID else value


def _without_words(found: dict[str, Any]) -> dict[str, Any]:
    """What says nothing that a person said, and names nobody."""
    card = {name: one | {"detail": "", "quotes": []} for name, one in found["qualification"].items()}
    warnings = [one | {"quotes": []} for one in found["warnings"] if one["kind"] != "one_contact"]
    return found | {
        "moved_most": found["moved_most"] | {"evidence": []},
        "signals": [],
        "qualification": card,
        "warnings": warnings,
        "recommended_actions": [one | {"reason": ""} for one in found["recommended_actions"]],
    }
