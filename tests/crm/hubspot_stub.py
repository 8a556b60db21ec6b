"""A stateful stand-in for HubSpot's CRM API, written from its public documentation; the official client reads its answers.

It is strict where HubSpot is: batches of 100, an unknown property refuses a whole batch, a search ends at 10,000, a limit says
nothing of when to come again, every write moves hs_lastmodifieddate. And it refuses what the sync must never write.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from crm.accounts.hubspot import SCOPES
from crm.accounts.hubspot_records import FIELDS
from tests.crm.stub_server import TOKEN, CrmStub, Sent, json_answer

PORTAL = 62515
BUILT_IN = set(
    "dealname dealstage pipeline amount closedate hubspot_owner_id hs_is_closed hs_is_closed_won hs_analytics_source".split()
)
OURS = set(FIELDS.values())
OF_A_NOTE = {"hs_note_body", "hs_timestamp"}
NEEDS = {
    "deals": "crm.objects.deals",
    "calls": "crm.objects.contacts",
    "notes": "crm.objects.contacts",
    "companies": "crm.objects.companies",
}
TYPES = {("notes", "deals"): 214, ("calls", "deals"): 206, ("emails", "deals"): 210}


@dataclass
class Record:
    properties: dict[str, Any]
    created: datetime
    changed: datetime


@dataclass
class HubSpotStub(CrmStub):
    """One account."""

    kinds: dict[str, dict[str, Record]] = field(
        default_factory=lambda: {kind: {} for kind in ("deals", "calls", "emails", "notes", "companies")}
    )
    associations: list[tuple[str, str, str, str]] = field(default_factory=list)
    properties: dict[str, dict[str, Any]] = field(default_factory=dict)  # of deals, beside BUILT_IN
    scopes: set[str] = field(default_factory=lambda: set(SCOPES))
    search_end: int = 10_000
    associations_page: int = 500
    refused_deals: set[str] = field(default_factory=set)  # that somebody locked
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(1001))

    # What people do in HubSpot

    def add(self, kind: str, deal: str | None = None, **properties: Any) -> str:
        """A new record; one that belongs to a deal does not change that, as an edited call's words don't."""
        number, now = str(next(self._ids)), self.now()
        self.kinds[kind][number] = Record({"hs_timestamp": _iso(now), **properties}, now, now)
        if deal is not None:
            self.associate(kind, number, deal)
        return number

    def associate(self, kind: str, number: str, deal: str) -> None:
        self.associations += [(kind, number, "deals", deal), ("deals", deal, kind, number)]

    def change(self, kind: str, number: str, **properties: Any) -> None:
        record = self.kinds[kind][number]
        record.properties.update(properties)
        record.changed = self.now()

    def shown(self, deal: str) -> dict[str, Any]:
        """What our fields hold."""
        return {name: self.kinds["deals"][deal].properties.get(name) for name in sorted(OURS)}

    def notes_of(self, deal: str) -> list[str]:
        """The bodies of a deal's notes."""
        numbers = [to for kind, one, other, to in self.associations if (kind, one, other) == ("deals", deal, "notes")]
        return [
            self.kinds["notes"][number].properties["hs_note_body"]
            for number in numbers
            if number in self.kinds["notes"]
        ]

    # What HubSpot answers

    def app(self) -> Starlette:
        routes = [
            ("GET", "/account-info/v3/details", self._account),
            ("GET", "/crm/v3/properties/{kind}", self._listed_properties),
            ("POST", "/crm/v3/properties/{kind}", self._new_property),
            ("POST", "/crm/v3/objects/{kind}/search", self._search),
            ("POST", "/crm/v3/objects/{kind}/batch/read", self._batch_read),
            ("POST", "/crm/v3/objects/{kind}/batch/update", self._batch_update),
            ("POST", "/crm/v3/objects/{kind}", self._create),
            ("PATCH", "/crm/v3/objects/{kind}/{number}", self._update),
            ("POST", "/crm/v4/associations/{kind}/{other}/batch/read", self._associated),
        ]
        return Starlette(
            routes=[Route(path, self._guarded(answer), methods=[method]) for method, path, answer in routes]
        )

    def _guarded(self, answer: Any) -> Any:
        async def guarded(request: Request) -> Response:
            sent = await self.noted(request)
            if self.failures:
                return self.failures.popleft()
            if request.headers.get("authorization") != f"Bearer {TOKEN}":
                return _error(401, "Authentication credentials not found.", "INVALID_AUTHENTICATION")
            if self.too_many():
                limit = {"errorType": "RATE_LIMIT", "policyName": "TEN_SECONDLY_ROLLING"}
                return _error(429, "You have reached your ten_secondly_rolling limit.", "RATE_LIMITS", **limit)
            return answer(sent, **request.path_params)

        return guarded

    def _lacks(self, *wanted: str) -> Response | None:
        missing = [scope for scope in wanted if scope not in self.scopes]
        if not missing:
            return None
        errors = [{"message": "One or more scopes are required.", "context": {"requiredGranularScopes": missing}}]
        return _error(403, "This app hasn't been granted all required scopes.", "MISSING_SCOPES", errors=errors)

    def _account(self, sent: Sent) -> Response:
        return json_answer({"portalId": PORTAL, "accountType": "STANDARD", "timeZone": "Europe/Berlin"})

    def _listed_properties(self, sent: Sent, kind: str) -> Response:
        built_in = [_property({"name": name, "label": name, "type": "string"}) for name in sorted(BUILT_IN)]
        shown = [*built_in, *map(_property, self.properties.values())]
        return self._lacks("crm.schemas.deals.read") or json_answer({"results": shown})

    def _new_property(self, sent: Sent, kind: str) -> Response:
        if refusal := self._lacks("crm.schemas.deals.write"):
            return refusal
        if sent.body["name"] in self.properties:
            return _error(409, f"A property named '{sent.body['name']}' already exists.", "OBJECT_ALREADY_EXISTS")
        self.properties[sent.body["name"]] = sent.body
        return json_answer(_property(sent.body), 201)

    def _search(self, sent: Sent, kind: str) -> Response:
        if refusal := self._lacks(_scope(kind, "read")):
            return refusal
        body = sent.body
        limit, after = body.get("limit", 10), int(body.get("after") or 0)
        if limit > 200 or after + limit > self.search_end:
            return _error(400, f"There is no page behind {self.search_end}.", "VALIDATION_ERROR")
        filters = [one for group in body.get("filterGroups", [])[:1] for one in group["filters"]]
        order = body.get("sorts", [{"propertyName": "hs_lastmodifieddate"}])[0]["propertyName"]
        found = [number for number in self.kinds[kind] if all(self._fits(kind, number, one) for one in filters)]
        found.sort(key=lambda number: self._number_of(kind, number, order))
        page = found[after : after + limit]
        answer = {"total": len(found), "results": [self._shown(kind, one, body.get("properties")) for one in page]}
        if after + limit < len(found):
            answer["paging"] = {"next": {"after": str(after + limit), "link": "x"}}
        return json_answer(answer)

    def _fits(self, kind: str, number: str, wanted: dict[str, str]) -> bool:
        have, value = self._number_of(kind, number, wanted["propertyName"]), int(wanted["value"])
        compared = {
            "GTE": have >= value,
            "GT": have > value,
            "LTE": have <= value,
            "LT": have < value,
            "EQ": have == value,
        }
        return compared[wanted["operator"]]

    def _number_of(self, kind: str, number: str, name: str) -> int:
        return int(number) if name == "hs_object_id" else round(self.kinds[kind][number].changed.timestamp() * 1000)

    def _batch_read(self, sent: Sent, kind: str) -> Response:
        if refusal := self._lacks(_scope(kind, "read")) or _too_long(sent):
            return refusal
        there = [one["id"] for one in sent.body["inputs"] if one["id"] in self.kinds[kind]]
        return json_answer(_batch([self._shown(kind, one, sent.body.get("properties")) for one in there]))

    def _batch_update(self, sent: Sent, kind: str) -> Response:
        if refusal := self._lacks(_scope(kind, "write")) or _too_long(sent):
            return refusal
        for one in sent.body["inputs"]:
            if refusal := self._unknown(kind, one["properties"]):
                return refusal  # and nothing is written of the batch
        written, errors = [], []
        for one in sent.body["inputs"]:
            if one["id"] in self.refused_deals or one["id"] not in self.kinds[kind]:
                errors.append({"status": "error", "category": "OBJECT_NOT_FOUND", "message": "Could not update it"})
                continue
            self.change(kind, one["id"], **one["properties"])
            written.append(self._shown(kind, one["id"], None))
        more = {"numErrors": len(errors), "errors": errors} if errors else {}
        return json_answer(_batch(written) | more, 207 if errors else 200)

    def _create(self, sent: Sent, kind: str) -> Response:
        if refusal := self._lacks(_scope(kind, "write")) or self._unknown(kind, sent.body["properties"]):
            return refusal
        if "hs_timestamp" not in sent.body["properties"]:
            return _error(400, "hs_timestamp is required", "VALIDATION_ERROR")
        number = self.add(kind, **sent.body["properties"])
        for one in sent.body.get("associations", []):
            if [spec["associationTypeId"] for spec in one["types"]] != [TYPES[kind, "deals"]]:
                return _error(400, "no such association", "VALIDATION_ERROR")
            self.associate(kind, number, one["to"]["id"])
            self.kinds["deals"][one["to"]["id"]].changed = self.now()
        return json_answer(self._shown(kind, number, None), 201)

    def _update(self, sent: Sent, kind: str, number: str) -> Response:
        if refusal := self._lacks(_scope(kind, "write")) or self._unknown(kind, sent.body["properties"]):
            return refusal
        if number not in self.kinds[kind]:
            return _error(404, "resource not found", "OBJECT_NOT_FOUND")
        self.change(kind, number, **sent.body["properties"])
        return json_answer(self._shown(kind, number, None))

    def _associated(self, sent: Sent, kind: str, other: str) -> Response:
        if refusal := self._lacks(_scope(other, "read")) or _too_long(sent):
            return refusal
        results = []
        for one in sent.body["inputs"]:
            found = [
                to
                for name, number, to_kind, to in self.associations
                if (name, number, to_kind) == (kind, one["id"], other)
            ]
            start = int(one.get("after") or 0)
            end = start + self.associations_page
            spec = {"category": "HUBSPOT_DEFINED", "typeId": 1, "label": None}
            to = [{"toObjectId": int(number), "associationTypes": [spec]} for number in found[start:end]]
            more = {"paging": {"next": {"after": str(end), "link": "x"}}} if end < len(found) else {}
            results += [{"from": {"id": one["id"]}, "to": to, **more}] if to else []
        return json_answer(_batch(results), 200 if len(results) == len(sent.body["inputs"]) else 207)

    def _unknown(self, kind: str, properties: dict[str, Any]) -> Response | None:
        """What may not be written: properties that are not there, and all that is not the sync's."""
        allowed = {"deals": OURS, "notes": OF_A_NOTE}.get(kind, set())
        if odd := properties.keys() - allowed:
            self.violations.append(f"{kind}: {', '.join(sorted(odd))}")
            return _error(400, f"Nobody may write {sorted(odd)}", "VALIDATION_ERROR")
        for name in properties:
            if kind == "deals" and name not in self.properties:
                said = f'[{{"isValid":false,"message":"Property \\"{name}\\" does not exist","error":"PROPERTY_DOESNT_EXIST"}}]'
                return _error(400, f"Property values were not valid: {said}", "VALIDATION_ERROR")
        return None

    def _shown(self, kind: str, number: str, wanted: list[str] | None) -> dict[str, Any]:
        record = self.kinds[kind][number]
        always = {
            "hs_object_id": number,
            "hs_lastmodifieddate": _iso(record.changed),
            "hs_createdate": _iso(record.created),
        }
        values = {name: record.properties.get(name) for name in wanted or record.properties} | always
        dates = {"createdAt": _iso(record.created), "updatedAt": _iso(record.changed), "archived": False}
        return {"id": number, "properties": values, **dates}


def _scope(kind: str, right: str) -> str:
    return "sales-email-read" if kind == "emails" else f"{NEEDS[kind]}.{right}"


def _iso(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def _batch(results: list[Any]) -> dict[str, Any]:
    now = "2026-01-01T00:00:00.000Z"
    return {"status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now}


def _too_long(sent: Sent) -> Response | None:
    longest = 100
    return _error(400, f"at most {longest} inputs", "VALIDATION_ERROR") if len(sent.body["inputs"]) > longest else None


def _property(body: dict[str, Any]) -> dict[str, Any]:
    defaults: dict[str, Any] = {"groupName": "dealinformation", "fieldType": "text", "description": "", "options": []}
    return {**defaults, **body, "archived": False}


def _error(status: int, message: str, category: str, **more: Any) -> Response:
    return json_answer(
        {"status": "error", "message": message, "category": category, "correlationId": "c-1", **more}, status
    )
