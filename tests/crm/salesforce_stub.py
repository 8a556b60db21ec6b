"""A stateful stand-in for Salesforce's REST API, written from its public documentation; simple-salesforce reads its answers.

It knows the queries that the sync asks, by their clauses, and is strict where Salesforce is: 200 records of a collection, an
unknown field refuses a query, a page may end early. And it refuses what the sync must never write.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from crm.accounts.salesforce_records import FIELDS
from tests.crm.salesforce_files import Files
from tests.crm.stub_server import TOKEN, CrmStub, Sent, json_answer

ORGANISATION = "00D000000000001AAA"
CLIENT = {"client_id": "client", "client_secret": "secret-of-nobody", "grant_type": "client_credentials"}
PREFIXES = {"Opportunity": "006", "Task": "00T", "EmailMessage": "02s", "Note": "002", "Account": "001"}
FIELDS_OF = {
    "Opportunity": "Id Name IsClosed IsWon LeadSource AccountId SystemModstamp StageName Amount CloseDate".split(),
    "Task": "Id WhatId Description Subject ActivityDate IsClosed SystemModstamp".split(),
    "EmailMessage": "Id RelatedToId TextBody HtmlBody Subject MessageDate Incoming ActivityId Status SystemModstamp".split(),
    "Note": "Id ParentId Title Body CreatedDate IsDeleted SystemModstamp".split(),
    "Organization": ["Id"],
}
MAY_WRITE = {"Opportunity": set(FIELDS.values()), "Note": {"ParentId", "Title", "Body"}}
_SOQL = re.compile(
    r"SELECT (?P<fields>.+?) FROM (?P<table>\w+)(?: WHERE (?P<where>.+?))?(?: ORDER BY .+?)?(?: LIMIT (?P<limit>\d+))?$"
)
_IN = re.compile(r"(\w+) IN \((.+?)\)")
_BEHIND = re.compile(r"\(SystemModstamp > (\S+) OR \(SystemModstamp = \S+ AND Id > '(\w+)'\)\)")
_SINCE = re.compile(r"SystemModstamp >= (\S+)")


@dataclass
class SalesforceStub(CrmStub):
    """One organisation."""

    tables: dict[str, dict[str, dict[str, Any]]] = field(default_factory=lambda: {name: {} for name in FIELDS_OF})
    fields: dict[str, bool] = field(
        default_factory=lambda: dict.fromkeys(FIELDS.values(), True)
    )  # ours, and may be edited
    page: int = 2000
    lacks: set[str] = field(default_factory=set)  # tables that the organisation does not have
    locked: set[str] = field(default_factory=set)  # records that somebody edits
    tokens: list[str] = field(default_factory=lambda: [TOKEN])  # the last one counts
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.files = Files(self._new_id, self._stamp, self._is_open)

    # What people do in Salesforce

    def add(self, table: str, **values: Any) -> str:
        number = self._new_id(PREFIXES[table])
        defaults: dict[str, dict[str, Any]] = {
            "Opportunity": {"IsClosed": False, "IsWon": False},
            "Task": {"IsClosed": True},
            "EmailMessage": {"Status": "3"},
            "Note": {"IsDeleted": False, "CreatedDate": self._stamp()},
        }
        self.tables.setdefault(table, {})[number] = {
            "Id": number,
            **defaults.get(table, {}),
            **values,
            "SystemModstamp": self._stamp(),
        }
        return number

    def change(self, table: str, number: str, **values: Any) -> None:
        self.tables[table][number] |= {**values, "SystemModstamp": self._stamp()}

    def shown(self, deal: str) -> dict[str, Any]:
        """What our fields hold."""
        return {name: self.tables["Opportunity"][deal].get(name) for name in FIELDS.values()}

    def notes_of(self, deal: str) -> list[str]:
        return [note["Body"] for note in self.tables["Note"].values() if note["ParentId"] == deal]

    # What Salesforce answers

    def app(self) -> Starlette:
        data = "/services/data/{version}"
        routes: list[tuple[str, str, Callable[..., Response]]] = [
            ("GET", f"{data}/query", self._query),
            ("GET", f"{data}/query/{{cursor}}", self._following),
            ("GET", f"{data}/sobjects/Opportunity/describe", self._describe),
            ("GET", f"{data}/sobjects/ContentVersion/{{number}}/VersionData", self._content),
            ("PATCH", f"{data}/composite/sobjects", self._update),
            ("POST", f"{data}/composite/sobjects", self._create),
        ]
        guarded = [Route(path, self._guarded(answer), methods=[method]) for method, path, answer in routes]
        return Starlette(routes=[*guarded, Route("/services/oauth2/token", self._log_in, methods=["POST"])])

    async def _log_in(self, request: Request) -> Response:
        if dict(await request.form()) != CLIENT:
            return json_answer({"error": "invalid_client", "error_description": "invalid client credentials"}, 400)
        self.tokens.append(f"{TOKEN}-{len(self.tokens)}")
        return json_answer({"access_token": self.tokens[-1], "instance_url": "x", "token_type": "Bearer"})

    def _guarded(self, answer: Callable[..., Response]) -> Any:
        async def guarded(request: Request) -> Response:
            sent = await self.noted(request)
            if self.failures:
                return self.failures.popleft()
            if request.headers.get("authorization") != f"Bearer {self.tokens[-1]}":
                return _error(401, "Session expired or invalid", "INVALID_SESSION_ID")
            return answer(sent, **request.path_params)

        return guarded

    def _describe(self, sent: Sent, version: str) -> Response:
        plain = [{"name": name, "updateable": True, "type": "string"} for name in FIELDS_OF["Opportunity"]]
        own = [{"name": name, "updateable": edits, "type": "double"} for name, edits in self.fields.items()]
        return json_answer({"name": "Opportunity", "fields": plain + own})

    def _query(self, sent: Sent, version: str) -> Response:
        asked = _SOQL.match(sent.query["q"])
        assert asked, sent.query["q"]
        table, wanted = asked["table"], asked["fields"].split(", ")
        if table in self.lacks:
            return _error(400, f"sObject type '{table}' is not supported.", "INVALID_TYPE")
        if table == "ContentDocumentLink":
            links = self.files.found(wanted, asked["where"] or "")
            if isinstance(links, str):
                return _error(400, links, "MALFORMED_QUERY")
            return self._answer([_typed(table, one) for one in links], version)
        known = [*FIELDS_OF[table], *(self.fields if table == "Opportunity" else [])]
        if unknown := [name for name in wanted if name.partition(".")[0] != "Account" and name not in known]:
            return _error(400, f"No such column '{unknown[0]}' on entity '{table}'.", "INVALID_FIELD")
        if table == "Organization":
            return self._answer([_typed(table, {"Id": ORGANISATION})], version)
        rows = [row for row in self.tables[table].values() if _fits(row, asked["where"] or "")]
        rows.sort(key=lambda row: (row["SystemModstamp"], row["Id"]))
        rows = rows[: int(asked["limit"])] if asked["limit"] else rows
        return self._answer([self._shown(table, row, wanted) for row in rows], version)

    def _content(self, sent: Sent, version: str, number: str) -> Response:
        content = self.files.content(number)
        if content is None:
            return _error(404, "The requested resource does not exist", "NOT_FOUND")
        return Response(content, media_type="application/octetstream")

    def _following(self, sent: Sent, version: str, cursor: str) -> Response:
        return self._answer(self._rest[cursor], version)

    def _answer(self, rows: list[dict[str, Any]], version: str) -> Response:
        answer: dict[str, Any] = {"totalSize": len(rows), "done": len(rows) <= self.page, "records": rows[: self.page]}
        if len(rows) > self.page:
            self._rest = {"01g-2000": rows[self.page :]}
            answer["nextRecordsUrl"] = f"/services/data/{version}/query/01g-2000"
        return json_answer(answer)

    def _shown(self, table: str, row: dict[str, Any], wanted: list[str]) -> dict[str, Any]:
        shown = {name: row.get(name) for name in wanted if "." not in name}
        related = [name.partition(".")[2] for name in wanted if name.startswith("Account.")]
        account = self.tables.get("Account", {}).get(row.get("AccountId") or "")
        if related:
            shown["Account"] = account and _typed("Account", {name: account.get(name) for name in related})
        return _typed(table, shown)

    def _update(self, sent: Sent, version: str) -> Response:
        return self._collection(sent, self._updated)

    def _create(self, sent: Sent, version: str) -> Response:
        return self._collection(sent, lambda table, values: _done(self.add(table, **values)))

    def _collection(self, sent: Sent, each: Callable[[str, dict[str, Any]], dict[str, Any]]) -> Response:
        if len(sent.body["records"]) > 200:
            return _error(400, "The number of records exceeds 200.", "INVALID_INPUT")
        answers = []
        for record in sent.body["records"]:
            table = record["attributes"]["type"]
            values = {name: value for name, value in record.items() if name != "attributes"}
            if odd := values.keys() - {"id"} - MAY_WRITE.get(table, set()):
                self.violations.append(f"{table}: {', '.join(sorted(odd))}")
                return _error(400, f"Nobody may write {sorted(odd)}", "INVALID_FIELD")
            answers.append(each(table, values))
        return json_answer(answers)

    def _updated(self, table: str, values: dict[str, Any]) -> dict[str, Any]:
        number = values.pop("id")
        if number not in self.tables[table]:
            return _failed("ENTITY_IS_DELETED", "entity is deleted")
        if number in self.locked:
            return _failed("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record")
        self.change(table, number, **values)
        return _done(number)

    def _new_id(self, prefix: str) -> str:
        return f"{prefix}{next(self._numbers):012d}AAA"

    def _is_open(self, number: str) -> bool:
        return number in self.tables["Opportunity"] and not self.tables["Opportunity"][number]["IsClosed"]

    def _stamp(self) -> str:
        return f"{self.now():%Y-%m-%dT%H:%M:%S}.000+0000"


def _fits(row: dict[str, Any], where: str) -> bool:
    """The clauses that the sync's queries have, and no others."""
    stamp = datetime.fromisoformat(row["SystemModstamp"])
    if (behind := _BEHIND.search(where)) is not None:
        moment = datetime.fromisoformat(behind[1])
        return stamp > moment or (stamp == moment and row["Id"] > behind[2])
    if (since := _SINCE.search(where)) is not None and stamp < datetime.fromisoformat(since[1]):
        return False
    if (listed := _IN.search(where)) is not None and f"'{row.get(listed[1])}'" not in listed[2].split(", "):
        return False
    if "IsClosed = true" in where and not row["IsClosed"]:
        return False
    return not ("Status != '5'" in where and row["Status"] == "5")


def _typed(table: str, values: dict[str, Any]) -> dict[str, Any]:
    url = f"/services/data/v62.0/sobjects/{table}/{values.get('Id')}"
    return {"attributes": {"type": table, "url": url}, **values}


def _done(number: str) -> dict[str, Any]:
    return {"id": number, "success": True, "errors": []}


def _failed(code: str, message: str) -> dict[str, Any]:
    return {"success": False, "errors": [{"statusCode": code, "message": message, "fields": []}]}


def _error(status: int, message: str, code: str) -> Response:
    return json_answer([{"message": message, "errorCode": code}], status)
