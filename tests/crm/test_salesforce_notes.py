"""Salesforce's enhanced notes: read with the words of their newest version, and asked for as Salesforce lets one ask."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import requests
from simple_salesforce.api import Salesforce as OfficialClient
from simple_salesforce.exceptions import SalesforceMalformedRequest

from crm.accounts.salesforce import BATCH, Salesforce
from crm.accounts.salesforce_notes import ENHANCED_NOTES
from crm.deals import NOTE_BEGINS
from crm.http_client import CrmRefusedError
from tests.crm.conftest import Runs
from tests.crm.salesforce_files import OWNER
from tests.crm.salesforce_stub import SalesforceStub, _error
from tests.crm.stub_server import TOKEN

WORDS = "<p>Met the owner; she said &quot;yes&quot; &amp; wants an offer.</p><p>Grüße an Jörg.</p>"


@pytest.fixture
def deal(org: SalesforceStub) -> str:
    return org.add("Opportunity", Name="Compressor", StageName="Negotiation")


def words_of(client: Salesforce, deal: str) -> list[str]:
    said = client.said(client.deals([deal]))[deal]
    assert said.problem is None
    return [one.transcript or "" for one in said.conversations]


def contents_asked(org: SalesforceStub) -> int:
    return sum(one.path.endswith("/VersionData") for one in org.log)


def test_an_enhanced_note_is_read_as_the_words_of_its_html_beside_a_classic_one(
    org: SalesforceStub, client: Salesforce, deal: str
) -> None:
    other = org.add("Opportunity", Name="Other")
    org.files.add_note("Visit", WORDS, deal)
    org.files.add_note("Not of this deal", "<p>No.</p>", other)
    org.files.add_note("contract.pdf", "%PDF-1.7", deal, kind="PDF")
    org.add("Note", ParentId=deal, Title="Call", Body="They will call back.")
    met = 'Met the owner; she said "yes" & wants an offer.\nGrüße an Jörg.'
    assert sorted(words_of(client, deal)) == [met, "They will call back."]
    assert contents_asked(org) == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("Tom &amp; Eva said &quot;yes&quot;", ['Tom & Eva said "yes"']),  # no tag tells that it is HTML
        ("<ul><li>budget is approved</li><li>they sign in May</li></ul>", ["budget is approved\nthey sign in May"]),
        ("", []),
        ("<p><br></p>", []),
    ],
)
def test_its_content_is_html_whatever_it_looks_like(
    org: SalesforceStub, client: Salesforce, deal: str, content: str, words: list[str]
) -> None:
    org.files.add_note("Untitled Note", content, deal)
    assert words_of(client, deal) == words


def test_a_note_that_is_changed_is_read_in_its_newest_version_and_moves_the_score(
    org: SalesforceStub, client: Salesforce, sync: Runs, deal: str
) -> None:
    note = org.files.add_note("Visit", "<p>They want to sign in May.</p>", deal)
    for _ in range(2):  # after the second one the cursors stand behind our own writes
        sync(client)
        org.passed += timedelta(minutes=5)
    org.files.change(note, "<p>They don't want to sign any more.</p>")
    assert [one.deal.deal_id for one in sync(client).planned] == [deal]
    assert words_of(client, deal) == ["They don't want to sign any more."]
    assert org.violations == []


def test_a_note_that_is_linked_to_a_deal_later_is_found(org: SalesforceStub, client: Salesforce, deal: str) -> None:
    note = org.files.add_note("Visit", "<p>They want to sign in May.</p>")
    org.passed += timedelta(hours=1)
    since = org.now()
    assert list(client.changed(ENHANCED_NOTES, since)) == []
    org.files.link(note, deal)
    (page,) = client.changed(ENHANCED_NOTES, since - timedelta(minutes=1))
    assert (page.ids, page.deals) == ([note], [])
    assert client.deals_of(ENHANCED_NOTES, page.ids) == [deal], "and not who wrote it"


def test_what_changed_comes_in_order_and_in_pages_and_notes_of_closed_deals_do_not(
    org: SalesforceStub, client: Salesforce, deal: str
) -> None:
    notes = []
    for _ in range(BATCH + 1):
        org.passed += timedelta(seconds=1)
        notes.append(org.files.add_note("Note", "<p>Hello.</p>", deal))
    closed = org.add("Opportunity", IsClosed=True)
    org.files.add_note("Note", "<p>Hello.</p>", closed)
    pages = list(client.changed(ENHANCED_NOTES, None))
    assert [one for page in pages for one in page.ids] == notes
    assert [len(page.ids) for page in pages] == [BATCH, 1]
    assert pages[0].upto < pages[1].upto


def test_of_very_many_notes_the_words_of_the_newest_are_fetched_alone(
    org: SalesforceStub, client: Salesforce, deal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crm.accounts.salesforce_notes.MOST_OF_A_DEAL", 3)
    for number in range(5):
        org.passed += timedelta(days=1)
        org.files.add_note("Note", f"<p>This is visit number {number}.</p>", deal)
    assert words_of(client, deal) == [f"This is visit number {number}." for number in (2, 3, 4)]
    assert contents_asked(org) == 3


def test_a_note_that_is_deleted_while_it_is_read_has_no_words(
    org: SalesforceStub, client: Salesforce, deal: str
) -> None:
    org.files.add_note("Visit", WORDS, deal)
    org.files.versions.clear()
    assert words_of(client, deal) == []


def test_a_copy_of_our_note_that_a_migration_made_is_neither_read_nor_written_over(
    org: SalesforceStub, client: Salesforce, sync: Runs, deal: str
) -> None:
    org.add("Task", WhatId=deal, Description="Too expensive, they say.", ActivityDate="2026-03-01")
    sync(client)
    (ours,) = org.tables["Note"]
    org.files.add_note(NOTE_BEGINS, f"<p>{NOTE_BEGINS}: 12.0 %, band D.</p>", deal)
    said = client.said(client.deals([deal]))[deal]
    assert (len(said.conversations), said.note_id) == (1, ours)
    org.tables["Note"].clear()
    assert client.said(client.deals([deal]))[deal].note_id is None


def test_an_organisation_without_files_has_none(org: SalesforceStub, client: Salesforce, deal: str) -> None:
    org.lacks.add("ContentDocumentLink")
    org.add("Note", ParentId=deal, Title="Call", Body="They will call back.")
    assert words_of(client, deal) == ["They will call back."]
    assert list(client.changed(ENHANCED_NOTES, None)) == []


def test_the_official_client_reads_the_same_from_the_stand_in(org: SalesforceStub, address: str, deal: str) -> None:
    note = org.files.add_note("Visit", WORDS, deal)
    with requests.Session() as session:
        session.trust_env = False
        official = OfficialClient(instance_url=address, session_id=TOKEN, version="62.0", session=session)
        official.base_url = f"{address}/services/data/v62.0/"  # it would ask by https
        asked = "SELECT LinkedEntityId, ContentDocument.LatestPublishedVersionId FROM ContentDocumentLink"
        rows = official.query(f"{asked} WHERE ContentDocumentId = '{note}'")["records"]
        assert [row["LinkedEntityId"] for row in rows] == [OWNER, deal]
        versions: Any = official.ContentVersion
        versions.base_url = f"{official.base_url}sobjects/ContentVersion/"
        content = versions.get_base64(rows[0]["ContentDocument"]["LatestPublishedVersionId"], "VersionData")
        assert content.decode() == WORDS
        for where in ("", " WHERE ContentDocument.FileType = 'SNOTE'"):
            with pytest.raises(SalesforceMalformedRequest, match="requires a filter by a single Id"):
                official.query(f"SELECT Id FROM ContentDocumentLink{where}")


def test_what_else_goes_wrong_with_a_content_has_its_sentence(
    org: SalesforceStub, client: Salesforce, deal: str
) -> None:
    org.files.add_note("Visit", WORDS, deal)
    found = client.deals([deal])

    def fails(sent: object) -> None:
        if str(getattr(sent, "path", "")).endswith("/VersionData"):
            org.failures.append(_error(403, "Because.", "INSUFFICIENT_ACCESS"))

    org.before = fails
    with pytest.raises(CrmRefusedError, match=r"does not let this user read a note \(403, INSUFFICIENT_ACCESS"):
        client.said(found)
