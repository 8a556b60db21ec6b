"""What speech-to-text engines give as JSON: every word once, with its punctuation, its voice and its time."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from conversations.conversation import Conversation
from conversations.reading.files import read_conversations
from conversations.reading.uploads import uploaded_transcript
from foundations.errors import InputError
from tests.conversations.formats.damage import WRONG, damaged

DATA = Path(__file__).parents[3] / "data" / "speech"
ASKED, AGREED = "Did you see the quote? It came on Monday.", "Yes, finance signed it off."
SAMPLES = {
    "whisper": ("", ""),
    "whisperx": ("speaker_00", "speaker_01"),
    "faster_whisper": ("", ""),
    "whisper_cpp": ("", ""),
    "assemblyai": ("speaker a", "speaker b"),
    "deepgram": ("speaker 0", "speaker 1"),
    "transcribe": ("spk_0", "spk_1"),
    "call_analytics": ("seller", "customer"),
    "rev": ("speaker 0", "speaker 1"),
    "google": ("speaker 1", "speaker 2"),
    "azure": ("speaker 1", "speaker 2"),
    "speechmatics": ("speaker s1", "speaker s2"),
    "elevenlabs": ("speaker_0", "speaker_1"),
    "gladia": ("speaker 0", "speaker 1"),
}


def read(folder: Path, content: Any) -> list[Conversation]:
    path = folder / "call.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return read_conversations(path)


def said_by(conversation: Conversation) -> list[tuple[str, str]]:
    return [(turn.speaker, turn.text) for turn in conversation.turns or []]


@pytest.mark.parametrize("name", SAMPLES)
def test_every_word_once_with_its_voice_and_its_time(name: str) -> None:
    (call,) = read_conversations(DATA / f"{name}.json")
    (seller, customer) = SAMPLES[name]
    if seller == customer:
        assert said_by(call) == [("", f"{ASKED} {AGREED}")]
    else:
        assert said_by(call) == [(seller, ASKED), (customer, AGREED)]
    turns = call.turns or []
    assert turns[0].start == pytest.approx(0.5) and turns[-1].end == pytest.approx(6.0)
    assert call.outcome is None


def test_there_is_a_sample_of_every_engine_and_all_can_be_uploaded() -> None:
    samples = sorted(DATA.glob("*.json"))
    assert [path.stem for path in samples] == sorted(SAMPLES)
    for path in samples:
        assert len(uploaded_transcript(path.read_bytes(), path.name)) == 1


def test_a_file_without_an_id_is_named_after_itself_and_lines_are_not(tmp_path: Path) -> None:
    assert read_conversations(DATA / "whisper.json")[0].conversation_id == "whisper"
    assert read_conversations(DATA / "transcribe.json")[0].conversation_id == "discovery-call"
    line = json.dumps(json.loads((DATA / "whisper.json").read_text()))
    (tmp_path / "calls.jsonl").write_text(f"{line}\n{line}\n")
    assert [one.conversation_id for one in read_conversations(tmp_path / "calls.jsonl")] == ["row-1", "row-2"]


def test_where_no_voices_were_told_apart_it_is_said(caplog: pytest.LogCaptureFixture) -> None:
    read_conversations(DATA / "whisper.json")
    assert "in 1 of 1 calls nobody is named as speaking" in caplog.text
    caplog.clear()
    read_conversations(DATA / "faster_whisper.json")
    assert "in 1 of 1 calls nobody is named as speaking" in caplog.text
    caplog.clear()
    read_conversations(DATA / "whisperx.json")
    assert not caplog.text


# ------------------------------------------------------------------------------------------------------- each engine


def test_a_whisper_segment_list_with_something_else_in_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"item 2: a segment has 'start', 'end' \(seconds\) and 'text', not \(an object of 1\)"
    ):
        read(tmp_path, [{"start": 0.0, "end": 1.0, "text": "Hi"}, {"text": "Ho"}])


def test_a_last_segment_without_an_end_and_a_voice_that_could_not_be_told(tmp_path: Path) -> None:
    segments = [
        {"start": 0.0, "end": 1.0, "text": "Hi.", "speaker": "?"},
        {"start": 1.0, "end": None, "text": "Ho.", "speaker": 1},
    ]
    assert said_by(read(tmp_path, {"segments": segments})[0]) == [("", "Hi."), ("speaker 1", "Ho.")]
    assert said_by(read(tmp_path, segments)[0]) == [("", "Hi."), ("speaker 1", "Ho.")]


def test_a_pipeline_s_chunks_with_and_without_voices(tmp_path: Path) -> None:
    chunks: list[dict[str, Any]] = [
        {"text": " Hi.", "timestamp": [0.0, 1.5]},
        {"text": " Ho.", "timestamp": [1.5, None]},
    ]
    (call,) = read(tmp_path, {"text": " Hi. Ho.", "chunks": chunks})
    assert [(turn.text, turn.start, turn.end) for turn in call.turns or []] == [("Hi. Ho.", 0.0, 1.5)]
    speakers = [{**chunk, "speaker": f"SPEAKER_0{n}"} for n, chunk in enumerate(chunks)]
    (call,) = read(tmp_path, {"text": " Hi. Ho.", "chunks": chunks, "speakers": speakers})
    assert said_by(call) == [("speaker_00", "Hi."), ("speaker_01", "Ho.")]


@pytest.mark.parametrize("status", ["queued", "processing", "error"])
def test_an_assemblyai_transcript_that_is_not_finished_is_told_of(tmp_path: Path, status: str) -> None:
    with pytest.raises(InputError, match=f"AssemblyAI with the status '{status}'; fetch it again"):
        read(tmp_path, {"id": "t", "status": status, "audio_url": "a", "text": None, "utterances": None})


def test_assemblyai_without_voices_and_by_channel(tmp_path: Path) -> None:
    base = {"id": "t", "status": "completed", "audio_url": "a", "text": "Hi there."}
    words = [
        {"text": "Hi", "start": 100, "end": 300, "speaker": None},
        {"text": "there.", "start": 300, "end": 500, "speaker": None},
    ]
    (call,) = read(tmp_path, {**base, "utterances": None, "words": words})
    assert [(turn.speaker, turn.text, turn.start) for turn in call.turns or []] == [("", "Hi there.", 0.1)]
    for name in ("sentences", "paragraphs"):
        said = [{"text": "Hi there.", "start": 100, "end": 500, "words": words, "speaker": "A"}]
        assert said_by(read(tmp_path, {name: said, "id": "t", "confidence": 0.9})[0]) == [("speaker a", "Hi there.")]
    utterances = [{"channel": str(n), "speaker": None, "text": f"Word {n}.", "start": n, "end": n} for n in (2, 1)]
    (call,) = read(tmp_path, {**base, "utterances": utterances, "words": words})
    assert said_by(call) == [("channel 1", "Word 1."), ("channel 2", "Word 2.")]


def deepgram_words(*said: tuple[str, float, int | None]) -> list[dict[str, Any]]:
    return [
        {"word": text.strip(".,?").lower(), "punctuated_word": text, "start": at, "end": at + 0.2}
        | ({} if speaker is None else {"speaker": speaker})
        for text, at, speaker in said
    ]


def test_deepgram_by_words_by_channels_and_by_utterances(tmp_path: Path) -> None:
    words = deepgram_words(("Hi,", 0.0, 0), ("Ann.", 0.3, 0), ("Hello.", 0.6, 1))
    heard = {"transcript": "Hi, Ann. Hello.", "words": words}
    results = {"channels": [{"alternatives": [heard, {**heard, "transcript": "High and low."}]}]}
    (call,) = read(tmp_path, {"metadata": {"request_id": "r", "created": "2024-03-14T10:30:00Z"}, "results": results})
    assert said_by(call) == [("speaker 0", "Hi, Ann."), ("speaker 1", "Hello.")]
    assert (call.conversation_id, (call.model_extra or {})["date"]) == ("r", "2024-03-14T10:30:00Z")
    sides = [[("Hi.", 0.0, None), ("Good.", 5.0, None)], [("Hello.", 2.0, None)]]
    channels = [{"alternatives": [{"transcript": "x", "words": deepgram_words(*side)}]} for side in sides]
    (call,) = read(tmp_path, {"metadata": {}, "results": {"channels": channels}})
    assert said_by(call) == [("channel 0", "Hi."), ("channel 1", "Hello."), ("channel 0", "Good.")]
    utterances = [{"transcript": "Hi.", "start": 0, "end": 1, "channel": 0, "speaker": 3}]
    (call,) = read(tmp_path, {"results": {**results, "utterances": utterances}})
    assert said_by(call) == [("speaker 3", "Hi.")]


def transcribe(**results: Any) -> dict[str, Any]:
    items: list[dict[str, Any]] = [
        {"type": "pronunciation", "start_time": str(n), "end_time": f"{n}.5", "alternatives": [{"content": text}]}
        for n, text in enumerate(["Hi", "Hello"])
    ]
    stop: dict[str, Any] = {"type": "punctuation", "alternatives": [{"content": "."}]}
    items = [items[0], stop, items[1], stop]
    whole: dict[str, Any] = {"transcripts": [{"transcript": "Hi. Hello."}], "items": items}
    return {"jobName": "j", "accountId": "1", "status": "COMPLETED", "results": {**whole, **results}}


def test_transcribe_with_speakers_in_segments_alone_by_channel_and_without_any(tmp_path: Path) -> None:
    segments = [
        {
            "speaker_label": f"spk_{n}",
            "start_time": str(n),
            "end_time": f"{n}.5",
            "items": [{"start_time": str(n), "speaker_label": f"spk_{n}"}],
        }
        for n in range(2)
    ]
    (call,) = read(tmp_path, transcribe(speaker_labels={"speakers": 2, "segments": segments}))
    assert said_by(call) == [("spk_0", "Hi."), ("spk_1", "Hello.")]
    items = transcribe()["results"]["items"]
    channels = [{"channel_label": "ch_1", "items": items[2:]}, {"channel_label": "ch_0", "items": items[:2]}]
    (call,) = read(tmp_path, transcribe(channel_labels={"number_of_channels": 2, "channels": channels}))
    assert said_by(call) == [("ch_0", "Hi."), ("ch_1", "Hello.")]
    (call,) = read(tmp_path, transcribe())
    assert said_by(call) == [("", "Hi. Hello.")]


def test_contact_lens_says_roles_apart_from_what_was_said(tmp_path: Path) -> None:
    people = [
        {"ParticipantId": "p1", "ParticipantRole": "CUSTOMER"},
        {"ParticipantId": "p2", "ParticipantRole": "AGENT"},
    ]
    said = [
        {
            "ParticipantId": "p2",
            "Content": "Hi.",
            "BeginOffsetMillis": 0,
            "EndOffsetMillis": 900,
            "Sentiment": "POSITIVE",
        },
        {"ParticipantId": "p1", "Content": "Hello.", "BeginOffsetMillis": 1000, "EndOffsetMillis": 1900},
    ]
    (call,) = read(
        tmp_path,
        {"Channel": "VOICE", "Participants": people, "Transcript": said, "CustomerMetadata": {"ContactId": "c-1"}},
    )
    assert (said_by(call), call.conversation_id) == ([("seller", "Hi."), ("customer", "Hello.")], "c-1")


def test_google_s_last_result_says_all_again_only_where_it_does(tmp_path: Path) -> None:
    def result(*words: tuple[str, int], tag: str = "speakerTag") -> dict[str, Any]:
        said = [{"word": text, "startTime": f"{at}s", "endTime": f"{at}.400s", tag: 1 + at % 2} for text, at in words]
        return {"alternatives": [{"transcript": " ".join(text for text, _ in words), "words": said}]}

    (call,) = read(
        tmp_path, {"results": [result(("Hi.", 0)), result(("Hello.", 1)), result(("Hi.", 0), ("Hello.", 1))]}
    )
    assert said_by(call) == [("speaker 1", "Hi."), ("speaker 2", "Hello.")]
    (call,) = read(
        tmp_path, {"name": "1", "done": True, "response": {"results": [result(("Hi.", 0)), result(("Hello.", 1))]}}
    )
    assert said_by(call) == [("speaker 1", "Hi."), ("speaker 2", "Hello.")]
    (call,) = read(tmp_path, {"results": [result(*[("Hi.", 0), ("Hello.", 1), ("Yes.", 2)][:n]) for n in (1, 2, 3)]})
    assert [text for _, text in said_by(call)] == ["Hi.", "Hello.", "Yes."]
    channels = [{**result(("Hi.", 0)), "channelTag": 1}, {**result(("Hello.", 0), ("Yes.", 1)), "channelTag": 2}]
    assert {speaker for speaker, _ in said_by(read(tmp_path, {"results": channels})[0])} == {"channel 1", "channel 2"}
    plain = [{"alternatives": [{"transcript": text}, {"transcript": "wrong"}]} for text in ("hi there", "how are you")]
    (call,) = read(tmp_path, {"results": plain})
    assert said_by(call) == [("", "hi there how are you")]


def test_azure_s_fast_transcription_and_channels(tmp_path: Path) -> None:
    phrases = [
        {"channel": n, "offsetMilliseconds": 1000 * n, "durationMilliseconds": 900, "text": text, "locale": "en-US"}
        for n, text in enumerate(["Hi.", "Hello."])
    ]
    (call,) = read(
        tmp_path, {"durationMilliseconds": 2000, "combinedPhrases": [{"text": "Hi. Hello."}], "phrases": phrases}
    )
    assert said_by(call) == [("channel 0", "Hi."), ("channel 1", "Hello.")]
    assert [(turn.start, turn.end) for turn in call.turns or []] == [(0.0, 0.9), (1.0, 1.9)]


def test_rev_s_own_names_of_speakers(tmp_path: Path) -> None:
    elements = [{"type": "text", "value": "Hi"}, {"type": "punct", "value": " "}, {"type": "text", "value": "Ann"}]
    transcript = {"speakers": [{"id": 0, "name": "Jane Doe"}], "monologues": [{"speaker": 0, "elements": elements}]}
    assert said_by(read(tmp_path, transcript)[0]) == [("jane doe", "Hi Ann")]


def test_an_answer_with_words_and_no_segments_keeps_its_text_s_punctuation(tmp_path: Path) -> None:
    words = [{"word": "Hi", "start": 0.0, "end": 0.5}, {"word": "Ann", "start": 0.5, "end": 1.0}]
    (call,) = read(tmp_path, {"task": "transcribe", "duration": 1.0, "text": "Hi, Ann!", "words": words})
    assert [(turn.text, turn.start, turn.end) for turn in call.turns or []] == [("Hi, Ann!", 0.0, 1.0)]


def test_words_of_a_language_without_spaces_stand_close(tmp_path: Path) -> None:
    items = [{"type": "pronunciation", "alternatives": [{"content": text}]} for text in ("今日", "は", "OK", "です")]
    items.append({"type": "punctuation", "alternatives": [{"content": "。"}]})
    (call,) = read(tmp_path, {"results": {"transcripts": [], "items": items}})
    assert said_by(call) == [("", "今日は OK です。")]


@pytest.mark.parametrize("name", SAMPLES)
def test_damaged_answers_are_conversations_or_one_sentence(name: str, tmp_path: Path) -> None:
    """Each value of a sample in turn is replaced by a wrong one: no crash."""
    sample = json.loads((DATA / f"{name}.json").read_text())
    for wrong in WRONG:
        for answer in damaged(sample, wrong):
            with contextlib.suppress(InputError):
                assert all(call.turns or call.transcript for call in read(tmp_path, answer))
