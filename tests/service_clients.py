"""How tests talk to the service: in this process, as if from this machine, and as a real server of several workers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from deployment_system import create_app
from foundations.settings import load_settings
from service.access.admin_key import admin_key_path, read_admin_key

HERE = "http://127.0.0.1"
JSON = {"Content-Type": "application/json"}


@contextlib.contextmanager
def client_for(
    folder: Path, address: str = "127.0.0.1", anonymous: bool = False, **settings: Any
) -> Iterator[TestClient]:
    """A client of a service for an artifact folder, whose requests come from `address`.

    It sends the admin key of a service without configured keys, unless it is `anonymous`.
    """
    loaded = load_settings(artifacts=folder, threads=1, **settings)
    app = create_app(loaded)
    with TestClient(app, base_url=HERE, client=(address, 50000), raise_server_exceptions=False) as client:
        if not anonymous and not (loaded.api_keys or loaded.api_keys_file):
            client.headers["X-API-Key"] = read_admin_key(admin_key_path(loaded))
        yield client


def error_of(response: Any, status: int, code: str) -> str:
    """The message of an error answer, its status, code and shape checked."""
    assert response.status_code == status, response.text
    assert set(response.json()) == {"error"}
    error = response.json()["error"]
    assert set(error) == {"code", "message"}
    assert error["code"] == code
    assert "Traceback" not in error["message"]
    assert len(error["message"]) < 500
    return str(error["message"])
