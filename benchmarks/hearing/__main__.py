"""How well recordings are heard, and how long that takes: the table of docs/audio.md.

    python -m benchmarks.hearing [--only renewal] [--speech-model DIR] [--write]

Calls that flite and espeak-ng speak (`spoken_calls`), as each side on a channel of its own, clean and with the other side
leaking in, and as both on one channel. Words that are wrong, missing or too many count against each speaker's own words, so
that a word given to the wrong one counts twice. Time is of the processor, over all cores. Takes about five minutes on two
cores.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import foundations.thread_policy  # noqa: F401 — before the libraries whose threads it governs
from benchmarks.hearing.spoken_calls import (
    SCRIPTS,
    Sound,
    SpokenCall,
    can_speak,
    plain_words,
    spoken_call,
    word_errors,
    write_wav,
)
from benchmarks.tables import plain_table, rich_table
from conversations.formats.options import ReadingOptions
from conversations.reading.files import read_conversations
from foundations.atomic_files import write_text
from foundations.terminal import console, progress_bar, say

DOCUMENT = Path(__file__).parents[2] / "docs" / "audio.md"
BEGIN, END = "<!-- heard -->\n", "<!-- /heard -->"
HEADINGS = ("call", "recording", "words wrong", "turns", "who sells", "processor time")
LEAK = 20  # decibels
SIDES = ("seller", "customer")


class Figures(NamedTuple):
    """What came of one recording."""

    errors: int  # words
    words: int  # that were said
    turns: int
    said_turns: int
    sides: str  # "right", "wrong" or "not told"
    share: float  # processor time for each second of the recording


def kinds(call: SpokenCall) -> Iterator[tuple[str, Sound]]:
    """The recordings that are made of a call."""
    yield "two channels", call.stereo
    yield f"two channels, {LEAK} dB leak", call.leaking(LEAK)
    yield "one channel", call.mono


def measured(call: SpokenCall, sound: Sound, options: ReadingOptions) -> Figures:
    """Hears a recording of a call, as every reader of files does."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "call.wav"
        write_wav(path, sound)
        began = time.process_time()
        (conversation,) = read_conversations(path, options)
        took = time.process_time() - began
    turns = conversation.turns or []
    names = sorted({turn.name or "" for turn in turns})
    heard = {name: plain_words(" ".join(turn.text for turn in turns if (turn.name or "") == name)) for name in names}
    said = {side: plain_words(call.said(side)) for side in SIDES}
    pairs = list(itertools.permutations([*names, ""], len(SIDES)))
    errors = [
        sum(word_errors(said[side], heard.get(name, [])) for side, name in zip(SIDES, pair, strict=True))
        for pair in pairs
    ]
    best = pairs[errors.index(min(errors))]
    sellers = {turn.name for turn in turns if turn.speaker == "seller"}
    sides = "not told" if not sellers else "right" if sellers == {best[0]} else "wrong"
    return Figures(min(errors), sum(map(len, said.values())), len(turns), len(call.turns), sides, took / call.seconds)


def rows(names: list[str], options: ReadingOptions) -> Iterator[tuple[str, ...]]:
    """A row for each recording; the speech model is loaded before the first."""
    first = spoken_call(names[0], 2)
    measured(first, first.mono, options)
    for name in names:
        call = spoken_call(name)
        for kind, sound in kinds(call):
            found = measured(call, sound, options)
            yield (
                f"{name}, {call.seconds:.0f} s",
                kind,
                f"{found.errors} of {found.words} ({found.errors / found.words:.1%})",
                f"{found.turns} of {found.said_turns}",
                found.sides,
                f"{found.share:.2f} of its length",
            )


def main() -> None:
    """Prints the table; with --write it goes into the document."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=SCRIPTS, metavar="CALL", help=f"one of {', '.join(SCRIPTS)}")
    parser.add_argument("--speech-model", type=Path, metavar="DIR", help="another Whisper")
    parser.add_argument("--write", action="store_true", help=f"into {DOCUMENT.name}")
    given = parser.parse_args()
    if not can_speak():
        parser.error("flite or espeak-ng is not installed: apt-get install flite espeak-ng")
    logging.getLogger("conversations").setLevel(logging.ERROR)  # how a recording was read is not the question
    names = [given.only] if given.only else list(SCRIPTS)
    found = []
    with progress_bar("Hearing") as report:
        for row in rows(names, ReadingOptions(speech_model=given.speech_model)):
            found.append(row)
            report(len(found) / (3 * len(names)))
    console.print(rich_table(found, "Words heard", HEADINGS))
    say(f"At most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MiB of memory")
    if given.write:
        before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
        table = plain_table(HEADINGS, found, "").strip()
        write_text(DOCUMENT, before + BEGIN + table + "\n" + END + rest.partition(END)[2])
        say(f"Written to {DOCUMENT.name}")


if __name__ == "__main__":
    main()
