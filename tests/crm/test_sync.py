"""A run on a stand-in for HubSpot: what is written, what never is, what a second run does, and what a killed one leaves."""

from __future__ import annotations

import html
from datetime import timedelta
from typing import Any

import pytest

from crm.accounts.hubspot import HubSpot
from crm.accounts.hubspot_records import FIELDS
from crm.deals import NOTE_BEGINS
from crm.state import SyncState
from prediction_log.deals.timeline import deal_timeline
from tests.crm.conftest import Runs
from tests.crm.hubspot_stub import HubSpotStub
from tests.crm.stub_server import Sent

PROBABILITY = FIELDS["probability"]
GLAD = "They loved the demo, the budget is approved and they want to sign in May."
SOUR = "<p>Too <b>expensive</b> for us, and we are happy with what we have.</p>"


@pytest.fixture
def deal(hubspot: HubSpotStub) -> str:
    """An open deal with a call and a mail."""
    number = hubspot.add("deals", dealname="Compressor", dealstage="negotiation", amount="9000", hs_is_closed="false")
    hubspot.add("calls", number, hs_call_body=SOUR, hs_timestamp="2026-03-01T10:00:00Z")
    text = "Hi Jo,\n\nThe budget is approved.\n\nOn Mon, Mar 2, 2026 at 10:00 AM Jo wrote:\n> Is it too expensive?"
    hubspot.add(
        "emails", number, hs_email_text=text, hs_email_direction="INCOMING_EMAIL", hs_timestamp="2026-03-03T10:00:00Z"
    )
    return number


def later(hubspot: HubSpotStub) -> None:
    """Longer than the overlap."""
    hubspot.passed += timedelta(minutes=5)


def test_a_deal_gets_its_score_and_one_note_with_the_quoted_reasons(
    hubspot: HubSpotStub, hubspot_client: HubSpot, sync: Runs, deal: str
) -> None:
    report = sync(hubspot_client)
    shown = hubspot.shown(deal)
    assert 0 < float(shown[PROBABILITY]) < 1
    assert shown[FIELDS["band"]] in "ABCD"
    assert shown[FIELDS["change"]] == "", "there was nothing before"
    (note,) = hubspot.notes_of(deal)
    assert note.startswith(f"<p>{NOTE_BEGINS}: {100 * float(shown[PROBABILITY]):.1f} %")
    assert "“" in note and "<b>" not in note
    assert report.summary(False).startswith("1 deals looked at: 1 written, 0 unchanged")
    history = deal_timeline(sync.store, deal)
    assert history is not None
    assert [round(one.probability, 3) for one in history.predictions] == [float(shown[PROBABILITY])]


def test_a_mail_is_its_writers_and_without_the_mail_that_it_quotes(
    hubspot: HubSpotStub, hubspot_client: HubSpot, deal: str
) -> None:
    mail = hubspot_client.said(hubspot_client.deals([deal]))[deal].conversations[1]
    assert [(turn.speaker, turn.text) for turn in mail.turns or []] == [
        ("customer", "Hi Jo,\n\nThe budget is approved.")
    ]


def test_nothing_is_sent_but_three_fields_and_a_note(
    hubspot: HubSpotStub, hubspot_client: HubSpot, sync: Runs, deal: str
) -> None:
    before = dict(hubspot.kinds["deals"][deal].properties)
    sync(hubspot_client)
    sent = {sent.path: sent.body for sent in hubspot.writes()}
    assert set(sent) == {
        "/crm/v3/properties/deals",
        "/crm/v3/objects/deals/batch/update",
        "/crm/v3/objects/notes",
    }
    (update,) = sent["/crm/v3/objects/deals/batch/update"]["inputs"]
    assert update.keys() == {"id", "properties"} and update["properties"].keys() == set(FIELDS.values())
    assert sent["/crm/v3/objects/notes"].keys() == {"properties", "associations"}
    assert sent["/crm/v3/objects/notes"]["properties"].keys() == {"hs_note_body", "hs_timestamp"}
    after = hubspot.kinds["deals"][deal].properties
    assert {name: after[name] for name in before} == before, "stage, amount and the rest are as they were"
    assert hubspot.violations == []


def test_the_stand_in_refuses_a_stage_an_amount_and_a_date(hubspot: HubSpotStub, deal: str) -> None:
    for name in ("dealstage", "amount", "closedate"):
        body = {"inputs": [{"id": deal, "properties": {name: "1"}}]}
        answer = hubspot._batch_update(Sent("POST", "/crm/v3/objects/deals/batch/update", body, {}), "deals")
        assert answer.status_code == 400
    assert hubspot.violations == ["deals: dealstage", "deals: amount", "deals: closedate"]


@pytest.mark.parametrize("minutes", [0, 5])
def test_a_second_run_writes_nothing_though_the_first_ones_writes_were_changes(
    hubspot: HubSpotStub, hubspot_client: HubSpot, sync: Runs, deal: str, minutes: int
) -> None:
    sync(hubspot_client)
    hubspot.log.clear()
    hubspot.passed += timedelta(minutes=minutes)
    report = sync(hubspot_client)
    assert [(sent.method, sent.path) for sent in hubspot.writes()] == []
    assert (report.looked_at, report.planned) == ({deal}, [])
    history = deal_timeline(sync.store, deal)
    assert history is not None and len(history.predictions) == 1


def test_new_words_change_the_score_and_the_same_note(
    hubspot: HubSpotStub, hubspot_client: HubSpot, sync: Runs, deal: str
) -> None:
    sync(hubspot_client)
    first = float(hubspot.shown(deal)[PROBABILITY])
    later(hubspot)
    hubspot.add("notes", deal, hs_note_body=GLAD, hs_timestamp="2026-03-09T10:00:00Z")  # the deal itself is as before
    later(hubspot)
    sync(hubspot_client)
    shown = hubspot.shown(deal)
    assert float(shown[FIELDS["change"]]) == pytest.approx(float(shown[PROBABILITY]) - first, abs=5e-4)
    notes = hubspot.notes_of(deal)
    assert len(notes) == 2, "the one somebody wrote, and ours"
    assert sum(NOTE_BEGINS in note for note in notes) == 1
    assert "points since the last time" in "".join(notes)


def test_what_the_search_knows_late_is_not_missed(
    hubspot: HubSpotStub, hubspot_client: HubSpot, sync: Runs, deal: str
) -> None:
    sync(hubspot_client)
    cursor = SyncState(sync.store, hubspot_client.account).cursor("deals")
    assert cursor is not None
    late, too_late = hubspot.add("deals"), hubspot.add("deals")
    hubspot.kinds["deals"][late].changed = cursor - timedelta(seconds=50)
    hubspot.kinds["deals"][too_late].changed = cursor - timedelta(seconds=70)
    assert sync(hubspot_client).looked_at == {deal, late}


def test_words_that_somebody_edits_later_count(
    hubspot: HubSpotStub, hubspot_client: HubSpot, sync: Runs, deal: str
) -> None:
    sync(hubspot_client)
    later(hubspot)
    sync(hubspot_client)  # the cursors stand behind our own writes
    later(hubspot)
    call = next(iter(hubspot.kinds["calls"]))
    hubspot.change("calls", call, hs_call_body=GLAD)  # such as a transcript that comes an hour after the call
    assert {one.deal.deal_id for one in sync(hubspot_client).planned} == {deal}


def test_our_own_note_is_never_read_as_something_that_was_said(
    hubspot: HubSpotStub, hubspot_client: HubSpot, sync: Runs, deal: str
) -> None:
    before = hubspot_client.said(hubspot_client.deals([deal]))[deal]
    sync(hubspot_client)
    after = hubspot_client.said(hubspot_client.deals([deal]))[deal]
    assert (before.note_id, len(before.conversations)) == (None, 2)
    assert len(after.conversations) == 2
    assert after.note_id in hubspot.kinds["notes"]


def test_a_field_that_somebody_empties_is_written_again_and_a_note_that_they_delete_is_not(
    hubspot: HubSpotStub, hubspot_client: HubSpot, sync: Runs, deal: str
) -> None:
    sync(hubspot_client)
    shown = hubspot.shown(deal)
    later(hubspot)
    hubspot.change("deals", deal, **{PROBABILITY: ""})
    hubspot.kinds["notes"].clear()
    sync(hubspot_client)
    assert hubspot.shown(deal) == shown
    assert hubspot.notes_of(deal) == []
    later(hubspot)
    hubspot.add("calls", deal, hs_call_body=GLAD)
    sync(hubspot_client)
    assert len(hubspot.notes_of(deal)) == 1, "there is news"


def test_a_dry_run_writes_nothing_and_says_what_a_run_would(
    hubspot: HubSpotStub, hubspot_client: HubSpot, sync: Runs, deal: str
) -> None:
    dry = sync(hubspot_client, dry_run=True)
    assert [sent.path for sent in hubspot.writes()] == []
    assert (sync.store.count(), hubspot.properties) == (0, {})
    assert sorted(dry.missing_fields) == sorted(FIELDS.values())
    (planned,) = dry.planned
    sync(hubspot_client)
    assert hubspot.shown(deal)[PROBABILITY] == str(planned.standing.probability)
    assert hubspot.notes_of(deal) == ["".join(f"<p>{html.escape(line)}</p>" for line in planned.paragraphs)]


def test_deals_without_words_are_told_and_not_scored(hubspot: HubSpotStub, hubspot_client: HubSpot, sync: Runs) -> None:
    deal = hubspot.add("deals", dealname="Empty")
    hubspot.add("calls", deal, hs_call_body="<p> </p>")
    hubspot.add("notes", deal, hs_note_body=None)
    report = sync(hubspot_client)
    assert (report.silent, report.planned) == ({deal}, [])
    assert hubspot.shown(deal) == dict.fromkeys(sorted(FIELDS.values()))


def test_how_a_closed_deal_ended_comes_back_as_feedback(
    hubspot: HubSpotStub, hubspot_client: HubSpot, sync: Runs, deal: str
) -> None:
    sync(hubspot_client)
    shown = hubspot.shown(deal)
    later(hubspot)
    hubspot.change("deals", deal, hs_is_closed="true", hs_is_closed_won="false", dealstage="closedlost")
    hubspot.add("notes", deal, hs_note_body=GLAD)
    report = sync(hubspot_client)
    history = deal_timeline(sync.store, deal)
    assert history is not None
    assert [one.actual_outcome for one in history.predictions] == ["failed"]
    assert (report.fed_back, report.closed) == (1, {deal})
    assert hubspot.shown(deal) == shown, "a closed deal is not scored"
    later(hubspot)
    assert sync(hubspot_client, everything=True).fed_back == 0
    hubspot.change("deals", deal, hs_is_closed_won="true")  # it was a mistake
    assert sync(hubspot_client).fed_back == 1
    history = deal_timeline(sync.store, deal)
    assert history is not None and history.predictions[0].actual_outcome == "successful"


def test_a_deal_that_is_refused_is_told_and_comes_again(
    hubspot: HubSpotStub, hubspot_client: HubSpot, sync: Runs, deal: str
) -> None:
    other = hubspot.add("deals", dealname="Other")
    hubspot.add("calls", other, hs_call_body=GLAD)
    hubspot.refused_deals.add(deal)
    report = sync(hubspot_client)
    assert set(report.refused) == {deal}
    assert (
        f"1 deals were refused, and come again with the next run ({deal!r}: Could not update it)." in report.warnings()
    )
    assert (hubspot.notes_of(deal), len(hubspot.notes_of(other))) == ([], 1)
    later(hubspot)
    later(hubspot)
    hubspot.refused_deals.clear()
    report = sync(hubspot_client, queued_only=True)
    assert (report.looked_at, len(hubspot.notes_of(deal))) == ({deal}, 1)
    assert sync(hubspot_client, queued_only=True).looked_at == set(), "the queue is empty"


def test_a_deal_that_cannot_be_read_is_told_and_keeps_no_other_from_its_score(
    hubspot: HubSpotStub, hubspot_client: HubSpot, sync: Runs, deal: str
) -> None:
    other = hubspot.add("deals", dealname="Far too long")
    hubspot.add("calls", other, hs_call_body="word " * 250_000)
    report = sync(hubspot_client)
    assert {one.deal.deal_id for one in report.planned} == {deal}
    assert list(report.left_out) == [other] and "1,000,000" in report.left_out[other]


class Killed(BaseException):
    """As if the process were not there any more."""


def counts(hubspot: HubSpotStub, deals: list[str]) -> list[int]:
    return [sum(NOTE_BEGINS in note for note in hubspot.notes_of(deal)) for deal in deals]


MOMENTS = (
    "POST /crm/v3/properties/deals",
    "POST /crm/v4/associations/deals/notes/batch/read",  # a page was read and nothing of it written
    "POST /crm/v3/objects/deals/batch/update",
    "POST /crm/v3/objects/notes",
)


def test_a_run_that_is_killed_at_any_write_is_taken_up_and_writes_nothing_twice(
    hubspot: HubSpotStub, hubspot_client: HubSpot, sync: Runs, deal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each time by a run that goes on from what the ones before left; nothing of a page is remembered until its end."""
    for kind in hubspot.kinds.values():
        for record in kind.values():
            record.changed -= timedelta(hours=2)  # so that a cursor behind the second deal would miss the first
    second = hubspot.add("deals", dealname="Second")
    hubspot.add("calls", second, hs_call_body=GLAD)
    ask, moment = hubspot_client._http.ask, ""

    def dying(wanted: Any) -> Any:
        answer = ask(wanted)
        if f"{wanted.method} {wanted.path}".startswith(moment):
            raise Killed
        return answer

    monkeypatch.setattr(hubspot_client._http, "ask", dying)
    # The last two: with one of two notes made, and with both there and one of them written again.
    for one in (*MOMENTS, "POST /crm/v3/objects/notes", "PATCH /crm/v3/objects/notes/"):
        moment = one
        with pytest.raises(Killed):
            sync(hubspot_client)
    moment = "none"
    assert sync(hubspot_client).refused == {}
    assert counts(hubspot, [deal, second]) == [1, 1], "one note for each deal, however often a run was killed"
    hubspot.log.clear()
    later(hubspot)
    assert sync(hubspot_client).planned == []
    assert [one.path for one in hubspot.writes()] == []
    assert all(float(hubspot.shown(one)[PROBABILITY]) > 0 for one in (deal, second))
    assert [hubspot.shown(one)[FIELDS["change"]] for one in (deal, second)] == ["", ""], "nothing was there before"
