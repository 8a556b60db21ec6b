"""Reads what Google's Speech-to-Text gives, in its first and second version, with or without the operation around it.

Of several alternatives the first is what was heard. Where voices were told apart, the first version says all words once more,
with their voices, in its last result: then that one alone is taken. Results that are not final are not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from conversations.clock import seconds_of
from conversations.formats.fields import in_order_of_time, object_or_empty, objects_in, text_or_empty
from conversations.formats.kinds import DocumentFormat, Placed
from conversations.formats.speech.words import Word, channel_name, spoken_words, voice_name
from conversations.formats.turns import Spoken, merged_turns


def is_google(record: Mapping[str, Any]) -> bool:
    """Whether it is an answer with results, each with alternatives of a transcript; those of others have a type."""
    return any(_is_result(one) for one in _results(record))


def _is_result(one: Mapping[str, Any]) -> bool:
    alternatives = objects_in(one.get("alternatives"))
    return "type" not in one and any(best.keys() & {"transcript", "words"} for best in alternatives)


def _results(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    response = object_or_empty(record.get("response")) or record
    return objects_in(response.get("results"))


def _records(answer: Mapping[str, Any], where: str) -> Iterator[Placed]:
    results = [one for one in _results(answer) if _is_result(one) and _of(one, "isFinal", "is_final") is not False]
    heard = [(objects_in(one["alternatives"])[0], _of(one, "channelTag", "channel_tag")) for one in results]
    has_channels = len({text_or_empty(channel) for _, channel in heard}) > 1
    words = [objects_in(best.get("words")) for best, _ in heard]
    heard = heard[-1:] if not has_channels and _begins_again(words) else heard
    spoken = [said for best, channel in heard for said in _spoken(best, channel_name(channel) if has_channels else "")]
    yield where, {"turns": merged_turns(in_order_of_time(spoken))}


def _begins_again(words: Sequence[Sequence[Mapping[str, Any]]]) -> bool:
    """Whether the last result says the words of all others again, with their voices."""
    if len(words) < 2 or not words[-1] or not words[0]:
        return False
    first, again = (_start(said[0]) for said in (words[0], words[-1]))
    return first == again and len(words[-1]) >= max(map(len, words)) and any(map(_voice, words[-1]))


def _spoken(best: Mapping[str, Any], channel: str) -> list[Spoken]:
    words = objects_in(best.get("words"))
    if not words or not (channel or any(map(_voice, words))):
        start = _start(words[0]) if words else None
        end = _seconds(_of(words[-1], "endTime", "endOffset", "end_time", "end_offset")) if words else None
        return [Spoken(channel, text_or_empty(best.get("transcript")) or " ".join(map(_text, words)), "", start, end)]
    ends = [_seconds(_of(word, "endTime", "endOffset", "end_time", "end_offset")) for word in words]
    return spoken_words(
        Word(_text(word), channel or _voice(word), _start(word), end) for word, end in zip(words, ends, strict=True)
    )


def _text(word: Mapping[str, Any]) -> str:
    return text_or_empty(word.get("word"))


def _voice(word: Mapping[str, Any]) -> str:
    tag = _of(word, "speakerLabel", "speaker_label", "speakerTag", "speaker_tag")
    return "" if tag == 0 else voice_name(tag)  # the first version counts from 1


def _start(word: Mapping[str, Any]) -> float | None:
    return _seconds(_of(word, "startTime", "startOffset", "start_time", "start_offset"))


def _of(one: Mapping[str, Any], *names: str) -> Any:
    return next((one[name] for name in names if name in one), None)


def _seconds(value: Any) -> float | None:
    """Of "1.400s", or of {"seconds": "1", "nanos": 400000000}."""
    if isinstance(value, dict):
        whole, parts = seconds_of(value.get("seconds", 0)), value.get("nanos", 0)
        return None if whole is None or not isinstance(parts, int) else whole + parts / 1e9
    return seconds_of(value)


FORMAT = DocumentFormat("Google Speech-to-Text", is_google, _records)
