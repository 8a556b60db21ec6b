"""Reads recordings themselves, WAV, MP3, M4A and their kin, by listening to them on this machine.

What is heard is `conversations.hearing`'s business. A channel or a voice is a speaker; who of them sells is found from the
words, as for any transcript. Without the packages that hear it says how they are installed.
"""

from __future__ import annotations

from pathlib import Path

from conversations.formats.kinds import PackedFormat, Placed
from conversations.formats.limits import Limit
from conversations.formats.options import ReadingOptions
from conversations.formats.turns import merged_turns
from conversations.hearing.containers import container_of
from conversations.hearing.recording import heard
from foundations.errors import UnavailableError


def is_recording(data: bytes) -> bool:
    """Whether bytes are a recording, by the first of them."""
    return container_of(data) is not None


def _records(data: bytes, path: Path, options: ReadingOptions, limit: Limit | None) -> list[Placed]:
    """The one conversation of a recording. Raises UnavailableError, InputError as `heard` does."""
    container = container_of(data)
    assert container is not None, "is_recording comes first"
    options.refuse_columns(path, "a recording")
    try:
        found = heard(data, container, path, options.speech_model)
    except UnavailableError as error:
        raise UnavailableError(
            f"{path} is a recording, {container.title}: {str(error).removesuffix('.')}; or give its transcript."
        ) from error
    facts = {"recording_seconds": round(found.seconds, 2), "recording_language": found.language}
    return [(str(path), {"conversation_id": path.stem, "turns": merged_turns(found.spoken), **facts})]


FORMAT = PackedFormat("a recording", is_recording, _records)
