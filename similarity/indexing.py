"""Writes the index that similar conversations are found in: after training, and again for each closed conversation added.

It is built with the served form of the model, so what is indexed and what is looked for are made alike. Conversations
that were added after training are kept in a file of their own beside the training data, so that training again keeps
them too. Building costs one pass of the model's encoder over the conversations, adding one over the new ones.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from conversations.conversation import Conversation
from conversations.model_text import words_sha256
from conversations.reading.files import SPLIT_FILES, read_conversations, write_conversations
from conversations.reading.record import is_row_id
from conversations.split import LEARNED_FROM
from encoder.text_encoder import remembered_texts
from foundations.artifact_folder import ArtifactFolder
from foundations.errors import InputError
from foundations.long_work import Progress
from model_registry import embedding_model_name, load_model
from modelling.conversion_model import ConversionModel
from similarity.faiss_index import FaissIndex
from similarity.index_files import load_index, save_index
from similarity.search import WORDS_KEY, folded, how_to_index
from similarity.vector_index import Record, SharedPlace, VectorIndex, quantised

_NUMBERED = re.compile(r"(?:#\d+)?")
_BATCH = 32  # conversations encoded at once: a bound on memory
_DESCRIBED = ("model", "model_fingerprint")  # what `_description` says


class Added(NamedTuple):
    """What became of closed conversations."""

    new: int
    replaced: int


def build_similar_index(folder: ArtifactFolder, progress: Progress = lambda share: None) -> list[Path]:
    """Indexes the training conversations and those added later; gives the files.

    Raises InputError where no model is trained or the training conversations can't be read.
    """
    model = load_model(folder, embedding_model_name(folder))
    training = [c for name in LEARNED_FROM for c in read_conversations(folder.data / SPLIT_FILES[name])]
    later = _added_before(folder)
    index = FaissIndex()
    replaced = {conversation.conversation_id for conversation in later}
    kept = [conversation for conversation in training if conversation.conversation_id not in replaced]
    index.add(records_of(model, [*_distinct(kept), *later], progress))
    return save_index(folder.similar_index, index, _description(model))


def add_closed_conversations(
    folder: ArtifactFolder,
    conversations: Sequence[Conversation],
    progress: Progress = lambda share: None,
    shared: SharedPlace | None = None,
) -> tuple[Added, list[Path]]:
    """Adds closed conversations to the index, without training; gives what became of them, and the index's files.

    One whose id is there already takes its place. One without an id of its own takes the place of one with the same
    words. The conversations are kept before the index is touched, and the index changes in one rename: stopped at any
    point, the old index works, and indexing again finds all. With `shared` they are added there too, last, so that it
    has nothing that the files lack; what they replaced is counted there. Raises InputError where none is closed, or the
    index is missing or was made with another training of its model.
    """
    closed = [conversation for conversation in conversations if conversation.outcome is not None]
    if not closed:
        raise InputError(
            f"None of the {len(conversations)} conversations has an outcome; only closed deals, 'successful' or "
            "'failed', can be added."
        )
    remedy = how_to_index(folder)
    index, manifest = load_index(folder.similar_index, remedy)
    model = load_model(folder, manifest["model"])
    if manifest["model_fingerprint"] != model.fingerprint:
        raise InputError(f"The index was made before the model {model.name!r} was trained again; {remedy}.")
    closed = _identified(closed, index)
    records = records_of(model, closed, progress)
    if shared is not None:
        shared.manifest()  # where it can't be reached, nothing is changed
    replaced = len(index.get([record.id for record in records]))
    latest = {conversation.conversation_id: conversation for conversation in [*_added_before(folder), *closed]}
    write_conversations(folder.added_conversations, list(latest.values()))
    index.add(records)
    files = save_index(folder.similar_index, index, _description(model))
    if shared is not None:
        replaced = shared.add(records, _description(model))
    return Added(new=len(records) - replaced, replaced=replaced), files


def publish(folder: ArtifactFolder, shared: SharedPlace) -> int:
    """Puts the index of the files into a shared place; how many records it had that are not in the files."""
    index, manifest = load_index(folder.similar_index, how_to_index(folder))
    return shared.replace(list(index), {key: manifest[key] for key in _DESCRIBED})


def remove_conversation(folder: ArtifactFolder, conversation_id: str, shared: SharedPlace | None = None) -> int:
    """Takes a conversation out of the index; how many records. Raises InputError for a damaged one.

    With `shared` out of that too, where a record may be that the files lack.
    """
    index, manifest = load_index(folder.similar_index, how_to_index(folder))
    ids = _ids_of(conversation_id, index)
    if ids:
        index.delete(ids)
        save_index(folder.similar_index, index, {key: manifest[key] for key in _DESCRIBED})
    shared_ids = _ids_of(conversation_id, shared.open()[0]) if shared is not None and shared.stamp() is not None else []
    if shared is not None and shared_ids:
        shared.remove(shared_ids)
    return len({*ids, *shared_ids})


def _ids_of(conversation_id: str, index: VectorIndex) -> list[str]:
    """Of all its records: `_distinct` numbers those of one id."""
    own = (record.id for record in index if record.id.startswith(conversation_id))
    return [identifier for identifier in own if _NUMBERED.fullmatch(identifier, len(conversation_id))]


def records_of(
    model: ConversionModel, conversations: Sequence[Conversation], progress: Progress = lambda share: None
) -> list[Record]:
    """What is indexed of conversations: their embedding, their words a passage a line, and the passages' vectors."""
    records: list[Record] = []
    for start in range(0, len(conversations), _BATCH):
        records += _records_of_batch(model, conversations[start : start + _BATCH])
        progress(len(records) / len(conversations))
    return records


def _records_of_batch(model: ConversionModel, conversations: Sequence[Conversation]) -> list[Record]:
    with remembered_texts():
        vectors = model.embed(conversations)
        passages = model.embed_passages(conversations)
    records = []
    for number, conversation in enumerate(conversations):
        own = np.flatnonzero(passages.owner == number)
        text = "\n".join(_as_spoken(passages.texts[n], passages.speakers[n]) for n in own)
        lines = quantised(passages.vectors[own])
        records.append(Record(conversation.conversation_id, vectors[number], text, _metadata(conversation), lines))
    return records


def _as_spoken(text: str, speaker: str) -> str:
    """customer: yes → Customer: yes."""
    return f"{speaker.capitalize()}: {text}" if speaker else text


def _metadata(conversation: Conversation) -> dict[str, Any]:
    """What a search can be narrowed by: the outcome, and the context's known fields in lower case."""
    context = conversation.conversation_context
    known = {name: getattr(context, name) for name in type(context).model_fields}
    return {
        "conversation_id": conversation.conversation_id,
        "outcome": conversation.outcome,
        **{name: folded(value) for name, value in known.items() if value is not None},
        WORDS_KEY: words_sha256(conversation),
    }


def _description(model: ConversionModel) -> dict[str, Any]:
    return {"model": model.name, "model_fingerprint": model.fingerprint}


def _added_before(folder: ArtifactFolder) -> list[Conversation]:
    path = folder.added_conversations
    return read_conversations(path) if path.is_file() else []


def _identified(conversations: Sequence[Conversation], index: FaissIndex) -> list[Conversation]:
    """Conversations without an id of their own get that of the record with the same words, or one made of the words."""
    known = {record.metadata.get(WORDS_KEY): record.id for record in index}
    result = {}  # of two with one id the later counts
    for conversation in conversations:
        if is_row_id(conversation.conversation_id):
            words = words_sha256(conversation)
            conversation = conversation.model_copy(update={"conversation_id": known.get(words, f"added-{words[:12]}")})
        result[conversation.conversation_id] = conversation
    return list(result.values())


def _distinct(conversations: Sequence[Conversation]) -> list[Conversation]:
    """A later conversation with an id that an earlier one has gets "#2", "#3" … behind it, so that both are found."""
    seen: dict[str, int] = {}
    result = []
    for conversation in conversations:
        identifier = conversation.conversation_id
        seen[identifier] = seen.get(identifier, 0) + 1
        if seen[identifier] > 1:
            conversation = conversation.model_copy(update={"conversation_id": f"{identifier}#{seen[identifier]}"})
        result.append(conversation)
    return result
