"""The process that hears what was sent, one after the other: `python -m service.recordings.process FOLDER [MODEL]`.

A worker starts it. It keeps the speech model, in 700 MB, until there was nothing to hear for half a minute, then it ends. A
file that makes the decoder crash ends this process and no worker; begun twice in vain, such a recording is given up.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import foundations.thread_policy  # noqa: F401 — before the libraries whose threads it governs
from conversations.formats.notices import gathered_notices
from conversations.formats.options import ReadingOptions
from conversations.hearing.progress import told_how_far
from conversations.reading.uploads import Upload, received, uploaded_recording
from foundations.atomic_files import write_text
from foundations.errors import InputError
from foundations.json_log import configure_logging, log
from foundations.long_work import GivenUpError
from service.read_conversations import read_conversations
from service.recordings.line import Entry, Line

IDLE_SECONDS = 30.0
LOOK_SECONDS = 0.2
MOST_TRIES = 2
_NICENESS = 10
_TOLD_SECONDS = 0.5  # between two notes of how far it is


def hear_all(line: Line, options: ReadingOptions, idle_seconds: float = IDLE_SECONDS) -> None:
    """Hears whatever waits, until nothing has for so long."""
    idle_since = time.monotonic()
    while time.monotonic() - idle_since < idle_seconds:
        entry = next(iter(line.unheard()), None)
        if entry is None:
            time.sleep(min(LOOK_SECONDS, idle_seconds))
            continue
        hear(line, entry, options)
        idle_since = time.monotonic()


def hear(line: Line, entry: Entry, options: ReadingOptions) -> None:
    """Hears one recording, or says why not; whatever comes of it, its sound is deleted."""
    entry = entry.model_copy(update={"state": "hearing", "tries": entry.tries + 1})
    problem = "The recording made the program that hears it end, twice; it may be broken, so export it anew."
    try:
        if entry.tries <= MOST_TRIES:
            line.keep(entry)
            found = _heard(line, entry, options)
            write_text(line.words(entry.id), read_conversations(found).model_dump_json())
            problem = ""
    except GivenUpError:
        line.delete(entry.id)
        return
    except InputError as error:
        problem = str(error)
    except Exception as error:  # noqa: BLE001 — a bug; the next one in line is heard all the same
        log.error("a recording can't be heard", exc_info=error)
        problem = "The recording can't be heard, through no fault of yours; the service's log says why."
    line.sound(entry.id).unlink(missing_ok=True)
    if line.find(entry.id) is None:  # it was deleted meanwhile
        line.delete(entry.id)
        return
    try:
        line.keep(_ended(entry, problem))
    except InputError as error:  # the disk is full: its sender finds nothing, and the next one is heard
        log.error("what came of a recording can't be kept", problem=str(error))
        line.delete(entry.id)


def _ended(entry: Entry, problem: str) -> Entry:
    ended = {"state": "failed" if problem else "done", "problem": problem or None, "ended": time.time()}
    return entry.model_copy(update={**ended, "progress": 0.0 if problem else 1.0, "seconds_left": None})


def _heard(line: Line, entry: Entry, options: ReadingOptions) -> Upload:
    began, told = time.monotonic(), 0.0

    def listen(path: Path, share: float | None) -> None:
        nonlocal began, told
        if line.find(entry.id) is None:
            raise GivenUpError
        now = time.monotonic()
        if share == 0.0:
            began = now  # what came before, decoding, says nothing of the rest
        elif share is not None and now - told >= _TOLD_SECONDS:
            told, left = now, (now - began) * (1 - share) / share
            line.keep(entry.model_copy(update={"progress": round(share, 4), "seconds_left": round(left, 1)}))

    try:
        data = line.sound(entry.id).read_bytes()
    except OSError as error:
        raise GivenUpError from error
    with told_how_far(listen), gathered_notices():
        return received(uploaded_recording, data, entry.name, options)


def _end_with_standard_input() -> None:
    """The worker that started this has ended when its end of the pipe has."""
    sys.stdin.buffer.read()
    os._exit(0)


def main(arguments: list[str]) -> None:
    """Hears until there is nothing more."""
    configure_logging("warning")
    os.nice(_NICENESS)
    threading.Thread(target=_end_with_standard_input, daemon=True).start()
    folder, *model = map(Path, arguments)
    hear_all(Line(folder), ReadingOptions(speech_model=model[0] if model else None))


if __name__ == "__main__":
    main(sys.argv[1:])
