"""What in an e-mail is not its writer's message: quoted mails, signatures, greetings and sign-offs.

They say nothing about a deal, but look as if they did: "Best," sounds pleased, "Thank you for the proposal." as if it
were taken, and a quoted line is somebody else's. Texts that are no e-mails pass through unchanged, but for a bare
"Hello.", "Thanks." or "Thanks for the call.". Costs microseconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_WEEKDAY_OR_DATE = r"(?=[^\n]*\d)"  # a header has a date; "On Monday they wrote:" in a note has none
_VERB = r"wrote|schrieb|a écrit|escribió|ha scritto|escreveu|schreef"
_WROTE = re.compile(
    rf"^[ \t]*(?:On|Am|Le|El|Il|Em|Op)\b{_WEEKDAY_OR_DATE}[^\n]{{5,150}}(?:\n[^\n]{{0,80}})?\b(?:wrote"
    rf"|(?:{_VERB})\b[^\n:]{{0,80}}) ?:[ \t]*$",
    re.MULTILINE,
)
_FORWARDED = re.compile(
    r"^[ \t]*-{2,}[ \t]*(?:Original Message|Forwarded message|Ursprüngliche Nachricht|Weitergeleitete Nachricht"
    r"|Message d'origine|Mensaje original|Messaggio originale)[ \t]*-{2,}[ \t]*$",
    re.MULTILINE | re.IGNORECASE,
)
_HEADER = re.compile(
    r"^[ \t]*\*?(?:From|Von|De|Da|Van) ?:[^\n]*\n(?:[ \t]*\*?(?:Sent|Date|To|Cc|Bcc|Subject|Gesendet|Datum|An|Betreff|Envoyé"
    r"|À|Objet|Enviado|Fecha|Para|Asunto|Inviato|Data|A|Oggetto|Assunto|Verzonden|Aan|Onderwerp) ?:[^\n]*(?:\n|$))+",
    re.MULTILINE,
)
_RULE = re.compile(r"\s*_{5,}\s*")  # Outlook puts it above a quoted mail
_DISCLAIMER = re.compile(
    r"^[ \t*_]*(?:(?:confidentiality|disclaimer|legal) ?(?:notice|:)|(?:the information (?:contained )?in )?"
    r"(?:this|diese|ce|este|questo) (?:e-?mail|message|nachricht|courriel|mensaje|messaggio|correo)\b)"
    r"[\s\S]{0,400}?\b(?:confidential|vertraulich|confidentiel|confidencial|riservat|privileged|intended (?:only|solely))",
    re.MULTILINE | re.IGNORECASE,
)
_ADDRESS = re.compile(r"[<\[(](?:mailto:)?([^<>\[\]()\s@]{1,80}@[^<>\[\]()\s@]{1,80})[>\])]")
_AFTER_VERB = re.compile(rf"\b(?:{_VERB})\b")
_AFTER_DATE = re.compile(r".{0,200}(?:\d|,|\b[AP]\.?M\.?\b|\b(?:um|à|at)\b)", re.IGNORECASE | re.DOTALL)
_MOST_QUOTED = 30  # mails quoted one within the other
_SUBJECT = re.compile(r"[ \t]*+Subject:[^\n]*+\n++(?=[^\n])")
_QUOTED_LINE = re.compile(r"\s*+>")
_QUOTE_SIGN = re.compile(r"^\s{0,3}> ?")
_FROM = re.compile(r"[ \t]*\*?(?:From|Von|De|Da|Van) ?:\*?([^\n]*)")
_SENT_FROM = re.compile(r"^\s*(?:Sent from my|Get Outlook for)\b.*$", re.IGNORECASE)
_SIGNATURE = re.compile(r"^--\s?$")
_LONGEST_SIGNATURE_LINE = 6  # words; a longer line after a sign-off is text again

_NAME = r"(?:[A-Z][\w.'’-]*+|and|&|all|team|there|everyone|everybody|both|again|folks|sir|madam|or)"
_GREETING = re.compile(
    rf"(?i:hi|hello|hey|dear|good (?:morning|afternoon|evening|day))(?:\s++(?:{_NAME}|\w+(?=,$))){{0,5}}[,!.:]*"
)
_CLOSING = (
    r"(?:(?:with|my|our|very|and|the|all|many|best|kind|kindest|warm|warmest|friendly)\s+){0,4}"
    r"(?:best|regards|wishes|greetings|cheers|sincerely|cordially|respectfully|thanks|thank you)"
    r"(?:\s+(?:again|in advance|so much|very much|a lot|and (?:best|kind) regards|yours))*"
    r"|yours(?: (?:sincerely|truly|faithfully))?|sincerely yours|talk (?:soon|to you soon)|take care"
    r"|(?:i|we)?\s*wish(?:ing)? (?:you|everyone|your team)\b[^.!?]{0,60}"
    r"|have a (?:nice|good|great|lovely) \w+(?: ahead)?"
    r"|(?:i |we |i'm |we're |i am |we are )?look(?:ing)? forward to (?:hearing from you|your (?:reply|answer|response))"
)
_SIGN_OFF = re.compile(rf"(?i:{_CLOSING})(?:[,!.]++|$)(?:\s++{_NAME}){{0,4}}[,!.]*")

# "Thank you for the revised proposal." No comma, so that "Thanks for the offer, but no" is none; no digits, no "and".
_THANKS_FOR = re.compile(
    r"(?:(?:hi|hello|dear|hey)\b[^,.!?]{0,30},\s*)?(?:(?:many|very many|again|so)\s+)?(?:thanks|thank you)"
    r"(?:\s+(?:again|so much|very much|a lot))?\s+for\s+(?:(?!and\b|but\b)[a-z'’-]+\s+){0,5}"
    r"(?:call|chat|talk|conversation|meeting|visit|demo|presentation|time|patience|interest|help|support|effort|e-?mail"
    r"|mail|message|note|reply|response|answer|update|reminder|invite|invitation|information|info|details|slides"
    r"|summary|overview|quote|offer|proposal|contract|document|documents|quotation)"
    r"(?:\s+(?:today|yesterday|earlier|just now|this (?:morning|afternoon|week)|last week|on \w+day|again))*[.!]*",
    re.IGNORECASE,
)


def is_courtesy(sentence: str) -> bool:
    """Whether a sentence only greets, thanks for a message or takes leave, with or without a name."""
    found = _GREETING.fullmatch(sentence) or _SIGN_OFF.fullmatch(sentence) or _THANKS_FOR.fullmatch(sentence)
    return found is not None


class QuotedMail(NamedTuple):
    """A mail that stands in another: who wrote it, as the other says, and what it says itself."""

    name: str
    address: str
    text: str


def begins_with_mail(text: str) -> bool:
    """Whether a text begins with the fields of a mail ("From: …", and two more), as a mail program copies it."""
    head = _HEADER.match(text.lstrip())
    return head is not None and head[0].strip().count("\n") > 1


def quoted_mails(text: str) -> list[QuotedMail]:
    """The mails that a mail quotes as a whole, each inside the one before it, the latest first.

    Quotes between whose lines somebody answers end it: who says what is not certain there.
    """
    found: list[QuotedMail] = []
    rest: str | None = text
    while rest and len(found) < _MOST_QUOTED and (start := _first_quoted(rest)) is not None:
        head, place = start
        rest = _unquoted(rest[place:])
        if rest is not None:
            found.append(_quoted(head, rest))
    return [mail for mail in found if mail.text]


def _first_quoted(text: str) -> tuple[str, int] | None:
    """What heads the first mail that a text quotes, and where that mail begins."""
    starts = [one for one in (_WROTE.search(text), _FORWARDED.search(text), _HEADER.search(text)) if one]
    if not starts:
        return None
    first = min(starts, key=lambda one: one.start())
    header = _HEADER.search(text, first.end()) if first.re is _FORWARDED else None
    if header is None or text[first.end() : header.start()].strip():
        return first[0], first.end()
    return header[0], header.end()


def _unquoted(text: str) -> str | None:
    """A quoted mail without ">" before its lines; None where other lines stand between or below them."""
    lines = text.strip("\n").split("\n")
    if not _QUOTED_LINE.match(lines[0]):
        return text
    if any(line.strip() and not _QUOTED_LINE.match(line) for line in lines):
        return None
    return "\n".join(_QUOTE_SIGN.sub("", line) for line in lines)


def _quoted(head: str, body: str) -> QuotedMail:
    address = _ADDRESS.search(head)
    if header := _FROM.match(head):
        name = header[1]
    else:
        before, after = _around_verb(head)
        date = _AFTER_DATE.match(before)
        name = after or before[date.end() if date else 0 :]
    name = _ADDRESS.sub("", name).replace("()", "").strip(" \t\n*:,\"'<>")
    return QuotedMail(name, address[1] if address else "", own_message(body).strip())


def _around_verb(head: str) -> tuple[str, str]:
    verb = _AFTER_VERB.search(head)
    return (head[: verb.start()], head[verb.end() :].strip(" \t:")) if verb else (head, "")


def own_message(text: str) -> str:
    """The text without quoted lines and mails, headers, signatures and disclaimers; the lines that stay are unchanged."""
    text = _without_quoted_mail(text)
    if disclaimer := _DISCLAIMER.search(text):
        text = text[: disclaimer.start()]
    kept: list[str] = []
    framed = signed = False  # it greets or takes leave; a sign-off was the last line with words
    for line in text.split("\n"):
        if _SIGNATURE.match(line) and (line.endswith(" ") or framed):
            break
        if _QUOTED_LINE.match(line) or _SENT_FROM.match(line) or _RULE.fullmatch(line):
            continue
        if signed and line.strip() and not _ends_signature(line):
            continue
        if line.strip():
            signed = bool(_SIGN_OFF.fullmatch(line.strip()))
            framed = framed or is_courtesy(line.strip())
        kept.append(line)
    return "\n".join(kept)


def _without_quoted_mail(text: str) -> str:
    """Cut where an earlier mail begins, unless its lines are marked with ">", as the writer may go on between them."""
    if (header := _HEADER.match(text.lstrip()) or _SUBJECT.match(text.lstrip())) is not None:  # the mail itself
        text = text.lstrip()[header.end() :]
    for begins in (_WROTE.finditer, _FORWARDED.finditer, _HEADER.finditer):
        text = _without_mail_after(begins(text), text)
    return text


def _without_mail_after(starts: Iterator[re.Match[str]], text: str) -> str:
    kept, place = [], 0
    for found in starts:
        kept.append(text[place : found.start()])
        place = found.end()
        if not _QUOTED_LINE.match(text, place):
            return "".join(kept)
    return "".join([*kept, text[place:]])


def _ends_signature(line: str) -> bool:
    """Whether a line after a sign-off is text again."""
    return len(line.split()) > _LONGEST_SIGNATURE_LINE or re.match(r"\s*P\.?S\b", line) is not None
