"""Conversations of a deal with the signals that a test says are in them."""

from __future__ import annotations

from typing import Any

from conversations.conversation import Conversation
from deals.heard import Heard
from encoder.torch_encoder import SalesEncoder
from signals.mentions import Signal
from signals.said import said_sentences
from signals.sentences import Polarity

SIGNS: dict[str, Polarity] = {"+": "positive", "-": "negative"}


def call(encoder: SalesEncoder, day: str | None, *said: str, found: dict[str, str] | None = None, **more: Any) -> Heard:
    """A call; each of `said` is "Speaker: words". found: quotes and the signal in each, such as {"No money": "budget-"}."""
    turns = [{"speaker": who, "text": text} for who, _, text in (one.partition(": ") for one in said)]
    return _heard(encoder, {"turns": turns, "date": day, **more}, found)


def note(encoder: SalesEncoder, day: str | None, text: str, found: dict[str, str] | None = None, **more: Any) -> Heard:
    return _heard(encoder, {"transcript": text, "date": day, **more}, found)


def _heard(encoder: SalesEncoder, record: dict[str, Any], found: dict[str, str] | None) -> Heard:
    conversation = Conversation.model_validate({"conversation_id": f"c-{record['date']}", **record})
    sentences = list(said_sentences(conversation, encoder))
    left = dict(found or {})
    mentions = [
        Signal(left[quote][:-1], SIGNS[left.pop(quote)[-1]], 0.9, quote, one.speaker, one.turn, one.question)
        for one in sentences
        for quote in list(left)
        if quote in one.quote
    ]
    assert not left, f"said nowhere: {left}"
    return Heard(conversation, sentences, mentions)
