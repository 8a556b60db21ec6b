"""Reads Deepgram's answer: utterances where they were asked for, else each channel's paragraphs, else its words.

Of several alternatives the first is what was heard. Where each side has a channel of its own, channels are the speakers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from conversations.clock import seconds_of
from conversations.dates import iso_date
from conversations.formats.fields import in_order_of_time, object_or_empty, objects_in, text_or_empty, without_none
from conversations.formats.kinds import DocumentFormat, Placed
from conversations.formats.speech.words import Word, channel_name, spoken_words, voice_name
from conversations.formats.turns import Spoken, merged_turns


def is_deepgram(record: Mapping[str, Any]) -> bool:
    """Whether it is the answer for a whole recording."""
    channels = object_or_empty(record.get("results")).get("channels")
    return isinstance(channels, list) and all("alternatives" in channel for channel in objects_in(channels))


def _records(answer: Mapping[str, Any], where: str) -> Iterator[Placed]:
    results, metadata = answer["results"], object_or_empty(answer.get("metadata"))
    channels = objects_in(results["channels"])
    utterances = objects_in(results.get("utterances"))
    if utterances:
        spoken = [
            _passage(one, one.get("transcript"), one.get("channel") if len(channels) > 1 else None)
            for one in utterances
        ]
    else:
        heard = [next(iter(objects_in(channel["alternatives"])), {}) for channel in channels]
        spoken = [one for n, best in enumerate(heard) for one in _of_channel(best, n if len(heard) > 1 else None)]
    yield (
        where,
        without_none(
            {
                "conversation_id": text_or_empty(metadata.get("request_id")),
                "turns": merged_turns(in_order_of_time(spoken)),
                "date": iso_date(metadata.get("created")),
            }
        ),
    )


def _of_channel(best: Mapping[str, Any], channel: int | None) -> Sequence[Spoken]:
    """What was said in a channel. channel: its number where there are several."""
    if paragraphs := objects_in(object_or_empty(best.get("paragraphs")).get("paragraphs")):
        return [
            _passage({**sentence, "speaker": paragraph.get("speaker")}, sentence.get("text"), channel)
            for paragraph in paragraphs
            for sentence in objects_in(paragraph.get("sentences"))
        ]
    if words := objects_in(best.get("words")):
        said = [_passage(word, word.get("punctuated_word") or word.get("word"), channel) for word in words]
        return spoken_words(Word(one.text, one.name, one.start, one.end) for one in said)
    return [_passage({}, best.get("transcript"), channel)]


def _passage(one: Mapping[str, Any], text: Any, channel: Any) -> Spoken:
    name = voice_name(one.get("speaker")) if channel is None else channel_name(channel)
    return Spoken(name, text_or_empty(text), "", seconds_of(one.get("start")), seconds_of(one.get("end")))


FORMAT = DocumentFormat("Deepgram", is_deepgram, _records)
