"""The webhook against a real receiver: what is sent, that it is signed, tried again and given up, and in nobody's way."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from foundations.artifact_folder import ArtifactFolder
from foundations.errors import InputError
from foundations.settings import load_settings
from main import main
from prediction_log.crossings.finding import queueing
from prediction_log.crossings.queue import CrossingQueue
from prediction_log.store import PredictionStore
from prediction_log.tables import crossings
from service.webhook import post as posting
from service.webhook import sender as sending
from service.webhook.message import signature
from service.webhook.post import PostError, post
from service.webhook.sender import GIVEN_UP_AFTER, LONGEST_PAUSE, WebhookSender, pause
from tests.prediction_log.test_store import record, until
from tests.service_clients import client_for

ROOT = Path(__file__).parents[3]
SECRET = "0123456789abcdef-secret"
SAID = "They will sign the contract on Friday."


@dataclass
class Receiver:
    """A server that keeps what it is sent and answers as `statuses` says, the last of them for ever."""

    statuses: list[int] = field(default_factory=lambda: [204])
    received: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""

    def answer(self) -> int:
        return self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.received.append((self.path, dict(self.headers), body))
            self.send_response(found.answer())
            self.send_header("Location", found.url)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_port}/hook?from=sales"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield found
    server.shutdown()
    server.server_close()


class Clock:
    """A time that goes on when it is told to."""

    def __init__(self) -> None:
        self.at = datetime.now(UTC) + timedelta(minutes=1)

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def store(tmp_path: Path) -> Iterator[PredictionStore]:
    """With one score of deal "A/1 ä" that went from 0.25 to 0.75."""
    store = PredictionStore(load_settings(state=tmp_path).database, after_write=queueing([0.5]))
    for number, probability in ((1, 0.25), (2, 0.75)):
        said = {"probability": probability, "deal_id": "A/1 ä", "conversation_id": "c-1", "deal_group": "Acme Ltd"}
        store.write([record(prediction_id=f"{number:032x}", transcript=SAID, **said)])
    yield store
    store.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sender(store: PredictionStore, receiver: Receiver, clock: Clock) -> WebhookSender:
    return WebhookSender(CrossingQueue(store), receiver.url, SECRET, lambda *_: "A", clock)


def test_the_message_has_ids_and_figures_and_no_words(
    sender: WebhookSender, receiver: Receiver, store: PredictionStore
) -> None:
    sender.send_due()
    ((path, headers, body),) = receiver.received
    assert path == "/hook?from=sales"
    assert headers["Content-Type"] == "application/json"
    sent = json.loads(body)
    predicted_at = datetime.fromisoformat(sent.pop("predicted_at"))
    assert abs(predicted_at - datetime.now(UTC)) < timedelta(minutes=5)
    assert sent == {
        "id": f"{2:032x}",
        "type": "score.crossed_line",
        "deal_id": "A/1 ä",
        "conversation_id": "c-1",
        "probability": 0.75,
        "previous_probability": 0.25,
        "direction": "up",
        "lines": [0.5],
        "band": "A",
        "model": "few_shot",
        "model_version": "abc",
        "path": "/deals/A%2F1%20%C3%A4",
    }
    assert headers["X-Sales-Event"] == sent["id"]
    assert b"sign" not in body and b"Acme" not in body and b"Retail" not in body
    sender.send_due()
    assert len(receiver.received) == 1
    assert store.rows(select(crossings))[0].ended == "sent"


def test_the_receivers_code_in_the_documents_knows_the_signature(sender: WebhookSender, receiver: Receiver) -> None:
    sender.send_due()
    ((_, headers, body),) = receiver.received
    text = (ROOT / "docs" / "service.md").read_text(encoding="utf-8")
    (code,) = [block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "compare_digest" in block]
    assert len(code.splitlines()) <= 12
    names: dict[str, Any] = {}
    exec(code, names)
    is_ours, header = names["is_ours"], headers["X-Sales-Signature"]
    stamp = int(header.partition(",")[0].removeprefix("t="))
    assert is_ours(body, header, SECRET, now=stamp + 299)
    assert not is_ours(body, header, SECRET, now=stamp + 301), "too old: somebody may have kept it"
    assert not is_ours(body, header, SECRET, now=stamp - 301)
    assert not is_ours(body + b" ", header, SECRET, now=stamp)
    assert not is_ours(body, header, SECRET + "x", now=stamp)
    assert not is_ours(body, header.replace("t=", "t=1"), SECRET, now=stamp)
    for broken in ("", "t=1", "v1=00", "t=x,v1=00", "nonsense", "t=1,v1"):
        assert not is_ours(body, broken, SECRET, now=stamp), broken


def test_a_signature_by_hand() -> None:
    """HMAC-SHA256 of "1700000000.{}" with the key "k", as `openssl dgst -sha256 -hmac k` prints it."""
    assert signature(b"{}", "k", 1700000000) == "OPENSSL"


@pytest.mark.parametrize("status", [199, 301, 307, 400, 404, 410, 429, 500, 503])
def test_what_is_no_success_is_tried_again_and_no_redirect_is_followed(
    sender: WebhookSender, receiver: Receiver, clock: Clock, status: int
) -> None:
    receiver.statuses = [status, 200]
    sender.send_due()
    assert len(receiver.received) == 1
    sender.send_due()
    assert len(receiver.received) == 1, "not before its pause is over"
    clock.at += timedelta(seconds=5)
    sender.send_due()
    assert len(receiver.received) == 2
    (_, first, one), (_, second, other) = receiver.received
    assert one == other
    assert first["X-Sales-Event"] == second["X-Sales-Event"]
    assert first["X-Sales-Signature"] != second["X-Sales-Signature"], "each try has its own time"
    clock.at += timedelta(hours=2)
    sender.send_due()
    assert len(receiver.received) == 2


def test_pauses_grow_to_an_hour_and_are_spread() -> None:
    assert [pause(tries, 0.0).total_seconds() for tries in (1, 2, 3, 4)] == [5, 10, 20, 40]
    assert [pause(tries, 1.0).total_seconds() for tries in (1, 2, 3)] == [2.5, 5, 10]
    assert pause(11, 0.0) == LONGEST_PAUSE == pause(1000, 0.0)


def test_after_a_day_it_is_given_up_and_told(
    sender: WebhookSender,
    receiver: Receiver,
    clock: Clock,
    store: PredictionStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[tuple[str, dict[str, Any]]] = []
    for level in ("warning", "error"):
        monkeypatch.setattr(sending.log, level, lambda event, **facts: said.append((event, facts)))
    receiver.statuses = [500]
    ends = clock.at + GIVEN_UP_AFTER + LONGEST_PAUSE
    while clock.at < ends:
        sender.send_due()
        clock.at += timedelta(minutes=10)
    assert 30 < len(receiver.received) < 70, "about ten in the first hour, then one or two an hour"
    assert store.rows(select(crossings))[0].ended == "given up"
    assert [event for event, _ in said] == ["webhook failed"] * (len(said) - 1) + ["webhook given up"]
    assert said[0][1] == {"problem": "status 500", "host": "127.0.0.1", "event": f"{2:032x}", "tries": 1}
    assert SECRET not in repr(said) and "hook" not in repr([facts for _, facts in said]), "a path may hold a key"


def test_what_a_receiver_may_do_to_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PostError, match="ConnectionRefusedError"):
        post(f"http://127.0.0.1:{_free_port()}/", b"{}", {})
    monkeypatch.setattr(posting, "SECONDS", 0.3)
    for sent, found in (
        (b"", "RemoteDisconnected|ConnectionReset"),
        (b"nonsense\r\n\r\n", "BadStatusLine"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000, "LineTooLong"),
        (b"HTTP/1.1 200 OK\r\nX: ", "Error|Disconnected|LineTooLong|Incomplete"),  # and then a byte now and then
    ):
        with _listening(sent, endless=sent.endswith(b"X: ")) as url:
            began = time.monotonic()
            if sent.endswith(b"X: "):
                with pytest.raises(PostError):
                    post(url, b"{}", {})
                assert time.monotonic() - began < 10, "each byte came in time, but not the whole"
            else:
                with pytest.raises(PostError, match=found):
                    post(url, b"{}", {})
