"""The service keeps what its OpenAPI schema promises: schemathesis makes requests from it, right ones and wrong ones.

The engine is that of `st run`, with schemathesis.toml and all checks: no 5xx, no undocumented status, no answer that the
schema does not describe. Here with few cases for each route, on the tiny models and in this process;
`python -m benchmarks.reliability --only schema` sends a thousand to a real server.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from schemathesis.python.asgi import shutdown_lifespans

from deployment_system import create_app
from foundations.artifact_folder import ArtifactFolder
from foundations.settings import load_settings

CONFIG = Path(__file__).parents[1] / "schemathesis.toml"
KEY = "admin-of-this-test"
CASES = 3  # for each route, beside the examples


@pytest.fixture
def app(trained_artifacts: ArtifactFolder, tmp_path: Path) -> Iterator[FastAPI]:
    settings: dict[str, Any] = {"rate_limit": 0, "api_keys": f"admin:{KEY}", "state": tmp_path, "log_level": "error"}
    settings["hubspot_webhook_secret"] = "the-client-secret-of-an-app"
    settings["allowed_hosts"] = "testserver"  # schemathesis's name for an app in its own process
    yield create_app(load_settings(artifacts=trained_artifacts.root, threads=1, **settings))
    shutdown_lifespans()


def test_generated_requests_get_what_the_schema_promises(app: FastAPI) -> None:
    short = {
        "seed": 1,
        "headers": {"Authorization": f"Bearer {KEY}"},
        "generation": {"max-examples": CASES},
        "phases": {"coverage": {"enabled": False}, "stateful": {"enabled": False}},
    }
    config = SchemathesisConfig.from_dict(tomllib.loads(CONFIG.read_text()) | short)
    schema = schemathesis.openapi.from_asgi("/openapi.json", app, config=config)
    cases: Counter[str] = Counter()
    failed = []
    for event in from_schema(schema).execute():
        assert not isinstance(event, events.FatalError | events.NonFatalError), event
        if isinstance(event, events.ScenarioFinished):
            recorder = event.recorder
            cases[recorder.label] += len(recorder.interactions)
            checks = [check for found in recorder.checks.values() for check in found]
            failed += [f"{recorder.label}: {c.failure_info.failure}" for c in checks if c.failure_info]
    assert failed == []
    paths = app.openapi()["paths"]
    assert set(cases) == {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert min(cases.values()) >= 1
    assert cases["POST /predict"] > CASES
