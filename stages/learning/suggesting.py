"""`--mode suggest`: which outcome to look up next, and which recorded one contradicts what the models say.

Of the stored predictions, and of the training conversations by what training said of each while it was held out. The
sentence that speaks most against a recorded outcome is measured on the trained model, a few tenths of a second each.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from rich import box
from rich.table import Table

from answers.evidence import evidence
from conversations.conversation import Conversation
from conversations.reading.files import read_splits
from foundations.errors import InputError
from foundations.settings import load_settings
from foundations.terminal import console, progress_bar, say
from learning.review.contradictions import SHARE, Contradiction, held_out_contradictions, logged_contradictions
from learning.review.outcomes_in_log import stored_texts, with_outcome
from learning.review.suggestions import MOST_SUGGESTIONS, USUAL_COUNT, SuggestionList, suggestion_list
from modelling.conversion_model import ConversionModel
from prediction_log.store import PredictionStore
from stages.job import Job, require_splits
from stages.learning.prediction_store import opened_store


class Learned(NamedTuple):
    """A trained model and what it learned from, in its order."""

    model: ConversionModel
    conversations: Sequence[Conversation]


def suggest(job: Job) -> None:
    """Prints both lists. Raises InputError where `--top` is out of range or the database can't be used."""
    count = USUAL_COUNT if job.top is None else job.top
    if not 1 <= count <= MOST_SUGGESTIONS:
        raise InputError(f"--top is {count}; give a whole number from 1 to {MOST_SUGGESTIONS}.")
    with opened_store(load_settings(artifacts=job.folder.root), may_be_new=True) as store:
        found = suggestion_list(store, count, datetime.now(UTC))
        _print_suggestions(found)
        for notice in found.notices:
            say(f"Notice: {notice}", style="yellow")
        learned, logged = _learned(job), with_outcome(store)
        contradictions = held_out_contradictions(*learned, logged) if learned else logged_contradictions(logged)
        named = _with_sentences(learned, store, contradictions[:count])
    closed = len(logged) + (len(learned.conversations) if learned else 0)
    _print_contradictions(named, len(contradictions), closed)
    say(found.contradictions_mean)


def _learned(job: Job) -> Learned | None:
    """The trained model and what it learned from; None, and a notice why, where one of them is missing or from before."""
    from model_registry import load_model

    try:
        require_splits(job)
        model = load_model(job.folder, "auto" if job.model in (None, "all") else str(job.model))
        learned = Learned(model, read_splits(job.folder.data).learned_from)
        held_out_contradictions(*learned)
    except InputError as error:
        say(f"Notice: only the log is looked at for outcomes that contradict. {error}", style="yellow")
        return None
    return learned


def _with_sentences(
    learned: Learned | None, store: PredictionStore, found: Sequence[Contradiction]
) -> list[Contradiction]:
    if learned is None or not found:
        return list(found)
    words = {one.conversation_id: one for one in learned.conversations}
    texts = stored_texts(store, [one.prediction_id for one in found if one.prediction_id])
    named = []
    with progress_bar("Looking for what speaks against them") as report:
        for n, one in enumerate(found, start=1):
            conversation = words.get(one.conversation_id or "") or _stored(texts.get(one.prediction_id or ""))
            sentence = conversation and _strongest_against(learned.model, conversation, one)
            named.append(one.model_copy(update={"sentence": sentence}))
            report(n / len(found))
    return named


def _stored(text: str | None) -> Conversation | None:
    return Conversation(transcript=text) if text else None


def _strongest_against(model: ConversionModel, conversation: Conversation, found: Contradiction) -> str | None:
    """The sentence that moves the probability furthest away from the recorded outcome; None where none does."""
    away = -1 if found.recorded_outcome == "successful" else 1
    against = [one for one in evidence(model, conversation) if one.effect * away > 0]
    return against[0].sentence if against else None


def _print_suggestions(found: SuggestionList) -> None:
    title = f"Outcomes to look up next, {found.day}: {len(found.suggestions)} of {found.without_outcome} without one"
    table = _table(title, ("Deal or conversation", "Probability", "Why", "Begins"))
    for one in found.suggestions:
        name = one.deal_id or one.conversation_id or one.prediction_id
        state = f"{one.reason} Looked up: {one.outcome}." if one.outcome else one.reason
        table.add_row(name, f"{one.probability:.2f}", state, _shortened(one.excerpt))
    console.print(table)


def _print_contradictions(shown: Iterable[Contradiction], found: int, closed: int) -> None:
    share = max(1, round(SHARE * closed)) if closed else 0
    of = f"{found} of {closed} closed ones; the first {share} are the most contradicted 5 %"
    title = f"Recorded outcomes that contradict: {of}"
    table = _table(title, ("Deal or conversation", "Recorded", "Held out", "Predicted", "Speaks most against it"))
    for one in shown:
        name = one.deal_id or one.conversation_id or str(one.prediction_id)
        figures = (one.held_out_probability, one.predicted_probability)
        table.add_row(name, one.recorded_outcome, *map(_probability, figures), _shortened(one.sentence))
    console.print(table)


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, show_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _probability(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _shortened(text: str | None) -> str:
    longest = 120
    return "–" if text is None else text if len(text) <= longest else f"{text[: longest - 1]}…"
