"""Reads engines that give single words, spaces and punctuation as elements: Rev.ai, Speechmatics, ElevenLabs.

OpenAI's answer with words and no segments is one of them too. Nobody's name is known, but where Rev's people wrote it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from conversations.clock import seconds_of
from conversations.dates import iso_date
from conversations.formats.fields import in_order_of_time, object_or_empty, objects_in, text_or_empty, without_none
from conversations.formats.kinds import DocumentFormat, Placed
from conversations.formats.speech.words import Word, channel_name, spoken_words, voice_name
from conversations.formats.turns import Spoken, merged_turns


def is_rev(record: Mapping[str, Any]) -> bool:
    """Whether it is a transcript of Rev.ai."""
    monologues = record.get("monologues")
    return isinstance(monologues, list) and all("elements" in one for one in objects_in(monologues))


def is_speechmatics(record: Mapping[str, Any]) -> bool:
    """Whether it is a transcript of Speechmatics, in its json-v2."""
    results = objects_in(record.get("results"))
    return bool(results) and all({"type", "start_time"} <= one.keys() for one in results)


def is_word_list(record: Mapping[str, Any]) -> bool:
    """Whether it is a text with the list of its words: ElevenLabs', or OpenAI's without segments."""
    words = objects_in(record.get("words"))
    is_other = record.keys() & {"turns", "transcript", "segments", "utterances", "status"}
    return not is_other and isinstance(record.get("text"), str) and bool(words) and all("start" in one for one in words)


def _rev_records(transcript: Mapping[str, Any], where: str) -> Iterator[Placed]:
    names = {
        text_or_empty(one.get("id")): text_or_empty(one.get("name")) for one in objects_in(transcript.get("speakers"))
    }
    spoken = []
    for monologue in objects_in(transcript["monologues"]):
        elements = objects_in(monologue["elements"])
        starts, ends = ([seconds_of(one[at]) for one in elements if one.get(at) is not None] for at in ("ts", "end_ts"))
        speaker = text_or_empty(monologue.get("speaker"))
        name = names.get(speaker) or text_or_empty(object_or_empty(monologue.get("speaker_info")).get("display_name"))
        text = "".join(_raw_text(one.get("value")) for one in elements)
        spoken.append(Spoken(name or voice_name(speaker), text, "", *(starts[:1] or [None]), *(ends[-1:] or [None])))
    yield where, {"turns": merged_turns(in_order_of_time(spoken))}


def _raw_text(value: Any) -> str:
    """A text with its spaces, which Rev.ai writes as elements of their own."""
    return value if isinstance(value, str) else ""


def _speechmatics_records(transcript: Mapping[str, Any], where: str) -> Iterator[Placed]:
    job = object_or_empty(transcript.get("job"))
    heard = [(one, next(iter(objects_in(one.get("alternatives"))), {})) for one in objects_in(transcript["results"])]
    words = [
        Word(
            text_or_empty(best.get("content")),
            channel_name(one.get("channel")) or _known_voice(best.get("speaker")),
            seconds_of(one.get("start_time")),
            seconds_of(one.get("end_time")),
            one.get("attaches_to") == "previous" or one.get("type") == "punctuation",
        )
        for one, best in heard
    ]
    yield (
        where,
        without_none(
            {
                "conversation_id": text_or_empty(job.get("id")),
                "turns": merged_turns(in_order_of_time(spoken_words(words))),
                "date": iso_date(job.get("created_at")),
            }
        ),
    )


def _known_voice(mark: Any) -> str:
    return "" if mark == "UU" else voice_name(mark)  # as Speechmatics writes a voice that it could not tell


def _word_list_records(answer: Mapping[str, Any], where: str) -> Iterator[Placed]:
    said = [one for one in objects_in(answer["words"]) if one.get("type") not in ("spacing", "audio_event")]
    words = [
        Word(
            text_or_empty(one.get("text")) or text_or_empty(one.get("word")),
            voice_name(one.get("speaker_id", one.get("speaker"))),
            seconds_of(one.get("start")),
            seconds_of(one.get("end")),
        )
        for one in said
    ]
    spoken = in_order_of_time(spoken_words(words))
    if not any(word.voice for word in words):  # then the text itself has the better spaces and punctuation
        spoken = [Spoken("", answer["text"], "", spoken[0].start, spoken[-1].end)] if spoken else []
    yield where, {"turns": merged_turns(spoken)}


FORMAT = DocumentFormat("Rev.ai", is_rev, _rev_records)
SPEECHMATICS = DocumentFormat("Speechmatics", is_speechmatics, _speechmatics_records)
WORD_LIST = DocumentFormat("a list of words", is_word_list, _word_list_records)
