"""The files of a stand-in for Salesforce that are enhanced notes: a file, its versions, and links to records.

As its documentation says: a new content is a new version, a link is asked for by named records or files alone, a query gives an
address in place of a content, and the address the content itself.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

NO_FILTER = (
    "Implementation restriction: ContentDocumentLink requires a filter by a single Id on ContentDocumentId or LinkedEntityId "
    "using the equals operator or multiple Id's using the IN operator."
)
OWNER = "005000000000001AAA"
LINK_FIELDS = ("Id", "LinkedEntityId", "ContentDocumentId", "ShareType", "SystemModstamp")
FILE_FIELDS = ("Id", "Title", "FileType", "CreatedDate", "ContentModifiedDate", "LatestPublishedVersionId")
_NAMED = re.compile(r"(LinkedEntityId|ContentDocumentId) (?:IN \((.+?)\)|= ('\w+'))")
_SINCE = re.compile(r"(?:SystemModstamp|ContentDocument\.ContentModifiedDate) >= (\S+?)(?= OR|\)|$)")
_OPEN = "SELECT Id FROM Opportunity WHERE IsClosed = false"


@dataclass
class Files:
    """All of one organisation."""

    new_id: Callable[[str], str]  # of a prefix
    stamp: Callable[[], str]
    is_open: Callable[[str], bool]  # whether a record is an open opportunity
    documents: dict[str, dict[str, Any]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)  # base64, as they are written by the API
    links: list[dict[str, Any]] = field(default_factory=list)

    # What people do

    def add_note(self, title: str, content: str, *records: str, kind: str = "SNOTE") -> str:
        """The id of the file, which is linked to who writes it and to the records."""
        number, stamp = self.new_id("069"), self.stamp()
        self.documents[number] = {"Id": number, "Title": title, "FileType": kind, "CreatedDate": stamp}
        self.change(number, content)
        for record in (OWNER, *records):
            self.link(number, record)
        return number

    def change(self, number: str, content: str) -> None:
        version = self.new_id("068")
        self.versions[version] = base64.b64encode(content.encode()).decode()
        self.documents[number] |= {"LatestPublishedVersionId": version, "ContentModifiedDate": self.stamp()}

    def link(self, number: str, record: str) -> None:
        values = {"Id": self.new_id("06A"), "LinkedEntityId": record, "ContentDocumentId": number, "ShareType": "V"}
        self.links.append({**values, "SystemModstamp": self.stamp()})

    def content(self, version: str) -> bytes | None:
        """As the address of it answers."""
        return base64.b64decode(self.versions[version]) if version in self.versions else None

    # What a query answers

    def found(self, fields: list[str], where: str) -> list[dict[str, Any]] | str:
        """The links, or why they can't be asked for so."""
        of_files = [name.partition(".")[2] for name in fields if name.startswith("ContentDocument.")]
        of_links = [name for name in fields if "." not in name]
        if unknown := [*set(of_links) - set(LINK_FIELDS), *set(of_files) - set(FILE_FIELDS)]:
            return f"No such column '{unknown[0]}' on entity 'ContentDocumentLink'."
        named = _NAMED.search(where)
        if named is None or (named[1] == "ContentDocumentId" and "ContentDocument." in where):
            return NO_FILTER
        return [self._shown(link, of_links, of_files) for link in self._fitting(where, named)]

    def _fitting(self, where: str, named: re.Match[str]) -> Iterator[dict[str, Any]]:
        since = [datetime.fromisoformat(one) for one in _SINCE.findall(where)]
        assert len(since) in (0, 2), where
        for link in self.links:
            document, value = self.documents.get(link["ContentDocumentId"]), link[named[1]]
            is_named = self.is_open(value) if named[2] == _OPEN else f"'{value}'" in (named[2] or named[3])
            if document is None or not is_named:
                continue
            if "ContentDocument.FileType = 'SNOTE'" in where and document["FileType"] != "SNOTE":
                continue
            times = (link["SystemModstamp"], document["ContentModifiedDate"])
            if not since or any(datetime.fromisoformat(one) >= limit for one, limit in zip(times, since, strict=True)):
                yield link

    def _shown(self, link: dict[str, Any], of_links: list[str], of_files: list[str]) -> dict[str, Any]:
        shown: dict[str, Any] = {name: link[name] for name in of_links}
        if of_files:
            document = self.documents[link["ContentDocumentId"]]
            shown["ContentDocument"] = {
                "attributes": {"type": "ContentDocument"},
                **{name: document[name] for name in of_files},
            }
        return shown
