"""What HubSpot's records and errors mean: a row to a deal or to an activity, an error to a sentence. Asks nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from conversations.conversation import Outcome
from conversations.dates import moment_in
from crm.activities import Activity, Side
from crm.deals import DEALS, OWN_FIELDS, CrmDeal, FieldName, Standing, Value
from crm.http_client import Ask, CrmError, said_by
from foundations.errors import quoted

FIELDS: dict[FieldName, str] = {name: f"sales_conversion_{name}" for name in OWN_FIELDS}
CHANGED = "hs_lastmodifieddate"
WORDS = {  # by kind, the properties that hold them
    "calls": ("hs_call_body",),
    "emails": ("hs_email_text", "hs_email_html"),  # the first that has some
    "notes": ("hs_note_body",),
}
MORE = {  # by kind, the other properties that are read
    "calls": ("hs_timestamp", "hs_call_direction", "hs_call_title"),
    "emails": ("hs_timestamp", "hs_email_direction", "hs_email_subject"),
    "notes": ("hs_timestamp",),
}
_WRITERS: dict[str, Side] = {"INCOMING_EMAIL": "customer", "EMAIL": "seller"}


def account_of(portal: Any) -> str:
    """The account of a portal's number."""
    return f"hubspot:{portal}"


def deal_of(row: Mapping[str, Any]) -> CrmDeal:
    """A row of the deals, with our fields."""
    properties = row["properties"]
    return CrmDeal(
        deal_id=str(row["id"]),
        name=str(properties.get("dealname") or ""),
        outcome=_outcome(properties),
        shown={name: _shown(name, properties.get(own)) for name, own in FIELDS.items()},
        record=row,
    )


def _outcome(properties: Mapping[str, Any]) -> Outcome | None:
    closed, won = (properties.get(name) == "true" for name in ("hs_is_closed", "hs_is_closed_won"))
    return "successful" if won else "failed" if closed else None


def _shown(name: FieldName, value: Any) -> Value:
    if value in (None, "") or not OWN_FIELDS[name].is_number:
        return value or None
    try:
        return float(value)
    except ValueError:
        return str(value)


def properties_of(standing: Standing) -> dict[str, str]:
    """Our fields as HubSpot takes them: texts, an empty one for nothing."""
    return {FIELDS[name]: "" if value is None else str(value) for name, value in standing.values.items()}


def activity_of(row: Mapping[str, Any], words: Iterable[str], deal_id: str, companies: Sequence[str]) -> Activity:
    """A record with its words in the first of their columns, its deal and the deal's companies."""
    first, *others = words
    properties = {name: value for name, value in row["properties"].items() if name not in others}
    properties[first] = next((found for name in (first, *others) if (found := row["properties"].get(name))), "")
    kinds = {DEALS: [deal_id], "companies": list(companies)}
    associations = {kind: {"results": [{"id": one} for one in ids]} for kind, ids in kinds.items() if ids}
    record = {"id": row["id"], "properties": properties, "associations": associations}
    return Activity(str(row["id"]), record, properties[first], _WRITERS.get(properties.get("hs_email_direction") or ""))


def moment_of(row: Mapping[str, Any]) -> datetime:
    """When a record changed, by whomever. Raises CrmError."""
    written = row["properties"].get(CHANGED) or row.get("updatedAt")
    moment = moment_in(written)
    if moment is None:
        raise CrmError(f"HubSpot gave the record {quoted(row.get('id'))} the time {quoted(written)}, which is no date.")
    return moment


def refused(wanted: Ask, status: int, answer: Any) -> str:
    """The sentence for an error of HubSpot."""
    if status == 401:
        return (
            f"HubSpot does not know the token in SALES_HUBSPOT_TOKEN (401{said_by(answer)}); copy it again from the private "
            "app's page Auth."
        )
    if status == 403:
        scopes = ", ".join(_missing_scopes(answer) or [wanted.scope])
        return (
            f"HubSpot does not let the private app {wanted.does} (403); add the scope {scopes} on its page Scopes, and run "
            "again."
        )
    if status == 429:
        daily = "DAILY" in str(answer.get("policyName", "")) if isinstance(answer, dict) else False
        limit = "today's limit of requests" if daily else "its limit of requests"
        return f"HubSpot's account has reached {limit} (429{said_by(answer)}); the next run goes on from there."
    return f"HubSpot refused to {wanted.does} ({status}{said_by(answer)})."


def _missing_scopes(answer: Any) -> list[str]:
    errors = answer.get("errors", []) if isinstance(answer, dict) else []
    named = [one.get("context", {}).get("requiredGranularScopes", []) for one in errors if isinstance(one, dict)]
    return [str(scope) for scopes in named for scope in scopes]
