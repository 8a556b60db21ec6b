"""One run: the deals that changed are read, scored and written back, page by page, and how closed ones ended is stored.

What changed is asked of deals and of their calls, mails and notes, each from its own cursor with a minute's overlap. Our own
writes are changes too; a deal whose words, model and fields are as they were is not written again. A page is remembered, and
the cursor moved, after its writes: who is killed does the page again, finds the fields written and the note there, and makes
no second one. A deal that the CRM refuses to write is queued and comes again with the next run.
"""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from answers.sources import Sources
from crm.deals import DEALS, Crm, CrmDeal, Note, Said
from crm.outcomes import count_outcomes, give_outcomes
from crm.report import Planned, Report
from crm.scores import Score, deal_in, note_of, read_sha256, score
from crm.state import Page, SyncState, Written
from foundations.errors import InputError, UnavailableError
from prediction_log.actors import Actor
from prediction_log.recorder import PredictionRecorder, RequestFacts
from prediction_log.store import PredictionStore
from prediction_log.tables.rows import new_prediction_id

T = TypeVar("T")
OVERLAP = timedelta(minutes=1)  # a search knows a change some seconds late
CALLER = "crm sync"


@dataclass(frozen=True)
class Options:
    """How a run is meant."""

    dry_run: bool = False  # nothing is written, neither there nor here
    queued_only: bool = False
    everything: bool = False  # all deals, not only those that changed
    model_type: str = "auto"


@dataclass(frozen=True)
class _Plan:
    """What is to be written into one open deal."""

    planned: Planned
    written: Written  # as it will be remembered; of a new note without its id
    score: Score | None  # None: nothing was said anew

    @property
    def deal_id(self) -> str:
        return self.planned.deal.deal_id

    @property
    def writes_values(self) -> bool:
        return not self.planned.deal.shows(self.written.standing)


@dataclass
class Sync:
    """One run on one account."""

    crm: Crm
    sources: Sources
    store: PredictionStore
    recorder: PredictionRecorder
    options: Options
    after_page: Callable[[Report], object] = lambda report: None
    report: Report = field(default_factory=Report)
    _run_id: str = field(default_factory=lambda: f"sync-{uuid.uuid4().hex}")

    def run(self) -> Report:
        """Raises CrmError, StoreAwayError, UnavailableError; what was done until then stays done."""
        self._version()  # where there is no model, nothing is asked
        if self.options.dry_run:
            self.report.missing_fields = self.crm.missing_fields()
        else:
            self.crm.make_fields()
        state = SyncState(self.store, self.crm.account)
        self._work_queue(state)
        if not self.options.queued_only:
            self._begin_cursors(state)
            for kind in self.crm.kinds:
                self._work_changes(state, kind)
        return self.report

    def _begin_cursors(self, state: SyncState) -> None:
        """The first run looks at all deals with all that was said in them, so of the rest only what comes from now on."""
        now = datetime.now(UTC)
        for kind in self.crm.kinds:
            if kind != DEALS and not self.options.dry_run and state.cursor(kind) is None:
                state.keep(Page({}, cursor=(kind, now)))

    def _work_queue(self, state: SyncState) -> None:
        queued = state.queued()
        for ids in _batches(list(queued), self.crm.batch):
            deals = self.crm.deals(ids)
            self.report.gone += sorted(set(ids) - {deal.deal_id for deal in deals})
            self._work(state, deals, Page({}, done={one: queued[one] for one in ids}))

    def _work_changes(self, state: SyncState, kind: str) -> None:
        cursor = state.cursor(kind)
        if cursor is None and kind != DEALS:
            return
        everything = self.options.everything and kind == DEALS
        since = None if cursor is None or everything else cursor - OVERLAP
        for changed in self.crm.changed(kind, since):
            deals = changed.deals if kind == DEALS else self.crm.deals(self.crm.deals_of(kind, changed.ids))
            cursor = max(changed.upto, cursor or changed.upto)
            self._work(state, deals, Page({}, cursor=(kind, cursor)))

    def _work(self, state: SyncState, deals: Sequence[CrmDeal], end: Page) -> None:
        """end: what is stored with the last of them."""
        batches = list(_batches(deals, self.crm.batch)) or [[]]
        for number, batch in enumerate(batches, start=1):
            page = self._page(state, batch)
            if not self.options.dry_run:
                is_last = number == len(batches)
                state.keep(replace(page, cursor=end.cursor, done=end.done) if is_last else page)
            self.after_page(self.report)

    def _page(self, state: SyncState, deals: Sequence[CrmDeal]) -> Page:
        if self.options.dry_run:  # in which a deal that comes again would be planned again
            deals = [deal for deal in deals if deal.deal_id not in self.report.looked_at]
        self.report.looked_at |= {deal.deal_id for deal in deals}
        self._feed_back(deals)
        still_open = [deal for deal in deals if deal.outcome is None]
        said = self.crm.said(still_open)
        before = state.written(deal.deal_id for deal in still_open)
        found = [self._plan(deal, said[deal.deal_id], before.get(deal.deal_id)) for deal in still_open]
        plans = [plan for plan in found if plan is not None]
        self.report.planned += [plan.planned for plan in plans if plan.writes_values or plan.planned.paragraphs]
        return Page({}) if self.options.dry_run else self._write(plans)

    def _feed_back(self, deals: Sequence[CrmDeal]) -> None:
        outcomes = {deal.deal_id: deal.outcome for deal in deals if deal.outcome is not None}
        self.report.closed |= outcomes.keys()
        if self.options.dry_run:
            self.report.fed_back += count_outcomes(self.store, outcomes)
        else:
            self.report.fed_back += give_outcomes(self.store, outcomes, Actor(CALLER, "", self._run_id))

    def _plan(self, crm_deal: CrmDeal, said: Said, before: Written | None) -> _Plan | None:
        """None where nothing can be said of a deal, which the report tells."""
        if said.problem is None and not said.conversations:
            self.report.silent.add(crm_deal.deal_id)
            return None
        try:
            if said.problem is not None:
                raise InputError(said.problem)
            deal = deal_in(crm_deal, said)
            if before is not None and before.read_sha256 == read_sha256(deal, self._version()):
                return _Plan(Planned(crm_deal, before.standing, before.standing, ()), before, None)
            found = score(self.sources, deal, self.options.model_type)
        except UnavailableError:
            raise  # of no deal in particular
        except InputError as error:
            self.report.left_out[crm_deal.deal_id] = str(error)
            return None
        return _planned(crm_deal, found, before, said.note_id)

    def _write(self, plans: Sequence[_Plan]) -> Page:
        refused = self.crm.write({plan.deal_id: plan.written.standing for plan in plans if plan.writes_values})
        notes = {
            plan.deal_id: Note(plan.planned.paragraphs, plan.written.note_id or None)
            for plan in plans
            if plan.planned.paragraphs and plan.deal_id not in refused
        }
        written = self.crm.write_notes(notes)
        refused = {**refused, **written.refused}
        done = [plan for plan in plans if plan.deal_id not in refused]
        self._record([plan.score for plan in done if plan.score is not None])
        self.report.refused |= refused
        kept = {
            plan.deal_id: replace(plan.written, note_id=written.ids.get(plan.deal_id, plan.written.note_id))
            for plan in done
            if plan.score is not None
        }
        return Page(kept, again=list(refused))

    def _record(self, scores: Sequence[Score]) -> None:
        """Stores what was predicted, so that it is listed, and gets its outcome when the deal is closed."""
        if not scores:
            return
        facts = RequestFacts(
            request_id=self._run_id,
            caller=CALLER,
            model=scores[0].response.model_used,
            model_version=scores[0].response.model_version,
            latency_ms=1000 * sum(one.response.processing_time for one in scores) / len(scores),
            batch_size=len(scores),
        )
        by_id = {new_prediction_id(): one for one in scores}
        answered = [(name, one.newest, one.response.prediction) for name, one in by_id.items()]
        asyncio.run(self.recorder.record(facts, answered, {name: one.read for name, one in by_id.items()}))

    def _version(self) -> str:
        models = self.sources.models
        name = models.resolve(self.options.model_type)
        return f"{name} {models.model(name).version}"


def _planned(crm_deal: CrmDeal, found: Score, before: Written | None, note_id: str | None) -> _Plan:
    standing = found.standing(before.standing if before else None)
    paragraphs = note_of(found.response, standing)
    note_sha256 = hashlib.sha256("\n".join(paragraphs).encode("utf-8", "replace")).hexdigest()
    if before is not None and before.note_sha256 == note_sha256:
        paragraphs = []
    known = note_id or (before.note_id if before else "")
    written = Written(found.read_sha256, standing, known, note_sha256)
    return _Plan(Planned(crm_deal, before.standing if before else None, standing, paragraphs), written, found)


def _batches(of: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(of), size):
        yield of[start : start + size]
