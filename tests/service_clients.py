"""How tests talk to the service: in this process, as if from this machine or on a real port."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvicorn
from fastapi.testclient import TestClient

from deployment_system import create_app
from foundations.settings import Settings, load_settings
from service.access.admin_key import admin_key_path, read_admin_key
from service.limits.door import Door

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


@contextlib.contextmanager
def served_here(settings: Settings) -> Iterator[str]:
    """The address of a service on a real port, in a thread of this process: it starts at once."""
    listener = socket.create_server(("127.0.0.1", 0))
    app = create_app(settings)
    server = uvicorn.Server(uvicorn.Config(app, http=Door, ws="none", log_config=None, proxy_headers=False))
    thread = threading.Thread(target=lambda: server.run(sockets=[listener]), daemon=True)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "it could not start"
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)


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
