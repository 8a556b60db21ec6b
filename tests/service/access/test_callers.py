"""Without configured keys: who may predict, what the admin key is, and what starts at all."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from benchmarks.running_server import ROOT, free_port, start_server
from foundations.artifact_folder import ArtifactFolder
from foundations.errors import InputError
from foundations.settings import load_settings
from service.access.admin_key import admin_key_path, make_admin_key, read_admin_key
from service.access.callers import check_openness
from tests.service_clients import client_for, error_of

HI = {"transcript": "They will sign."}
MANAGEMENT = ("/logs", "/logs/export", "/metrics", "/audit")
# What a proxy on this machine lets through of a stranger's request; each was once a local admin.
DISGUISES: list[dict[str, str]] = [
    {},
    {"Host": "127.0.0.1:8000"},
    {"Host": "localhost"},
    {"Host": "localhost:8000", "Connection": "close"},
]


@pytest.mark.parametrize("headers", DISGUISES)
def test_a_stranger_behind_a_proxy_of_this_machine_manages_nothing(
    trained_artifacts: ArtifactFolder, headers: dict[str, str], tmp_path: Path
) -> None:
    with client_for(trained_artifacts.root, anonymous=True, state=tmp_path) as client:
        for path in MANAGEMENT:
            said = error_of(client.get(path, headers=headers), 401, "unauthorized")
            assert "admin key" in said
        error_of(client.delete("/logs?conversation_id=x", headers=headers), 401, "unauthorized")
        error_of(client.post("/models/few_shot/load", headers=headers), 401, "unauthorized")
        error_of(client.post("/feedback", json={}, headers=headers), 401, "unauthorized")
        assert client.post("/predict", json=HI, headers=headers).status_code == 200, "for scoring nothing is set up"


@pytest.mark.parametrize(
    ("address", "server", "headers", "status"),
    [
        ("127.0.0.1", "127.0.0.1", {}, 200),
        ("::1", "[::1]", {}, 200),
        ("203.0.113.9", "127.0.0.1", {}, 401),
        ("192.0.2.1", "192.0.2.1", {}, 401),  # this machine, by its address in a network: as anybody
        ("127.0.0.1", "127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, 401),
        ("127.0.0.1", "127.0.0.1", {"X-Real-IP": "127.0.0.1"}, 401),
        ("127.0.0.1", "127.0.0.1", {"Forwarded": "for=203.0.113.9"}, 401),
        ("127.0.0.1", "127.0.0.1", {"Via": "1.1 proxy"}, 401),
    ],
)
def test_without_keys_only_this_machine_predicts_unless_the_service_is_open(
    trained_artifacts: ArtifactFolder, tmp_path: Path, address: str, server: str, headers: dict[str, str], status: int
) -> None:
    for is_open, expected in (("no", status), ("yes", 200)):
        with client_for(trained_artifacts.root, address, True, open=is_open, state=tmp_path) as client:
            client.base_url = f"http://{server}"  # type: ignore[assignment]
            assert client.post("/predict", json=HI, headers=headers).status_code == expected
            assert client.get("/logs", headers=headers).status_code == 401
            assert client.get("/health/live", headers=headers).status_code == 200


def test_the_admin_key_manages_and_a_wrong_key_is_refused_even_for_scoring(
    trained_artifacts: ArtifactFolder, tmp_path: Path
) -> None:
    settings = load_settings(artifacts=trained_artifacts.root, state=tmp_path)
    with client_for(trained_artifacts.root, "203.0.113.9", True, state=tmp_path) as client:
        admin = {"Authorization": f"Bearer {read_admin_key(admin_key_path(settings))}"}
        for path in MANAGEMENT:
            assert client.get(path, headers=admin).status_code == 200
        assert client.post("/predict", json=HI, headers=admin).status_code == 200
        wrong = client.post("/predict", json=HI, headers={"X-API-Key": "guessed-0123456789"})
        assert "not known" in error_of(wrong, 401, "unauthorized")


# The file


def test_the_admin_key_is_random_for_its_owner_alone_and_made_once(tmp_path: Path) -> None:
    one, other = tmp_path / "new" / "admin_key", tmp_path / "other"
    previous = os.umask(0)
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(make_admin_key, [one] * 8))
        make_admin_key(other)
    finally:
        os.umask(previous)
    assert stat.S_IMODE(one.stat().st_mode) == 0o600
    key = read_admin_key(one)
    make_admin_key(one)
    assert read_admin_key(one) == key != read_admin_key(other)
    assert len(key) >= 43, "256 bits"
    assert [path.name for path in one.parent.iterdir()] == ["admin_key"], "no half-made file stays"


def test_an_admin_key_that_others_may_read_or_that_is_empty_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "admin_key"
    make_admin_key(path)
    path.chmod(0o644)
    with pytest.raises(InputError, match="mode 0644, so others may know it; delete it") as caught:
        read_admin_key(path)
    assert path.read_text().strip() not in str(caught.value)
    path.write_text("")
    path.chmod(0o600)
    with pytest.raises(InputError, match="is empty"):
        read_admin_key(path)
    with pytest.raises(InputError, match="Cannot read the admin key"):
        read_admin_key(tmp_path / "none")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="Cannot write the admin key .* let SALES_STATE be a folder"):
        make_admin_key(tmp_path / "file" / "admin_key")


def test_the_start_tells_the_key_once_on_the_terminal_and_never_in_the_log(
    trained_artifacts: ArtifactFolder, tmp_path: Path
) -> None:
    key_file, port = tmp_path / "state" / "admin_key", free_port()
    command = [
        sys.executable,
        "main.py",
        "--mode",
        "deploy",
        "--artifacts",
        str(trained_artifacts.root),
        "--port",
        str(port),
    ]
    environment = {**os.environ, "SALES_STATE": str(tmp_path / "state"), "COLUMNS": "200"}
    outputs = []
    for _ in range(2):
        with subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as server:
            assert server.stderr is not None
            log = [server.stderr.readline()]
            while "Application startup complete" not in log[-1]:
                assert log[-1], log
                log.append(server.stderr.readline())
            server.terminate()
            rest = server.communicate(timeout=30)
        key = read_admin_key(key_file)
        outputs.append(rest[0])
        said = [json.loads(line) for line in log if "no API keys" in line]
        assert [line["admin_key"] for line in said] == [str(key_file)]
        assert key not in "".join(log) + rest[1]
    assert f"/dashboard#key={key}" in outputs[0] and "shown once" in outputs[0]
    assert key not in outputs[1]
    assert all("Serving the models of" in output for output in outputs)


# What starts


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_this_machine_needs_no_keys(host: str) -> None:
    check_openness(load_settings(host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "no-such-host.invalid"])
@pytest.mark.parametrize(
    "settings", [{}, {"api_keys": f"predict:{'k' * 16}"}, {"api_keys_file": "keys"}, {"open": " Yes "}], ids=str
)
def test_where_strangers_could_reach_it_a_start_needs_keys_or_the_word(host: str, settings: dict[str, Any]) -> None:
    if settings:
        check_openness(load_settings(host=host, **settings))
        return
    with pytest.raises(InputError, match="set SALES_API_KEYS or SALES_API_KEYS_FILE, or SALES_OPEN=yes"):
        check_openness(load_settings(host=host))


def test_a_start_without_keys_on_every_address_is_one_sentence_and_exit_code_2(
    trained_artifacts: ArtifactFolder, tmp_path: Path
) -> None:
    started = start_server(trained_artifacts.root, 2, tmp_path / "log", SALES_HOST="0.0.0.0", SALES_STATE=str(tmp_path))
    assert started.process.wait(60) == 2
    assert started.log.read_text().startswith("Error: The host '0.0.0.0' is reached from other machines")
    assert started.log.read_text().count("\n") == 1
