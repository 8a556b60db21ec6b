"""Whatever is sent, a parser reads it in time that grows with its length at most, and answers or refuses it in words."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conversations.conversation import Conversation, Turn
from conversations.formats.markup import plain_words
from conversations.formats.options import ReadingOptions
from conversations.formats.recordings.plain_text import plain_text_records
from conversations.formats.recordings.webvtt import vtt_record
from conversations.formats.tables.delimited import Table
from conversations.formats.tables.joined import EndingTable, Names
from conversations.formats.turns import Spoken, merged_turns, unescaped
from conversations.mail import is_courtesy, own_message, quoted_mails
from conversations.model_text import rendered_text
from conversations.reading.files import parse_conversations
from conversations.reading.record import conversation_from_record
from conversations.reading.uploads import uploaded_transcript
from conversations.sentences import clauses, split_sentences
from conversations.talk import talk_figures
from deals.heard import Heard
from deals.qualification import qualification
from deals.warnings import deal_warnings
from encoder.torch_encoder import SalesEncoder
from foundations.errors import InputError
from prediction_log.masking.text import mask
from signals.grammar import judged, subjects
from signals.mentions import Signal, settled, stance
from signals.said import said_sentences
from tests.conversations.formats.tables.workbooks import packed, workbook
from tests.hostile.growth import growth

NOWHERE = Path("upload")
Parser = Callable[[str, SalesEncoder], object]


def refused_in_words(parse: Callable[[], object]) -> None:
    with contextlib.suppress(InputError):
        parse()


def file_of(text: str) -> None:
    refused_in_words(lambda: parse_conversations(text.encode("utf-8", "replace"), NOWHERE))


def joined_with(text: str) -> None:
    """A table of outcomes whose names are this text, for a conversation and a deal that are called so."""
    table = EndingTable(
        Table(["file", "outcome"], [("line 2", {"file": text, "outcome": "won"})]), NOWHERE, ReadingOptions()
    )
    table.found([Names.of([text], [text])])


def said(text: str, encoder: SalesEncoder) -> None:
    """All that is done with a customer's answer and with a note before the head reads it."""
    turns = [{"speaker": "seller", "text": "Is it approved?"}, {"speaker": "customer", "text": f"Yes. {text}"}]
    for record in ({"turns": turns}, {"transcript": f"Note. {text}"}):
        sentences = list(said_sentences(conversation_from_record(record, "here"), encoder))
        for sentence, subject in zip(sentences, subjects(sentences), strict=True):
            judged(sentence, {}, subject)
            assert sentence.clauses
        names = ("objection", "price_objection", "objection_resolved")
        mentions = [
            Signal(names[n % 3], "positive" if n % 3 == 2 else "negative", 0.9, one.quote, one.speaker, one.turn)
            for n, one in enumerate(sentences)
        ]
        settled(mentions)
        stance(mentions)


def deal(text: str, encoder: SalesEncoder) -> None:
    """A deal of one call and one note, every second sentence of which has a signal."""
    turns = [{"speaker": "seller", "text": "Who decides?"}, {"speaker": text[:99], "text": f"Me. {text}"}]
    heard = []
    for record in ({"turns": turns}, {"transcript": f"Note. {text}"}):
        one = conversation_from_record(record, "here")
        sentences = list(said_sentences(one, encoder))
        mentions = [Signal("budget", "positive", 0.9, said.quote, said.speaker, said.turn) for said in sentences[::2]]
        heard.append(Heard(one, sentences, mentions))
    qualification(heard)
    deal_warnings(heard, date(2024, 5, 1))


def json_of(document: object) -> None:
    file_of(json.dumps(document))


def recorders(text: str) -> None:
    """Every word of the text is somebody's name, address and words."""
    words = text.split()
    guests = [{"email": f"{word}@globex.example", "is_external": True} for word in words]
    said = [{"speaker_name": word, "text": word, "start_time": n} for n, word in enumerate(words)]
    json_of({"sentences": said, "meeting_attendees": guests, "organizer_email": "a@b.example"})
    said = [{"speaker": {"display_name": word}, "text": word, "timestamp": word} for word in words]
    json_of({"transcript": said, "calendar_invitees": guests, "recorded_by": {"email": "a@b.example"}})
    json_of([{"participant": {"name": word}, "words": [{"text": word, "start_timestamp": {}}]} for word in words])
    json_of({"data": {"id": "1", "relationships": {"transcript": {"content": text}}}})


def engines(text: str) -> None:
    """Every word of the text is a word that an engine heard, said by a voice of that name."""
    words = [
        {"text": word, "start": n, "end": n, "speaker": word, "timestamp": [n, n]}
        for n, word in enumerate(text.split())
    ]
    heard = [
        {"alternatives": [{"content": one["text"], "transcript": one["text"], "words": words[:1]}]} for one in words
    ]
    json_of(words)
    json_of({"segments": words, "chunks": words})
    json_of({"utterances": words, "words": words})
    json_of({"results": {"channels": [{"alternatives": [{"words": words}]}]}})
    json_of({"results": {"transcripts": [], "items": heard, "speaker_labels": {"segments": [{"items": words}]}}})
    json_of({"results": heard})
    json_of({"monologues": [{"speaker": text, "elements": [{"value": text, "ts": text}]}], "phrases": words})


def answers(text: str) -> None:
    """Every word of the text is a cell of a CRM's answer, in a column of that name."""
    rows = [
        {"Id": n, word: word, "Description": f"<p>{word}", "Account": {word: word}}
        for n, word in enumerate(text.split())
    ]
    json_of([{"attributes": {"type": "Task", "url": ""}, **row} for row in rows])
    json_of({"results": [{"id": n, "properties": {"hs_call_body": text}} for n in range(2)]})


PARSERS: dict[str, Parser] = {
    "transcript": lambda text, _: rendered_text(conversation_from_record({"transcript": f"Note {text}"}, "here")),
    "labelled transcript": lambda text, _: conversation_from_record(
        {"transcript": f"Seller: a\nCustomer: {text}"}, "here"
    ),
    "webvtt": lambda text, _: refused_in_words(lambda: vtt_record(f"WEBVTT\n\n0 --> 1\n{text}", "here")),
    "csv": lambda text, _: file_of(f"transcript,outcome\n{text}"),
    "quoted csv": lambda text, _: file_of(f'transcript,outcome\n"{text}",won\n'),
    "csv header": lambda text, _: file_of(f"transcript,{text}"),
    "crm table": lambda text, _: file_of('Description\n"<p>' + text.replace('"', '""') + '"\n'),
    "workbook": lambda text, _: refused_in_words(lambda: parse_conversations(packed({"S": text}), NOWHERE)),
    "workbook cell": lambda text, _: refused_in_words(
        lambda: parse_conversations(workbook({"S": [["Description", "Outcome"], [text, text]]}), NOWHERE)
    ),
    "outcomes elsewhere": lambda text, _: refused_in_words(lambda: joined_with(text)),
    "messages": lambda text, _: file_of(f"id,speaker,text,time\n1,a,b,1\n1,{text}"),
    "message lines": lambda text, _: file_of(
        "\n".join(json.dumps({"id": 1, "role": text[:99], "text": text, "time": text[:99]}) for _ in range(2))
    ),
    "turns of other names": lambda text, _: file_of(
        json.dumps({"id": text, "messages": [{"role": text, "content": [{"text": text}]}, {"from": 1, "value": text}]})
    ),
    "json list": lambda text, _: file_of(f"[{text}"),
    "json lines": lambda text, _: file_of(f"{{{text}"),
    "json text": lambda text, _: file_of(json.dumps([{"transcript": text}])),
    "recorders": lambda text, _: recorders(text),
    "speech engines": lambda text, _: engines(text),
    "answers of CRMs": lambda text, _: answers(text),
    "upload": lambda text, _: refused_in_words(
        lambda: uploaded_transcript(text.encode("utf-8", "replace"), "notes.txt")
    ),
    "mail": lambda text, _: (own_message(text), is_courtesy(text), quoted_mails(text)),
    "mails": lambda text, _: file_of(
        f"From: a@b.example\nReceived: x\nTo: {text}\n\nHi\n\nOn 1 May Ann wrote:\n{text}"
    ),
    "mailbox": lambda text, _: file_of(f"From a@b Wed Mar 13 09:00:10 2024\nFrom: a@b\n\n{text}"),
    "markup": lambda text, _: plain_words(f"<p>{text}"),
    "plain text": lambda text, _: plain_text_records(f"Ann: a\nBob: b\nAnn: c\nBob: {text}", NOWHERE),
    "transcript with times": lambda text, _: plain_text_records(f"Ann\n0:01\na\nAnn\n0:02\n{text}", NOWHERE),
    "chat": lambda text, _: file_of(f"1/2/24, 10:15 - Ann: a\n1/2/24, 10:15 - Ann: {text}"),
    "channel": lambda text, _: file_of(json.dumps([{"type": "message", "ts": "1710412200.000200", "text": text}])),
    "ticket": lambda text, _: file_of(json.dumps({"id": 1, "visitor": {}, "message": f"<p>{text}"})),
    "sentences": lambda text, _: split_sentences(text),
    "talk figures": lambda text, _: talk_figures(Conversation(turns=[Turn(speaker="seller", text=f"Hi {text}")])),
    "clauses": lambda text, _: clauses(text),
    "masking": lambda text, _: mask(text),
    "said": said,
    "deal": deal,
}
PIECES = [
    *"aA1.,;:?!\"“”'<>[]{}&#@|-–…\n\r\t \u2028\x0b\x00é價。", "\r\n", "\n\n", "A.", "A ", "a, and ", " – ", "although ", "x, ",
    "uhhm", "uh ", "well ", "yes ", "I told ", "they ", "then ", "you ", "worry ", "is fine ", "their ", "what about ",
    "<v ", "<v a>", "</v>", "<c.", "<p ", "<br>", "&#9", "&amp;", "0 --> 1\n", "Ann: ", "Customer: a\n", "a: b\n",
    "> ", "On 1 ", "wrote:\n", "From: a\n", "To: b\n", "Subject:\n", "-- \n", "Best,\n", "Best, A\n", "thanks for a ", "hi A",
    "sep=;\n", "a,won\n", '""', '{"a":', '"transcript":', '{"transcript":"a"}\n', "[1,", "1e9", "null,", "\\u0022", "\\ud800",
    "On 1 May Ann wrote:\n> ", ">>", "<blockquote>", "<!--", "0:01\n", "1/2/24, 10:15 - A: ", "This e-mail \n",
    "=?a?q?", "(", "<a@b>,",
    "From a@b Wed Mar 13 09:00:10 2024\nFrom: a\n\n", "\nTranscript\n", "from a to ", "<@U1|", "(file attached)", "May 2024",
    "4111 ", "1 ", "DE12 ", "a@", "b.", "account 1", "ssn ", "+1 (", "Dr. ", "No. 1", "etc. ", "x" * 120,
]  # fmt: skip
texts = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=5)), max_size=8).map("".join)
pumps = st.lists(st.sampled_from(PIECES), min_size=1, max_size=3).map("".join)
CHARACTERS = 4096
LONG = 50_000  # characters
LONG_PIECES = [" ", "\n", '"', "“", "a", "A.", "Customer: a. b\n", "uhhm, ", "x" * 120 + " "]


@pytest.mark.parametrize("name", PARSERS)
@given(text=texts)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_crashes_a_parser(name: str, text: str, tiny_encoder: SalesEncoder) -> None:
    PARSERS[name](text.encode("utf-8", "replace").decode("utf-8"), tiny_encoder)


@pytest.mark.parametrize("name", PARSERS)
@given(start=texts, pump=pumps, end=texts)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_work_per_byte_is_bounded(name: str, start: str, pump: str, end: str, tiny_encoder: SalesEncoder) -> None:
    def text(times: int) -> str:
        return f"{start}{pump * times}{end}".encode("utf-8", "replace").decode("utf-8")

    times = max(8, CHARACTERS // len(pump))
    assert growth(lambda made: PARSERS[name](made, tiny_encoder), text, times, floor=0.05) is None


@pytest.mark.parametrize("name", PARSERS)
def test_work_per_byte_is_bounded_in_long_texts(name: str, tiny_encoder: SalesEncoder) -> None:
    length = LONG // 4 if name in ("said", "deal") else LONG  # a word that fills many windows is halved until it fits
    for piece in LONG_PIECES:
        why = growth(
            lambda made: PARSERS[name](made, tiny_encoder),
            piece.__mul__,
            length // len(piece),
            floor=0.25,
            at_most=10.0,
        )
        assert why is None, f"{piece!r} × n: {why}"


def test_the_words_of_one_speaker_are_joined_at_once() -> None:
    def call(text: str) -> None:
        (turn,) = merged_turns([Spoken("Ann", "word")] * len(text))
        assert len(turn["text"]) == 5 * len(text) - 1

    assert growth(call, "x".__mul__, 400_000, floor=1.0) is None


@pytest.mark.parametrize("text", ["&#" + "9" * 5000, "&#" + "9" * 5000 + ";", "&#x" + "f" * 5000 + ";"])
def test_an_escape_of_thousands_of_digits_is_no_error(text: str) -> None:
    assert unescaped(f"{text} &amp; &#65;").endswith(" & A")
    assert vtt_record(f"WEBVTT\n\n0 --> 1\nAnn: {text}", "here")["turns"][0]["text"]
    file_of(f"Description\n<p>{text}</p>\n")
