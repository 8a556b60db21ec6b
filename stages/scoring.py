"""The stage `--mode score`: one file to one file, or with `--engine` any number of files to a folder of shards."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from conversations.reading.folder import files_of, read_data
from deals.deal import Deal
from foundations.errors import InputError
from foundations.machine import available_cores
from foundations.terminal import progress_bar, say
from modelling.names import AUTO
from scoring.handing_out import Event, Waiting
from scoring.job import FORMATS, ScoringJob, Shard, Terms, locked
from scoring.local_engine import score_locally
from scoring.plan import open_job
from scoring.progress import ScoringProgress
from scoring.ray_engine import check_ray, score_on_ray
from scoring.scores import (
    DEAL_COLUMNS,
    SCORE_COLUMNS,
    TURN_COLUMNS,
    check_score_output,
    closed_deals_sentence,
    ranked_order,
    score_conversations,
    score_turns,
    write_scores,
)
from scoring.worker import duplicate_ids
from stages.deals import deals_to_score
from stages.job import Job

_SHARD_ROWS = 5000  # what is lost with a worker, at most
_STALL = 600.0  # seconds; a piece of 256 long calls may take minutes
_BULK_OPTIONS = ("ray_address", "on_error", "output_format", "shard_rows", "stall_timeout")


def score(job: Job) -> None:
    """Writes the probability of every conversation of `--data`, labelled or not, or of each turn, to `--output`."""
    if job.model == "all":
        raise InputError("--model 'all' can't score; give one model, or 'auto' for the best.")
    if job.bulk.engine is not None:
        _score_shards(job)
        return
    odd = [name for name in _BULK_OPTIONS if getattr(job.bulk, name) is not None]
    if odd:
        raise InputError(f"--{odd[0].replace('_', '-')} is for scoring in bulk; add --engine local or --engine ray.")
    _score_file(job)


def _score_file(job: Job) -> None:
    if job.data is None or job.output is None:
        raise InputError("--mode score needs --data FILE and --output FILE.jsonl or FILE.csv.")
    check_score_output(job.output)
    if job.output.resolve() == job.data.resolve():
        raise InputError(f"The output {str(job.output)!r} is the data file itself; give another name.")
    deals = deals_to_score(job, job.data) if job.by == "deal" else None
    conversations = (
        read_data(job.data, job.reading.for_scoring(), job.outcomes)
        if deals is None
        else [deal.whole for deal in deals]
    )
    from answers.deals.answer import not_learned_from_deals
    from model_registry import load_model

    model = load_model(job.folder, job.model or AUTO)
    for sentence in not_learned_from_deals(model, deals or []):
        say(f"Warning: {sentence}", style="yellow")
    with progress_bar(f"Scoring {len(conversations)} {job.by}s with {model.name}") as report:
        columns: tuple[str, ...]
        score_all, columns = (score_turns, TURN_COLUMNS) if job.score.per_turn else (score_conversations, SCORE_COLUMNS)
        rows = score_all(model, conversations, job.score.rank and (deals is None or job.score.per_turn), report)
    if deals is not None and not job.score.per_turn:
        rows, columns = _deal_rows(deals, rows, job.score.rank), DEAL_COLUMNS
    write_scores(job.output, rows, columns)
    say(f"{len(rows)} scores in {job.output}")
    closed = closed_deals_sentence([conversation.outcome for conversation in conversations])
    if job.score.rank and closed:
        say(f"Notice: {closed}", style="yellow")


def _deal_rows(deals: Sequence[Deal], rows: Sequence[dict[str, Any]], rank: bool) -> list[dict[str, Any]]:
    """A row of DEAL_COLUMNS for each deal; `rows` are those of the deals as conversations, in the same order."""
    found: list[dict[str, Any]] = []
    for deal, row in zip(deals, rows, strict=True):
        dates = deal.dates
        span = {"first_date": dates[0], "last_date": dates[-1]} if dates else {}
        known = {"deal_id": deal.deal_id, "conversations": len(deal.conversations)} | span | row
        found.append({column: known.get(column) for column in DEAL_COLUMNS})
    if not rank:
        return found
    order = ranked_order([row["probability"] for row in found], [row["recorded_outcome"] for row in found])
    return [found[n] for n in order]


def _score_shards(job: Job) -> None:
    if job.data is None or job.output is None:
        raise InputError("--mode score --engine needs --data 'PATH_OR_GLOB' and --output DIR.")
    _check_bulk(job)
    terms = _terms(job)
    paths = files_of(job.data, job.output)
    skip = job.bulk.on_error == "skip"
    with locked(job.output):
        scoring = open_job(job.output, paths, terms, job.bulk.shard_rows or _SHARD_ROWS, skip)
        scoring.remove_remains()
        _run(job, scoring, skip)


def _check_bulk(job: Job) -> None:
    if job.by == "deal":
        raise InputError(
            "--by deal needs all conversations of a deal at once, which --engine does not hold; leave out --engine."
        )
    if job.outcomes is not None:
        raise InputError(f"--outcomes {str(job.outcomes)!r} is not for --engine, which needs no outcome; leave it out.")
    if job.score.rank:
        raise InputError(
            "--rank needs all scores at once, which --engine does not hold; sort the shards by probability, leaving out "
            "rows that have a recorded_outcome, whose deals are closed."
        )
    if job.bulk.ray_address is not None and job.bulk.engine != "ray":
        raise InputError(
            f"--ray-address {job.bulk.ray_address!r} is for --engine ray, not for --engine {job.bulk.engine}."
        )
    for name in ("shard_rows", "stall_timeout", "workers"):
        value = getattr(job.bulk, name)
        if value is not None and not value > 0:
            raise InputError(f"--{name.replace('_', '-')} {value} is out of range; give a number above 0.")
    if job.bulk.engine == "ray":
        check_ray(job.bulk.ray_address)
    if job.bulk.output_format == "parquet":
        from conversations.formats.tables.parquet import check_pyarrow

        check_pyarrow()


def _terms(job: Job) -> Terms:
    from model_registry import ModelNotTrainedError, best_model_name, how_to_train
    from scoring.worker import model_version

    name = best_model_name(job.folder) if job.model in (None, AUTO) else str(job.model)
    version = model_version(job.folder, name)
    if not version:
        raise ModelNotTrainedError(f"The model {name!r} is not trained; {how_to_train(job.folder, name)}.")
    reading = job.reading
    written = job.bulk.output_format or FORMATS[0]
    return Terms(
        name, version, job.score.per_turn, written, dict(reading.columns), sorted(reading.won), sorted(reading.lost)
    )


def _run(job: Job, scoring: ScoringJob, skip: bool) -> None:
    receipts = {shard.number: scoring.receipt(shard) for shard in scoring.shards}
    missing = [shard for shard in scoring.shards if receipts[shard.number] is None]
    earlier = sum(receipt.rows for receipt in receipts.values() if receipt)
    if earlier:
        say(f"{len(scoring.shards) - len(missing)} of {len(scoring.shards)} shards are finished, {len(missing)} to do")
    unreadable: dict[int, str] = {}
    try:
        progress = ScoringProgress(scoring.rows, earlier, job.bulk.stall_timeout or _STALL)
        if missing:
            with progress, closing(_engine(job, scoring, missing, skip)) as events:  # closed, no worker writes any more
                for event in events:
                    _follow(event, progress, scoring, unreadable)
    finally:
        scoring.remove_remains()
        errors = scoring.write_errors(unreadable)
    _say_result(scoring, errors, progress.rate if missing else 0.0)


def _engine(job: Job, scoring: ScoringJob, missing: Sequence[Shard], skip: bool) -> Generator[Event | Waiting]:
    artifacts = Path(os.path.abspath(job.folder.root))
    if job.bulk.engine == "ray":
        return score_on_ray(artifacts, scoring, missing, job.bulk.workers, skip, job.bulk.ray_address)
    return score_locally(artifacts, scoring, missing, job.bulk.workers or available_cores(), skip)


def _follow(event: Event | Waiting, progress: ScoringProgress, scoring: ScoringJob, unreadable: dict[int, str]) -> None:
    """Shows what an engine tells. Raises InputError where the job can't go on, or nothing has come for too long."""
    if isinstance(event, Waiting):
        progress.tick(event.state)
    elif isinstance(event.said, int):
        progress.advanced(event.shard.number, event.said)
    elif event.said.failed:
        raise InputError(event.said.failed)
    elif event.said.unreadable:
        unreadable[event.shard.number] = event.said.unreadable
        progress.finished(event.shard.number, event.shard.cut.rows)
    else:
        receipt = scoring.receipt(event.shard)
        progress.finished(event.shard.number, receipt.rows if receipt else event.shard.cut.rows)


def _say_result(scoring: ScoringJob, errors: int, rate: float) -> None:
    finished = [(shard, receipt) for shard in scoring.shards if (receipt := scoring.receipt(shard))]
    scored = sum(receipt.scored for _, receipt in finished)
    speed = f", {rate:,.0f} rows/s" if rate else ""
    say(f"{scored:,} conversations scored in {scoring.scores_folder} ({len(finished)} shards{speed})")
    if errors:
        say(f"Warning: {errors:,} rows, shards or files could not be read: see {scoring.errors_path}", style="yellow")
    if closed := sum(receipt.closed for _, receipt in finished):
        say(f"Notice: {closed:,} of these are of deals closed already, as their recorded_outcome says", style="yellow")
    silent = sum(max(0, receipt.rows - receipt.scored - len(receipt.problems)) for _, receipt in finished)
    if silent:
        say(f"Notice: {silent:,} rows have no words and are left out", style="yellow")
    if twice := duplicate_ids([scoring.scores_path(shard) for shard, _ in finished]):
        say(
            f"Warning: {twice.ids:,} ids occur more than once in the input (the first: {twice.first!r}); each of their rows "
            "is scored",
            style="yellow",
        )
