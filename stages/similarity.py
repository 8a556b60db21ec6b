"""The index of similar conversations in a run: written as a part of training, and added to by `--mode add`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conversations.reading.files import SPLIT_FILES
from conversations.reading.folder import read_data
from conversations.split import LEARNED_FROM
from foundations.atomic_files import file_sha256
from foundations.errors import InputError
from foundations.machine import release_unused_memory
from foundations.terminal import progress_bar, say
from stages.job import Job, is_up_to_date, require_splits, sha256_or_none, unless_unchanged
from stages.records import code_sha256

if TYPE_CHECKING:
    from similarity.vector_index import SharedPlace

_STAGE = "index"
_SHARED_STAGE = "index in the database"
_CODE = ("similarity.indexing",)


def index_conversations(job: Job) -> None:
    """Writes the index that similar conversations are found in, and puts it into the database where the settings say so."""
    unless_unchanged(job, _STAGE, _inputs(job), lambda: _write_index(job))
    with _shared_place(job) as shared:
        if shared is not None:
            _share_index(job, shared)


def _write_index(job: Job) -> list[Path]:
    from similarity.indexing import build_similar_index

    with progress_bar("Indexing the training conversations") as report:
        files = build_similar_index(job.folder, report)
    release_unused_memory()
    return files


def _share_index(job: Job, shared: SharedPlace) -> None:
    from similarity.indexing import publish

    if is_up_to_date(job, _SHARED_STAGE, _shared_inputs(job, shared)):
        return
    left_out = publish(job.folder, shared)
    job.records.remember(_SHARED_STAGE, _shared_inputs(job, shared), [])
    say("The database has the index of similar conversations, for every machine that uses it")
    if left_out:
        say(
            f"Warning: {left_out} conversations that were in the database only are found no more; add them here too "
            "with --mode add.",
            style="yellow",
        )


@contextlib.contextmanager
def _shared_place(job: Job) -> Iterator[SharedPlace | None]:
    """Where the index lies for all machines, if it does. Raises InputError where that can't be reached."""
    from foundations.settings import load_settings
    from similarity.places import shared_place
    from similarity.vector_index import IndexAwayError

    shared = shared_place(job.folder, load_settings(artifacts=job.folder.root))
    try:
        yield shared
    except IndexAwayError as error:
        raise InputError(
            f"The database can't take the index of similar conversations ({error.reason}); see SALES_DATABASE_URL, and "
            "start again: what was done before is kept."
        ) from error
    finally:
        if shared is not None:
            shared.close()


def add(job: Job) -> None:
    """Adds the closed conversations of `--data` to those that similar ones are looked for in; trains nothing."""
    if job.data is None:
        raise InputError("--mode add needs --data FILE with closed conversations.")
    conversations = read_data(job.data, job.reading, job.outcomes)
    require_splits(job)
    index_conversations(replace(job, force=False))
    from similarity.indexing import add_closed_conversations

    with progress_bar(f"Adding {len(conversations)} conversations") as report, _shared_place(job) as shared:
        added, files = add_closed_conversations(job.folder, conversations, report, shared)
        job.records.remember(_STAGE, _inputs(job), files)
        if shared is not None:
            job.records.remember(_SHARED_STAGE, _shared_inputs(job, shared), [])
    still_open = sum(conversation.outcome is None for conversation in conversations)
    left_out = f"; {still_open} without an outcome left out" if still_open else ""
    say(f"{added.new} conversations added, {added.replaced} replaced{left_out}; they are found from now on")


def forget_in_index(job: Job, conversation_id: str) -> int:
    """Takes a conversation out of the index, in files and in the database; how many records.

    Nothing is remembered of it, so the next training makes the index of what the data files then hold.
    """
    from similarity.index_files import MANIFEST
    from similarity.indexing import remove_conversation

    if not (job.folder.similar_index / MANIFEST).is_file():
        return 0
    with _shared_place(job) as shared:
        return remove_conversation(job.folder, conversation_id, shared)


def _inputs(job: Job) -> dict[str, Any]:
    from model_registry import artifact_path, embedding_model_name
    from modelling.saved.serving_folder import MANIFEST, serving_folder

    name = embedding_model_name(job.folder)
    return {
        "model": [name, sha256_or_none(serving_folder(artifact_path(job.folder, name)) / MANIFEST)],
        "training": [file_sha256(job.folder.data / SPLIT_FILES[name]) for name in LEARNED_FROM],
        "added": sha256_or_none(job.folder.added_conversations),
        "code": code_sha256(_CODE),
    }


def _shared_inputs(job: Job, shared: SharedPlace) -> dict[str, Any]:
    """The index in files, and which version in the database was made of it."""
    from similarity.index_files import MANIFEST

    return {"index": sha256_or_none(job.folder.similar_index / MANIFEST), "version": shared.stamp()}
