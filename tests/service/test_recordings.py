"""Recordings by HTTP: taken at once, heard by a process of its own, known to their sender alone, and not kept."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from conversations.formats.options import ReadingOptions
from conversations.hearing import weights
from foundations.artifact_folder import ArtifactFolder
from service.recordings.line import MOST_OF_A_CALLER, Hearing, Line
from service.recordings.process import hear_all
from tests.conversations.hearing.recordings import needs_packages, silence
from tests.service_clients import client_for, error_of

KEYS = "admin:admin-key-of-this-test,predict:key-of-one-client,predict:key-of-another-client,read:key-of-some-reader"
BROKEN = b"ID3\x04" + bytes(3000)
WAIT_SECONDS = 120


def as_(key: str) -> dict[str, str]:
    return {"X-API-Key": key}


ONE, ANOTHER = as_("key-of-one-client"), as_("key-of-another-client")


@pytest.fixture(scope="module")
def client(trained_artifacts: ArtifactFolder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    state = tmp_path_factory.mktemp("state")
    with client_for(trained_artifacts.root, state=state, api_keys=KEYS, max_recording_bytes=50_000) as found:
        yield found


@pytest.fixture
def quiet(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> Hearing:
    """Nobody hears: what is sent waits."""
    monkeypatch.setattr(Hearing, "look", lambda hearing: None)
    hearing: Hearing = client.app.state.service.hearing  # type: ignore[attr-defined]
    hearing.close()  # it may still wait for more to hear
    for entry in hearing.line.entries():
        hearing.line.delete(entry.id)
    return hearing


def _files(hearing: Hearing) -> list[str]:
    folder = hearing.line.sound("x").parent
    return sorted(path.name for path in folder.iterdir() if path.name != "lock")


def _ended(client: TestClient, place: str) -> dict[str, Any]:
    deadline = time.monotonic() + WAIT_SECONDS
    while (found := client.get(place, headers=ONE).json())["state"] in ("waiting", "hearing"):
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    return dict(found)


@needs_packages
def test_a_recording_is_taken_at_once_and_heard_beside(client: TestClient) -> None:
    answer = client.post("/recordings?name=call.mp3", content=BROKEN, headers=ONE)
    assert answer.status_code == 202 and answer.headers["Location"] == f"/recordings/{answer.json()['id']}"
    found = _ended(client, answer.headers["Location"])
    assert found["state"] == "failed" and found["conversations"] is None
    assert found["problem"].startswith("call.mp3 is a broken or empty MP3 recording")
    hearing: Hearing = client.app.state.service.hearing  # type: ignore[attr-defined]
    assert not hearing.line.sound(found["id"]).exists(), "the sound is deleted"
    assert client.delete(answer.headers["Location"], headers=ONE).json() == {"id": found["id"]}
    error_of(client.get(answer.headers["Location"], headers=ONE), 404, "unknown_recording")


@needs_packages
def test_what_is_no_recording_is_refused_and_leaves_nothing(client: TestClient, quiet: Hearing) -> None:
    for content in (b"Agent: Hello", b"", b"RIFF"):
        said = error_of(client.post("/recordings?name=a.wav", content=content, headers=ONE), 422, "invalid_request")
        assert said.startswith("a.wav is no recording that is known; give WAV, MP3")
    assert _files(quiet) == []


@needs_packages
def test_a_recording_may_be_as_large_as_the_setting_says(client: TestClient, quiet: Hearing) -> None:
    too_large = client.post("/recordings", content=silence(1) + bytes(50_000), headers=ONE)
    assert "50,000 bytes" in error_of(too_large, 413, "too_large")
    assert _files(quiet) == []


@needs_packages
def test_only_its_sender_knows_a_recording(client: TestClient, quiet: Hearing) -> None:
    place = client.post("/recordings", content=silence(1), headers=ONE).headers["Location"]
    assert client.get(place, headers=ONE).json()["state"] == "waiting"
    error_of(client.get(place, headers=ANOTHER), 404, "unknown_recording")
    error_of(client.delete(place, headers=ANOTHER), 404, "unknown_recording")
    error_of(client.get(place, headers=as_("key-of-some-reader")), 403, "forbidden")
    error_of(client.get("/recordings/..%2Flock", headers=ONE), 404, "not_found")
    error_of(client.get(f"/recordings/{'0' * 32}", headers=ONE), 404, "unknown_recording")
    assert client.delete(place, headers=ONE).status_code == 200
    assert _files(quiet) == []


@needs_packages
def test_nobody_fills_the_line(client: TestClient, quiet: Hearing) -> None:
    places = [
        client.post("/recordings", content=silence(0.5), headers=ONE).json()["before"] for _ in range(MOST_OF_A_CALLER)
    ]
    assert places == list(range(MOST_OF_A_CALLER))
    refused = client.post("/recordings", content=silence(0.5), headers=ONE)
    assert f"{MOST_OF_A_CALLER} of them yours" in error_of(refused, 503, "too_many_recordings")
    assert refused.headers["Retry-After"]
    assert client.post("/recordings", content=silence(0.5), headers=ANOTHER).status_code == 202


def test_without_the_packages_it_says_so(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "find_spec", lambda name: None)
    answer = client.post("/recordings", content=silence(1), headers=ONE)
    assert answer.status_code == 503
    assert "This service can't hear: recordings need the package 'faster_whisper'" in answer.json()["error"]["message"]


# The line, and who hears


def _waiting(line: Line, content: bytes, **known: Any) -> str:
    entry = line.new("somebody", "call.wav").model_copy(update=known)
    line.sound(entry.id).write_bytes(content)
    line.join(entry)
    return entry.id


@needs_packages
def test_one_that_ends_its_process_twice_is_given_up_and_the_next_is_heard(tmp_path: Path) -> None:
    line = Line(tmp_path)
    first = _waiting(line, silence(1), tries=2, state="hearing")
    second = _waiting(line, BROKEN)
    hear_all(line, ReadingOptions(), idle_seconds=0.01)
    found = {entry.id: entry for entry in line.entries()}
    assert "made the program that hears it end, twice" in (found[first].problem or "")
    assert "broken or empty MP3 recording" in (found[second].problem or "")
    assert [path.suffix for path in tmp_path.iterdir()] == [".json", ".json"], "no sound is left"


def test_a_deleted_one_leaves_nothing(tmp_path: Path) -> None:
    line = Line(tmp_path)
    identifier = _waiting(line, BROKEN)
    line.sound(identifier).unlink()
    hear_all(line, ReadingOptions(), idle_seconds=0.01)
    assert list(tmp_path.iterdir()) == []


def test_words_are_kept_for_an_hour(tmp_path: Path) -> None:
    line = Line(tmp_path)
    old, new = (_waiting(line, b"", state="done", ended=now) for now in (1000.0, 1000.0 + 3600))
    line.words(old).touch()
    line.delete_old(1000.0 + 3601)
    assert [entry.id for entry in line.entries()] == [new] and not line.words(old).exists()


def test_one_process_hears_whatever_the_number_of_workers(tmp_path: Path) -> None:
    """A worker that has the lock keeps the others from starting one; it goes with its process."""
    with Line(tmp_path).hearing() as lock, Line(tmp_path).hearing() as other:
        assert lock is not None and other is None
    with Line(tmp_path).hearing() as lock:
        assert lock is not None


def test_the_process_ends_with_its_worker(tmp_path: Path) -> None:
    hearing = Hearing(tmp_path, None)
    hearing.look()
    assert hearing._process is None, "there is nothing to hear"
    _waiting(hearing.line, BROKEN)
    hearing.look()
    process = hearing._process
    assert process is not None
    with hearing.line.hearing() as lock:
        assert lock is None
    process.stdin.close()  # as when the worker dies
    assert process.wait(WAIT_SECONDS) == 0
    with hearing.line.hearing() as lock:
        assert lock is not None
