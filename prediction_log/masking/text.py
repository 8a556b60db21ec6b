"""Replaces what identifies a person or an account in a text by its kind, e.g. "[phone]"; docs/privacy.md has what is found.

By form alone: names and addresses in words stay, and so do numbers spelled as words. Cards and IBANs are found by their
check digits, phone numbers and others by length, what is announced by the words before it (`prediction_log.masking.labelled`);
where it is unclear whether a long number identifies somebody, it is masked. Amounts of money, counts of things, versions,
dates, years and short numbers stay. Linear in the length, whatever the text.
"""

from __future__ import annotations

import re
import string

from prediction_log.masking.addresses import is_version, mask_addresses
from prediction_log.masking.labelled import ACCOUNT, mask_labelled
from prediction_log.masking.labelled import HYPHEN as _HYPHEN
from prediction_log.masking.labelled import SPACE as _SPACE

IBAN, CARD, SSN, PHONE = "[iban]", "[card]", "[ssn]", "[phone]"
LONGEST_PLAIN_NUMBER = 7  # digits; an account number, a phone or a card has more

_GAP = (
    rf"[{_SPACE}{_HYPHEN}_]"  # between the groups of a number that is known by what stands before it, or by its check
)
_SEPARATOR = rf"[{_SPACE}{_HYPHEN}_./()]"  # in any number
_COUNTRIES = frozenset(  # of the IBAN registry
    "AD AE AL AT AZ BA BE BG BH BI BR BY CH CR CY CZ DE DJ DK DO EE EG ES FI FK FO FR GB GE GI GL GR GT HN HR HU IE IL IQ "
    "IS IT JO KW KZ LB LC LI LT LU LV LY MC MD ME MK MN MR MT MU NI NL NO OM PK PL PS PT QA RO RS RU SA SC SD SE SI SK SM "
    "SO ST SV TL TN TR UA VA VG XK YE".split()
)
_LINE_END = r"(?:\r\n|[\n\r\v\f\x85\u2028\u2029])"

_IBAN_START = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}[0-9]{2}")
_IBAN_REST = re.compile(rf"(?:(?:{_GAP}?{_LINE_END}|{_GAP})?[A-Za-z0-9]){{11,30}}")
_WORD = re.compile(r"[^\W_]+|[\W_]+")  # and what is between words
_VALUES = {ord(letter): str(int(letter, 36)) for letter in string.ascii_letters}
_SSN = re.compile(
    rf"(?<![\d-])\d{{3}}[{_HYPHEN}]\d{{2}}[{_HYPHEN}]\d{{4}}(?![\d-])"
    r"|((?:ssn(?!\])|social[ -]security(?: (?:number|no\.?|#))?)[\W_]{1,3}(?:is\W{1,2})?)"
    rf"\d{{3}}(?:{_GAP}|\.)?\d{{2}}(?:{_GAP}|\.)?\d{{4}}(?!\d)",
    re.IGNORECASE,
)
_DATE = re.compile(
    rf"(?:19|20)\d\d[{_HYPHEN}/](?:19|20)\d\d$|"
    r"(?:19|20)\d\d([-/. ])\d{1,2}\1\d{1,2}(?: \d{1,2})?$|\d{1,2}([-/. ])\d{1,2}\2(?:19|20)\d\d(?: \d{1,2})?$"
)
# Digits with the separators that people write in numbers. What stands around it tells money from the rest.
_NUMBER = re.compile(rf"(?<!\d)(?:\+|00)?\(?\d(?:{_SEPARATOR}{{0,2}}\d){{5,}}")
# A number that goes on in the next line: looked for on both sides of the line's end, no farther than a card has digits.
_BETWEEN_LINES = re.compile(rf"(?<=\d){_SEPARATOR}{{0,2}}{_LINE_END}{_SEPARATOR}{{0,2}}(?=\d)")
_BEFORE_LINE_END = re.compile(rf"\d(?:{_SEPARATOR}{{0,2}}\d){{0,19}}(?!\d)\(?\+?")  # read backwards
_AFTER_LINE_END = re.compile(rf"\d(?:{_SEPARATOR}{{0,2}}\d){{0,19}}(?!\d)")
_LONGEST_CARD = 64  # characters of 20 digits with separators, and a sign before them
_SEVEN_DIGITS = re.compile(rf"\d{{3}}[{_SPACE}{_HYPHEN}_.]\d{{4}}")
_CURRENCY = r"(?:[$€£¥₹]|\b(?:USD|EUR|GBP|CHF|INR|JPY|AUD|CAD|dollars?|euros?|pounds?)\b)"
_MONEY_BEFORE = re.compile(rf"{_CURRENCY}\s?$", re.IGNORECASE)
_MONEY_AFTER = re.compile(rf"\s?{_CURRENCY}", re.IGNORECASE)
# Counts are written in one piece, in groups of three, or as two with a dash between; never with a 0 in front.
_COUNT = re.compile(
    rf"[1-9]\d*+(?:[{_HYPHEN}][1-9]\d*+)?|[1-9]\d{{0,2}}(?:[{_SPACE}.]\d{{3}})++(?:[{_HYPHEN}][1-9]\d{{0,2}}(?:[{_SPACE}.]\d{{3}})++)?"
)
_COUNTED = re.compile(
    rf"[{_SPACE}](?:[a-z]{{2,12}}[{_SPACE}])?(?:users?|customers|clients|consumers|people|persons|employees|members|subscribers"
    r"|patients|visitors|inhabitants|residents|households|seats|licen[cs]es|records|rows|entries|lines|words|pages|documents"
    r"|files|images|bytes|tokens|parameters|requests|quer(?:y|ies)|calls|messages|e?-?mails|events|transactions|orders"
    r"|payments|bookings|tickets|visits|views|clicks|impressions|sessions|downloads|installs|accounts|contacts|leads|items"
    r"|articles|products|parts|pieces|units|copies|parcels|shipments|devices|vehicles|machines|times|hours|minutes"
    r"|kilomet(?:er|re)s|km|miles|tons|tonnes|kwh|shares|(?:an?|per|each)[ ](?:hour|day|week|month|quarter|year))\b",
    re.IGNORECASE,
)
_LONGEST_COUNTED = 32  # characters of it that are looked at
_STANDARD = re.compile(r"\b(?:ISO|IEC|DIN|EN|RFC|IEEE)[ -]?$")
_REST = re.compile(r"[\d@]+")
_MOST_ROUNDS = 6  # a text that people wrote needs one or two


def mask(text: str) -> str:
    """`text` with each such value replaced by its kind in brackets, e.g. "[phone]". Masking twice changes nothing.

    What a mask uncovers is masked in another round; of a text that is made to go on like this, nothing with a digit
    stays.
    """
    for _ in range(_MOST_ROUNDS):
        masked = _masked_once(text)
        if masked == text:
            return text
        text = masked
    return _REST.sub(ACCOUNT, text)


def _masked_once(text: str) -> str:
    text = mask_addresses(text)
    text = _without_ibans(text)
    text = _SSN.sub(lambda found: f"{found[1] or ''}{SSN}", text)
    text = mask_labelled(text)
    text = _joined_over_lines(text)
    return _NUMBER.sub(lambda found: _number(found, text), text)


def _joined_over_lines(text: str) -> str:
    """Masks cards, and phone numbers written as such, that are broken over a line."""
    kept, end = [], 0
    for gap in _BETWEEN_LINES.finditer(text):
        before = _BEFORE_LINE_END.match(text[max(end, gap.start() - _LONGEST_CARD) : gap.start()][::-1])
        after = _AFTER_LINE_END.match(text, gap.end())
        if before and after and (kind := _kind_over_lines(before[0][::-1], after[0])):
            kept += [text[end : gap.start() - len(before[0])], kind]
            end = after.end()
    return "".join([*kept, text[end:]])


def _kind_over_lines(before: str, after: str) -> str | None:
    if len(before) + len(after) <= LONGEST_PLAIN_NUMBER:
        return None
    first, both = _digits(before), _digits(before + after)
    if _is_card(both):
        return CARD
    unfinished = len(first) <= LONGEST_PLAIN_NUMBER < len(both) <= 15
    return PHONE if unfinished and _written_as_phone(before, first) else None


def _number(found: re.Match[str], text: str) -> str:
    """A card, a phone number, an account number, or the number itself where it is a date, money or short."""
    digits = _digits(found[0])
    if _is_card(digits):
        return CARD
    before, after = text[max(0, found.start() - 8) : found.start()], text[found.end() : found.end() + _LONGEST_COUNTED]
    if _DATE.match(found[0]) or _MONEY_BEFORE.search(before) or _MONEY_AFTER.match(after):
        return found[0]
    if _COUNT.fullmatch(found[0]) and _COUNTED.match(after):
        return found[0]
    names_a_version = _is_dotted_version(found[0]) or is_version(text, found.start())
    if _STANDARD.search(before) or (names_a_version and not found[0].startswith("+")):
        return found[0]
    if len(digits) <= LONGEST_PLAIN_NUMBER and not _written_as_phone(found[0], digits):
        return found[0]
    return PHONE if len(digits) <= (11 if found[0].isdigit() else 15) else ACCOUNT


def _is_dotted_version(number: str) -> bool:
    """12.1.0.2: no phone has a group of a single 0 behind its first."""
    groups = number.split(".")
    return "0" in groups[1:] and all(map(str.isdigit, groups))


def _written_as_phone(number: str, digits: str) -> bool:
    """Seven digits as 555-0199, or any number with a country's prefix or an area code in brackets."""
    return number.startswith(("+", "00", "(")) or (len(digits) == 7 and _SEVEN_DIGITS.fullmatch(number) is not None)


def _is_card(digits: str) -> bool:
    """Luhn's check (ISO/IEC 7812-1) on 13 to 19 digits."""
    if not 13 <= len(digits) <= 19:
        return False
    total = 0
    for place, digit in enumerate(map(int, reversed(digits))):
        doubled = digit * 2 if place % 2 else digit
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


def _digits(number: str) -> str:
    return "".join(filter(str.isdigit, number))


def _without_ibans(text: str) -> str:
    kept, end = [], 0
    residues: dict[str, tuple[int, int]] = {}
    for start in _IBAN_START.finditer(text):
        if start.start() >= end and start[0][:2].upper() in _COUNTRIES:
            rest = _IBAN_REST.match(text, start.end())
            found = _iban_length(start[0] + rest[0], text[rest.end() : rest.end() + 1], residues) if rest else 0
            if found:
                kept += [text[end : start.start()], IBAN]
                end = start.start() + found
    return "".join([*kept, text[end:]])


def _iban_length(written: str, behind: str, residues: dict[str, tuple[int, int]]) -> int:
    """How many characters the longest IBAN takes that `written` begins with and that ends with a word; 0 for none.

    By its check digits (ISO 13616): what comes after country and check digits, then these two, with A as 10 … Z as 35, is
    1 modulo 97. residues: of words that were seen, so that a text of nothing but such beginnings takes no longer.
    """
    first, found, remainder, letters, place = int(written[:4].translate(_VALUES)), 0, 0, 4, 4
    for part in _WORD.findall(written[4:] + behind):
        place += len(part)
        if place > len(written):  # its word goes on behind the longest there can be
            break
        if part.isalnum():
            if part not in residues:
                values = part.translate(_VALUES)
                residues[part] = int(values) % 97, 10 ** len(values) % 97
            value, power = residues[part]
            remainder, letters = (remainder * power + value) % 97, letters + len(part)
            if letters >= 15 and (remainder * 1_000_000 + first) % 97 == 1:
                found = place
    return found
