"""`--mode sync` as a person runs it: the table of a dry run, a real run, its refusals, and a process that is killed."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from crm.accounts.hubspot_records import FIELDS
from crm.deals import NOTE_BEGINS
from foundations.artifact_folder import ArtifactFolder
from foundations.atomic_files import open_private
from main import main
from tests.crm.hubspot_stub import HubSpotStub
from tests.crm.salesforce_stub import SalesforceStub
from tests.crm.stub_server import TOKEN, Sent, served
from tests.test_architecture import ROOT

GLAD = "They loved the demo, the budget is approved and they want to sign in May."


@pytest.fixture
def hubspot(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubSpotStub]:
    """With two open deals, and in the environment."""
    stub = HubSpotStub()
    for name, words in (("Compressor [9 bar]", GLAD), ("Chairs", "Too expensive for us.")):
        stub.add("calls", stub.add("deals", dealname=name), hs_call_body=words, hs_timestamp="2026-03-01T10:00:00Z")
    with served(stub.app()) as url:
        monkeypatch.setenv("SALES_HUBSPOT_URL", url)
        monkeypatch.setenv("SALES_HUBSPOT_TOKEN", TOKEN)
        monkeypatch.setenv("SALES_STATE", str(tmp_path / "state"))
        monkeypatch.setenv("SALES_THREADS", "1")
        yield stub


def command(folder: ArtifactFolder, *more: str) -> list[str]:
    return ["--mode", "sync", "--crm", "hubspot", "--model", "starter", "--artifacts", str(folder.root), *more]


def test_a_dry_run_shows_a_table_and_a_run_does_what_it_shows(
    hubspot: HubSpotStub, trained_artifacts: ArtifactFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(trained_artifacts, "--dry-run")) == 0
    said = capsys.readouterr().out
    first = next(iter(hubspot.kinds["deals"]))
    assert "Compressor [9 bar]" in said and "Probability" in said
    assert f"The note of {first}:\n  {NOTE_BEGINS}: " in said and GLAD[:20] in said
    assert "2 deals looked at: 2 would be written, 0 unchanged" in said
    assert all(one in said for one in FIELDS.values()), "which are not there yet"
    assert hubspot.writes() == []
    assert main(command(trained_artifacts)) == 0
    assert "2 deals looked at: 2 written, 0 unchanged, 0 without words, 0 closed" in capsys.readouterr().out
    assert hubspot.shown(first)[FIELDS["probability"]] in said
    assert main(command(trained_artifacts)) == 0
    said = capsys.readouterr().out
    assert "0 written, 2 unchanged" in said
    assert main(command(trained_artifacts, "--force", "--dry-run")) == 0
    assert "0 would be written, 2 unchanged" in capsys.readouterr().out
    assert TOKEN not in said
    held = [path for path in trained_artifacts.root.rglob("*") if path.is_file()]
    assert [path for path in held if TOKEN.encode() in path.read_bytes()] == []


@pytest.mark.parametrize(
    ("given", "variables", "said"),
    [
        ([], {}, "--mode sync needs --crm and one of hubspot, salesforce."),
        (["--crm", "hubspot", "--model", "all"], {}, "--model 'all' can't score"),
        (["--crm", "hubspot"], {"SALES_HUBSPOT_TOKEN": ""}, "needs SALES_HUBSPOT_TOKEN in the environment"),
        (["--crm", "salesforce"], {}, "needs SALES_SALESFORCE_URL and either SALES_SALESFORCE_CLIENT_ID with"),
        (
            ["--crm", "salesforce"],
            {"SALES_SALESFORCE_URL": "https://acme.my.salesforce.com", "SALES_SALESFORCE_CLIENT_ID": "x"},
            "needs SALES_SALESFORCE_URL and either",
        ),
        (
            ["--crm", "hubspot"],
            {"SALES_HUBSPOT_URL": "http://crm.example.com"},
            "SALES_HUBSPOT_URL is 'http://crm.example.com': give an address such as https://acme.my.salesforce.com",
        ),
        (
            ["--crm", "hubspot"],
            {"SALES_HUBSPOT_TOKEN": "pat-na1-\nsecret"},
            "SALES_HUBSPOT_TOKEN is not shown here: it has",
        ),
    ],
)
def test_each_mistake_gets_its_sentence(
    hubspot: HubSpotStub,
    trained_artifacts: ArtifactFolder,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    given: list[str],
    variables: dict[str, str],
    said: str,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert main(["--mode", "sync", "--artifacts", str(trained_artifacts.root), *given]) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert said in error and "secret" not in error
    assert hubspot.log == []


def test_no_model_is_told_before_anything_is_asked(
    hubspot: HubSpotStub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(ArtifactFolder(tmp_path / "nothing"))) == 2
    assert "is not trained" in " ".join(capsys.readouterr().err.split())
    assert hubspot.log == []


def test_a_second_sync_at_once_says_so(
    hubspot: HubSpotStub, trained_artifacts: ArtifactFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "state").mkdir()
    with open_private(tmp_path / "state" / ".sync.lock") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert main(command(trained_artifacts)) == 2
    assert "Another sync runs with the state folder" in " ".join(capsys.readouterr().err.split())
    assert hubspot.log == []


def test_a_process_that_is_killed_while_it_writes_is_taken_up(
    hubspot: HubSpotStub, trained_artifacts: ArtifactFolder
) -> None:
    """By SIGKILL, when the first of two notes was made and nothing of it is remembered."""
    arguments = [sys.executable, str(ROOT / "main.py"), *command(trained_artifacts)]
    process = subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    notes = 0

    def kill_at_the_second_note(sent: Sent) -> None:
        nonlocal notes
        notes += sent.path == "/crm/v3/objects/notes"
        if notes == 2:
            os.kill(process.pid, signal.SIGKILL)
            hubspot.before = None

    hubspot.before = kill_at_the_second_note
    assert process.wait(120) == -signal.SIGKILL
    assert main(command(trained_artifacts)) == 0
    for deal in hubspot.kinds["deals"]:
        assert len(hubspot.notes_of(deal)) == 1
        assert hubspot.shown(deal)[FIELDS["change"]] == ""


def test_salesforce_goes_the_same_way(
    hubspot: HubSpotStub,
    trained_artifacts: ArtifactFolder,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    org = SalesforceStub()
    deal = org.add("Opportunity", Name="Compressor")
    org.add("Task", WhatId=deal, Description=GLAD, ActivityDate="2026-03-01")
    with served(org.app()) as url:
        monkeypatch.setenv("SALES_SALESFORCE_URL", url)
        monkeypatch.setenv("SALES_SALESFORCE_TOKEN", TOKEN)
        arguments = [word.replace("hubspot", "salesforce") for word in command(trained_artifacts)]
        assert main(arguments) == 0
    assert "1 deals looked at: 1 written" in capsys.readouterr().out
    assert len(org.notes_of(deal)) == 1
    assert hubspot.log == []
