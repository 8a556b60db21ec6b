"""How keys are written, what their roles may do, when they end, and how they are exchanged while the service runs."""

from __future__ import annotations

import hashlib
import os
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from foundations.artifact_folder import ArtifactFolder
from foundations.errors import InputError
from foundations.settings import load_settings
from service.access.key_ring import LOOK_SECONDS, KeyRing
from service.access.keys import ROLES, parsed_keys, roles_with
from tests.service_clients import JSON, client_for, error_of

KEYS = {role: f"the-{role}-key-0123456789" for role in ROLES}
NOBODY = "0" * 32
# A request that needs each, and the roles that may send it; it may find nothing.
REQUESTS: list[tuple[str, str, Any, set[str]]] = [
    ("POST", "/predict", {"transcript": "They will sign."}, {"predict", "admin"}),
    ("POST", "/conversations/read", {"transcript": "They will sign."}, {"predict", "admin"}),
    ("GET", "/models", None, {"predict", "read", "admin"}),
    ("GET", "/signals", None, {"predict", "read", "admin"}),
    ("GET", "/logs", None, {"read", "admin"}),
    ("GET", "/logs/export", None, {"read", "admin"}),
    ("GET", f"/logs/{NOBODY}", None, {"read", "admin"}),
    ("POST", "/feedback", {"prediction_id": "x", "actual_outcome": "failed"}, {"feedback", "admin"}),
    ("GET", "/metrics", None, {"metrics", "admin"}),
    ("GET", "/audit", None, {"admin"}),
    ("DELETE", "/logs/x", None, {"admin"}),
    ("POST", "/models/nothing/load", None, {"admin"}),
]


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("reader:0123456789abcdef", "one of predict, feedback, read, metrics, admin"),
        ("predict+reader:0123456789abcdef", "one of predict"),
        ("admin:short", "at least 16 characters"),
        (f"predict:{KEYS['predict']},{KEYS['admin']}", "entry 2"),
        ("admin:sha256=abc", "64 hexadecimal digits"),
        ("admin@tomorrow:0123456789abcdef", "the last day 'tomorrow' is no date such as 2027-01-31"),
        ("admin@:0123456789abcdef", "the last day '' is no date"),
    ],
)
def test_a_bad_key_setting_is_refused_and_not_quoted(setting: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said) as caught:
        KeyRing(load_settings(api_keys=setting, state=tmp_path))
    assert not any(part in str(caught.value) for part in ("0123456789", "short", "abc"))


def test_keys_with_several_roles_and_a_last_day() -> None:
    (both, ends, hashed) = parsed_keys(
        [f"predict+feedback:{'k' * 16}", f"read@2027-01-31:{'k' * 16}", f"metrics:sha256={'AB' * 32}"], "Keys"
    )
    assert both.needs == {"predict", "figures", "feedback"} and both.last_day is None
    assert ends.last_day == date(2027, 1, 31) and ends.sha256 == hashlib.sha256(b"k" * 16).digest()
    assert hashed.name == "key-abababab"


def test_every_need_is_met_by_admin_and_named_first() -> None:
    for needs in ROLES.values():
        for need in needs:
            assert roles_with(need)[0] == "admin"


def test_each_role_may_do_what_it_is_for_and_nothing_else(trained_artifacts: ArtifactFolder, tmp_path: Path) -> None:
    keys = ",".join(f"{role}:{key}" for role, key in KEYS.items())
    with client_for(trained_artifacts.root, api_keys=keys, rate_limit=0, state=tmp_path) as client:
        for method, path, body, allowed in REQUESTS:
            for role, key in KEYS.items():
                answer = client.request(method, path, json=body, headers={"X-API-Key": key})
                if role in allowed:
                    assert answer.status_code not in (401, 403), f"{role}: {method} {path}"
                else:
                    said = error_of(answer, 403, "forbidden")
                    assert all(repr(other) in said for other in allowed), f"{role}: {method} {path}"


def test_a_key_is_good_until_the_end_of_its_last_day(
    trained_artifacts: ArtifactFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = f"predict@2027-01-31:{KEYS['predict']}"
    key = {"X-API-Key": KEYS["predict"]}
    with client_for(trained_artifacts.root, api_keys=keys, state=tmp_path) as client:
        monkeypatch.setattr("service.access.callers._today", lambda: date(2027, 1, 31))
        assert client.get("/models", headers=key).status_code == 200
        monkeypatch.setattr("service.access.callers._today", lambda: date(2027, 2, 1))
        assert "was good until 2027-01-31" in error_of(client.get("/models", headers=key), 401, "unauthorized")


# Exchanged while it runs


class Clock:
    """Seconds that a test turns on."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text(f"# the CRM's\npredict:{'a' * 16}\n\n  read:{'b' * 16}  \n")
    return path


def test_keys_of_a_file_count_beside_those_of_the_setting(file: Path, tmp_path: Path) -> None:
    ring = KeyRing(load_settings(api_keys=f"admin:{'c' * 16}", api_keys_file=file, state=tmp_path / "state"))
    found = [ring.matching(letter * 16) for letter in "abcd"]
    assert [key.needs if key else None for key in found] == [
        ROLES["predict"],
        ROLES["read"],
        ROLES["admin"],
        None,
    ]
    assert not (tmp_path / "state").exists(), "no admin key where keys are configured"


def test_a_changed_file_exchanges_the_keys_within_a_second(file: Path, tmp_path: Path) -> None:
    clock = Clock()
    ring = KeyRing(load_settings(api_keys_file=file, state=tmp_path / "state"), clock)
    new = tmp_path / "new"
    new.write_text(f"predict:{'n' * 16}\n")
    os.replace(new, file)
    assert ring.matching("a" * 16), "it is not looked at with every request"
    clock.now += LOOK_SECONDS
    assert ring.matching("n" * 16)
    assert ring.matching("a" * 16) is None, "the old one is gone"


@pytest.mark.parametrize("broken", ["", "# nothing\n", "predict:short\n", None])
def test_a_broken_file_leaves_the_keys_as_they_were_and_the_log_says_so(
    file: Path, tmp_path: Path, broken: str | None, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr("service.access.key_ring.log.error", lambda event, problem: said.append(problem))
    clock = Clock()
    ring = KeyRing(load_settings(api_keys_file=file, state=tmp_path / "state"), clock)
    file.unlink() if broken is None else file.write_text(broken)
    for _ in range(3):
        clock.now += LOOK_SECONDS
        assert ring.matching("a" * 16)
    assert len(said) == 1, "once for each change"
    assert "SALES_API_KEYS_FILE" in said[0] and "short" not in said[0]


def test_a_start_with_a_broken_file_fails(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Cannot read SALES_API_KEYS_FILE .*nowhere"):
        KeyRing(load_settings(api_keys_file=tmp_path / "nowhere", state=tmp_path))
    (tmp_path / "empty").write_text("# none\n")
    with pytest.raises(InputError, match="holds no key"):
        KeyRing(load_settings(api_keys_file=tmp_path / "empty", state=tmp_path))


def test_a_running_service_takes_new_keys(file: Path, tmp_path: Path, trained_artifacts: ArtifactFolder) -> None:
    with client_for(trained_artifacts.root, api_keys_file=file, state=tmp_path / "state") as client:
        ring = client.app.state.service.access.callers.keys  # type: ignore[attr-defined]
        clock = ring._clock = Clock()
        clock.now = ring._looked_at + LOOK_SECONDS
        file.write_text(f"predict:{'new' * 6}\n")
        body = b'{"transcript": "They will sign."}'
        assert client.post("/predict", content=body, headers=JSON | {"X-API-Key": "new" * 6}).status_code == 200
        said = error_of(
            client.post("/predict", content=body, headers=JSON | {"X-API-Key": "a" * 16}), 401, "unauthorized"
        )
        assert "not known" in said
