"""One mail from its bytes: who wrote it to whom, when, in answer to what, and its words.

Of its parts the plain text is read, else the HTML; attachments are counted. Headers are read without trust, and no further
than MOST_HEADER characters. It opens nothing that a mail points to. Costs one pass.
"""

from __future__ import annotations

import re
from email import message_from_bytes, policy
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.headerregistry import HeaderRegistry
from email.message import EmailMessage
from email.utils import getaddresses, parsedate_to_datetime
from typing import Any, NamedTuple

from conversations.formats.markup import plain_words

MOST_HEADER = 4000  # characters of one header
MOST_PARTS = 100  # of one mail; what is nested deeper was made to keep a reader busy
_MIME_HEADERS = ("content-type", "content-disposition", "content-transfer-encoding", "mime-version")
_MESSAGE_ID = re.compile(r"<[^<>\s]{1,500}>")
_REGISTRY = HeaderRegistry()


class Mail(NamedTuple):
    """One mail. Its words are whole, with quotes and signature."""

    identifier: str  # "<…>", or ""
    answers: tuple[str, ...]  # the mails before it in its thread, the first first
    subject: str
    name: str
    address: str
    others: tuple[str, ...]  # addresses that got it
    owner: str  # whose mailbox it lay in, or ""
    moment: float | None  # seconds since 1970
    text: str
    attachments: int
    is_automatic: bool


def read_mail(data: bytes) -> Mail:
    """The mail of some bytes; what is broken in it is as if it were not there."""
    if data.lower().count(b"\ncontent-type: multipart/") > MOST_PARTS:
        data = data.partition(b"\n\n")[0]
    message = message_from_bytes(data, policy=_POLICY)
    name, address = next(iter(_addresses(message, "from")), ("", ""))
    others = tuple(found for header in ("to", "cc") for _, found in _addresses(message, header))
    answers = [
        found for header in ("references", "in-reply-to") for found in _MESSAGE_ID.findall(_plain(message, header))
    ]
    sent = "sent" in _plain(message, "x-gmail-labels").lower().split(",")
    owner = address if sent else next((found for _, found in _addresses(message, "delivered-to")), "")
    return Mail(
        next(iter(_MESSAGE_ID.findall(_plain(message, "message-id"))), ""),
        tuple(dict.fromkeys(answers)),
        " ".join(_plain(message, "subject").split()),
        name,
        address,
        others,
        owner,
        _moment(_plain(message, "date")),
        _words(message),
        sum(part.is_attachment() for part in message.walk() if isinstance(part, EmailMessage)),
        _plain(message, "auto-submitted").lower() not in ("", "no"),
    )


def _header(name: str, value: str) -> Any:
    """Only what says how parts are written is parsed; all else stays text, which nothing in it can break."""
    return _REGISTRY(name, value[:MOST_HEADER]) if name.lower() in _MIME_HEADERS else value[:MOST_HEADER]


_POLICY = policy.default.clone(header_factory=_header)


def _plain(message: EmailMessage, name: str) -> str:
    """A header's text, its encoded words decoded; "" where it is not there."""
    value = str(message.get(name, ""))
    value = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    try:
        return str(make_header(decode_header(value)))
    except (HeaderParseError, LookupError, ValueError):
        return value


def _addresses(message: EmailMessage, name: str) -> list[tuple[str, str]]:
    return [
        (found.strip(), address.lower()) for found, address in getaddresses([_plain(message, name)]) if "@" in address
    ]


def _moment(date: str) -> float | None:
    try:
        moment = parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return moment if moment >= 0 else None


def _words(message: EmailMessage) -> str:
    part = message.get_body(("plain", "html"))
    if part is None:
        return ""
    try:
        content = part.get_content()
    except (LookupError, ValueError):  # a character set that nobody knows
        raw = part.get_payload(decode=True)
        content = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else ""
    words = content if isinstance(content, str) else ""
    words = plain_words(words) if part.get_content_subtype() == "html" else words
    return words.encode("utf-8", "replace").decode("utf-8").replace("\r\n", "\n")
