"""What Salesforce's records and errors mean: a row to a deal or to an activity, an id or a moment to a query. Asks nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from conversations.conversation import Outcome
from conversations.dates import moment_in
from crm.activities import Activity, Side
from crm.deals import OWN_FIELDS, CrmDeal, FieldName
from crm.http_client import CrmError
from foundations.errors import quoted

FIELDS: dict[FieldName, str] = {
    name: f"{own.label.title().replace(' ', '_')}__c" for name, own in OWN_FIELDS.items()
}  # Salesforce makes a field's name of its label so
OF_DEALS = (
    "Id, Name, IsClosed, IsWon, LeadSource, AccountId, Account.Name, Account.Industry, Account.NumberOfEmployees, "
    "SystemModstamp"
)
_OPPORTUNITY = "006"  # what the id of every opportunity begins with
_ID = re.compile(r"[0-9A-Za-z]{15,18}")


class Kind(NamedTuple):
    """A kind of records in which something was said."""

    table: str
    deal: str  # the field with the opportunity
    fields: str
    condition: str
    words: tuple[str, ...]  # the first that has some


KINDS = {
    "tasks": Kind("Task", "WhatId", "Description, Subject, ActivityDate", "IsClosed = true", ("Description",)),
    "mails": Kind(
        "EmailMessage",
        "RelatedToId",
        "TextBody, HtmlBody, Subject, MessageDate, Incoming, ActivityId",
        "Status != '5'",  # a draft
        ("TextBody", "HtmlBody"),
    ),
    "notes": Kind("Note", "ParentId", "Title, Body, CreatedDate", "IsDeleted = false", ("Body",)),
}


def deal_of(row: Mapping[str, Any]) -> CrmDeal:
    """A row of the opportunities, with our fields."""
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


def activity_of(row: Mapping[str, Any], of: Kind, deal: CrmDeal) -> Activity:
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


def opportunities(ids: Iterable[str | None]) -> list[str]:
    """Those of the ids that are of opportunities, each once."""
    return list(dict.fromkeys(one for one in ids if one and one.startswith(_OPPORTUNITY)))


def moment_of(row: Mapping[str, Any]) -> datetime:
    """When a record changed last. Raises CrmError."""
    return moment_in_row(row, row["SystemModstamp"])


def moment_in_row(row: Mapping[str, Any], value: Any) -> datetime:
    """A time that a record gives. Raises CrmError."""
    moment = moment_in(value)
    if moment is None:
        raise CrmError(f"Salesforce gave {quoted(row.get('Id'))} the time {quoted(value)}, which is no date.")
    return moment


def written(moment: datetime) -> str:
    """A moment as it stands in a query."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def listed(ids: Iterable[str]) -> str:
    """Ids as they stand in a query. Raises CrmError."""
    return ", ".join(f"'{checked(one)}'" for one in ids)


def checked(one: str) -> str:
    """An id as it may stand in a query. Raises CrmError."""
    if not _ID.fullmatch(one):
        raise CrmError(f"{quoted(one)} is no id of Salesforce, which has 15 or 18 letters and digits.")
    return one


def refused_of(deal_ids: Iterable[str], answers: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Of the answers for each record of a write: which were refused, and why."""
    pairs = zip(deal_ids, answers, strict=True)
    return {deal_id: _why(answer.get("errors")) for deal_id, answer in pairs if not answer.get("success")}


def is_gone(answer: Mapping[str, Any]) -> bool:
    """Whether a record could not be written because it is not there any more."""
    errors = answer.get("errors") or [{}]
    return errors[0].get("statusCode") in ("ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY", "NOT_FOUND")


def _why(errors: Any) -> str:
    first = errors[0] if isinstance(errors, list) and errors else {}
    return f"{first.get('statusCode')}, {quoted(first.get('message'))}" if first else "it does not say why"
