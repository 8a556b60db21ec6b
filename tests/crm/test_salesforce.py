"""Salesforce: the same sync on a stand-in, with what is Salesforce's own."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import requests
from simple_salesforce.api import Salesforce as OfficialClient

from crm.accounts.salesforce import BATCH, Salesforce
from crm.accounts.salesforce_access import ClientCredentials
from crm.accounts.salesforce_records import FIELDS
from crm.deals import NOTE_BEGINS
from crm.http_client import CrmError, CrmRefusedError
from prediction_log.deals.timeline import deal_timeline
from tests.crm.conftest import Runs, connected_to
from tests.crm.salesforce_stub import CLIENT, ORGANISATION, SalesforceStub, _error
from tests.crm.stub_server import TOKEN

PROBABILITY = FIELDS["probability"]


@pytest.fixture
def deal(org: SalesforceStub) -> str:
    account = org.add("Account", Name="Acme", Industry="Retail", NumberOfEmployees=300)
    number = org.add("Opportunity", Name="Compressor", StageName="Negotiation", Amount=9000, AccountId=account)
    org.add("Task", WhatId=number, Description="Too expensive, they say.", ActivityDate="2026-03-01")
    mail = {"RelatedToId": number, "MessageDate": "2026-03-03T10:00:00.000+0000", "Incoming": True}
    task = org.add("Task", WhatId=number, Description="Subject: budget. It is approved.", ActivityDate="2026-03-03")
    org.add("EmailMessage", **mail, TextBody="The budget is approved.", ActivityId=task)
    org.add("EmailMessage", **mail, TextBody="This was never sent.", Status="5")
    org.add("Task", WhatId=number, Description="Call them in May.", IsClosed=False)
    org.add("Note", ParentId=number, Title="Visit", Body="Met the owner, she decides.")
    return number


def test_calls_mails_and_notes_are_read_each_once(client: Salesforce, deal: str) -> None:
    said = client.said(client.deals([deal]))[deal]
    read = {(one.transcript or "", *(turn.speaker for turn in one.turns or [])) for one in said.conversations}
    assert read == {("Too expensive, they say.",), ("", "customer"), ("Met the owner, she decides.",)}
    assert {one.conversation_context.industry for one in said.conversations} == {"Retail"}
    assert len({one.group for one in said.conversations}) == 1


def test_a_deal_gets_its_score_and_a_note_and_a_second_run_writes_nothing(
    org: SalesforceStub, client: Salesforce, sync: Runs, deal: str
) -> None:
    before = dict(org.tables["Opportunity"][deal])
    sync(client)
    assert client.account == f"salesforce:{ORGANISATION}"
    assert 0 < org.shown(deal)[PROBABILITY] < 1
    assert sum(note.startswith(NOTE_BEGINS) for note in org.notes_of(deal)) == 1
    own = {"SystemModstamp", *FIELDS.values()}
    after = {name: value for name, value in org.tables["Opportunity"][deal].items() if name not in own}
    assert after == {name: value for name, value in before.items() if name not in own}
    assert org.violations == []
    for minutes in (0, 5):
        org.passed += timedelta(minutes=minutes)
        org.log.clear()
        assert sync(client).looked_at == {deal}
        assert org.writes() == []


def test_new_words_change_the_score_and_the_same_note_and_a_closed_deal_is_feedback(
    org: SalesforceStub, client: Salesforce, sync: Runs, deal: str
) -> None:
    sync(client)
    first = org.shown(deal)[PROBABILITY]
    org.passed += timedelta(minutes=5)
    org.add("Task", WhatId=deal, Description="They want to sign in May.", ActivityDate="2026-03-09")
    sync(client)
    assert org.shown(deal)[FIELDS["change"]] == pytest.approx(org.shown(deal)[PROBABILITY] - first, abs=1e-9)
    assert len(org.notes_of(deal)) == 2
    org.change("Opportunity", deal, IsClosed=True, IsWon=True, StageName="Closed Won")
    assert sync(client).fed_back == 2
    history = deal_timeline(sync.store, deal)
    assert history is not None
    assert [one.actual_outcome for one in history.predictions] == ["successful", "successful"]


def test_a_locked_deal_comes_again_and_a_deleted_note_is_made_anew(
    org: SalesforceStub, client: Salesforce, sync: Runs, deal: str
) -> None:
    org.locked.add(deal)
    report = sync(client)
    assert list(report.refused) == [deal] and "UNABLE_TO_LOCK_ROW" in report.refused[deal]
    org.locked.clear()
    sync(client, queued_only=True)
    ours = [number for number, note in org.tables["Note"].items() if note["Body"].startswith(NOTE_BEGINS)]
    assert len(ours) == 1
    del org.tables["Note"][ours[0]]
    org.add("Task", WhatId=deal, Description="They want to sign in May.", ActivityDate="2026-03-09")
    sync(client)
    assert sum(note.startswith(NOTE_BEGINS) for note in org.notes_of(deal)) == 1


def test_fields_that_are_not_there_are_named_with_how_to_add_them(
    org: SalesforceStub, client: Salesforce, sync: Runs, deal: str
) -> None:
    del org.fields[FIELDS["band"]]
    org.fields[PROBABILITY] = False
    assert sync(client, dry_run=True).missing_fields == ["Sales_Conversion_Band__c"]
    with pytest.raises(
        CrmError, match=r"lacks, or this user may not see: Sales_Conversion_Band__c \(Text, length 20\); add"
    ):
        sync(client)
    org.fields[FIELDS["band"]] = True
    again = connected_to(org, client._http.address)
    with pytest.raises(CrmError, match=r"may not edit Sales_Conversion_Probability__c of Salesforce's Opportunity"):
        sync(again)
    again.close()
    assert org.writes() == []


def test_what_changed_is_listed_page_by_page_behind_the_last_record(org: SalesforceStub, client: Salesforce) -> None:
    wanted = [org.add("Opportunity", Name=str(n)) for n in range(2 * BATCH + 7)]  # most of them in the same second
    org.page = 150  # as Salesforce cuts answers with many fields
    pages = list(client.changed("deals", org.now() - timedelta(hours=1)))
    assert [len(page.ids) for page in pages] == [BATCH, BATCH, 7]
    assert [one for page in pages for one in page.ids] == wanted
    assert [page.upto for page in pages] == sorted(page.upto for page in pages)


def test_without_mails_of_their_own_they_are_tasks(org: SalesforceStub, client: Salesforce, deal: str) -> None:
    org.lacks.add("EmailMessage")
    said = client.said(client.deals([deal]))[deal]
    assert {one.transcript for one in said.conversations} >= {"Subject: budget. It is approved."}
    assert list(client.changed("mails", None)) == []


def test_a_connected_app_logs_in_by_itself_and_again_when_the_token_ends(org: SalesforceStub, address: str) -> None:
    auth = ClientCredentials(address, CLIENT["client_id"], CLIENT["client_secret"])
    client = connected_to(org, address, auth)
    assert client.account == f"salesforce:{ORGANISATION}"
    org.tokens.append("another")  # ours has ended
    assert client.missing_fields() == []
    client.close()
    wrong = connected_to(org, address, ClientCredentials(address, "client", "not-the-secret"))
    with pytest.raises(CrmRefusedError, match="invalid client credentials") as error:
        wrong.missing_fields()
    assert "not-the-secret" not in str(error.value)
    wrong.close()


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (401, "INVALID_SESSION_ID", "does not know the token in SALES_SALESFORCE_TOKEN, or it has ended (401"),
        (403, "API_DISABLED_FOR_ORG", "needs the scope api, and the user the permission API Enabled"),
        (403, "REQUEST_LIMIT_EXCEEDED", "limit of requests a day is reached"),
        (400, "MALFORMED_QUERY", "Salesforce refused to read which fields deals have (400, MALFORMED_QUERY"),
    ],
)
def test_each_refusal_has_its_sentence(
    org: SalesforceStub, client: Salesforce, status: int, code: str, said: str
) -> None:
    org.failures.append(_error(status, "Because.", code))
    with pytest.raises(CrmRefusedError) as error:
        client.missing_fields()
    assert said in str(error.value)
    assert TOKEN not in str(error.value)


def test_an_id_that_is_none_never_gets_into_a_query(client: Salesforce) -> None:
    with pytest.raises(CrmError, match="is no id of Salesforce"):
        client.deals(["006') OR (Id != '"])


def test_the_official_client_understands_the_stand_in(org: SalesforceStub, address: str, deal: str) -> None:
    with requests.Session() as session:
        session.trust_env = False
        official = OfficialClient(instance_url=address, session_id=TOKEN, version="62.0", session=session)
        official.base_url = f"{address}/services/data/v62.0/"  # it would ask by https
        rows = official.query(f"SELECT Id, Name, Account.Name FROM Opportunity WHERE Id IN ('{deal}')")
        assert rows["records"][0]["Account"]["Name"] == "Acme"
        described: Any = official.restful("sobjects/Opportunity/describe")
        assert set(FIELDS.values()) <= {one["name"] for one in described["fields"]}
        body = {"allOrNone": False, "records": [{"attributes": {"type": "Opportunity"}, "id": deal, PROBABILITY: 0.5}]}
        answers: Any = official.restful("composite/sobjects", method="PATCH", json=body)
        assert answers[0]["success"] and org.shown(deal)[PROBABILITY] == 0.5
