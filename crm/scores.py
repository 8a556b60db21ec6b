"""A deal of a CRM, scored as POST /predict/deal scores it, and what is written of that: three fields and a note.

The note says no more than the deal's own words, the day they are of, and the model's figures; nothing in it goes by the day on
which it is written, so that the same words make the same note.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from answers.deals.answer import answer_deal, reading_of
from answers.deals.requests import MOST_OF_A_DEAL, DatedSignal, DealResponse
from answers.sources import Sources
from conversations.conversation import Conversation
from conversations.mail import is_courtesy
from crm.deals import DECIMALS, NOTE_BEGINS, CrmDeal, Said, Standing
from deals.deal import Deal, deal_of, place_in_deal, stored_of
from foundations.texts import shortened
from prediction_log.deal_readings import ReadDeal

MOST_QUOTES = 3  # for the deal, and as many against it
_LAYOUT = "1"  # of the note: another one makes a new note of the same words
_ABOUT = "From a model that read this deal's calls, mails and notes; for people to act on, not to decide by."


@dataclass(frozen=True)
class Score:
    """What a deal's words came to."""

    read_sha256: str
    response: DealResponse
    newest: Conversation  # as it is stored with the prediction
    read: ReadDeal  # stored beside it

    def standing(self, before: Standing | None) -> Standing:
        """What the fields are to show after what they showed before."""
        probability = round(self.response.prediction.probability, DECIMALS)
        change = None if before is None else round(probability - before.probability, DECIMALS) + 0.0
        return Standing(probability, self.response.band.name, change)


def deal_in(crm_deal: CrmDeal, said: Said) -> Deal:
    """The conversations of a deal in order, of very many the newest. Raises InputError where they are too long together."""
    ordered = sorted(said.conversations, key=place_in_deal)[-MOST_OF_A_DEAL:]
    return deal_of(crm_deal.deal_id, [_open(one, crm_deal) for one in ordered])


def read_sha256(deal: Deal, version: str) -> str:
    """Of all that a score is made of: the words in their order, what the CRM knows, and the model."""
    parts = [_LAYOUT, version, *(repr(place_in_deal(one)) for one in deal.conversations)]
    return hashlib.sha256("\n".join(parts).encode("utf-8", "replace")).hexdigest()


def score(sources: Sources, deal: Deal, model_type: str) -> Score:
    """Raises UnavailableError where a model or what finds signals can't be used."""
    response = answer_deal(sources, deal, (), model_type)
    return Score(
        read_sha256(deal, version_of(response)), response, stored_of(deal), ReadDeal(deal, reading_of(response))
    )


def version_of(response: DealResponse) -> str:
    """Model and version, as `read_sha256` takes them."""
    return f"{response.model_used} {response.model_version}"


def note_of(response: DealResponse, standing: Standing) -> list[str]:
    """The note as paragraphs, of which the first begins with NOTE_BEGINS."""
    return [f"{NOTE_BEGINS}: {_figures(standing)}.", *_reasons(response), *_doubts(response), _ABOUT]


def _figures(standing: Standing) -> str:
    since = "" if standing.change is None else f", {100 * standing.change:+.1f} points since the last time"
    return f"{100 * standing.probability:.1f} %, band {standing.band}{since}"


def _reasons(response: DealResponse) -> Iterator[str]:
    strongest = sorted(response.signals, key=lambda signal: -signal.strength)
    for title, polarity in (("For it", "positive"), ("Against it", "negative")):
        found = [_quote(signal) for signal in strongest if signal.polarity == polarity][:MOST_QUOTES]
        if found:
            yield f"{title}: {'; '.join(found)}"
    moved = response.moved_most
    told = [
        one for one in moved.evidence if not is_courtesy(one.sentence) and one.effect * (moved.change or one.effect) > 0
    ]
    said = [f"“{shortened(one.sentence)}”" for one in told[:MOST_QUOTES]]
    if said and len(response.after) > 1:
        when = f" of {moved.date[:10]}" if moved.date else ""
        yield f"Moved it most: the conversation{when}, {_points(moved.change)}: {'; '.join(said)}"
    elif said:
        yield f"What weighs most in it: {'; '.join(said)}"
    if gaps := response.qualification.gaps:
        yield f"Nobody has said a word on: {', '.join(gaps)}."


def _doubts(response: DealResponse) -> Sequence[str]:
    if response.reliability == "ok":
        return []
    return [f"Don't rely on it ({response.reliability}): {' '.join(response.reliability_reasons)}"]


def _quote(signal: DatedSignal) -> str:
    who = ", ".join(filter(None, (signal.speaker, signal.date[:10] if signal.date else "")))
    words = f"{signal.name.replace('_', ' ')} “{shortened(signal.quote)}”"
    return f"{words} ({who})" if who else words


def _points(change: float | None) -> str:
    return "from the start" if change is None else f"{100 * change:+.1f} points"


def _open(conversation: Conversation, crm_deal: CrmDeal) -> Conversation:
    return conversation.model_copy(update={"deal_id": crm_deal.deal_id, "outcome": None})
