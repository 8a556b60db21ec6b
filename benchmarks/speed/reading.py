"""How fast files become conversations, in MB of the file a second: our own, tables, transcripts, mails, chats, Excel.

The same talk in each format, from the bytes to validated conversations with sides, as an upload is read.
"""

from __future__ import annotations

import csv
import io
import json
import time
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from benchmarks.tables import Row
from benchmarks.texts import call, notes
from conversations.formats.notices import gathered_notices
from conversations.reading.files import parse_conversations

WORDS_A_CALL = 900
Said = list[tuple[str, str]]  # (name, words) in order
_NAMES = {"seller": "Jane Doe", "customer": "Raj Patel"}


def reading_rows(megabytes: float) -> Iterator[Row]:
    """A row for each format, of files of about so many MB; the fastest of three readings."""
    written = notes(max(20, int(4000 * megabytes)), seed=4)
    calls = [_said(seed) for seed in range(max(2, int(180 * megabytes)))]
    for name, data in _files(written, calls).items():
        seconds = []
        for _ in range(3):
            start = time.perf_counter()
            with gathered_notices():
                found = parse_conversations(data, Path(name))
            seconds.append(time.perf_counter() - start)
        speed = len(data) / min(seconds) / 1e6
        yield Row(f"reading {name}, {len(found):,} conversations of {len(data) / 1e6:.1f} MB", f"{speed:.1f} MB/s")


def _said(seed: int) -> Said:
    return [(_NAMES[turn.speaker], turn.text) for turn in call(WORDS_A_CALL, seed).turns or []]


def _files(written: Sequence[str], calls: Sequence[Said]) -> dict[str, bytes]:
    """A file of each format by a name that tells it."""
    joined = [turn for said in calls for turn in said]
    own = [{"turns": [{"speaker": name, "text": words} for name, words in said]} for said in calls]
    messages = [(f"c-{n}", name, words) for n, said in enumerate(calls) for name, words in said]
    texts = {
        "notes.csv": _table(["id", "transcript", "outcome"], [(n, text, "won") for n, text in enumerate(written)]),
        "calls.jsonl": "\n".join(map(json.dumps, own)),
        "messages.csv": _table(["conversation_id", "speaker", "text"], messages),
        "call.vtt": "WEBVTT\n\n" + "\n\n".join(f"{_times(n)}\n{name}: {said}" for n, (name, said) in _numbered(joined)),
        "call.txt": "\n".join(f"[{_clock(n)}] {name}: {said}" for n, (name, said) in _numbered(joined)),
        "whisper.json": json.dumps({"text": "", "segments": [_segment(n, said) for n, (_, said) in _numbered(joined)]}),
        "chat.txt": "\n".join(f"12/31/24, {_clock(n)[:5]} - {name}: {said}" for n, (name, said) in _numbered(joined)),
        "mails.mbox": "\n".join(_mail(n, name, said) for n, (name, said) in _numbered(joined)),
    }
    files = {name: text.encode() for name, text in texts.items()}
    return {**files, "notes.xlsx": _workbook([("transcript", "outcome"), *((text, "won") for text in written)])}


def _numbered(joined: Said) -> Iterator[tuple[int, tuple[str, str]]]:
    return iter(list(enumerate(joined))[:20_000])


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _times(number: int) -> str:
    return f"{_clock(number)}.000 --> {_clock(number)}.900"


def _segment(number: int, said: str) -> dict[str, object]:
    return {"id": number, "start": float(number), "end": number + 0.9, "text": f" {said}"}


def _mail(number: int, name: str, said: str) -> str:
    return (
        f"From {name[0].lower()}@x.example Thu Mar 14 {_clock(number % 86_400)} 2024\n"
        f"From: {name} <{name[0].lower()}@x.example>\n"
        f"Subject: Re: Offer\nDate: Thu, 14 Mar 2024 {_clock(number % 86_400)} +0000\nMessage-ID: <{number}@x>\n"
        f"In-Reply-To: <{max(0, number - 1)}@x>\n\n{said}\n"
    )


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows([header, *rows])
    return text.getvalue()


def _workbook(rows: Sequence[Sequence[str]]) -> bytes:
    """The least that Excel's format asks for."""
    cells = "".join(
        "<row>" + "".join(f'<c t="inlineStr"><is><t>{escape(cell)}</t></is></c>' for cell in row) + "</row>"
        for row in rows
    )
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"><Default Extension="xml" '
        'ContentType="application/xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r" Target="xl/workbook.xml" '
        f'Type="{relations}/officeDocument"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{relations}"><sheets><sheet name="Deals" sheetId="1" r:id="r1"/>'
        "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" '
        f'Target="worksheets/sheet1.xml" Type="{relations}/worksheet"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{cells}</sheetData></worksheet>',
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return packed.getvalue()
