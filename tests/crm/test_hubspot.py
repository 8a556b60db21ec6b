"""HubSpot: lists that end at 10,000, batches of 100, properties, limits and refusals; and what the official client says."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hubspot import HubSpot as OfficialClient
from hubspot.crm.associations.v4 import BatchInputPublicFetchAssociationsBatchRequest
from hubspot.crm.deals import ApiException, BatchInputSimplePublicObjectBatchInput, PublicObjectSearchRequest
from hubspot.crm.objects import SimplePublicObjectInputForCreate

from crm.accounts.hubspot import BATCH, SCOPES, HubSpot
from crm.accounts.hubspot_records import FIELDS
from crm.deals import Note, Standing
from crm.http_client import MOST_TRIES, CrmError, CrmRefusedError
from tests.crm.conftest import Runs
from tests.crm.hubspot_stub import PORTAL, HubSpotStub, _error
from tests.crm.stub_server import TOKEN
from tests.test_architecture import ROOT

SCORE = Standing(0.62, "A", None)


def many(hubspot: HubSpotStub, count: int) -> list[str]:
    """Deals, each with a moment of its own."""
    found = []
    for _ in range(count):
        hubspot.passed += timedelta(milliseconds=10)
        found.append(hubspot.add("deals"))
    return found


# What changed


def test_a_list_goes_on_behind_the_end_of_a_search(hubspot: HubSpotStub, hubspot_client: HubSpot) -> None:
    wanted = many(hubspot, 450)
    hubspot.search_end = 300  # HubSpot's is 10,000
    pages = list(hubspot_client.changed("deals", None))
    assert [one for page in pages for one in page.ids] == wanted, "all, in order, each once"
    assert max(len(page.ids) for page in pages) == BATCH
    assert [page.upto for page in pages] == sorted(page.upto for page in pages)


def test_a_search_by_page_numbers_would_have_ended(hubspot: HubSpotStub, hubspot_client: HubSpot) -> None:
    hubspot.search_end = 300
    many(hubspot, 301)
    body = {"filterGroups": [], "limit": 100, "after": "300"}
    official = _official(hubspot_client).crm.deals.search_api
    with pytest.raises(ApiException) as error:
        official.do_search(PublicObjectSearchRequest(**{"filter_groups": [], "limit": 100, "after": body["after"]}))
    assert error.value.status == 400


def test_a_moment_with_more_records_than_a_page_is_not_left_halfway(
    hubspot: HubSpotStub, hubspot_client: HubSpot
) -> None:
    wanted = many(hubspot, 30) + [hubspot.add("deals") for _ in range(250)]
    moment = hubspot.kinds["deals"][wanted[30]].changed
    for number in wanted[30:]:  # as an import leaves them
        hubspot.kinds["deals"][number].changed = moment
    wanted += many(hubspot, 30)
    hubspot.search_end = 100
    found = [one for page in hubspot_client.changed("deals", None) for one in page.ids]
    assert (len(found), set(found)) == (len(set(found)), set(wanted))


def test_records_that_move_while_they_are_written_are_all_seen(hubspot: HubSpotStub, hubspot_client: HubSpot) -> None:
    """Page numbers would skip a hundred deals for each hundred that is written."""
    wanted, seen = many(hubspot, 320), set[str]()
    for page in hubspot_client.changed("deals", None):
        for number in set(page.ids) - seen:
            hubspot.change("deals", number)
        seen |= set(page.ids)
    assert seen == set(wanted)


def test_only_what_changed_since_then_is_listed(hubspot: HubSpotStub, hubspot_client: HubSpot) -> None:
    old, new = many(hubspot, 2)
    since = hubspot.kinds["deals"][new].changed
    assert [page.ids for page in hubspot_client.changed("deals", since)] == [[new]], "at that moment counts"
    assert [page.ids for page in hubspot_client.changed("deals", since - timedelta(minutes=1))] == [[old, new]]


# Writing


def test_a_first_run_makes_the_properties_and_another_does_not(hubspot: HubSpotStub, hubspot_client: HubSpot) -> None:
    deal = hubspot.add("deals")
    with pytest.raises(CrmRefusedError, match="400.*Property values were not valid"):
        hubspot_client.write({deal: SCORE})
    hubspot_client.make_fields()
    assert hubspot_client.write({deal: SCORE}) == {}
    assert hubspot.shown(deal) == {FIELDS["probability"]: "0.62", FIELDS["band"]: "A", FIELDS["change"]: ""}
    hubspot.log.clear()
    hubspot_client.make_fields()
    assert hubspot.writes() == []
    (read,) = hubspot_client.deals([deal])
    assert read.shows(SCORE)


def test_a_property_of_our_name_and_another_type_is_told(hubspot: HubSpotStub, hubspot_client: HubSpot) -> None:
    hubspot.properties[FIELDS["change"]] = {"name": FIELDS["change"], "label": "x", "type": "enumeration"}
    with pytest.raises(
        CrmError, match=r"'sales_conversion_change' of HubSpot's deals is of the type 'enumeration'; it should"
    ):
        hubspot_client.missing_fields()


def test_more_than_a_hundred_deals_are_read_in_batches(hubspot: HubSpotStub, hubspot_client: HubSpot) -> None:
    deals = many(hubspot, 120)
    for number in deals[::10]:
        for _ in range(20):
            hubspot.add("calls", number, hs_call_body="Met them.")
    hubspot.associations_page = 7
    said = hubspot_client.said(hubspot_client.deals(deals))
    assert [len(said[number].conversations) for number in deals[:11]] == [20, *[0] * 9, 20]


def test_a_note_that_may_have_been_made_is_not_made_twice(hubspot: HubSpotStub, hubspot_client: HubSpot) -> None:
    deal = hubspot.add("deals")
    hubspot.failures.append(_error(502, "Bad gateway", "x"))  # nobody knows whether it was made
    with pytest.raises(CrmRefusedError, match="502"):
        hubspot_client.write_notes({deal: Note(["One."])})
    assert len([one for one in hubspot.log if one.path.endswith("/notes")]) == 1
    hubspot.failures.append(_error(502, "Bad gateway", "x"))  # a field is as good written twice
    hubspot_client.make_fields()
    assert hubspot_client.write({deal: SCORE}) == {}


def test_words_of_a_note_are_no_markup(hubspot: HubSpotStub, hubspot_client: HubSpot) -> None:
    deal = hubspot.add("deals")
    assert hubspot_client.write_notes({deal: Note(["a <b>bold</b> & “quoted” word"])}).refused == {}
    assert hubspot.notes_of(deal) == ["<p>a &lt;b&gt;bold&lt;/b&gt; &amp; “quoted” word</p>"]


# Limits and refusals


def test_a_limit_that_does_not_say_how_long_is_waited_for(hubspot: HubSpotStub, hubspot_client: HubSpot) -> None:
    hubspot.limit = 5
    many(hubspot, 30)
    before = hubspot.passed
    for _ in range(4):
        assert len(list(hubspot_client.changed("deals", None))) == 1
        hubspot_client.missing_fields()
    assert timedelta(seconds=3) < hubspot.passed - before < timedelta(seconds=60)


def test_an_account_whose_limit_of_the_day_is_reached_is_told(hubspot: HubSpotStub, hubspot_client: HubSpot) -> None:
    daily = {"errorType": "RATE_LIMIT", "policyName": "DAILY"}
    for _ in range(MOST_TRIES):
        hubspot.failures.append(_error(429, "You have reached your daily limit.", "RATE_LIMITS", **daily))
    with pytest.raises(
        CrmRefusedError, match=r"today's limit of requests \(429: 'You have reached your daily limit.'\)"
    ):
        hubspot_client.missing_fields()


@pytest.mark.parametrize("scope", ["crm.objects.deals.write", "sales-email-read", "crm.schemas.deals.write"])
def test_a_scope_that_is_lacking_is_named(
    hubspot: HubSpotStub, hubspot_client: HubSpot, sync: Runs, scope: str
) -> None:
    hubspot.add("calls", hubspot.add("deals"), hs_call_body="They want it.")
    hubspot.scopes.remove(scope)
    with pytest.raises(CrmRefusedError, match=f"add the scope {scope} on its page Scopes"):
        sync(hubspot_client)


def test_the_documents_name_every_scope() -> None:
    page = (ROOT / "docs" / "crm.md").read_text(encoding="utf-8")
    assert [scope for scope in SCOPES if scope not in page] == []


def test_a_token_that_is_not_known_is_told_and_never_shown(hubspot: HubSpotStub, hubspot_client: HubSpot) -> None:
    hubspot.failures.append(_error(401, "Authentication credentials not found.", "INVALID_AUTHENTICATION"))
    with pytest.raises(CrmRefusedError, match="does not know the token in SALES_HUBSPOT_TOKEN") as error:
        hubspot_client.missing_fields()
    assert TOKEN not in str(error.value)


# The official client


def _official(hubspot_client: HubSpot) -> OfficialClient:
    official = OfficialClient(access_token=TOKEN)
    official.config["host"] = hubspot_client._http.address
    return official


def test_the_official_client_understands_the_stand_in(hubspot: HubSpotStub, hubspot_client: HubSpot) -> None:
    """It makes typed models of what it reads, and refuses what lacks a field."""
    deal = hubspot.add("deals", dealname="Compressor")
    call = hubspot.add("calls", deal, hs_call_body="Hello.")
    hubspot_client.make_fields()
    official = _official(hubspot_client)
    found = official.crm.deals.search_api.do_search(
        PublicObjectSearchRequest(
            filter_groups=[{"filters": [{"propertyName": "hs_lastmodifieddate", "operator": "GTE", "value": "0"}]}],
            properties=["dealname"],
            limit=100,
        )
    )
    assert (found.total, found.results[0].properties["dealname"]) == (1, "Compressor")
    assert FIELDS["band"] in {one.name for one in official.crm.properties.core_api.get_all("deals").results}
    inputs = [{"id": deal, "properties": {FIELDS["band"]: "B"}}]
    official.crm.deals.batch_api.update(BatchInputSimplePublicObjectBatchInput(inputs=inputs))
    assert hubspot.shown(deal)[FIELDS["band"]] == "B"
    wanted = BatchInputPublicFetchAssociationsBatchRequest(inputs=[{"id": deal}])
    page = official.crm.associations.v4.batch_api.get_page("deals", "calls", wanted)
    assert [one.to_object_id for one in page.results[0].to] == [call]
    note = SimplePublicObjectInputForCreate(
        properties={"hs_note_body": "Hi.", "hs_timestamp": "2026-01-01T00:00:00Z"},
        associations=[
            {"to": {"id": deal}, "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 214}]}
        ],
    )
    official.crm.objects.notes.basic_api.create(simple_public_object_input_for_create=note)
    assert hubspot.notes_of(deal) == ["Hi."]
    assert hubspot_client.account == f"hubspot:{PORTAL}"
