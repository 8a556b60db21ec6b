"""The webhook against a real receiver: what is sent, that it is signed, tried again and given up, and in nobody's way."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from foundations.artifact_folder import ArtifactFolder
from foundations.errors import InputError
from foundations.json_log import log
from foundations.settings import load_settings
from main import main
from prediction_log.crossings.finding import queueing
from prediction_log.crossings.queue import CrossingQueue
from prediction_log.store import PredictionStore
from prediction_log.tables.predictions import crossings
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
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
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
    assert signature(b"{}", "k", 1700000000) == "c6ef4734033cee2367414a0939385eca0397754aa7a59716da7463a9298b5146"


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
        monkeypatch.setattr(log, level, lambda event, **facts: said.append((event, facts)))
    receiver.statuses = [500]
    ends = clock.at + GIVEN_UP_AFTER + LONGEST_PAUSE
    while clock.at < ends:
        sender.send_due()
        clock.at += timedelta(minutes=10)
    assert 30 < len(receiver.received) < 70, "about ten in the first hour, then one or two an hour"
    assert store.rows(select(crossings))[0].ended == "given up"
    assert [event for event, _ in said] == ["webhook failed"] * (len(said) - 1) + ["webhook given up"]
    assert said[0][1] == {"problem": "status 500", "host": "127.0.0.1", "crossing": f"{2:032x}", "tries": 1}
    assert SECRET not in repr(said) and "hook" not in repr([facts for _, facts in said]), "a path may hold a key"


def test_a_receiver_that_does_not_speak_http_is_told_again() -> None:
    with pytest.raises(PostError, match="ConnectionRefusedError"):
        post(f"http://127.0.0.1:{_free_port()}/", b"{}", {})
    for sent, found in (
        (b"", "RemoteDisconnected|ConnectionReset"),
        (b"nonsense\r\n\r\n", "BadStatusLine"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000, "LineTooLong"),
    ):
        with _listening(sent) as url, pytest.raises(PostError, match=found):
            post(url, b"{}", {})


def test_an_answer_that_comes_byte_by_byte_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "SECONDS", 0.3)
    began = time.monotonic()
    with _listening(b"HTTP/1.1 2", endless=True) as url, pytest.raises(PostError, match="BadStatusLine"):
        post(url, b"{}", {})
    with _listening(b"HTTP/1.1 200 OK\r\nX: ", endless=True) as url:
        assert post(url, b"{}", {}) == 200, "what counts had come"
    assert time.monotonic() - began < 20, "each byte came in time, and they would have gone on"


def test_a_certificate_that_nobody_vouches_for_is_refused(receiver: Receiver) -> None:
    with pytest.raises(PostError, match="SSLError"):
        post(receiver.url.replace("http:", "https:"), b"{}", {})
    assert receiver.received == []


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@contextmanager
def _listening(sent: bytes, endless: bool = False) -> Iterator[str]:
    """A server that sends so much, then ends, or goes on with a byte now and then."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                connection.recv(65536)
                connection.sendall(sent)
                while endless:
                    connection.sendall(b"x")
                    time.sleep(0.05)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        thread.join(5)


# In the service


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "LOOK_SECONDS", 0.02)


TEXTS = ("They will sign on Friday.", "No budget, no interest, no further call.")


@pytest.fixture(scope="module")
def between(trained_artifacts: ArtifactFolder, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A line between the probabilities of TEXTS, whatever the tiny model makes of them."""
    with client_for(trained_artifacts.root, state=tmp_path_factory.mktemp("plain")) as client:
        answers = [client.post("/predict", json={"transcript": text}).json() for text in TEXTS]
    low, high = sorted(one["prediction"]["probability"] for one in answers)
    assert low < high
    return str((low + high) / 2)


def test_the_service_tells_of_a_deal_and_a_failing_receiver_is_not_its_illness(
    trained_artifacts: ArtifactFolder, tmp_path: Path, receiver: Receiver, quick: None, between: str
) -> None:
    told: dict[str, Any] = {"webhook_url": receiver.url, "webhook_secret": SECRET, "webhook_lines": between}
    with client_for(trained_artifacts.root, state=tmp_path, log_mode="durable", **told) as client:
        answers = [client.post("/predict", json={"transcript": text, "deal_id": "d-1"}).json() for text in TEXTS]
        until(lambda: len(receiver.received) == 1, 60)
        sent = json.loads(receiver.received[0][2])
        second = answers[1]
        assert (sent["id"], sent["deal_id"], sent["band"]) == (second["prediction_id"], "d-1", second["band"]["name"])
        assert sent["probability"] == second["prediction"]["probability"]
        assert sent["previous_probability"] == answers[0]["prediction"]["probability"]
        assert client.get(sent["path"]).json()["deal_id"] == "d-1"
        until(lambda: _metric(client, "sales_webhook_waiting") == 0, 60)
        failed = _metric(client, 'sales_webhook_events_total{result="failed"}')
        assert _metric(client, 'sales_webhook_events_total{result="sent"}') >= 1

        receiver.statuses = [500]
        again = client.post("/predict", json={"transcript": TEXTS[0], "deal_id": "d-1"})
        assert again.status_code == 200
        until(lambda: _metric(client, 'sales_webhook_events_total{result="failed"}') == failed + 1, 60)
        assert _metric(client, "sales_webhook_waiting") == 1
        assert client.get("/health").json()["status"] == "ok"


def _metric(client: TestClient, name: str) -> float:
    """0 where nothing was counted; counts are those of this process since it began."""
    found = [
        line.rpartition(" ")[2] for line in client.get("/metrics").text.splitlines() if line.startswith(f"{name} ")
    ]
    return float(found[0]) if found else 0.0


def test_a_receiver_that_never_answers_delays_neither_predictions_nor_the_end(
    trained_artifacts: ArtifactFolder, tmp_path: Path, quick: None, between: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posting, "SECONDS", 600.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        told: dict[str, Any] = {"webhook_url": url, "webhook_secret": SECRET, "webhook_lines": between}
        with client_for(trained_artifacts.root, state=tmp_path, log_mode="durable", **told) as client:
            for text in TEXTS:
                client.post("/predict", json={"transcript": text, "conversation_id": "c-1"})
            connection, _ = silent.accept()  # it is being told
            assert client.post("/predict", json={"transcript": TEXTS[0]}).status_code == 200
        connection.close()  # the service has ended before
    store = PredictionStore(load_settings(state=tmp_path).database)
    assert CrossingQueue(store).waiting() == 1, "the next start tells it"
    store.close()


# Settings


@pytest.mark.parametrize(
    "url",
    [
        "http://crm.example.com/hook",
        "http://192.168.1.7/hook",
        "https://user:password@crm.example.com/",
        "https:///hook",
        "ftp://crm.example.com",
        "crm.example.com",
        "https://crm.example.com/a b",
        "https://crm.example.com:port/",
        "https://crm.example.com:99999/",
        "https://crm.example.com/\r\nX: y",
        "https://crm.example.com/#part",
        "https://ümlaut.example.com/",
        "https://[::1",
    ],
)
def test_an_address_that_is_none_or_not_safe_stops_the_start_and_is_not_shown(url: str) -> None:
    with pytest.raises(InputError) as caught:
        load_settings(webhook_url=url, webhook_secret=SECRET)
    wanted = "give https://HOST/PATH without a user and a password; http:// is for this machine alone."
    assert str(caught.value) == f"The setting SALES_WEBHOOK_URL is not shown here: {wanted}"


@pytest.mark.parametrize(
    "url", ["https://crm.example.com", "https://10.0.0.7:8443/a?b=c", "http://localhost:9/x", "http://[::1]:9/x"]
)
def test_addresses_that_may_be_told(url: str) -> None:
    assert load_settings(webhook_url=url, webhook_secret=SECRET).webhook_url == url


def test_a_secret_is_needed_and_long_enough() -> None:
    for secret in (None, "short"):
        with pytest.raises(InputError) as caught:
            load_settings(webhook_url="https://crm.example.com", webhook_secret=secret)
        said = str(caught.value)
        assert said.startswith("The setting SALES_WEBHOOK_SECRET is not shown here: what is sent to SALES_WEBHOOK_URL")
        assert "at least 16 characters" in said and "short" not in said.replace("shortest", "")


@pytest.mark.parametrize(
    "lines", ["0.5,high", "0", "1", "-0.1", "nan", " , ", "0.2;0.7", ",".join(f"0.{n:03d}" for n in range(1, 22))]
)
def test_lines_that_are_none_are_quoted(lines: str) -> None:
    with pytest.raises(InputError, match="SALES_WEBHOOK_LINES is .*: give 1 to 20 probabilities between 0 and 1"):
        load_settings(webhook_lines=lines)


def test_lines_are_sorted_and_counted_once() -> None:
    assert load_settings(webhook_lines="0.7, 0.3,0.70").crossed_lines == (0.3, 0.7)
    assert load_settings().crossed_lines == (0.5,)


def test_a_wrong_address_ends_the_start_with_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("SALES_WEBHOOK_URL", "http://crm.example.com/key-of-mine")
    assert main(["--mode", "deploy", "--artifacts", str(tmp_path)]) == 2
    said = capsys.readouterr()
    assert len(said.err.splitlines()) == 1 and "SALES_WEBHOOK_URL is not shown here" in said.err
    assert "key-of-mine" not in said.out + said.err
