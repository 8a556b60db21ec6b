"""Settings come from the environment, the command line's before them, and a bad value gets one sentence."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from conversations.conversation import MAX_TRANSCRIPT_CHARACTERS
from foundations.errors import InputError
from foundations.machine import allotted_cores, available_cores
from foundations.settings import load_settings
from main import main


def test_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("SALES_ARTIFACTS", "SALES_HOST", "SALES_PORT", "SALES_THREADS", "SALES_LOG_LEVEL"):
        monkeypatch.delenv(variable, raising=False)
    settings = load_settings()
    assert settings.artifacts == Path("artifacts")
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.threads == available_cores() >= 1
    assert settings.log_level == "info"
    assert settings.max_transcript_characters == 200_000 < MAX_TRANSCRIPT_CHARACTERS
    assert settings.database == "sqlite:///artifacts/service/predictions.db"


@pytest.mark.parametrize(
    ("own", "files", "cores"),
    [
        ("0::/\n", {"cpu.max": "150000 100000"}, 1.5),  # version 2: microseconds in each period, 150 of 100 ms
        ("0::/\n", {"cpu.max": "max 100000"}, math.inf),
        ("0::/pod/box\n", {"pod/cpu.max": "50000 100000", "pod/box/cpu.max": "400000 100000"}, 0.5),
        ("1:cpu,cpuacct:/\n", {"cpu,cpuacct/cpu.cfs_quota_us": "300000", "cpu,cpuacct/cpu.cfs_period_us": "100000"}, 3),
        ("1:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, math.inf),
        ("0::/\n", {"cpu.max": "nonsense"}, math.inf),
        ("0::/\n", {}, math.inf),
    ],
)
def test_the_cores_that_control_groups_allow(tmp_path: Path, own: str, files: dict[str, str], cores: float) -> None:
    for name, text in files.items():
        (tmp_path / "groups" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "groups" / name).write_text(text)
    (tmp_path / "own").write_text(own)
    assert allotted_cores(tmp_path / "groups", tmp_path / "own") == cores
    assert allotted_cores(tmp_path / "groups", tmp_path / "absent") == math.inf


def test_a_part_of_a_core_counts_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("foundations.machine.allotted_cores", lambda: 0.3)
    assert available_cores() == 1


def test_environment_counts_and_a_given_value_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SALES_PORT", "9001")
    monkeypatch.setenv("SALES_THREADS", "3")
    monkeypatch.setenv("SALES_LOG_LEVEL", "WARNING")
    settings = load_settings(port=9002, artifacts="elsewhere", host=None)
    assert (settings.port, settings.threads, settings.log_level) == (9002, 3, "warning")
    assert settings.artifacts == Path("elsewhere")
    assert settings.host == "127.0.0.1"


def test_an_empty_variable_counts_as_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SALES_PORT", "")
    assert load_settings().port == 8000


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SALES_PORT", "eighty"),
        ("SALES_PORT", "0"),
        ("SALES_PORT", "70000"),
        ("SALES_THREADS", "0"),
        ("SALES_THREADS", "many"),
        ("SALES_LOG_LEVEL", "loud"),
    ],
)
def test_a_bad_value_is_quoted_with_its_variable(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(InputError) as caught:
        load_settings()
    message = str(caught.value)
    assert variable in message
    assert repr(value) in message
    assert "\n" not in message


def test_a_bad_option_is_quoted_too() -> None:
    with pytest.raises(InputError, match="SALES_PORT is -5: input should be greater than or equal to 1"):
        load_settings(port=-5)


def test_vectors_in_postgresql_need_a_postgresql(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = (
        "SALES_VECTOR_STORE is 'pgvector': it needs SALES_DATABASE_URL to be postgresql://user:password@host/database"
    )
    for url in ("", "sqlite:///a.db"):
        with pytest.raises(InputError, match=wanted):
            load_settings(vector_store="pgvector", database_url=url)
    with pytest.raises(InputError, match="SALES_DATABASE_URL is not shown here: give postgresql://"):
        load_settings(vector_store="pgvector", database_url="mysql://somewhere")
    with pytest.raises(InputError, match="SALES_VECTOR_STORE is 'milvus': input should be 'faiss' or 'pgvector'"):
        load_settings(vector_store="milvus")
    for url in ("postgresql://a/b", "postgres://a/b", "postgresql+psycopg://a/b"):
        assert load_settings(vector_store="PGVector", database_url=url).database == "postgresql+psycopg://a/b"
    monkeypatch.setenv("SALES_VECTOR_STORE", "pgvector")
    monkeypatch.delenv("SALES_DATABASE_URL", raising=False)
    assert main(["--mode", "deploy", "--port", "1"]) == 2, "the service does not start"


@pytest.mark.parametrize("url", ["postgresql://u:secret@host:abc/db", "postgresql://u:secret@host:5432x/db"])
def test_a_database_url_that_is_none_stops_the_start_without_being_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, url: str
) -> None:
    monkeypatch.setenv("SALES_DATABASE_URL", url)
    assert main(["--mode", "deploy", "--artifacts", str(tmp_path)]) == 2
    said = capsys.readouterr()
    assert "SALES_DATABASE_URL is not shown here: give postgresql://user:password@host:port/database" in said.err
    assert "secret" not in said.out + said.err
    assert len(said.err.splitlines()) == 1
    assert "Serving" not in said.out


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("SALES_API_KEY", "did you mean SALES_API_KEYS?"),
        ("sales_databse_url", "did you mean SALES_DATABASE_URL?"),
        ("SALES_ELEPHANT_COLOUR", "docs/settings.md lists those there are; unset it."),
    ],
)
def test_a_variable_that_is_no_setting_is_refused_without_its_value(
    monkeypatch: pytest.MonkeyPatch, variable: str, meant: str
) -> None:
    monkeypatch.setenv(variable, "admin:secret")
    with pytest.raises(InputError) as caught:
        load_settings()
    assert str(caught.value) == f"{variable} is no setting; {meant}"


def test_what_an_orchestrator_sets_for_a_service_s_name_is_none_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SALES_CONVERSION_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("SALES_CONVERSION_SERVICE_PORT_HTTP", "80")
    monkeypatch.setenv("SALES_CONVERSION_PORT", "tcp://10.0.0.1:80")
    monkeypatch.setenv("SALES_CONVERSION_PORT_80_TCP_ADDR", "10.0.0.1")
    monkeypatch.setenv("SALES_API_KEY", "")  # empty counts as absent
    load_settings()


def test_uvicorn_refuses_a_mistyped_variable_too() -> None:
    variables = {**os.environ, "SALES_API_KEY": "admin:secret"}
    ended = subprocess.run(
        [sys.executable, "-c", "from deployment_system import app"],
        cwd=Path(__file__).parents[2],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 3
    assert ended.stderr == "Error: SALES_API_KEY is no setting; did you mean SALES_API_KEYS?\n"
