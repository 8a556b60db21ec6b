"""Marks that others put in place of words ([PERSON_NAME], <ORG>, {{CITY}}, ***, XXXX, [inaudible]) to words for a model.

A mark is neither the language nor the topic of a conversation, but a model that has never seen one takes it for both. What
stood there is said in an ordinary word of its kind; sounds and gaps that recorders note are left out. In brackets of lower case
only known kinds count, as "[see below]" is what somebody wrote. Costs a microsecond for a text without marks.
"""

from __future__ import annotations

import re

_KINDS = {
    "someone": "person name firstname lastname surname fullname agent customer client speaker employee rep user username",
    "the company": "org organisation organization company brand firm vendor employer institution business",
    "the place": "loc location city address place country state street zip zipcode postcode region gpe facility",
    "that day": "date day time month year dob birthday birthdate age datetime duration",
    "that amount": "money amount price currency cost salary percent percentage",
    "that number": "number phone telephone mobile email mail url website link card creditcard iban ssn account id policy "
    "order ip digits code cvv pin password passport licence license reference cardinal ordinal quantity phonenumber "
    "accountnumber",
    "something": "redacted pii phi masked removed anonymized anonymised hidden deleted censored confidential product misc "
    "other",
    "": "inaudible crosstalk unintelligible laughter laughs laugh laughing music noise pause silence blank applause background "
    "sound sighs cough coughs indistinct beep",
}
_WORD_OF = {kind: word for word, kinds in _KINDS.items() for kind in kinds.split()}
_SIGNS = re.compile(r"[\[<{*█_]|XXX")
_MARK = re.compile(
    r"\[{1,2}([A-Za-z][A-Za-z _/-]{0,39})[\d :.]{0,12}\]{1,2}|<([A-Z][A-Z_ ]{1,39})\d{0,4}>"
    r"|\{{1,2}([A-Za-z][A-Za-z_ ]{1,39})\d{0,4}\}{1,2}"
    r"|(?<![\w*])(?:\*{3,40}|█{1,40}|_{4,40}|X{3,20})(?![\w*])|(?<=\w)\*{3,40}|\*{3,40}(?=\w)"
)
_PARTS = re.compile(r"[A-Za-z]+")


def without_marks(text: str) -> str:
    """The text with each mark in words of its kind; the same text where there is none."""
    return _MARK.sub(_in_words, text) if _SIGNS.search(text) else text


def _in_words(mark: re.Match[str]) -> str:
    label = mark[1] or mark[2] or mark[3]
    if not label:
        is_whole = not (
            mark.string[mark.start() - 1 : mark.start()].isalnum() or mark.string[mark.end() : mark.end() + 1].isalnum()
        )
        return "something" if is_whole else ""
    parts = [part.lower() for part in _PARTS.findall(label)]
    known = next((_WORD_OF[part] for part in ["".join(parts), *reversed(parts)] if part in _WORD_OF), None)
    if known is not None and (label.isupper() or len(parts) <= 2):
        return known
    return "something" if label.isupper() and len(label) > 1 else mark[0]
