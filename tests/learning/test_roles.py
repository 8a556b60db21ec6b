"""Roles of versions in the database, on SQLite and PostgreSQL: promotion, the way back, trials, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from answers.served_versions import Choice, Trial
from learning import roles
from learning.roles import RoleConflictError
from modelling.saved.versions import ModelVersion
from prediction_log.actors import Actor
from prediction_log.audit import AuditFilter, audit_page
from prediction_log.store import PredictionStore
from prediction_log.tables.learning import served_versions

SOMEBODY = Actor("key-1", "127.0.0.1", "r")


def trained(version: str) -> ModelVersion:
    manifest = {"created_at": datetime.now(UTC).isoformat(), "cross_validation_metrics": {"log_loss": 0.5}}
    return ModelVersion(version, Path("nowhere"), manifest, False)


def promote(store: PredictionStore, *versions: str) -> None:
    for version in versions:
        roles.promote(store, "few_shot", trained(version), SOMEBODY)


def served(store: PredictionStore) -> Choice:
    with store.connection() as connection:
        return roles.current(connection)["few_shot"]


def back(store: PredictionStore) -> str:
    version = roles.champion_before(store, "few_shot")
    roles.roll_back(store, "few_shot", trained(version), SOMEBODY)
    return served(store).version


def refused(code: str, change: Callable[..., Any], *arguments: Any) -> str:
    with pytest.raises(RoleConflictError) as caught:
        change(*arguments)
    assert caught.value.code == code
    return str(caught.value)


def test_going_back_goes_back_and_never_forth(store: PredictionStore) -> None:
    assert roles.promote(store, "few_shot", trained("a"), SOMEBODY) is None
    assert roles.promote(store, "few_shot", trained("b"), SOMEBODY) == "a"
    promote(store, "c", "b")
    assert [back(store), back(store), back(store)] == ["c", "b", "a"], "each replaced the one after it"
    assert refused("no_champion_before", back, store) == "No version of 'few_shot' was served before this one."
    promote(store, "d")
    assert back(store) == "a"
    assert served(store) == Choice("a", pinned=True, wanted=True, metrics={"log_loss": 0.5})


def test_a_champion_that_is_promoted_again_stays_with_its_trial(store: PredictionStore) -> None:
    promote(store, "a", "b")
    roles.start_trial(store, "few_shot", trained("a"), "shadow", None, SOMEBODY)
    roles.promote(store, "few_shot", trained("b"), SOMEBODY, "version loaded", pinned=False)
    assert served(store).trial is not None
    assert not served(store).pinned
    assert roles.champion_before(store, "few_shot") == "a"


def test_a_trial_begins_once_and_ends_with_its_champion(store: PredictionStore) -> None:
    roles.promote(store, "few_shot", trained("a"), SOMEBODY, "version loaded", pinned=False)
    trial, champion = roles.start_trial(store, "few_shot", trained("b"), "split", 12.5, SOMEBODY)
    assert champion == "a"
    assert served(store).trial == trial == Trial(trial.trial_id, "split", "b", 12.5)
    assert served(store).pinned, "else the next start would take the newest, which is the one on trial"
    said = refused("trial_runs", roles.start_trial, store, "few_shot", trained("c"), "shadow", None, SOMEBODY)
    assert "'b'" in said
    assert roles.on_trial(store, "few_shot") == "b"
    promote(store, "c")
    assert served(store).trial is None
    refused("no_trial", roles.end_trial, store, "few_shot", SOMEBODY)
    refused("no_trial", roles.on_trial, store, "few_shot")
    roles.start_trial(store, "few_shot", trained("b"), "shadow", None, SOMEBODY)
    promote(store, "b")
    columns = served_versions.c
    ended = store.rows(select(columns.ended).where(columns.role != "champion").order_by(columns.since))
    assert [row.ended for row in ended] == ["another champion", "promoted"]


def test_the_champion_is_no_challenger(store: PredictionStore) -> None:
    refused("already_champion", roles.start_trial, store, "few_shot", trained("a"), "shadow", None, SOMEBODY)
    promote(store, "a")
    said = refused("already_champion", roles.start_trial, store, "few_shot", trained("a"), "shadow", None, SOMEBODY)
    assert said == "'a' is the champion of 'few_shot'; put another version on trial."


def test_who_changed_what_is_in_the_audit_log(store: PredictionStore) -> None:
    promote(store, "a")
    roles.start_trial(store, "few_shot", trained("b"), "split", 10, SOMEBODY)
    roles.end_trial(store, "few_shot", SOMEBODY)
    promote(store, "b")
    back(store)
    with pytest.raises(RoleConflictError):
        back(store)
    found = audit_page(store, AuditFilter()).entries[::-1]
    assert [(one.action, one.detail) for one in found] == [
        ("version promoted", {"before": None, "after": "a"}),
        ("trial started", {"version": "b", "role": "split", "share": 10}),
        ("trial ended", {"version": "b", "role": "split"}),
        ("version promoted", {"before": "a", "after": "b"}),
        ("version rolled back", {"before": "b", "after": "a"}),
    ]
    assert {(one.caller, one.subject) for one in found} == {("key-1", "few_shot")}


def test_promotions_at_once_leave_one_champion_and_an_unbroken_way_back(store: PredictionStore) -> None:
    store.check()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: promote(store, f"v{n}"), range(12)))
    columns = served_versions.c
    now = select(func.count()).select_from(served_versions).where(columns.until.is_(None))
    assert store.rows(now)[0][0] == 1
    gone = [served(store).version, *(back(store) for _ in range(11))]
    assert sorted(gone) == sorted(f"v{n}" for n in range(12))
