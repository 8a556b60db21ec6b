"""WhatsApp's exports of both systems, in the dates of several languages; what it says itself is no message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from conversations.conversation import Conversation
from conversations.formats.messages.whatsapp import is_whatsapp
from conversations.formats.notices import gathered_notices
from conversations.reading.files import parse_conversations
from conversations.reading.uploads import uploaded_transcript
from foundations.errors import InputError

ANDROID = """\
12/03/2024, 10:15 - Messages and calls are end-to-end encrypted. No one outside of this chat can read them.
12/03/2024, 10:15 - Jane Doe: Hi Raj, did the quote arrive?
12/03/2024, 10:17 - +49 170 1234567: Yes.
Two questions:
- price: per seat?
13/03/2024, 09:01 - Jane Doe: <Media omitted>
13/03/2024, 09:02 - Jane Doe: IMG-20240313-WA0001.jpg (file attached)
the new list
13/03/2024, 09:03 - +49 170 1234567: This message was deleted
13/03/2024, 09:03 - Jane Doe changed the subject from "Quote: a" to "Quote: b"
13/03/2024, 09:04 - +49 170 1234567: We sign. <This message was edited>
"""
IOS = (
    "\u200e[12.03.24, 10:15:01] Globex: \u200eNachrichten sind Ende-zu-Ende-verschlüsselt.\r\n"
    "[12.03.24, 10:15:02] Jane 🌸: Hallo: passt der Preis?\r\n"
    "\u200e[12.03.24, 10:15:09] Raj: \u200eBild weggelassen\r\n"
    "[12.03.24, 10:16:00] Raj: Ja.\r\n[12.03.24, 10:17:00] Jane 🌸: Gut.\r\n"
)


def read(text: str) -> tuple[Conversation, list[str]]:
    with gathered_notices() as told:
        (chat,) = parse_conversations(text.encode(), Path("chat.txt"))
    return chat, [sentence.removeprefix("chat.txt: ") for sentence in told]


def said(chat: Conversation) -> list[tuple[str | None, str, float | None]]:
    return [(turn.name, turn.text, turn.start) for turn in chat.turns or []]


def date(chat: Conversation) -> Any:
    return (chat.model_extra or {}).get("date")


def test_android() -> None:
    chat, told = read(ANDROID)
    assert said(chat) == [
        ("Jane Doe", "Hi Raj, did the quote arrive?", 0.0),
        ("+49 170 1234567", "Yes.\nTwo questions:\n- price: per seat?", 120.0),
        ("Jane Doe", "the new list", 82_020.0),
        ("+49 170 1234567", "We sign.", 82_140.0),
    ]
    assert (chat.conversation_id, date(chat)) == ("chat", "2024-03-12T10:15:00+00:00")
    assert told == ["left out: 5 lines of WhatsApp itself, media and deleted messages."]


def test_ios() -> None:
    chat, told = read(IOS)
    assert said(chat) == [("Jane 🌸", "Hallo: passt der Preis?", 0.0), ("Raj", "Ja.", 58.0), ("Jane 🌸", "Gut.", 118.0)]
    assert told == ["left out: 2 lines of WhatsApp itself, media and deleted messages."]


@pytest.mark.parametrize("name", ["chat", "chat.txt", "chat.csv"])
def test_the_page_reads_it_as_the_command_line_does_whatever_it_is_called(name: str) -> None:
    for text in (ANDROID, IOS):
        assert uploaded_transcript(text.encode(), name)[0].turns == read(text)[0].turns


@pytest.mark.parametrize(
    ("stamp", "at"),
    [
        ("3/14/24, 10:15\u202fPM - ", "2024-03-14T22:15:00+00:00"),
        ("14/3/24, 10:15 p.\u00a0m. - ", "2024-03-14T22:15:00+00:00"),
        ("14/03/2024 à 10:15 - ", "2024-03-14T10:15:00+00:00"),
        ("14.3.2024, 10.15 - ", "2024-03-14T10:15:00+00:00"),
        ("4.3.2024, 10:15 - ", "2024-03-04T10:15:00+00:00"),
        ("2024-03-14, 10:15 - ", "2024-03-14T10:15:00+00:00"),
        ("2024/3/14 下午10:15 - ", "2024-03-14T22:15:00+00:00"),
        ("2024. 3. 14. 오후 10:15 - ", "2024-03-14T22:15:00+00:00"),
        ("[14/03/24, 12:15:07 AM] ", "2024-03-14T00:15:07+00:00"),
        ("[2024-03-14, 10:15:07] ", "2024-03-14T10:15:07+00:00"),
        ("14-03-2024 10:15 - ", "2024-03-14T10:15:00+00:00"),
    ],
)
def test_dates_of_several_languages(stamp: str, at: str) -> None:
    chat, _ = read(
        "".join(f"{stamp}{name}: {words}\n" for name, words in [("Ann", "Hi"), ("Raj", "Yes"), ("Ann", "Ok")])
    )
    assert [turn.text for turn in chat.turns or []] == ["Hi", "Yes", "Ok"]
    assert date(chat) == at


def test_a_date_that_may_be_two_days_is_told_by_the_others_or_left_out() -> None:
    first, told = read("3/4/24, 10:15 - Ann: Hi\n3/4/24, 10:16 - Raj: Yes\n3/4/24, 10:17 - Ann: Ok\n")
    assert date(first) is None and said(first)[0] == ("Ann", "Hi", None)
    assert told == ["'3/4/24' may be one day or another, so times are left out."]
    rising, told = read("3/4/24, 10:15 - Ann: Hi\n5/4/24, 10:16 - Raj: Yes\n1/5/24, 10:17 - Ann: Ok\n")
    assert (date(rising), told) == ("2024-04-03T10:15:00+00:00", [])


@pytest.mark.parametrize(
    "text",
    [
        "12/03/2024, 10:15 - Called Raj: no answer\n",
        "12/03/2024, 10:15 - Call: no answer\n13/03/2024, 10:15 - Mail: sent\n14/03/2024, 10:15 - Visit: he liked it\n"
        "15/03/2024, 10:15 - Offer: 5,000\n16/03/2024, 10:15 - Note: he is away\n",
        "10:15 Jane: Hi\n10:16 Raj: Yes\n",
        "Jane: Hi\n12/03/2024, 10:15 - Raj: Yes\n",
        "",
    ],
)
def test_what_is_no_chat(text: str) -> None:
    assert not is_whatsapp(text)


def test_a_chat_without_words_says_so_to_all() -> None:
    text = b"12/03/2024, 10:15 - Ann: <Media omitted>\n12/03/2024, 10:16 - Ann: <Media omitted>\n"
    for reading in (lambda: parse_conversations(text, Path("a.txt")), lambda: uploaded_transcript(text, "a.txt")):
        with pytest.raises(InputError, match=r"^a.txt: the transcript is empty, so there is no conversation"):
            reading()
