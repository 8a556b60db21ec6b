"""Reads mails: one saved as .eml, or a mailbox (.mbox) of many. A thread is a conversation, each mail a turn.

Threads are told by References and In-Reply-To; where a mail has neither, "Re:" and the same subject among the same people
join it to one. Quoted mails, signatures and disclaimers are left out, but for whole mails that stand nowhere else: these
are turns too. A name or an address that says so ("sales@") sells, and with it its company; else names stay as they are.
Mails don't know how a deal ended.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from conversations.conversation import SIDES, canonical_speaker
from conversations.dates import iso_moment
from conversations.formats.fields import FREE_MAIL, mail_domain, only_domain, without_none
from conversations.formats.kinds import PackedFormat, Placed, TextFormat
from conversations.formats.limits import Limit, counted
from conversations.formats.messages.mails import Mail, read_mail
from conversations.formats.notices import left_out
from conversations.formats.options import ReadingOptions
from conversations.formats.turns import Spoken, merged_turns, speaker_with_role
from conversations.mail import begins_with_mail, own_message, quoted_mails
from foundations.errors import InputError

_MBOX = re.compile(
    rb"\s{0,20}From [^\s]{1,200} [^\n]{0,60}\d\d:\d\d:\d\d[^\n]{0,40}\r?\n(?=[A-Za-z][A-Za-z0-9-]{0,60}:)"
)
_NEXT_MAIL = re.compile(rb"(?:^|(?<=\n\n)|(?<=\n\r\n))From [^\s]{1,200} [^\n]{0,60}\d\d:\d\d:\d\d[^\n]{0,40}\r?\n")
_HEADERS = re.compile(
    rb"(?:\xef\xbb\xbf)?(?:[A-Za-z][A-Za-z0-9-]{0,60}:[^\n]{0,2000}\n(?:[ \t][^\n]{0,2000}\n){0,200}+){2,300}+\r?\n"
)
_FROM = re.compile(rb"(?:^|\n)From:", re.IGNORECASE)
_SENT = re.compile(rb"(?:^|\n)(?:Message-ID|MIME-Version|Received|Return-Path|Delivered-To):", re.IGNORECASE)
_ANSWER = re.compile(r"(?:(?:re|aw|sv|fwd?|wg|rv|tr|antw|ref)(?:\[\d{1,3}\])? ?: ?){1,20}", re.IGNORECASE)
_LETTERS = re.compile(r"\w+")
_SHORTEST_BEGINNING, _LONGEST_BEGINNING = 20, 60  # letters by which a quoted mail is known


def is_mail(data: bytes) -> bool:
    """Whether bytes begin as a mailbox does, or as a mail with the headers that only sending gives it."""
    if _MBOX.match(data):
        return True
    headers = _HEADERS.match(data)
    return headers is not None and bool(_FROM.search(headers[0]) and _SENT.search(headers[0]))


def mail_records(data: bytes, path: Path, options: ReadingOptions, limit: Limit | None) -> list[Placed]:
    """A record a thread, in order of their first mails. Raises InputError for named columns, and where no mail has a word."""
    options.refuse_columns(path, "mails")
    mails = _once([read_mail(one) for one in counted(_mails(data), path, limit, are_utterances=True)])
    left_out("attachments", sum(mail.attachments for mail in mails))
    left_out("automatic answers", sum(mail.is_automatic for mail in mails))
    said = [mail for mail in mails if not mail.is_automatic and mail.text.strip()]
    left_out("mails without words", sum(not mail.is_automatic and not mail.text.strip() for mail in mails))
    if not said:
        raise InputError(
            f"{path} holds no words: {len(mails)} mails are empty or automatic answers; give mails with words."
        )
    threads = _threads(said)
    names = _names(threads, path)
    owners = {mail_domain(mail.owner) for mail in mails} - {""}
    return [
        (f"{path}, {thread[0].identifier or name}" if len(threads) > 1 else str(path), _record(thread, name, owners))
        for thread, name in zip(threads, names, strict=True)
    ]


def copied_thread(text: str, path: Path) -> list[Placed]:
    """The one conversation of mails that were copied as text, the latest first, each below its fields."""
    parts = [_Part(*mail) for mail in reversed(quoted_mails(text.replace("\r\n", "\n")))]
    sellers = _selling_companies(parts)
    return [(str(path), {"conversation_id": path.stem, "turns": _turns(parts, sellers)})]


def _mails(data: bytes) -> Iterator[bytes]:
    if not _MBOX.match(data):
        yield data
        return
    data = data.lstrip()
    starts = [(found.start(), found.end()) for found in _NEXT_MAIL.finditer(data)]
    for (_, begin), (end, _) in zip(starts, [*starts[1:], (len(data), 0)], strict=True):
        yield data[begin:end].replace(b"\n>From ", b"\nFrom ")  # as it was before the mailbox


def _once(mails: Sequence[Mail]) -> list[Mail]:
    """Without the copies that lie in several folders of a mailbox."""
    by_id = {mail.identifier or f"mail {number}": mail for number, mail in reversed(list(enumerate(mails)))}
    left_out("copies of mails", len(mails) - len(by_id))
    return list(reversed(by_id.values()))


def _names(threads: Sequence[Sequence[Mail]], path: Path) -> list[str]:
    """What the threads are called: the file where there is one; else by their first mails' own ids."""
    if len(threads) == 1:
        return [path.stem]
    return [thread[0].identifier.strip("<>") or f"{path.stem}-{n}" for n, thread in enumerate(threads, start=1)]


def _threads(mails: Sequence[Mail]) -> list[list[Mail]]:
    in_order = sorted(mails, key=lambda mail: mail.moment or 0.0)
    roots: dict[str, str] = {}  # from an id, or a subject and two who write to each other, to the thread
    threads: dict[str, list[Mail]] = {}
    for number, mail in enumerate(in_order):
        keys = [key for key in (*mail.answers, mail.identifier) if key]
        subject, is_answer = _subject(mail)
        people = ["\n".join([subject, *sorted((mail.address, other))]) for other in mail.others if subject]
        known = next((roots[key] for key in keys if key in roots), None)
        if known is None and is_answer and not mail.answers:
            known = next((roots[key] for key in people if key in roots), None)
        root = known or f"thread {number}"
        roots.update(dict.fromkeys([*keys, *people], root))
        threads.setdefault(root, []).append(mail)
    return list(threads.values())


def _subject(mail: Mail) -> tuple[str, bool]:
    """The subject without "Re:", in lower case, and whether it had one."""
    found = _ANSWER.match(mail.subject)
    return (mail.subject[found.end() :] if found else mail.subject).strip().casefold(), found is not None


class _Part(NamedTuple):
    """A mail of a thread, or one that is quoted there and stands nowhere else."""

    name: str
    address: str
    text: str


def _record(thread: Sequence[Mail], name: str, owners: set[str]) -> dict[str, Any]:
    parts = list(_parts(thread))
    sellers = _selling_companies(parts)
    everybody = [address for mail in thread for address in (mail.address, *mail.others)]
    ours = sellers or owners
    record = {
        "conversation_id": name,
        "turns": _turns(parts, sellers),
        "group": only_domain(one for one in everybody if mail_domain(one) not in ours) if ours else None,
        "date": iso_moment(thread[0].moment),
        "subject": thread[0].subject or None,
    }
    return without_none(record)


def _selling_companies(parts: Sequence[_Part]) -> set[str]:
    return {mail_domain(part.address) for part in parts if _side(part) == "seller"} - {"", *FREE_MAIL}


def _turns(parts: Sequence[_Part], sellers: set[str]) -> list[dict[str, Any]]:
    return merged_turns(Spoken(part.name or part.address, part.text, _side(part, sellers)) for part in parts)


def _parts(thread: Sequence[Mail]) -> Iterator[_Part]:
    """The mails in order, each after those that it alone quotes."""
    own = [own_message(mail.text).strip() for mail in thread]
    seen = {beginning for text in own for beginning in _beginnings(text)}
    for mail, text in zip(thread, own, strict=True):
        left_out(
            "mails of which quotes, signatures or disclaimers are cut off", int(len(text) < len(mail.text.strip()))
        )
        for quoted in reversed(quoted_mails(mail.text)):
            beginnings = _beginnings(quoted.text)
            if beginnings[-1] not in seen:
                seen.update(beginnings)
                yield _Part(quoted.name, quoted.address, quoted.text)
        yield _Part(mail.name, mail.address, text)


def _beginnings(text: str) -> list[str]:
    """What a mail is known by, the longest last; the shorter ones for a quote that was cut."""
    letters = "".join(_LETTERS.findall(text[:500].casefold()))[:_LONGEST_BEGINNING]
    return [letters[:length] for length in range(_SHORTEST_BEGINNING, len(letters))] + [letters]


def _side(part: _Part, sellers: set[str] | None = None) -> str:
    """ "seller" or "customer" where the name or the address says so, or the company of who sells; else ""."""
    for said in (speaker_with_role(part.name), canonical_speaker(part.address.partition("@")[0])):
        if said in SIDES:
            return said
    domain = mail_domain(part.address)
    if not sellers or not domain:
        return ""
    return "seller" if domain in sellers else "customer"


FORMAT = PackedFormat("mails", is_mail, mail_records)
COPIED = TextFormat("mails", lambda text, path: begins_with_mail(text), copied_thread)
