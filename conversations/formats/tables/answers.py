"""Reads what the APIs of CRMs answer: rows in JSON, whose fields mean what the columns of a table mean.

Salesforce, HubSpot, Pipedrive, Close and Zoho differ in what stands around the rows. A related record's fields become columns
with a dot ("Opportunity.StageName"); the activities below an opportunity become rows, with the opportunity's fields.
Which column is which field, `conversations.formats.tables.crm` says, as for any table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from conversations.formats.fields import object_or_empty, objects_in, plain_name, text_or_empty
from conversations.formats.kinds import RowsFormat
from conversations.formats.notices import notice
from conversations.formats.tables.delimited import Table

Row = dict[str, str | None]  # a column that has no value here is None
PlacedRow = tuple[str, Row]

_OF_OURS = {"turns", "transcript"}
_DEEPEST = 3  # related records within related ones
_PIPEDRIVE_COLUMNS = {"content": "Note content"}  # as its own export calls the words of a note
_FLAGS = {"isclosed", "iswon"}  # of an opportunity; a finished task is closed too
_OF_THE_DEAL = ("StageName", "IsWon", "IsClosed")
_OPPORTUNITY = "006"  # what the id of every opportunity in Salesforce begins with


def table_of_rows(placed: Sequence[PlacedRow]) -> Table:
    """The table with these rows. A column is there also where no row has a value in it."""
    columns = list(dict.fromkeys(name for _, row in placed for name in row))
    return Table(columns, [(where, {name: cell for name, cell in row.items() if cell}) for where, row in placed])


def _is_salesforce(record: Mapping[str, Any]) -> bool:
    found = _salesforce_answer(record).get("records")
    return _is_salesforce_record(record) or (
        isinstance(found, list) and all(map(_is_salesforce_record, objects_in(found)))
    )


def _is_salesforce_record(record: Mapping[str, Any]) -> bool:
    attributes = object_or_empty(record.get("attributes"))
    return (
        isinstance(attributes.get("type"), str)
        and attributes.keys() <= {"type", "url"}
        and not record.keys() & _OF_OURS
    )


def _salesforce_answer(record: Mapping[str, Any]) -> Mapping[str, Any]:
    return object_or_empty(record.get("result")) or record  # Salesforce's command line puts it there


def _salesforce_rows(document: Mapping[str, Any], where: str) -> Iterator[PlacedRow]:
    answer = _salesforce_answer(document)
    _tell_of_more(where, answer.get("done") is False)
    if _is_salesforce_record(document):
        yield from _salesforce_row(document, where)
    for number, record in enumerate(objects_in(answer.get("records")), start=1):
        yield from _salesforce_row(record, f"{where}, record {number}")


def _salesforce_row(record: Mapping[str, Any], where: str) -> Iterator[PlacedRow]:
    """The row of a record, and those of records below it, as a query within the query gives them."""
    kind = text_or_empty(object_or_empty(record.get("attributes")).get("type"))
    row = _with_deal(_cells(record), kind)
    yield where, row
    inherited = {f"{kind}.{name}": cell for name, cell in row.items() if "." not in name and name != "deal_id"}
    for name, below in record.items():
        for number, child in enumerate(objects_in(object_or_empty(below).get("records")), start=1):
            child_kind = text_or_empty(object_or_empty(child.get("attributes")).get("type"))
            yield f"{where}, {name} {number}", _with_deal({**_cells(child), **inherited}, child_kind)


def _with_deal(row: Row, kind: str) -> Row:
    """The row with the id, stage and flags of its opportunity as its own, and without flags of anything else."""
    kept = {
        name: cell
        for name, cell in row.items()
        if plain_name(name.rpartition(".")[2]) not in _FLAGS or (name.rpartition(".")[0] or kind) == "Opportunity"
    }
    kept |= {name: row[f"Opportunity.{name}"] for name in _OF_THE_DEAL if f"Opportunity.{name}" in row}
    what = row.get("WhatId") or ""
    own = row.get("Id") if kind == "Opportunity" else what if what.startswith(_OPPORTUNITY) else None
    deal = own or row.get("OpportunityId") or row.get("Opportunity.Id")
    return {**kept, "deal_id": deal} if deal else kept


def _is_hubspot(record: Mapping[str, Any]) -> bool:
    found = record.get("results")
    return _is_hubspot_record(record) or (
        isinstance(found, list) and bool(found) and all(map(_is_hubspot_record, found))
    )


def _is_hubspot_record(record: Any) -> bool:
    properties = record.get("properties") if isinstance(record, dict) else None
    return (
        isinstance(properties, dict)
        and "id" in record
        and not record.keys() & {"object", "geometry", *_OF_OURS}
        and not any(isinstance(value, dict | list) for value in properties.values())
    )


def _hubspot_rows(document: Mapping[str, Any], where: str) -> Iterator[PlacedRow]:
    _tell_of_more(where, bool(object_or_empty(document.get("paging")).get("next")))
    if _is_hubspot_record(document):
        yield where, _hubspot_row(document)
    for number, record in enumerate(objects_in(document.get("results")), start=1):
        yield f"{where}, result {number}", _hubspot_row(record)


def _hubspot_row(record: Mapping[str, Any]) -> Row:
    """The properties of an object, its id, and the companies and deals that it is associated with."""
    row: Row = {"hs_object_id": text_or_empty(record["id"]), **_cells(object_or_empty(record["properties"]))}
    companies, deals = (_associated(record, kind) for kind in ("companies", "deals"))
    own = row["hs_object_id"] if "dealstage" in row or "dealname" in row else None
    deal = own or (deals[0] if len(deals) == 1 else None)
    row |= {"Associated Company IDs": ";".join(companies)} if companies else {}
    row |= {"Associated Deal IDs": ";".join(deals)} if deals else {}
    return {**row, "deal_id": deal} if deal else row


def _associated(record: Mapping[str, Any], kind: str) -> list[str]:
    found = object_or_empty(object_or_empty(record.get("associations")).get(kind)).get("results")
    return list(dict.fromkeys(text_or_empty(one.get("id")) for one in objects_in(found)))


def _is_listed(record: Mapping[str, Any]) -> bool:
    rows = record.get("data")
    is_answer = "success" in record or "has_more" in record or "more_records" in object_or_empty(record.get("info"))
    return is_answer and isinstance(rows, list) and all(isinstance(row, dict) for row in rows)


def _listed_rows(answer: Mapping[str, Any], where: str) -> Iterator[PlacedRow]:
    """The rows of Pipedrive ("success"), Close ("has_more") and Zoho ("info")."""
    around = object_or_empty(answer.get("additional_data"))
    more = object_or_empty(around.get("pagination")).get("more_items_in_collection") or around.get("next_cursor")
    _tell_of_more(
        where, bool(more or answer.get("has_more") or object_or_empty(answer.get("info")).get("more_records"))
    )
    for number, record in enumerate(answer["data"], start=1):
        row = _cells(record)
        yield f"{where}, row {number}", {_PIPEDRIVE_COLUMNS.get(name, name): cell for name, cell in row.items()}


def _cells(record: Mapping[str, Any], depth: int = 0) -> Row:
    """The fields of a record as cells; those of a related record under its name. Lists of records are no cells."""
    row: Row = {}
    for name, value in record.items():
        if isinstance(value, dict):
            is_related = name != "attributes" and "records" not in value and depth < _DEEPEST
            prefix = _related_name(name, value)
            row |= {f"{prefix}.{inner}": cell for inner, cell in _cells(value, depth + 1).items()} if is_related else {}
        elif not isinstance(value, list):
            row[name] = _cell(value)
    return row


def _related_name(name: str, related: Mapping[str, Any]) -> str:
    """What a related record is called: an activity's "What" is an opportunity, or something else."""
    kind = object_or_empty(related.get("attributes")).get("type")
    return kind if name == "What" and isinstance(kind, str) else name


def _cell(value: Any) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return None if value is None else str(value).strip() or None


def _tell_of_more(where: str, is_one_page: bool) -> None:
    if is_one_page:
        notice(Path(where), "this is one page of an answer; the rows of the next ones are not in it.")


SALESFORCE = RowsFormat("Salesforce's answer", _is_salesforce, _salesforce_rows)
HUBSPOT = RowsFormat("HubSpot's answer", _is_hubspot, _hubspot_rows)
LISTED = RowsFormat("a CRM's answer", _is_listed, _listed_rows)
