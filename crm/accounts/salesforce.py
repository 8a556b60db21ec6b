"""Salesforce: opportunities with their completed tasks, mails and notes, by SOQL; writes by collections of 200 records.

Lists of what changed go by SystemModstamp and Id, each page behind the last record of the one before. Our fields must be made
by an administrator: a program that may change what an organisation's records are made of may do too much. The reasons are a
note of the classic kind, as a task would count as activity with the customer. Without Enhanced Email there are no mails of
their own; they are tasks then. Notes are of two kinds, of which `salesforce_notes` reads the newer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import Any

from crm.accounts.salesforce_access import NAME, SCOPE, code_of
from crm.accounts.salesforce_notes import ENHANCED_NOTES, EnhancedNotes
from crm.accounts.salesforce_records import (
    FIELDS,
    KINDS,
    OF_DEALS,
    activity_of,
    checked,
    deal_of,
    is_gone,
    listed,
    moment_of,
    opportunities,
    refused_of,
    written,
)
from crm.activities import Activity, said_in
from crm.deals import DEALS, NOTE_BEGINS, OWN_FIELDS, Changed, CrmDeal, Note, NotesWritten, Said, Standing
from crm.http_client import Ask, CrmError, CrmHttp, CrmRefusedError

BATCH = 200  # records of a request
_DATA = "/services/data/v62.0"
_MAY_LACK = ("mails", ENHANCED_NOTES)


class Salesforce:
    """One organisation; keeps `crm.deals.Crm`."""

    kinds = (DEALS, *KINDS, ENHANCED_NOTES)
    batch = BATCH

    def __init__(self, http: CrmHttp) -> None:
        self._http = http
        self._without: set[str] = set()  # kinds that this organisation does not have
        self._enhanced_notes = EnhancedNotes(lambda soql: self._rows_of(ENHANCED_NOTES, soql), self._content_of)

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
        if kind == ENHANCED_NOTES:
            yield from self._enhanced_notes.changed(since, BATCH)
            return
        table = "Opportunity" if kind == DEALS else KINDS[kind].table
        fields = self._deal_fields if kind == DEALS else f"Id, {KINDS[kind].deal}, SystemModstamp"
        behind = f"SystemModstamp >= {written(since)}" if since else "Id != null"
        while True:
            soql = f"SELECT {fields} FROM {table} WHERE {behind} ORDER BY SystemModstamp, Id LIMIT {BATCH}"
            rows = self._rows_of(kind, soql)
            if not rows:
                return
            last, upto = checked(rows[-1]["Id"]), moment_of(rows[-1])
            deals = [deal_of(row) for row in rows] if kind == DEALS else []
            yield Changed([row["Id"] for row in rows], deals, upto)
            if len(rows) < BATCH:
                return
            moment = written(upto)
            behind = f"(SystemModstamp > {moment} OR (SystemModstamp = {moment} AND Id > '{last}'))"

    def deals_of(self, kind: str, ids: Sequence[str]) -> list[str]:
        """See Crm."""
        if not ids:
            return []
        if kind == ENHANCED_NOTES:
            return self._enhanced_notes.deals_of(ids)
        of = KINDS[kind]
        rows = self._rows_of(kind, f"SELECT {of.deal} FROM {of.table} WHERE Id IN ({listed(ids)})")
        return opportunities(row.get(of.deal) for row in rows)

    def deals(self, ids: Sequence[str]) -> list[CrmDeal]:
        """See Crm."""
        found: list[CrmDeal] = []
        for start in range(0, len(ids), BATCH):
            these = listed(ids[start : start + BATCH])
            rows = self._rows_of(DEALS, f"SELECT {self._deal_fields} FROM Opportunity WHERE Id IN ({these})")
            found += [deal_of(row) for row in rows]
        return found

    def said(self, deals: Sequence[CrmDeal]) -> dict[str, Said]:
        """See Crm."""
        if not deals:
            return {}
        by_id = {deal.deal_id: deal for deal in deals}
        rows: dict[str, list[dict[str, Any]]] = {}
        for kind, of in KINDS.items():
            where = f"{of.deal} IN ({listed(by_id)}) AND {of.condition}"
            rows[kind] = self._rows_of(kind, f"SELECT Id, {of.deal}, {of.fields} FROM {of.table} WHERE {where}")
        of_mails = {row.get("ActivityId") for row in rows["mails"]}  # each mail is a task as well
        rows["tasks"] = [row for row in rows["tasks"] if row["Id"] not in of_mails]
        ours_may_be = {row["Id"] for row in rows["notes"]}
        rows["notes"] = [*self._enhanced_notes.of_deals(list(by_id)), *rows["notes"]]
        activities: dict[str, list[Activity]] = {deal_id: [] for deal_id in by_id}
        for kind, found in rows.items():
            for row in found:
                deal_id = row[KINDS[kind].deal]
                activities[deal_id].append(activity_of(row, KINDS[kind], by_id[deal_id]))
        return {deal_id: _with_our_note(said_in(theirs, NAME), ours_may_be) for deal_id, theirs in activities.items()}

    def write(self, standings: Mapping[str, Standing]) -> dict[str, str]:
        """See Crm."""
        records = [
            {"id": deal_id, **{FIELDS[name]: value for name, value in one.values.items()}}
            for deal_id, one in standings.items()
        ]
        return refused_of(standings, self._collection("PATCH", "Opportunity", records, "write the deals' scores"))

    def write_notes(self, notes: Mapping[str, Note]) -> NotesWritten:
        """See Crm."""
        old = {deal_id: note for deal_id, note in notes.items() if note.note_id is not None}
        bodies = {deal_id: "\n\n".join(note.paragraphs) for deal_id, note in notes.items()}
        changes = [{"id": note.note_id, "Body": bodies[deal_id]} for deal_id, note in old.items()]
        changed = dict(zip(old, self._collection("PATCH", "Note", changes, "write notes"), strict=True))
        new = [deal_id for deal_id in notes if deal_id not in old or is_gone(changed[deal_id])]
        made = [{"ParentId": deal_id, "Title": NOTE_BEGINS, "Body": bodies[deal_id]} for deal_id in new]
        answers = changed | dict(zip(new, self._collection("POST", "Note", made, "write notes"), strict=True))
        ids = {deal_id: str(answer["id"]) for deal_id, answer in answers.items() if answer.get("success")}
        return NotesWritten(ids, refused_of(answers, answers.values()))

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
        return ", ".join([OF_DEALS, *(name for name in FIELDS.values() if name in self._fields)])

    def _rows_of(self, kind: str, soql: str) -> list[dict[str, Any]]:
        if kind in self._without:
            return []
        try:
            return list(self._query(soql, f"read {kind}"))
        except CrmRefusedError as error:
            if kind not in _MAY_LACK or code_of(error.answer) != "INVALID_TYPE":
                raise
            self._without.add(kind)
            return []

    def _query(self, soql: str, does: str) -> Iterator[dict[str, Any]]:
        answer = self._http.ask(Ask("GET", f"{_DATA}/query", does, SCOPE, has="records", query={"q": soql}))
        yield from answer["records"]
        while following := answer.get("nextRecordsUrl"):
            answer = self._http.ask(Ask("GET", following, does, SCOPE, has="records"))
            yield from answer["records"]

    def _content_of(self, version: str) -> str:
        """The words of a version of a file, "" where somebody deleted it meanwhile."""
        path = f"{_DATA}/sobjects/ContentVersion/{checked(version)}/VersionData"
        try:
            return str(self._http.ask(Ask("GET", path, "read a note", SCOPE, is_text=True)))
        except CrmRefusedError as error:
            if error.status != 404:
                raise
            return ""

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


def _with_our_note(said: Said, ours_may_be: set[str]) -> Said:
    """Without the note's id where what begins as ours is a copy, as of a migration: it is not read, nor written over."""
    return said if said.note_id in ours_may_be else replace(said, note_id=None)
