"""The index of similar conversations in a run: written as a part of training, and added to by `--mode add`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from atomic_files import file_sha256
from conversation_split import LEARNED_FROM
from data_pipeline import SPLIT_FILES, read_conversations
from input_error import InputError
from pipeline_job import Job, is_up_to_date, require_splits, sha256_or_none
from process_memory import release_unused_memory
from stage_records import code_sha256
from terminal import progress_bar, say

_STAGE = "index"
_CODE = ("similar_index",)


def index_conversations(job: Job) -> None:
    """Writes the index that similar conversations are found in."""
    inputs = _inputs(job)
    if is_up_to_date(job, _STAGE, inputs):
        return
    from similar_index import build_similar_index

    with progress_bar("Indexing the training conversations") as report:
        files = build_similar_index(job.folder, report)
    release_unused_memory()
    job.records.remember(_STAGE, inputs, files)


def add(job: Job) -> None:
    """Adds the closed conversations of `--data` to those that similar ones are looked for in; trains nothing."""
    if job.data is None:
        raise InputError("--mode add needs --data FILE with closed conversations.")
    conversations = read_conversations(job.data, job.columns)
    require_splits(job)
    index_conversations(replace(job, force=False))
    from similar_index import add_closed_conversations

    with progress_bar(f"Adding {len(conversations)} conversations") as report:
        added, files = add_closed_conversations(job.folder, conversations, report)
    job.records.remember(_STAGE, _inputs(job), files)
    still_open = sum(conversation.outcome is None for conversation in conversations)
    left_out = f"; {still_open} without an outcome left out" if still_open else ""
    say(f"{added.new} conversations added, {added.replaced} replaced{left_out}; they are found from now on")


def _inputs(job: Job) -> dict[str, Any]:
    from model_registry import artifact_path, embedding_model_name
    from saved_model import serving_folder
    from serving_artifact import MANIFEST

    name = embedding_model_name(job.folder)
    return {
        "model": [name, sha256_or_none(serving_folder(artifact_path(job.folder, name)) / MANIFEST)],
        "training": [file_sha256(job.folder.data / SPLIT_FILES[name]) for name in LEARNED_FROM],
        "added": sha256_or_none(job.folder.added_conversations),
        "code": code_sha256(_CODE),
    }
