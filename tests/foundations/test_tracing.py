"""Traces: one for each request, its parts inside it, no word that somebody said, and nothing at all where they are off."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from benchmarks.running_server import free_port
from foundations.artifact_folder import ArtifactFolder
from foundations.errors import InputError
from foundations.json_log import configure_logging
from foundations.settings import load_settings
from foundations.tracing import recorded_traces, sent_traces, span
from tests.service_clients import client_for

SECRET = "Zanzibar"  # said by the customer


def _asked(root: Path, **settings: Any) -> Sequence[ReadableSpan]:
    """The spans of one prediction with everything."""
    exporter = InMemorySpanExporter()
    body = {"transcript": f"{SECRET} will sign.", "context": {"industry": SECRET}, "conversation_id": SECRET}
    wanted = dict.fromkeys(("include_analysis", "include_similar", "include_trajectory"), True)
    with recorded_traces(exporter), client_for(root, **settings) as client:  # whose end stores what is queued
        assert client.post("/predict", json=body | wanted).status_code == 200
    return exporter.get_finished_spans()


@pytest.mark.parametrize("log_mode", ["background", "durable"])
def test_the_parts_of_a_request_lie_inside_it(trained_artifacts: ArtifactFolder, tmp_path: Path, log_mode: str) -> None:
    spans = _asked(trained_artifacts.root, state=str(tmp_path), log_mode=log_mode)
    (request,) = [one for one in spans if one.name == "POST /predict"]
    assert request.attributes is not None and request.context is not None
    assert {"status": 200, "route": "/predict", "method": "POST"}.items() <= dict(request.attributes).items()
    inside = [one for one in spans if one.context and one.context.trace_id == request.context.trace_id]
    by_name = {one.name: one for one in inside}
    assert {"trajectory", "prediction", "similar_conversations", "analysis", "encode", "record"} <= set(by_name)
    for name in ("prediction", "record"):
        assert by_name[name].parent == request.context, f"{name} is a part of the request itself"
    steps = {one.context.span_id for one in inside if one.context and one.parent == request.context}
    encoded = [one for one in inside if one.name == "encode"]
    assert encoded and {one.parent.span_id for one in encoded if one.parent} <= steps
    assert any(one.name == "store" for one in spans), "the writer's thread has traces of its own"


def test_no_word_of_a_customer_is_in_a_trace(trained_artifacts: ArtifactFolder, tmp_path: Path) -> None:
    spans = _asked(trained_artifacts.root, state=str(tmp_path))
    assert spans
    assert not [one.to_json() for one in spans if SECRET in one.to_json()]


def test_an_exception_leaves_no_message() -> None:
    exporter = InMemorySpanExporter()
    with recorded_traces(exporter), pytest.raises(ValueError, match=SECRET), span("prediction"):
        raise ValueError(SECRET)
    (failed,) = exporter.get_finished_spans()
    assert SECRET not in failed.to_json()


def test_where_they_are_off_nothing_is_made_and_nothing_imported() -> None:
    assert span("one") is span("other", texts=3), "no object for each"
    with span("one") as current:
        assert current is None
    code = (
        "import sys\nimport deployment_system\nfrom foundations.tracing import sent_traces\n"
        "with sent_traces(''): print(*[name for name in sys.modules if name.startswith('opentelemetry.sdk')])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == ""


def test_spans_go_to_the_named_address_and_stop_with_the_block() -> None:
    posted: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sent_traces(f"http://127.0.0.1:{server.server_port}/v1/traces"), span("prediction", texts=3):
        pass
    server.shutdown()
    ((path, body),) = posted
    assert path == "/v1/traces" and b"prediction" in body
    assert span("one") is span("other"), "off again"


def test_a_collector_that_is_away_harms_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info")
    started = time.monotonic()
    with sent_traces(f"http://127.0.0.1:{free_port()}/v1/traces"):
        for _ in range(10):
            with span("prediction"):
                pass
        assert time.monotonic() - started < 5, "spans are sent by a thread"
    assert time.monotonic() - started < 15, "and the end waits for them a short time only"
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert any(line["logger"].startswith("opentelemetry") for line in lines), "the log says that spans were lost"


@pytest.mark.parametrize("value", ["collector:4318", "ftp://collector/", "http://", "http://user:password@collector/"])
def test_what_is_no_address_is_refused(value: str) -> None:
    with pytest.raises(InputError, match=r"SALES_TRACES_ENDPOINT is .*: give the address of a collector"):
        load_settings(traces_endpoint=value)


def test_missing_packages_are_said_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(InputError, match=r"pip install -r requirements/tracing.txt"):
        sent_traces("http://127.0.0.1:4318/v1/traces")
