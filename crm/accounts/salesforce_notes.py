"""Salesforce's enhanced notes: files of the type SNOTE whose words are HTML, and links that say which records they belong to.

They follow the sharing of the records that they are linked to: a list of all files would leave out those that a user sees only
by a record. So each question goes through the links, which Salesforce answers for named records or files alone. A query gives
an address in place of the words; these cost a request a note, and are fetched only of the notes that a score can hold.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from answers.deals.requests import MOST_OF_A_DEAL
from crm.accounts.salesforce_records import KINDS, listed, moment_in_row, opportunities, written
from crm.deals import Changed

ENHANCED_NOTES = "enhanced notes"
_NOTES = "ContentDocument.FileType = 'SNOTE'"
_OPEN_DEALS = "LinkedEntityId IN (SELECT Id FROM Opportunity WHERE IsClosed = false)"
_CHANGES = ("SystemModstamp", "ContentDocument.ContentModifiedDate")  # of the link, and of what it links
_READ = (
    "LinkedEntityId, ContentDocumentId, ContentDocument.Title, ContentDocument.CreatedDate, "
    "ContentDocument.LatestPublishedVersionId"
)
_FROM = "FROM ContentDocumentLink WHERE"


class EnhancedNotes:
    """Those of one organisation. Every method raises CrmError."""

    def __init__(self, rows_of: Callable[[str], list[dict[str, Any]]], content_of: Callable[[str], str]) -> None:
        """rows_of: what a query gives; content_of: the words of a file's version, "" where it is not there any more."""
        self._rows_of = rows_of
        self._content_of = content_of

    def changed(self, since: datetime | None, batch: int) -> Iterator[Changed]:
        """Notes of open deals that were written, changed or linked at or after a moment, in pages of at most `batch`."""
        when = " OR ".join(f"{name} >= {written(since)}" for name in _CHANGES) if since else ""
        asked = f"SELECT Id, ContentDocumentId, {', '.join(_CHANGES)} {_FROM} {_OPEN_DEALS} AND {_NOTES}"
        rows = self._rows_of(f"{asked} AND ({when})" if when else asked)
        found = sorted((_changed_at(row), str(row["ContentDocumentId"])) for row in rows)
        for start in range(0, len(found), batch):
            page = found[start : start + batch]
            yield Changed([document for _, document in page], [], page[-1][0])

    def deals_of(self, documents: Sequence[str]) -> list[str]:
        """The deals that notes are linked to, each once."""
        rows = self._rows_of(f"SELECT LinkedEntityId {_FROM} ContentDocumentId IN ({listed(documents)})")
        return opportunities(row["LinkedEntityId"] for row in rows)

    def of_deals(self, deal_ids: Sequence[str]) -> list[dict[str, Any]]:
        """The notes of deals as rows of the classic kind, of a deal's many the newest."""
        links: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in self._rows_of(f"SELECT {_READ} {_FROM} LinkedEntityId IN ({listed(deal_ids)}) AND {_NOTES}"):
            links[row["LinkedEntityId"]].append(row)
        newest = [
            row
            for of_deal in links.values()
            for row in sorted(of_deal, key=lambda row: str(row["ContentDocument"]["CreatedDate"]))[-MOST_OF_A_DEAL:]
        ]
        return [self._as_classic(row) for row in newest]

    def _as_classic(self, link: Mapping[str, Any]) -> dict[str, Any]:
        document = link["ContentDocument"]
        words = self._content_of(document["LatestPublishedVersionId"])
        return {
            "attributes": {"type": KINDS["notes"].table},
            "Id": link["ContentDocumentId"],
            KINDS["notes"].deal: link["LinkedEntityId"],
            "Title": document["Title"],
            "Body": f"<p>{words}</p>",  # HTML it is, also where it has no tag: then "&amp;" says so alone
            "CreatedDate": document["CreatedDate"],
        }


def _changed_at(row: Mapping[str, Any]) -> datetime:
    document = row["ContentDocument"]
    times = (row["SystemModstamp"], document.get("ContentModifiedDate"))
    return max(moment_in_row(row, one) for one in times if one)
