"""What a sync did, or in a dry run would do, for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from crm.deals import CrmDeal, Standing

_MOST_NAMED = 3  # deals in one sentence


@dataclass(frozen=True)
class Planned:
    """One deal that is written, or would be."""

    deal: CrmDeal
    before: Standing | None
    standing: Standing
    paragraphs: Sequence[str]  # of the note; none where it stays


@dataclass
class Report:
    """Counts, and what a person should know."""

    planned: list[Planned] = field(default_factory=list)
    looked_at: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)  # open deals without a call, mail or note that has words
    closed: set[str] = field(default_factory=set)
    fed_back: int = 0  # predictions whose outcome is known now
    gone: list[str] = field(default_factory=list)  # queued deals that are not there any more
    left_out: dict[str, str] = field(default_factory=dict)  # deals that can't be scored, and why
    refused: dict[str, str] = field(default_factory=dict)  # deals that the CRM did not let us write, and why
    missing_fields: Sequence[str] = ()  # in a dry run: that the CRM's deals don't have yet

    @property
    def unchanged(self) -> int:
        """Open deals with words in which nothing was to be written."""
        others = self.silent | self.closed | self.left_out.keys() | self.refused.keys()
        return len(self.looked_at - others - {one.deal.deal_id for one in self.planned})

    def summary(self, dry_run: bool) -> str:
        """The one line at the end."""
        written = len({one.deal.deal_id for one in self.planned} - self.refused.keys())
        verb = "would be written" if dry_run else "written"
        fed = "would get" if dry_run else "got"
        return (
            f"{len(self.looked_at)} deals looked at: {written} {verb}, {self.unchanged} unchanged, {len(self.silent)} without "
            f"words, {len(self.closed)} closed; {self.fed_back} predictions {fed} their outcome"
        )

    def warnings(self) -> Iterator[str]:
        """A sentence for each thing that was not done."""
        if self.missing_fields:
            yield f"The deals there have no field {', '.join(self.missing_fields)} yet."
        for what, found in (
            ("can't be scored and are left out", self.left_out),
            ("were refused, and come again with the next run", self.refused),
        ):
            if found:
                named = "; ".join(
                    f"{deal_id!r}: {why.rstrip('.')}" for deal_id, why in list(found.items())[:_MOST_NAMED]
                )
                yield f"{len(found)} deals {what} ({named})."
        if self.gone:
            yield f"{len(self.gone)} deals that were queued are not there any more (the first: {self.gone[0]!r})."
