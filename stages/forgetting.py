"""`--mode forget` deletes one conversation wherever a run or the service keeps it, and says what still holds it.

Deleted are its records in the prediction database, those that wait for it, the conversation in the data files and in the
index of similar conversations, with the whole deal where it was joined into one, and what could hold parts of it without
saying so: the encoder's cache and the checkpoints of a stopped training, which are emptied. What a model learned can't be
taken out of it: the models that learned from it are named, and every file of artifacts and state is looked through once more.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from conversations.conversation import Conversation
from conversations.reading.files import SPLIT_FILES, read_conversations, write_conversations
from conversations.split import LEARNED_FROM
from deals.parts import holds
from foundations.artifact_folder import ArtifactFolder
from foundations.errors import InputError
from foundations.settings import Settings, load_settings
from foundations.terminal import say
from modelling.checkpoints import Checkpoints
from stages.job import Job, cache_folder
from stages.similarity import forget_in_index

_LONGEST_FRAGMENT, _SHORTEST_FRAGMENT = 60, 16  # characters of its words that are looked for
_PIECE = 1 << 20  # bytes of a file that are looked through at once


def forget(job: Job) -> None:
    """Deletes the conversation `--conversation-id`. Raises InputError where nothing is known of it."""
    if not job.conversation_id:
        raise InputError(
            "--mode forget needs --conversation-id ID, as the conversation's sender or your file named it."
        )
    settings = load_settings(artifacts=job.folder.root)
    in_data = _in_data_files(job.folder, job.conversation_id)
    learned = any(job.folder.data / SPLIT_FILES[name] in in_data for name in LEARNED_FROM)
    learned = learned or _may_have_been_retrained_on(settings, job)
    known = [conversation for found in in_data.values() for conversation in found]
    names = {job.conversation_id, *(one.conversation_id for one in known)}  # of a deal that it was joined into as well
    deleted = {
        "predictions, with their feedback": _forget_predictions(settings, job.conversation_id),
        "records that waited for the database": _forget_waiting(settings, job.conversation_id),
        "entries of data files": _forget_in_data_files(job.folder, job.conversation_id),
        "entries of the index of similar conversations": sum(forget_in_index(job, name) for name in sorted(names)),
    }
    if not any(deleted.values()):
        raise InputError(
            f"Nothing is known of a conversation {job.conversation_id!r} in {str(job.folder.root)!r} or in the prediction "
            "database; ids are told apart by case and spaces."
        )
    _empty_what_may_hold_parts(job)
    for what, count in deleted.items():
        say(f"{count} {what} deleted")
    say("The encoder's cache and checkpoints were emptied")
    _say_what_still_holds_it(job, settings, known, learned)


def _in_data_files(folder: ArtifactFolder, conversation_id: str) -> dict[Path, list[Conversation]]:
    """Each data file that has it, and what it has of it."""
    paths = [folder.generated_data, folder.added_conversations, *(folder.data / name for name in SPLIT_FILES.values())]
    found = {
        path: [one for one in read_conversations(path) if holds(one, conversation_id)]
        for path in paths
        if path.is_file()
    }
    return {path: conversations for path, conversations in found.items() if conversations}


def _forget_in_data_files(folder: ArtifactFolder, conversation_id: str) -> int:
    found = _in_data_files(folder, conversation_id)
    for path in found:
        kept = [one for one in read_conversations(path) if not holds(one, conversation_id)]
        if kept:
            write_conversations(path, kept)
        else:
            path.unlink()  # an empty file of conversations is none
    return sum(map(len, found.values()))


def _may_have_been_retrained_on(settings: Settings, job: Job) -> bool:
    """Whether its outcome was stored and a version is kept that `--mode retrain` made of such."""
    from answers.served_versions import model_versions
    from model_registry import MODEL_CLASSES
    from prediction_log.outcomes.ended import has_ended
    from prediction_log.store import PredictionStore

    versions = [version for name in MODEL_CLASSES for version in model_versions(job.folder, name)]
    if not any(version.manifest.get("retrained") for version in versions):
        return False
    store = PredictionStore(settings.database)
    try:
        return has_ended(store, str(job.conversation_id))
    finally:
        store.close()


def _forget_predictions(settings: Settings, conversation_id: str) -> int:
    from foundations.database import StoreAwayError
    from prediction_log.actors import OPERATOR
    from prediction_log.store import PredictionStore

    if not settings.database_url and not (settings.state_folder / "predictions.db").exists():
        return 0
    store = PredictionStore(settings.database)
    try:
        removed = store.remove_conversation(conversation_id, OPERATOR)
        if not store.empty_the_log():
            say("Still there: SQLite's log next to the database, which is in use; repeat the command", style="yellow")
        return removed
    except StoreAwayError as error:
        raise InputError(
            f"The prediction database can't be used ({error.reason}), so nothing was deleted; see SALES_DATABASE_URL."
        ) from error
    finally:
        store.close()


def _forget_waiting(settings: Settings, conversation_id: str) -> int:
    from prediction_log.waiting import WaitingRecords

    return WaitingRecords(settings.state_folder).remove_conversation(conversation_id)


def _empty_what_may_hold_parts(job: Job) -> None:
    """Neither says whose words it holds, and both may be made anew."""
    if (cache := cache_folder(job.folder)) is not None:
        cache.clear()
    Checkpoints(job.folder.checkpoints, resume=False, say=say).clear()


def _say_what_still_holds_it(job: Job, settings: Settings, known: list[Conversation], learned: bool) -> None:
    if learned:
        again = f"python main.py --mode train --data FILE --artifacts {job.folder.root}"
        say(
            "Still there: what the models learned from it, and so their kept versions. Train again without it "
            f"({again}), then delete {job.folder.models / 'versions'}",
            style="yellow",
        )
    for path in _holding(_needles(str(job.conversation_id), known), job.folder.root, settings.state_folder):
        say(f"Still there: {path} names or quotes it", style="yellow")
    say("Not looked through: files of your own that it came from or was scored into, PostgreSQL's archives, backups")


def _needles(conversation_id: str, known: Iterable[Conversation]) -> list[bytes]:
    """Bytes that tell of it: its id as JSON writes it, and the longest lines that it is known to have."""
    texts = [json.dumps(conversation_id, ensure_ascii=ascii_only) for ascii_only in (False, True)]
    for conversation in known:
        said = [conversation.transcript or "", *(turn.text for turn in conversation.turns or [])]
        line = max((line for text in said for line in text.splitlines()), key=len, default="")[:_LONGEST_FRAGMENT]
        if len(line) >= _SHORTEST_FRAGMENT:
            texts += [line, *(json.dumps(line, ensure_ascii=ascii_only)[1:-1] for ascii_only in (False, True))]
    return [text.encode("utf-8") for text in dict.fromkeys(texts)]


def _holding(needles: list[bytes], *folders: Path) -> Iterator[Path]:
    paths = {path.resolve(): path for folder in folders for path in folder.rglob("*") if path.is_file()}
    for path in sorted(paths.values()):
        if _holds(path, needles):
            yield path


def _holds(path: Path, needles: list[bytes]) -> bool:
    overlap, end = max(map(len, needles)), b""
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            looked_at = end + piece
            if any(needle in looked_at for needle in needles):
                return True
            end = looked_at[-overlap:]
    return False
