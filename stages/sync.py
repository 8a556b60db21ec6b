"""`--mode sync`: scores the deals of a CRM that changed, writes the scores back, and stores how closed deals ended.

`crm.sync` does it; here are the options, the lock, and what a person sees. Tokens come from the environment alone.
"""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from foundations.atomic_files import make_private_folder, open_private
from foundations.errors import InputError
from foundations.settings import Settings, load_settings
from foundations.terminal import console, say
from foundations.texts import shortened
from modelling.names import AUTO
from stages.job import Job

if TYPE_CHECKING:
    from crm.report import Planned, Report

CRM_NAMES = ("hubspot", "salesforce")
STORED_SECONDS = 10.0  # that the end of a run waits for the store
_LONGEST_NAME = 40
_FIGURES = ("Probability", "Change")


def sync(job: Job) -> None:
    """Raises InputError where no CRM is named, a token is missing, another sync runs, or the CRM can't be used."""
    options = job.sync
    if options.crm is None:
        raise InputError(f"--mode sync needs --crm and one of {', '.join(CRM_NAMES)}.")
    if job.model == "all":
        raise InputError("--model 'all' can't score; give one model, or 'auto' for the best.")
    from foundations.database import StoreAwayError

    settings = load_settings(artifacts=job.folder.root)
    try:
        with _alone(settings.state_folder):
            report = _run(job, settings)
    except StoreAwayError as error:
        raise InputError(f"The prediction database can't be used ({error.reason}); see SALES_DATABASE_URL.") from error
    if options.dry_run:
        _show(report)
    for sentence in report.warnings():
        say(f"Warning: {sentence}", style="yellow")
    say(report.summary(options.dry_run))


def _run(job: Job, settings: Settings) -> Report:
    from answers.sources import Sources
    from crm.accounts.connect import connected
    from crm.sync import Options, Sync
    from learning.served_versions import ServedVersions
    from prediction_log.recorder import PredictionRecorder
    from prediction_log.store import PredictionStore
    from prediction_log.waiting import WaitingRecords
    from prediction_log.writer import PredictionWriter

    crm = connected(str(job.sync.crm), settings)
    store = PredictionStore(settings.database)
    sources = Sources.of(job.folder, settings.threads, ServedVersions(settings, store))
    writer = PredictionWriter(store, WaitingRecords(settings.state_folder))
    recorder = PredictionRecorder(writer, settings.store_transcripts, durable=True)
    options = Options(job.sync.dry_run, job.sync.queued, job.force, job.model or AUTO)
    writer.start()
    try:
        with console.status("Reading") as shown:
            return Sync(crm, sources, store, recorder, options, lambda report: shown.update(_so_far(report))).run()
    finally:
        crm.close()
        writer.stop(STORED_SECONDS)
        store.close()


def _so_far(report: Report) -> str:
    return f"{len(report.looked_at):,} deals looked at"


@contextlib.contextmanager
def _alone(state: Path) -> Iterator[None]:
    """Within this block no other sync runs with this state folder. The lock ends with the process."""
    try:
        make_private_folder(state)
        file = open_private(state / ".sync.lock")
    except OSError as error:
        raise InputError(
            f"Cannot write to {str(state)!r} ({error.strerror}); give a folder with SALES_STATE."
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"Another sync runs with the state folder {str(state)!r}; wait for its end.") from None
        yield


def _show(report: Report) -> None:
    """A row for each deal, and below the table the notes."""
    if not report.planned:
        return
    table = Table(box=box.SIMPLE_HEAD)
    for title in ("Deal", "Name", "Probability", "Band", "Change", "Note"):
        table.add_column(title, no_wrap=title != "Name", justify="right" if title in _FIGURES else "left")
    for planned in report.planned:
        table.add_row(*map(Text, _cells(planned)))
    console.print(table)
    for planned in report.planned:
        if planned.paragraphs:
            say(f"The note of {planned.deal.deal_id}:", style="bold")
            say("\n".join(f"  {line}" for line in planned.paragraphs))


def _cells(planned: Planned) -> list[str]:
    standing, before = planned.standing, planned.before
    probability = (
        f"{standing.probability:.3f}" if before is None else f"{before.probability:.3f} → {standing.probability:.3f}"
    )
    change = "–" if standing.change is None else f"{standing.change:+.3f}"
    note = "stays" if not planned.paragraphs else "new" if before is None else "changed"
    return [planned.deal.deal_id, shortened(planned.deal.name, _LONGEST_NAME), probability, standing.band, change, note]
