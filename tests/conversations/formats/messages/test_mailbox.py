"""Mails: threads in order, own words alone, whole mails that only a quote has, and no header that breaks a reader."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path
from typing import Any

import pytest

from conversations.conversation import Conversation
from conversations.formats.messages.mailbox import is_mail
from conversations.formats.notices import gathered_notices
from conversations.mail import own_message, quoted_mails
from conversations.reading.files import parse_conversations, read_conversations
from conversations.reading.uploads import uploaded_records, uploaded_transcript
from foundations.errors import InputError
from tests.hostile.growth import growth

DATA = Path(__file__).parents[3] / "data"


def read(data: bytes, name: str = "mails") -> tuple[list[Conversation], list[str]]:
    with gathered_notices() as told:
        return parse_conversations(data, Path(name)), told


def said(thread: Conversation) -> list[tuple[str, str | None, str]]:
    return [(turn.speaker, turn.name, turn.text) for turn in thread.turns or []]


def extra(thread: Conversation, name: str) -> Any:
    return (thread.model_extra or {}).get(name)


def mail(sender: str, subject: str, text: str, hour: int, more: str = "") -> bytes:
    """One mail of a mailbox."""
    head = f"From x@y.example Wed Mar 13 09:00:10 2024\nFrom: {sender}\nSubject: {subject}\nMIME-Version: 1.0\n"
    return f"{head}Date: Wed, 13 Mar 2024 {hour:02}:00:00 +0000\n{more}\n{text}\n\n".encode()


def test_a_mailbox_is_its_threads_with_the_mails_that_only_quotes_have() -> None:
    (quote, cancelled), told = read((DATA / "thread.mbox").read_bytes())
    assert said(quote) == [
        ("raj müller", "Raj Müller", "Hi Jane,\n\nwhat do 25 seats cost in München?\n\nFrom May on we need them."),
        ("jane doe", "Jane Doe", "1,000 a month, Raj."),
        ("raj müller", "Raj Müller", "Then we sign."),
    ]
    assert (quote.conversation_id, quote.group) == ("a1@globex.example", "globex.example")
    assert extra(quote, "date") == "2024-03-13T09:00:00+00:00"
    assert extra(quote, "subject") == "Quote for 25 seats"
    assert said(cancelled) == [("ana ruiz", "Ana Ruiz", "Please cancel the trial,\nwe chose another.")]
    assert cancelled.group == "initech.example"
    assert told == [
        "mails: left out: 1 attachments, 1 automatic answers, 2 mails of which quotes, signatures or disclaimers are cut off."
    ]


def test_one_mail_gives_its_whole_history_and_who_sells() -> None:
    (thread,) = read_conversations(DATA / "thread.eml")
    assert said(thread) == [
        ("customer", "Raj Patel", "What does it cost?"),
        ("seller", "Jane Doe (Sales)", "The price is 40 a seat."),
        ("customer", "Raj Patel", "Agreed, send the contract."),
    ]
    assert (thread.conversation_id, thread.group) == ("thread", "globex.example")


@pytest.mark.parametrize("name", ["thread.mbox", "thread.eml"])
def test_uploads_are_read_alike_and_with_the_line_ends_of_windows(name: str) -> None:
    data = (DATA / name).read_bytes()
    expected = [said(thread) for thread in read(data)[0]]
    for reading in (uploaded_records, uploaded_transcript):
        for given in (data, data.replace(b"\n", b"\r\n")):
            assert [said(thread) for thread in reading(given, "anything.txt")] == expected


def test_without_references_a_subject_joins_only_those_who_write_to_each_other() -> None:
    raj = mail("raj@a.example", "Quote", "Price?", 9, "To: jane@s.example\n")
    ana = mail("ana@b.example", "Quote", "Cost?", 10, "To: jane@s.example\n")
    answer = mail("jane@s.example", "AW: Quote", "40.", 11, "To: raj@a.example\n")
    new = mail("raj@a.example", "Quote", "Another one, please.", 12, "To: jane@s.example\n")
    found = read(answer + ana + raj + new)[0]
    assert [[text for _, _, text in said(thread)] for thread in found] == [
        ["Price?", "40."],
        ["Cost?"],
        ["Another one, please."],
    ]


def test_copies_in_several_folders_count_once() -> None:
    one = mail("raj@a.example", "Quote", "Price?", 9, "Message-ID: <a@a.example>\n")
    (found,), told = read(one + one)
    assert [text for _, _, text in said(found)] == ["Price?"]
    assert told == ["mails: left out: 1 copies of mails."]


def test_answers_between_quoted_lines_keep_their_order_and_make_no_turn_of_the_quote() -> None:
    text = "See below.\n\nOn Wed, Mar 13, 2024 Raj wrote:\n> Price?\n40.\n> When?\nMay."
    (found,), _ = read(mail("Jane <jane@s.example>", "Re: Quote", text, 9))
    assert [words.split() for _, _, words in said(found)] == [["See", "below.", "40.", "May."]]


@pytest.mark.parametrize(
    ("head", "name", "address"),
    [
        ("On Thu, Mar 14, 2024 at 10:15 AM Jane Doe <jane@s.example> wrote:", "Jane Doe", "jane@s.example"),
        ("On Thu, 14 Mar 2024 at 10:15, Jane Doe\n<jane@s.example> wrote:", "Jane Doe", "jane@s.example"),
        ("On 14 Mar 2024, at 10:15, Jane Doe wrote:", "Jane Doe", ""),
        ("Am 14.03.2024 um 10:15 schrieb Jane Doe <jane@s.example>:", "Jane Doe", "jane@s.example"),
        ("Le jeu. 14 mars 2024 à 10:15, Jane Doe <jane@s.example> a écrit :", "Jane Doe", "jane@s.example"),
        ("El jue, 14 mar 2024 a las 10:15, Jane Doe (<jane@s.example>) escribió:", "Jane Doe", "jane@s.example"),
        (
            "Il giorno gio 14 mar 2024 alle ore 10:15 Jane Doe <jane@s.example> ha scritto:",
            "Jane Doe",
            "jane@s.example",
        ),
        ("From: Jane Doe <jane@s.example>\nSent: Thursday\nTo: Raj\nSubject: Quote\n", "Jane Doe", "jane@s.example"),
        ("*From:* Jane Doe [mailto:jane@s.example]\n*Sent:* Thursday\n", "Jane Doe", "jane@s.example"),
        (
            "Von: Jane Doe <jane@s.example>\nGesendet: Donnerstag\nAn: Raj\nBetreff: Angebot\n",
            "Jane Doe",
            "jane@s.example",
        ),
        (
            "---------- Forwarded message ---------\nFrom: Jane Doe <jane@s.example>\nDate: Thu\n",
            "Jane Doe",
            "jane@s.example",
        ),
    ],
)
def test_who_wrote_a_quoted_mail(head: str, name: str, address: str) -> None:
    for body in ("The price is 40.", "> The price is 40."):
        text = f"Fine.\n\n{head}\n\n{body}\n"
        assert own_message(text).strip() == "Fine."
        assert quoted_mails(text) == [(name, address, "The price is 40.")]


@pytest.mark.parametrize(
    "text",
    [
        "From: Jane\nTo: Raj\nSubject: Quote\n\nHello there.",
        "From here on: we sell.\nFrom: a",
        "From what I heard at 10:15:00 in 2024\nthey sign.",
        "a: b\nc: d\n\ne",
        "transcript,outcome\nFrom: x,won\n",
        "",
    ],
)
def test_what_is_no_mail(text: str) -> None:
    assert not is_mail(text.encode())


def test_mails_without_words_say_so_to_all() -> None:
    empty = mail("a@b.example", "Quote", " ", 9)
    for reading in (lambda: parse_conversations(empty, Path("m.eml")), lambda: uploaded_transcript(empty, "m.eml")):
        with pytest.raises(InputError, match="^m.eml holds no words: 1 mails are empty or automatic answers"):
            reading()


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_thread_that_was_copied_as_text_is_turns_the_first_first(end: str) -> None:
    text = (
        "From: Raj Patel <raj@globex.example>\nSent: Thursday, March 14, 2024 12:00 PM\nTo: Jane\nSubject: RE: Quote\n\n"
        "Agreed.\n\nBest regards,\nRaj\n\nFrom: Jane Doe (Sales) <jane@seller.example>\nSent: Wednesday\nTo: Raj\n"
        "Subject: Quote\n\nThe price is 40.\n"
    ).replace("\n", end)
    for read_it in (
        lambda: parse_conversations(text.encode(), Path("a.txt")),
        lambda: uploaded_transcript(text.encode(), "a"),
    ):
        (found,) = read_it()
        assert said(found) == [
            ("seller", "Jane Doe (Sales)", "The price is 40."),
            ("customer", "Raj Patel", "Agreed.\n\nBest regards,"),
        ]


@pytest.mark.parametrize("name", ["thread.mbox", "thread.eml"])
def test_no_damage_makes_more_than_a_sentence(name: str) -> None:
    drawn, whole = random.Random(0), (DATA / name).read_bytes()
    marks = [
        b"=?",
        b"?=",
        b"(",
        b"<",
        b"@",
        b'"',
        b"\n\n",
        b"charset=x-none",
        b"multipart/",
        b"\x00",
        b"\xff",
        b"base64",
        b";",
    ]
    for _ in range(400):
        data = whole
        for _ in range(drawn.randint(1, 6)):
            place = drawn.randrange(120, len(data))
            data = data[:place] + drawn.choice(marks) * drawn.randint(1, 3) + data[place + drawn.randint(0, 9) :]
        with contextlib.suppress(InputError):
            parse_conversations(data, Path(name))


HEAD = "Received: x\nFrom: a@b.example\n"
PUMPS = {
    "quotes": HEAD + "\nHi\nOn 1 May 2024 at 10:15 Ann <a@b.example> wrote:\n{}",
    "To": HEAD + "To: {}\n\nHi",
    "References": HEAD + "References: {}\n\nHi",
    "Subject": HEAD + "Subject: {}\n\nHi",
    "body": HEAD + "\n{}",
    "parts": HEAD + 'Content-Type: multipart/mixed; boundary="b"\n\n{}',
    "mailbox": "From a@b.example Wed Mar 13 09:00:10 2024\n" + HEAD + "\n{}",
}


@pytest.mark.parametrize("kind", PUMPS)
@pytest.mark.parametrize(
    "piece",
    [
        "> ", ">", "(", "=?a?q?", "<a@b>,", '"', "Re: ", "\n--b\n", "From: a\nTo: b\n", "On 1 May 2024 x wrote:\n> ",
        "From a@b.example Wed Mar 13 09:00:10 2024\nFrom: a\n\n", "\n--b\nContent-Type: multipart/mixed; boundary=\"c\"\n\n",
        "This e-mail \n", "<p>", "-----Original Message-----\n",
    ],
)  # fmt: skip
def test_work_per_byte_is_bounded(kind: str, piece: str) -> None:
    def reading(text: str) -> None:
        with contextlib.suppress(InputError):
            parse_conversations(text.encode(), Path("mails"))

    pumps = 40_000 // len(piece)
    assert growth(reading, lambda times: PUMPS[kind].format(piece * times), pumps, floor=0.5, at_most=10.0) is None
