"""HubSpot: deals with their calls, mails and notes through the CRM API v3, and associations through v4.

Lists of what changed go by the time of the change and begin anew behind the last record: pages by number end at 10,000 and
skip records where the list moves, as it does when we write. Records of one moment that fill a page go by their ids. The
search knows a change some seconds late, so whoever calls lets times overlap.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from crm.accounts.hubspot_records import (
    CHANGED,
    FIELDS,
    MORE,
    WORDS,
    account_of,
    activity_of,
    deal_of,
    moment_of,
    properties_of,
    refused,
)
from crm.activities import Activity, said_in
from crm.deals import DEALS, OWN_FIELDS, Changed, CrmDeal, Note, NotesWritten, Said, Standing
from crm.http_client import Ask, BearerToken, CrmError, CrmHttp, CrmRefusedError, Pace

NAME = "HubSpot"
BATCH = 100  # records of a request
PACES = {False: (90, 10.0), True: (4, 1.0)}  # requests in seconds; searches have a limit of their own
_DEAL_PROPERTIES = ["dealname", "hs_is_closed", "hs_is_closed_won", "hs_lastmodifieddate", *FIELDS.values()]
_NOTE_TO_DEAL = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 214}
_DEALS_READ, _DEALS_WRITE = "crm.objects.deals.read", "crm.objects.deals.write"
_SCHEMA_READ, _SCHEMA_WRITE = "crm.schemas.deals.read", "crm.schemas.deals.write"
_READ = {  # what reading a kind needs
    DEALS: _DEALS_READ,
    "calls": "crm.objects.contacts.read",
    "emails": "sales-email-read",
    "notes": "crm.objects.contacts.read",
    "companies": "crm.objects.companies.read",
}
_WRITE_NOTES = "crm.objects.contacts.write"
SCOPES = sorted({*_READ.values(), _DEALS_WRITE, _SCHEMA_READ, _SCHEMA_WRITE, _WRITE_NOTES})
_OF_THE_RECORD = (400, 404, 409, 422)  # statuses that say something of one deal, not of the account
_SHORTEST = timedelta(milliseconds=1)  # between two moments of HubSpot


class HubSpot:
    """One account; keeps `crm.deals.Crm`."""

    kinds = (DEALS, *WORDS)
    batch = BATCH

    def __init__(self, http: CrmHttp) -> None:
        self._http = http

    @classmethod
    def at(cls, address: str, token: str) -> HubSpot:
        """The account of a private app's token."""
        paces = {of_searches: Pace(*limit) for of_searches, limit in PACES.items()}
        return cls(CrmHttp(NAME, address, BearerToken(token), paces, refused))

    @cached_property
    def account(self) -> str:
        """See Crm."""
        found = self._http.ask(
            Ask("GET", "/account-info/v3/details", "read which account it is", "oauth", has="portalId")
        )
        return account_of(found["portalId"])

    def missing_fields(self) -> list[str]:
        """See Crm."""
        path = "/crm/v3/properties/deals"
        found = self._http.ask(Ask("GET", path, "read which properties deals have", _SCHEMA_READ, has="results"))[
            "results"
        ]
        kinds = {one["name"]: one.get("type") for one in found}
        for name, own in OWN_FIELDS.items():
            wanted = "number" if own.is_number else "string"
            if (kind := kinds.get(FIELDS[name], wanted)) != wanted:
                raise CrmError(
                    f"The property {FIELDS[name]!r} of HubSpot's deals is of the type {kind!r}; it should be a {wanted}, so "
                    "rename or delete it, and the next run makes its own."
                )
        return [name for name in FIELDS.values() if name not in kinds]

    def make_fields(self) -> None:
        """See Crm."""
        missing = self.missing_fields()
        for name, own in OWN_FIELDS.items():
            if FIELDS[name] not in missing:
                continue
            kind = ("number", "number") if own.is_number else ("string", "text")
            body = {"name": FIELDS[name], "label": own.label, "description": own.description}
            body |= {"type": kind[0], "fieldType": kind[1], "groupName": "dealinformation"}
            try:
                self._http.ask(Ask("POST", "/crm/v3/properties/deals", "make a property", _SCHEMA_WRITE, body))
            except CrmRefusedError as error:
                if error.status != 409:  # there is one by now
                    raise

    def changed(self, kind: str, since: datetime | None) -> Iterator[Changed]:
        """See Crm."""
        start = since or datetime.fromtimestamp(0, UTC)
        seen: set[str] = set()  # of the moment that the next page begins with
        while True:
            rows = self._search(kind, [_from(start)], CHANGED)
            if not rows:
                return
            moments = [moment_of(row) for row in rows]
            if len(rows) < BATCH:
                yield from self._page(kind, [row for row in rows if row["id"] not in seen], moments[-1])
                return
            if moments[0] == moments[-1]:
                yield from self._of_one_moment(kind, moments[0], seen)
                start, seen = max(start, moments[0]) + _SHORTEST, set()
                continue
            yield from self._page(kind, [row for row in rows if row["id"] not in seen], moments[-1])
            start = max(start, moments[-1])
            seen = {row["id"] for row, moment in zip(rows, moments, strict=True) if moment == start}

    def deals_of(self, kind: str, ids: Sequence[str]) -> list[str]:
        """See Crm."""
        found = self._associated(kind, DEALS, ids).values()
        return list(dict.fromkeys(deal for deals in found for deal in deals))

    def deals(self, ids: Sequence[str]) -> list[CrmDeal]:
        """See Crm."""
        return [deal_of(row) for row in self._read(DEALS, ids, _DEAL_PROPERTIES)]

    def said(self, deals: Sequence[CrmDeal]) -> dict[str, Said]:
        """See Crm."""
        ids = [deal.deal_id for deal in deals]
        companies = self._associated(DEALS, "companies", ids)
        activities: dict[str, list[Activity]] = {deal_id: [] for deal_id in ids}
        for kind, words in WORDS.items():
            of_deals = self._associated(DEALS, kind, ids)
            wanted = list(dict.fromkeys(one for found in of_deals.values() for one in found))
            records = {row["id"]: row for row in self._read(kind, wanted, [*words, *MORE[kind]])}
            for deal_id, found in of_deals.items():
                theirs = [records[one] for one in found if one in records]
                activities[deal_id] += [activity_of(row, words, deal_id, companies.get(deal_id, ())) for row in theirs]
        return {deal_id: said_in(found, NAME) for deal_id, found in activities.items()}

    def write(self, standings: Mapping[str, Standing]) -> dict[str, str]:
        """See Crm."""
        inputs = [{"id": deal_id, "properties": properties_of(one)} for deal_id, one in standings.items()]
        if not inputs:
            return {}
        path = "/crm/v3/objects/deals/batch/update"
        answer = self._http.ask(
            Ask("POST", path, "write the deals' scores", _DEALS_WRITE, {"inputs": inputs}, "results")
        )
        written = {row["id"] for row in answer["results"]}
        why = next((str(one.get("message", "")) for one in answer.get("errors", [])), "it does not say why")
        return {deal_id: why for deal_id in standings if deal_id not in written}

    def write_notes(self, notes: Mapping[str, Note]) -> NotesWritten:
        """See Crm."""
        found = NotesWritten({}, {})
        for deal_id, note in notes.items():
            try:
                found.ids[deal_id] = self._write_note(deal_id, note)
            except CrmRefusedError as error:
                if error.status not in _OF_THE_RECORD:
                    raise
                found.refused[deal_id] = str(error)
        return found

    def close(self) -> None:
        """See Crm."""
        self._http.__exit__()

    def _write_note(self, deal_id: str, note: Note) -> str:
        properties = {"hs_note_body": "".join(f"<p>{html.escape(line)}</p>" for line in note.paragraphs)}
        path, does = "/crm/v3/objects/notes", "write a note"
        if note.note_id is not None:
            body: dict[str, Any] = {"properties": properties}
            try:
                return str(self._http.ask(Ask("PATCH", f"{path}/{note.note_id}", does, _WRITE_NOTES, body, "id"))["id"])
            except CrmRefusedError as error:
                if error.status != 404:  # somebody deleted it
                    raise
        now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.000Z}"  # HubSpot has no note without a time of its own
        types = [{"to": {"id": deal_id}, "types": [_NOTE_TO_DEAL]}]
        body = {"properties": {**properties, "hs_timestamp": now}, "associations": types}
        return str(self._http.ask(Ask("POST", path, does, _WRITE_NOTES, body, "id", twice=False))["id"])

    def _page(self, kind: str, rows: Sequence[Mapping[str, Any]], upto: datetime) -> Iterator[Changed]:
        if rows:
            yield Changed([row["id"] for row in rows], [deal_of(row) for row in rows] if kind == DEALS else [], upto)

    def _of_one_moment(self, kind: str, moment: datetime, seen: set[str]) -> Iterator[Changed]:
        """More records of one moment than a page has, as after an import."""
        last = "0"
        while rows := self._search(
            kind, [_from(moment), _until(moment), _filter("hs_object_id", "GT", last)], "hs_object_id"
        ):
            yield from self._page(kind, [row for row in rows if row["id"] not in seen], moment)
            last = rows[-1]["id"]

    def _search(self, kind: str, filters: Sequence[Mapping[str, str]], order: str) -> list[dict[str, Any]]:
        body = {
            "filterGroups": [{"filters": list(filters)}],
            "sorts": [{"propertyName": order, "direction": "ASCENDING"}],
            "properties": _DEAL_PROPERTIES if kind == DEALS else [CHANGED],
            "limit": BATCH,
        }
        ask = Ask(
            "POST", f"/crm/v3/objects/{kind}/search", f"search {kind}", _READ[kind], body, "results", searches=True
        )
        return list(self._http.ask(ask)["results"])

    def _read(self, kind: str, ids: Sequence[str], properties: Sequence[str]) -> Iterator[dict[str, Any]]:
        for some in _batches(ids):
            body = {"inputs": [{"id": one} for one in some], "properties": list(properties)}
            ask = Ask("POST", f"/crm/v3/objects/{kind}/batch/read", f"read {kind}", _READ[kind], body, "results")
            yield from self._http.ask(ask)["results"]

    def _associated(self, kind: str, other: str, ids: Sequence[str]) -> dict[str, list[str]]:
        """The records of another kind that belong to each of `ids`, where there are any."""
        found: dict[str, list[str]] = {}
        for some in _batches(ids):
            inputs = [{"id": one} for one in some]
            while inputs:  # again for those that have more than a page
                path, does = f"/crm/v4/associations/{kind}/{other}/batch/read", f"read the {other} of {kind}"
                answer = self._http.ask(Ask("POST", path, does, _READ[other], {"inputs": inputs}, "results"))
                inputs = []
                for row in answer["results"]:
                    one = str(row["from"]["id"])
                    found.setdefault(one, []).extend(str(to["toObjectId"]) for to in row["to"])
                    if after := ((row.get("paging") or {}).get("next") or {}).get("after"):
                        inputs.append({"id": one, "after": after})
        return {one: list(dict.fromkeys(others)) for one, others in found.items()}


def _from(moment: datetime) -> dict[str, str]:
    return _filter(CHANGED, "GTE", _milliseconds(moment))


def _until(moment: datetime) -> dict[str, str]:
    return _filter(CHANGED, "LTE", _milliseconds(moment))


def _filter(name: str, operator: str, value: str) -> dict[str, str]:
    return {"propertyName": name, "operator": operator, "value": value}


def _milliseconds(moment: datetime) -> str:
    return str(round(moment.timestamp() * 1000))


def _batches(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), BATCH):
        yield ids[start : start + BATCH]
