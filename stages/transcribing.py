"""The stage `--mode transcribe`: recordings to a file of their transcripts, one line each; and the bar of whoever hears some.

Each line is written as soon as its recording is heard, so that a run that was stopped goes on with the next one. Nothing
leaves the machine, and no sound is stored. Costs 0.1 to 0.2 of the recordings' length on two cores.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from conversations.formats.recordings.sound import is_recording
from conversations.hearing.progress import told_how_far
from conversations.hearing.weights import check_can_hear
from conversations.reading.files import read_conversations
from conversations.reading.folder import files_of
from foundations.atomic_files import file_sha256, open_private
from foundations.errors import InputError, UnavailableError
from foundations.terminal import console, say
from stages.job import Job

FILE, SHA256 = "recording_file", "recording_sha256"  # fields of a line beside those of the conversation
_BEGINNING = 12  # bytes that tell whether a file is a recording
_SPEED_SECONDS = 600.0  # the time that the remaining time is estimated by


def transcribe(job: Job) -> None:
    """Writes what is said in the recordings of `--data` to `--output`, those apart that it has already.

    Raises InputError where there are no recordings, none can be heard, or the output holds something else.
    """
    if job.data is None or job.output is None or job.output.suffix != ".jsonl":
        raise InputError(
            "--mode transcribe needs --data with recordings, and --output FILE.jsonl for their transcripts."
        )
    check_packages(job)
    recordings = _recordings(job.data, job.output)
    if job.force:
        job.output.unlink(missing_ok=True)
    earlier = _earlier(job.output)
    keys = {path: (path.name, file_sha256(path)) for path in recordings}
    new = [path for path in recordings if keys[path] not in earlier]
    if len(new) < len(recordings):
        say(f"{len(recordings) - len(new)} of {len(recordings)} recordings are in {job.output} already")
    refused: list[str] = []
    with shown_hearing(new):
        for path in new:
            try:
                _append(job, path, _identifier(path, recordings), keys[path][1])
            except UnavailableError:
                raise
            except InputError as error:
                refused.append(str(error))
    if refused and len(refused) == len(recordings):
        raise InputError(refused[0])
    for sentence in refused:
        say(f"Warning: left out: {sentence}", style="yellow")
    say(f"{len(new) - len(refused)} of {len(recordings)} recordings transcribed now, to {job.output}", style="bold")


def check_packages(job: Job) -> None:
    """Raises UnavailableError where recordings can't be heard."""
    try:
        check_can_hear(job.reading.speech_model)
    except UnavailableError as error:
        raise UnavailableError(f"--mode transcribe: {error}") from error


@contextmanager
def shown_hearing(expected: Sequence[Path] = ()) -> Iterator[None]:
    """Within this block a bar with the remaining time shows how far the recordings are heard.

    expected: all that are to be heard, for one bar over all of them; else each has its own, as long as it is heard.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    sizes = {path.absolute(): path.stat().st_size for path in expected}
    bar: Progress | None = None
    task, heard = TaskID(0), 0

    def listen(path: Path, share: float | None) -> None:
        nonlocal bar, task, heard
        size = sizes.get(path.absolute(), 1)
        if share == 0.0 and not (expected and heard):
            bar = _bar(columns)
            bar.start()
            task = bar.add_task("", total=sum(sizes.values()) or 1)
        if share is None:
            heard += size
        alone = 1.0 if share is None else share
        done = heard if share is None else heard + share * size
        assert bar is not None, "a recording begins at 0"
        bar.update(task, description=f"Listening to {path.name}", completed=done if expected else alone)
        if share is None and not expected:
            bar.stop()

    try:
        with told_how_far(listen):
            yield
    finally:
        if bar is not None:  # the end of one that was never shown would print a line
            bar.stop()


def _bar(columns: tuple[TextColumn, BarColumn, TaskProgressColumn, TimeRemainingColumn]) -> Progress:
    return Progress(*columns, console=console, speed_estimate_period=_SPEED_SECONDS)


def _recordings(data: Path, output: Path) -> list[Path]:
    files = files_of(data, output)
    found = [path for path in files if _is_recording(path)]
    if not found:
        raise InputError(
            f"None of the {len(files)} files of {str(data)!r} is a recording: WAV, MP3, M4A, Ogg, FLAC or WebM; transcripts "
            "need no --mode transcribe."
        )
    return found


def _is_recording(path: Path) -> bool:
    with path.open("rb") as file:
        return is_recording(file.read(_BEGINNING))


def _identifier(path: Path, recordings: Sequence[Path]) -> str:
    """Its name without the ending, where that is no other one's, too."""
    return path.stem if Counter(one.stem for one in recordings)[path.stem] == 1 else path.name


def _earlier(output: Path) -> set[tuple[str, str]]:
    """Name and SHA-256 of the recordings whose transcripts are there. A last line that was cut off is removed.

    Raises InputError where the file holds anything else.
    """
    if not output.exists():
        return set()
    content = output.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    found = set()
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            record = json.loads(line)
            found.add((record[FILE], record[SHA256]))
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(
                f"The output {str(output)!r} is there, and its line {number} is no transcript of --mode transcribe; give "
                "another name, or --force to write it anew."
            ) from error
    if content and not whole:
        raise InputError(f"The output {str(output)!r} is there, and holds no transcripts; give another name.")
    os.truncate(output, len(whole))
    return found


def _append(job: Job, path: Path, identifier: str, sha256: str) -> None:
    """Hears a recording and adds its line. Raises InputError as reading does."""
    assert job.output is not None
    (conversation,) = read_conversations(path, job.reading.for_scoring())
    record = conversation.model_dump(exclude_none=True)
    line = json.dumps({**record, "conversation_id": identifier, FILE: path.name, SHA256: sha256}, ensure_ascii=False)
    try:
        with open_private(job.output) as file:
            file.write(line.encode("utf-8") + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise UnavailableError(f"Cannot write {str(job.output)!r} ({error.strerror}); give another name.") from error
