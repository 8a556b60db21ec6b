"""`--mode tune`: searches settings on the splits' training data, prints what was promised and what unseen data say of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from conversations.conversation import Conversation
from conversations.reading.files import read_splits
from foundations.errors import InputError
from foundations.terminal import console, progress_bar, say
from learning.tuning.settings_file import write_settings
from learning.tuning.spaces import QUICK, SPACES
from stages.job import Job, cache_folder, check_vectors_differ, encode_once, require_splits

if TYPE_CHECKING:
    from learning.tuning.search import Tuned


def tune(job: Job) -> None:
    """Searches, prints both figures and writes the chosen settings to `--output`; a search that is stopped writes nothing.

    The test split is not looked at. Raises InputError where an option is wrong or Optuna is missing.
    """
    names, trials = _names(job), _trials(job)
    require_splits(job)
    conversations = read_splits(job.folder.data).learned_from
    try:
        found = _searched(job, names, conversations, trials)
    except KeyboardInterrupt:
        say("Stopped; nothing was written.")
        raise
    output = job.output or job.folder.root / "settings.json"
    write_settings(output, found)
    console.print(_table(found))
    for one in found:
        say(_verdict(one))
    say(f"Settings written to {output}: python main.py --mode train --settings {output} --artifacts {job.folder.root}")


def _names(job: Job) -> Sequence[str]:
    if job.model in (None, "all"):
        return QUICK
    if job.model not in SPACES:
        raise InputError(f"--model is {job.model!r}; the settings of {', '.join(SPACES)} can be searched.")
    return (str(job.model),)


def _trials(job: Job) -> int:
    try:
        from learning.tuning.search import MOST_TRIALS
    except ModuleNotFoundError as error:
        if error.name != "optuna":
            raise
        lock = "pip install --require-hashes --no-deps -r requirements/locked/tune.txt"
        raise InputError(f"--mode tune needs the package 'optuna': {lock}") from error
    trials = MOST_TRIALS if job.trials is None else job.trials
    if not 1 <= trials <= MOST_TRIALS:
        raise InputError(f"--trials is {trials}; give a whole number from 1 to {MOST_TRIALS}.")
    return trials


def _searched(job: Job, names: Sequence[str], conversations: Sequence[Conversation], trials: int) -> list[Tuned]:
    from encoder.torch_encoder import SalesEncoder
    from learning.tuning.search import tune as tuned

    encoder = SalesEncoder.load(job.encoder, keep_states=True, cache_folder=cache_folder(job.folder))
    encode_once(encoder, conversations)
    check_vectors_differ(encoder, conversations)
    found = []
    for name in names:
        with progress_bar(f"Searching settings of {name}", remaining=True) as report:
            found.append(tuned(encoder, name, conversations, job.seed, trials, report))
    return found


def _table(found: Sequence[Tuned]) -> Table:
    table = Table(
        title=f"Log loss, default → searched; {found[0].conversations} conversations, {found[0].trials} trials a search",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
    )
    for column in ("", "Promised", "Unseen", "Gain on unseen", "Chosen"):
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    for one in found:
        promised, unseen = (f"{default:.3f} → {searched:.3f}" for default, searched in (one.promised, one.unseen))
        gain = f"{one.gain:+.3f} ± {one.standard_error:.3f}"
        table.add_row(one.name, promised, unseen, gain, "default" if one.defaults_kept else "searched")
    return table


def _verdict(one: Tuned) -> str:
    if one.defaults_kept:
        return (
            f"{one.name}: the defaults stay; on unseen conversations the search gained no more than one standard error."
        )
    return f"{one.name}: {one.settings}, better on unseen conversations by more than one standard error."
