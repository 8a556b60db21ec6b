"""What a recording is, how it is decoded, why it can't be heard; and a call on one channel that is, voice for voice."""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from benchmarks.hearing.spoken_calls import plain_words, word_errors
from conversations.formats.notices import gathered_notices
from conversations.hearing import decoding, weights
from conversations.hearing.containers import container_of
from conversations.hearing.decoding import RATE, Samples, decoded, spoken_time
from conversations.hearing.progress import told_how_far
from conversations.reading.files import parse_conversations
from conversations.reading.uploads import uploaded_recording, uploaded_records
from foundations.errors import InputError, UnavailableError
from foundations.long_work import GivenUpError
from tests.conversations.hearing.recordings import SAMPLE, needs_packages, silence, wav

HERE = Path("call.wav")
BEGINNINGS = {
    b"ID3\x04\x00\x00\x00\x00\x00\x00\x00\x00": "MP3",
    b"\xff\xfb\x90\x64\x00\x00\x00\x00\x00\x00\x00\x00": "MP3",
    b"RIFF\x24\x08\x00\x00WAVE": "WAV",
    b"\x00\x00\x00\x20ftypM4A ": "MP4 or M4A",
    b"\x00\x00\x00\x18ftypisom": "MP4 or M4A",
    b"\x1a\x45\xdf\xa3\x01\x00\x00\x00\x00\x00\x00\x00": "WebM or Matroska",
    b"OggS\x00\x02\x00\x00\x00\x00\x00\x00": "Ogg",
    b"fLaC\x00\x00\x00\x22\x00\x00\x00\x00": "FLAC",
}
NONE = (b"", b"RIFF\x24\x08\x00\x00WEBP", b"\x00\x00\x00\x20ftypheic", b"Agent: Hello", b'{"turns": []}')


def samples_of(data: bytes, path: Path) -> Samples:
    container = container_of(data)
    assert container is not None
    return decoded(data, container, path)


@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_a_recording_is_known_by_its_first_bytes(beginning: bytes) -> None:
    container = container_of(beginning)
    assert container is not None and container.title == BEGINNINGS[beginning]


@pytest.mark.parametrize("data", NONE)
def test_other_files_are_no_recordings(data: bytes) -> None:
    assert container_of(data) is None
    with pytest.raises(InputError, match=r"x\.txt is no recording that is known; give WAV, MP3"):
        uploaded_recording(data, "x.txt")


def test_a_request_does_not_wait_until_a_recording_is_heard() -> None:
    with pytest.raises(InputError, match=r"call\.wav is a recording, .+ POST /recordings takes it"):
        uploaded_records(silence(1), "C:\\calls\\call.wav")


def test_without_the_packages_it_says_how_they_are_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "find_spec", lambda name: None if name == "av" else find_spec(name))
    with pytest.raises(UnavailableError) as caught:
        parse_conversations(silence(1), HERE)
    assert str(caught.value) == (
        "call.wav is a recording, WAV: recordings need the package 'av': pip install --require-hashes --no-deps -r "
        "requirements/locked/audio.txt -r requirements/voices.txt; or give its transcript."
    )


@needs_packages
def test_a_folder_without_a_speech_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.bin").touch()
    with pytest.raises(
        UnavailableError, match=r"has no config\.json; give a folder with Whisper in CTranslate2's form"
    ):
        weights.check_can_hear(tmp_path)


@needs_packages
def test_weights_that_were_changed_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "MODEL_SHA256", hashlib.sha256(b"another").hexdigest())
    with pytest.raises(UnavailableError, match=r"model\.bin have the SHA-256 d01c3014881c9c6f…, not "):
        weights.whisper.__wrapped__()


def test_times_are_written_as_people_do() -> None:
    assert [spoken_time(seconds) for seconds in (5, 65.9, 3665)] == ["0:05", "1:05", "1:01:05"]


# Decoding


@needs_packages
def test_samples_come_as_they_were_sent_and_at_one_rate() -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(8000) / 8000) * 10_000
    data = wav(np.stack([tone, tone / 2], axis=1))
    samples = samples_of(data, HERE)
    assert samples.dtype == np.int16 and samples.shape[1] == 2
    assert len(samples) == pytest.approx(RATE, abs=64)
    middle = samples[4000:12_000].astype(float)
    assert np.abs(middle).max(axis=0) == pytest.approx([10_000, 5_000], rel=0.01)
    six = wav(np.stack([tone] * 6, axis=1))
    assert samples_of(six, HERE).shape[1] == 1, "more than two channels become one"


BROKEN = {
    "cut off in its head": (silence(1)[:20], "is a broken or empty WAV recording: it can't be decoded"),
    "no sound": (wav(np.zeros(0)), "is a broken or empty WAV recording"),
    "a moment": (wav(np.zeros(800)), "it has 0.1 seconds of sound; export it anew."),
    "noise that calls itself MP3": (b"ID3\x04" + bytes(range(256)) * 40, "is a broken or empty MP3 recording"),
    "a list of other files": (
        b"RIFF\x00\x00\x00\x00WAVEffconcat version 1.0\nfile /etc/passwd\n",
        "broken or empty WAV",
    ),
}


@needs_packages
@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_recording_is_told_in_a_sentence(kind: str) -> None:
    data, told = BROKEN[kind]
    with pytest.raises(InputError) as caught:
        parse_conversations(data, HERE)
    assert str(caught.value).startswith("call.wav is") and told in str(caught.value)
    assert "Errno" not in str(caught.value) and "\n" not in str(caught.value)


@needs_packages
def test_one_that_is_too_long_is_refused_before_it_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "LONGEST_HOURS", 1 / 3600)
    data = silence(2)
    with pytest.raises(InputError, match="the longest that is read; cut it into its calls"):
        samples_of(data, HERE)


@needs_packages
def test_one_that_breaks_off_is_read_so_far_and_told_of() -> None:
    data = SAMPLE.read_bytes()[:60_000]
    damaged = data[:40_000] + bytes(2_000) + data[42_000:]
    with gathered_notices():
        samples = samples_of(damaged, Path("call.ogg"))
    assert 5 * RATE < len(samples) < 24 * RATE


# Hearing


def test_word_errors_are_counted_as_levenshtein_did() -> None:
    """One replaced, one left out, one added."""
    assert word_errors("we sign the contract on friday".split(), "we sign a contract friday then".split()) == 3
    assert word_errors([], ["a", "b"]) == word_errors(["a", "b"], []) == 2
    assert plain_words("Well-kept, it's YOURS!") == ["well", "kept", "its", "yours"]


@needs_packages
def test_two_voices_on_one_channel_are_told_apart_and_named() -> None:
    """The sample's first 13 seconds as one channel: a man asks, a woman answers."""
    pytest.importorskip("torch", reason="telling voices apart needs PyTorch")
    if weights.voices_file() is None:
        pytest.skip(weights.HOW_TO_INSTALL)
    stereo = samples_of(SAMPLE.read_bytes(), SAMPLE)[: 13 * RATE]
    shares: list[float | None] = []
    with gathered_notices() as notices, told_how_far(lambda path, share: shares.append(share)):
        (call,) = parse_conversations(wav(stereo.sum(axis=1).clip(-32768, 32767), RATE), HERE)
    turns = call.turns or []
    assert [turn.name for turn in turns] == ["Speaker 1", "Speaker 2"]
    assert any("told apart by their sound, which is experimental" in sentence for sentence in notices)
    assert call.conversation_id == "call"
    assert call.model_extra == {"recording_seconds": 13.0, "recording_language": "en"}
    assert "brightwater" in plain_words(turns[0].text) or "figures" in plain_words(turns[0].text)
    numbers = [share for share in shares if share is not None]
    assert shares[0] == 0.0 and shares[-1] is None and numbers == sorted(numbers)


@needs_packages
def test_where_nobody_speaks_that_is_said() -> None:
    with pytest.raises(InputError, match=r"call\.wav is a recording of 0:02 in which nobody is heard to speak"):
        parse_conversations(silence(2), HERE)


@needs_packages
def test_hearing_ends_when_nobody_waits_any_more() -> None:
    def gone(path: Path, share: float | None) -> None:
        raise GivenUpError

    with told_how_far(gone), pytest.raises(GivenUpError):
        parse_conversations(silence(2), HERE)
