"""What in an e-mail is not its writer's message: quoted mails, signatures, greetings and sign-offs.

They say nothing about a deal, but look as if they did: "Best," sounds pleased, "Thank you for the proposal." as if it
were taken, and a quoted line is somebody else's. Texts that are no e-mails pass through unchanged, but for a bare
"Hello.", "Thanks." or "Thanks for the call.". Costs microseconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_WEEKDAY_OR_DATE = r"(?=[^\n]*\d)"  # a header has a date; "On Monday they wrote:" in a note has none
_WROTE = re.compile(rf"^[ \t]*On\b{_WEEKDAY_OR_DATE}[^\n]{{5,150}}(?:\n[^\n]{{0,80}})?\bwrote:[ \t]*$", re.MULTILINE)
_FORWARDED = re.compile(
    r"^[ \t]*-{2,}[ \t]*(?:Original Message|Forwarded message)[ \t]*-{2,}[ \t]*$", re.MULTILINE | re.IGNORECASE
)
_HEADER = re.compile(r"^[ \t]*From:[^\n]*\n(?:[ \t]*(?:Sent|Date|To|Cc|Bcc|Subject):[^\n]*(?:\n|$))+", re.MULTILINE)
_SUBJECT = re.compile(r"[ \t]*+Subject:[^\n]*+\n++(?=[^\n])")
_QUOTED_LINE = re.compile(r"\s*+>")
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


def own_message(text: str) -> str:
    """The text without quoted lines and mails, headers and signatures; the lines that stay are unchanged."""
    text = _without_quoted_mail(text)
    kept: list[str] = []
    framed = signed = False  # it greets or takes leave; a sign-off was the last line with words
    for line in text.split("\n"):
        if _SIGNATURE.match(line) and (line.endswith(" ") or framed):
            break
        if _QUOTED_LINE.match(line) or _SENT_FROM.match(line):
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
