"""Salesforce: opportunities with their completed tasks, mails and notes, by SOQL; writes by collections of 200 records.

Lists of what changed go by SystemModstamp and Id, each page behind the last record of the one before. Our fields must be made
by an administrator: a program that may change what an organisation's records are made of may do too much. The reasons are a
note of the classic kind, as a task would count as activity with the customer. Without Enhanced Email there are no mails of
their own; they are tasks then.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, NamedTuple

from conversations.conversation import Outcome
from conversations.dates import moment_in
from crm.activities import Activity, Side, said_in
from crm.deals import (
    DEALS,
    NOTE_BEGINS,
    OWN_FIELDS,
    Changed,
    CrmDeal,
    FieldName,
    Note,
    NotesWritten,
    Said,
    Standing,
)
from crm.http_client import Ask, CrmError, CrmHttp, CrmRefusedError
from crm.salesforce_access import NAME, SCOPE, code_of
from foundations.errors import quoted

BATCH = 200  # records of a request
FIELDS: dict[FieldName, str] = {
    name: f"{own.label.title().replace(' ', '_')}__c" for name, own in OWN_FIELDS.items()
}  # Salesforce makes a field's name of its label so
_DATA = "/services/data/v62.0"
_OPPORTUNITY = "006"  # what the id of every opportunity begins with
_ID = re.compile(r"[0-9A-Za-z]{15,18}")
_OF_DEALS = (
    "Id, Name, IsClosed, IsWon, LeadSource, AccountId, Account.Name, Account.Industry, Account.NumberOfEmployees, "
    "SystemModstamp"
)


class _Kind(NamedTuple):
    """A kind of records in which something was said."""

    table: str
    deal: str  # the field with the opportunity
    fields: str
    condition: str
    words: tuple[str, ...]  # the first that has some


_KINDS = {
    "tasks": _Kind("Task", "WhatId", "Description, Subject, ActivityDate", "IsClosed = true", ("Description",)),
    "mails": _Kind(
        "EmailMessage",
        "RelatedToId",
        "TextBody, HtmlBody, Subject, MessageDate, Incoming, ActivityId",
        "Status != '5'",  # a draft
        ("TextBody", "HtmlBody"),
    ),
    "notes": _Kind("Note", "ParentId", "Title, Body, CreatedDate", "IsDeleted = false", ("Body",)),
}


class Salesforce:
    """One organisation; keeps `crm.deals.Crm`."""

    kinds = (DEALS, *_KINDS)
    batch = BATCH

    def __init__(self, http: CrmHttp) -> None:
        self._http = http
        self._without: set[str] = set()  # kinds that this organisation does not have

    @cached_property
    def account(self) -> str:
        """See Crm."""
        return f"salesforce:{next(self._query('SELECT Id FROM Organization', 'read which organisation it is'))['Id']}"

    def missing_fields(self) -> list[str]:
        """See Crm."""
        return [name for name in FIELDS.values() if name not in self._fields]

    def make_fields(self) -> None:
        """See Crm."""
        if missing := self.missing_fields():
            kinds = {FIELDS[name]: "Number, length 1, 3 decimals" if own.is_number else "Text, length 20"
                     for name, own in OWN_FIELDS.items()}  # fmt: skip
            wanted = "; ".join(f"{name} ({kinds[name]})" for name in missing)
            raise CrmError(
                f"Salesforce's Opportunity lacks, or this user may not see: {wanted}; add them in Setup, Object Manager, "
                "Opportunity, Fields & Relationships, New, with edit access for this user's profile, and run again."
            )
        if locked := [name for name in FIELDS.values() if not self._fields[name]]:
            raise CrmError(
                f"This user may not edit {', '.join(locked)} of Salesforce's Opportunity; give its profile edit access in the "
                "field's Field-Level Security, and run again."
            )

    def changed(self, kind: str, since: datetime | None) -> Iterator[Changed]:
        """See Crm."""
        table = "Opportunity" if kind == DEALS else _KINDS[kind].table
        fields = self._deal_fields if kind == DEALS else f"Id, {_KINDS[kind].deal}, SystemModstamp"
        behind = f"SystemModstamp >= {_written(since)}" if since else "Id != null"
        while True:
            soql = f"SELECT {fields} FROM {table} WHERE {behind} ORDER BY SystemModstamp, Id LIMIT {BATCH}"
            rows = self._rows_of(kind, soql)
            if not rows:
                return
            last, upto = _checked(rows[-1]["Id"]), _moment(rows[-1])
            deals = [_deal(row) for row in rows] if kind == DEALS else []
            yield Changed([row["Id"] for row in rows], deals, upto)
            if len(rows) < BATCH:
                return
            moment = _written(upto)
            behind = f"(SystemModstamp > {moment} OR (SystemModstamp = {moment} AND Id > '{last}'))"

    def deals_of(self, kind: str, ids: Sequence[str]) -> list[str]:
        """See Crm."""
        of = _KINDS[kind]
        rows = self._rows_of(kind, f"SELECT {of.deal} FROM {of.table} WHERE Id IN ({_listed(ids)})") if ids else []
        found = (row.get(of.deal) or "" for row in rows)
        return list(dict.fromkeys(deal for deal in found if deal.startswith(_OPPORTUNITY)))

    def deals(self, ids: Sequence[str]) -> list[CrmDeal]:
        """See Crm."""
        found: list[CrmDeal] = []
        for start in range(0, len(ids), BATCH):
            listed = _listed(ids[start : start + BATCH])
            rows = self._rows_of(DEALS, f"SELECT {self._deal_fields} FROM Opportunity WHERE Id IN ({listed})")
            found += [_deal(row) for row in rows]
        return found

    def said(self, deals: Sequence[CrmDeal]) -> dict[str, Said]:
        """See Crm."""
        if not deals:
            return {}
        listed = _listed([deal.deal_id for deal in deals])
        rows: dict[str, list[dict[str, Any]]] = {}
        for kind, of in _KINDS.items():
            where = f"{of.deal} IN ({listed}) AND {of.condition}"
            rows[kind] = self._rows_of(kind, f"SELECT Id, {of.deal}, {of.fields} FROM {of.table} WHERE {where}")
        of_mails = {row.get("ActivityId") for row in rows["mails"]}  # each mail is a task as well
        rows["tasks"] = [row for row in rows["tasks"] if row["Id"] not in of_mails]
        by_id = {deal.deal_id: deal for deal in deals}
        activities: dict[str, list[Activity]] = {deal_id: [] for deal_id in by_id}
        for kind, found in rows.items():
            for row in found:
                deal_id = row[_KINDS[kind].deal]
                activities[deal_id].append(_activity(row, _KINDS[kind], by_id[deal_id]))
        return {deal_id: said_in(theirs, NAME) for deal_id, theirs in activities.items()}

    def write(self, standings: Mapping[str, Standing]) -> dict[str, str]:
        """See Crm."""
        records = [
            {"id": deal_id, **{FIELDS[name]: value for name, value in one.values.items()}}
            for deal_id, one in standings.items()
        ]
        return _refused_of(standings, self._collection("PATCH", "Opportunity", records, "write the deals' scores"))

    def write_notes(self, notes: Mapping[str, Note]) -> NotesWritten:
        """See Crm."""
        old = {deal_id: note for deal_id, note in notes.items() if note.note_id is not None}
        bodies = {deal_id: "\n\n".join(note.paragraphs) for deal_id, note in notes.items()}
        changes = [{"id": note.note_id, "Body": bodies[deal_id]} for deal_id, note in old.items()]
        changed = dict(zip(old, self._collection("PATCH", "Note", changes, "write notes"), strict=True))
        new = [deal_id for deal_id in notes if deal_id not in old or _is_gone(changed[deal_id])]
        made = [{"ParentId": deal_id, "Title": NOTE_BEGINS, "Body": bodies[deal_id]} for deal_id in new]
        answers = changed | dict(zip(new, self._collection("POST", "Note", made, "write notes"), strict=True))
        ids = {deal_id: str(answer["id"]) for deal_id, answer in answers.items() if answer.get("success")}
        return NotesWritten(ids, _refused_of(answers, answers.values()))

    def close(self) -> None:
        """See Crm."""
        self._http.__exit__()

    @cached_property
    def _fields(self) -> dict[str, bool]:
        """The fields of opportunities that this user sees, and whether it may edit them."""
        ask = Ask("GET", f"{_DATA}/sobjects/Opportunity/describe", "read which fields deals have", SCOPE, has="fields")
        return {field["name"]: bool(field.get("updateable")) for field in self._http.ask(ask)["fields"]}

    @property
    def _deal_fields(self) -> str:
        return ", ".join([_OF_DEALS, *(name for name in FIELDS.values() if name in self._fields)])

    def _rows_of(self, kind: str, soql: str) -> list[dict[str, Any]]:
        if kind in self._without:
            return []
        try:
            return list(self._query(soql, f"read {kind}"))
        except CrmRefusedError as error:
            if kind != "mails" or code_of(error.answer) != "INVALID_TYPE":
                raise
            self._without.add(kind)
            return []

    def _query(self, soql: str, does: str) -> Iterator[dict[str, Any]]:
        answer = self._http.ask(Ask("GET", f"{_DATA}/query", does, SCOPE, has="records", query={"q": soql}))
        yield from answer["records"]
        while following := answer.get("nextRecordsUrl"):
            answer = self._http.ask(Ask("GET", following, does, SCOPE, has="records"))
            yield from answer["records"]

    def _collection(
        self, method: str, table: str, records: Sequence[Mapping[str, Any]], does: str
    ) -> list[dict[str, Any]]:
        """The answer for each record, in their order."""
        if not records:
            return []
        typed = [{"attributes": {"type": table}, **record} for record in records]
        body = {"allOrNone": False, "records": typed}
        ask = Ask(method, f"{_DATA}/composite/sobjects", does, SCOPE, body, twice=method == "PATCH")
        return list(self._http.ask(ask))


def _refused_of(deal_ids: Iterable[str], answers: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    pairs = zip(deal_ids, answers, strict=True)
    return {deal_id: _why(answer.get("errors")) for deal_id, answer in pairs if not answer.get("success")}


def _why(errors: Any) -> str:
    first = errors[0] if isinstance(errors, list) and errors else {}
    return f"{first.get('statusCode')}, {quoted(first.get('message'))}" if first else "it does not say why"


def _is_gone(answer: Mapping[str, Any]) -> bool:
    errors = answer.get("errors") or [{}]
    return errors[0].get("statusCode") in ("ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY", "NOT_FOUND")


def _deal(row: Mapping[str, Any]) -> CrmDeal:
    outcome: Outcome | None = None
    if row["IsClosed"]:
        outcome = "successful" if row["IsWon"] else "failed"
    return CrmDeal(
        deal_id=str(row["Id"]),
        name=str(row.get("Name") or ""),
        outcome=outcome,
        shown={name: row.get(own) for name, own in FIELDS.items()},
        record=row,
    )


def _activity(row: Mapping[str, Any], of: _Kind, deal: CrmDeal) -> Activity:
    """A record as Salesforce answers a query that asks for the opportunity and its account as well."""
    side: Side | None = None
    if "Incoming" in row:
        side = "customer" if row["Incoming"] else "seller"
    words = next((found for name in of.words if (found := row.get(name))), "")
    kept = {name: value for name, value in row.items() if name not in (*of.words, "Incoming", "ActivityId")}
    opportunity = {
        name: value
        for name, value in deal.record.items()
        if name not in ("Account", "AccountId", "SystemModstamp", "Name", *FIELDS.values())
    }
    record = {**kept, "Description": words, "Opportunity": opportunity}
    record |= {name: deal.record.get(name) for name in ("AccountId", "Account")}
    return Activity(str(row["Id"]), record, words, side)


def _moment(row: Mapping[str, Any]) -> datetime:
    moment = moment_in(row["SystemModstamp"])
    if moment is None:
        raise CrmError(
            f"Salesforce gave {quoted(row.get('Id'))} the time {quoted(row['SystemModstamp'])}, which is no date."
        )
    return moment


def _written(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def _listed(ids: Iterable[str]) -> str:
    return ", ".join(f"'{_checked(one)}'" for one in ids)


def _checked(one: str) -> str:
    """An id as it may stand in a query. Raises CrmError."""
    if not _ID.fullmatch(one):
        raise CrmError(f"{quoted(one)} is no id of Salesforce, which has 15 or 18 letters and digits.")
    return one
