"""Proofs 1 and 8: the service keeps its OpenAPI schema, and Prometheus counts what the clients count."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.reliability.figures import Figure, Progress, Sizes
from benchmarks.running_server import ROOT, RunningServer, running_server
from benchmarks.texts import notes

WORKERS, CLIENTS = 4, 8
_KEY = "admin-of-this-benchmark"
_CASES_A_ROUTE = 25  # of the phase that makes cases at random; the others make as many as the schema has corners
_LONGEST_SECONDS = 3600
_BATCH = 3  # conversations


def schema(artifacts: Path, sizes: Sizes, progress: Progress) -> Iterator[Figure]:
    """Requests generated from the schema, right and wrong ones, with every check of schemathesis."""
    cases, server_errors, undocumented = 0, 0, 0
    failures: list[str] = []
    with running_server(artifacts, 2, SALES_API_KEYS=f"admin:{_KEY}") as server:
        for seed in range(1, 1000):
            report = _schemathesis(server, seed, min(_CASES_A_ROUTE, max(1, sizes.cases // 40)))
            cases += report["test_cases"]["generated"]
            found = [str(failure) for failure in report["failures"]]
            server_errors += sum("ServerError" in text or "not_a_server_error" in text for text in found)
            undocumented += sum("status_code_conformance" in text for text in found)
            failures += found
            progress(min(1.0, cases / sizes.cases))
            if cases >= sizes.cases:
                break
    yield Figure("generated requests", f"{cases:,}", f"≥ {sizes.cases:,}", cases >= sizes.cases)
    yield Figure("answers with 5xx", str(server_errors), "0", server_errors == 0)
    yield Figure("statuses that the schema lacks", str(undocumented), "0", undocumented == 0)
    said = f"{len(failures)}" + (f" ({failures[0][:200]})" if failures else "")
    yield Figure("failures of any check", said, "0", not failures)


def _schemathesis(server: RunningServer, seed: int, cases: int) -> dict[str, Any]:
    """The report of one run. Raises RuntimeError where it could not run."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [str(Path(sys.executable).parent / "st"), "run", f"http://127.0.0.1:{server.port}/openapi.json"]
        command += ["--header", f"Authorization: Bearer {_KEY}", "--checks", "all", "--continue-on-failure"]
        command += ["--max-examples", str(cases), "--seed", str(seed), "--no-color"]
        command += ["--report", "json", "--report-json-path", str(report)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=_LONGEST_SECONDS, check=False)
        if not report.exists():
            raise RuntimeError(f"schemathesis did not run: {done.stdout[-1000:]} {done.stderr[-1000:]}")
        found: dict[str, Any] = json.loads(report.read_text())
    if found["errors"] or not found["complete"]:
        raise RuntimeError(f"schemathesis did not finish: {str(found['errors'])[:1000]}")
    return found


def counters(artifacts: Path, sizes: Sizes, progress: Progress) -> Iterator[Figure]:
    """Requests of several kinds over four workers: the client's counts against those of /metrics."""
    kinds = _kinds_of_requests()
    mine: Counter[tuple[str, int]] = Counter()
    with running_server(artifacts, WORKERS) as server:

        def send(number: int) -> tuple[str, int]:
            route, method, path, body = kinds[number % len(kinds)]
            return route, server.ask(method, path, body)[0]

        with ThreadPoolExecutor(CLIENTS) as pool:
            for number, answered in enumerate(pool.map(send, range(sizes.counted)), start=1):
                mine[answered] += 1
                progress(number / sizes.counted)
        text = str(server.ask("GET", "/metrics")[1])
        routes = sorted({route for route, _ in mine})
        theirs = {(route, int(status)): n for route in routes for status, n in server.counted(route).items()}
    yield from _compared(mine, theirs, text)


def _kinds_of_requests() -> list[tuple[str, str, str, str | None]]:
    """Route as it is counted, method, path and body."""
    texts = notes(50, seed=26)
    batch = json.dumps({"conversations": [{"transcript": texts[2]}] * _BATCH})
    return [
        ("/predict", "POST", "/predict", _body(texts[0])),
        ("/predict", "POST", "/predict", _body(texts[1])),
        ("/predict", "POST", "/predict", json.dumps({"transcript": " "})),
        ("/predict/batch", "POST", "/predict/batch", batch),
        ("/models", "GET", "/models", None),
        ("/logs/{prediction_id}", "GET", "/logs/nothing", None),
        ("unmatched", "GET", "/nowhere", None),
    ]


def _compared(
    mine: Mapping[tuple[str, int], int], theirs: Mapping[tuple[str, int], int], text: str
) -> Iterator[Figure]:
    """What was sent and answered, by route and status, beside what the service counted; `text` is its /metrics."""
    for answered in sorted(mine.keys() | theirs.keys()):
        route, status = answered
        counted, sent = theirs.get(answered, 0), mine.get(answered, 0)
        yield Figure(f"{route}, status {status}", f"{counted:,}", f"{sent:,}", counted == sent)
    sent = mine.get(("/predict", 200), 0) + _BATCH * mine.get(("/predict/batch", 200), 0)
    predicted = _total(text, "sales_predictions_total")
    yield Figure("conversations predicted", f"{predicted:,}", f"{sent:,}", predicted == sent)
    timed = _total(text, "sales_request_seconds_count", 'route="/predict"')
    asked = sum(count for (route, _), count in mine.items() if route == "/predict")
    yield Figure("/predict, requests that were timed", f"{timed:,}", f"{asked:,}", timed == asked)


def _body(text: str) -> str:
    return json.dumps({"transcript": text, "model_type": "few_shot"})


def _total(text: str, name: str, label: str = "") -> int:
    found = re.findall(rf"^{name}{{.*{re.escape(label)}.*}} (\S+)$", text, re.MULTILINE)
    return int(sum(map(float, found)))
