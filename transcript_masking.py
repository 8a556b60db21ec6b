"""Replaces what identifies a person or an account in a text: e-mail, phone, card, IBAN, social-security, account numbers.

By form alone: names and addresses in words stay, and so do numbers spelled as words. Cards and IBANs are found by their
check digits, phone numbers and others by length; where it is unclear whether a long number identifies somebody, it is
masked. Amounts of money, dates, years and short numbers stay. Linear in the length: about 0.1 s for 1,000,000 characters.
"""

from __future__ import annotations

import re

EMAIL, IBAN, CARD, SSN, PHONE, ACCOUNT = "[email]", "[iban]", "[card]", "[ssn]", "[phone]", "[account]"
LONGEST_PLAIN_NUMBER = 7  # digits; an account number, a phone or a card has more

_LOCAL = r"\w.!#$%&'*+/=?^`{|}~-"
_EMAIL = re.compile(rf"(?<![{_LOCAL}])[{_LOCAL}]+@(?:[\w-]+\.)+[\w-]{{2,}}")
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]){11,30}(?![A-Za-z0-9])")
_SSN = re.compile(
    r"(?<![\d-])\d{3}-\d{2}-\d{4}(?![\d-])"
    r"|((?:ssn|social[ -]security(?: (?:number|no\.?|#))?)\W{1,3}(?:is\W{1,2})?)\d{3}[ .-]?\d{2}[ .-]?\d{4}(?!\d)",
    re.IGNORECASE,
)
_ACCOUNT = re.compile(
    r"\b((?:account|acct|a/c|routing|sort code|policy|customer|member)(?: (?:number|no\.?|id|#))?\W{1,3}(?:is\W{1,2})?)"
    r"(?=[A-Za-z]{0,4}[\d-]*\d)([A-Za-z]{0,4}\d(?:[ -]?\d){3,33})(?!\d)",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"(?:19|20)\d\d([-/. ])\d{1,2}\1\d{1,2}(?: \d{1,2})?$|\d{1,2}([-/. ])\d{1,2}\2(?:19|20)\d\d(?: \d{1,2})?$"
)
# Digits with the separators that people write in numbers. What stands around it tells money from the rest.
_NUMBER = re.compile(r"(?<!\d)(?:\+|00)?\(?\d(?:[ \u00a0./()-]{0,2}\d){5,}")
_CURRENCY = r"(?:[$€£¥₹]|\b(?:USD|EUR|GBP|CHF|INR|JPY|AUD|CAD|dollars?|euros?|pounds?)\b)"
_MONEY_BEFORE = re.compile(rf"{_CURRENCY}\s?$", re.IGNORECASE)
_MONEY_AFTER = re.compile(rf"\s?{_CURRENCY}", re.IGNORECASE)


def mask(text: str) -> str:
    """`text` with each such value replaced by its kind in brackets, e.g. "[phone]". Masking twice changes nothing."""
    text = _EMAIL.sub(EMAIL, text)
    text = _IBAN.sub(_iban_or_text, text)
    text = _SSN.sub(lambda found: f"{found[1] or ''}{SSN}", text)
    text = _ACCOUNT.sub(lambda found: f"{found[1]}{ACCOUNT}", text)
    return _NUMBER.sub(lambda found: _number(found, text), text)


def _number(found: re.Match[str], text: str) -> str:
    """A card, a phone number, an account number, or the number itself where it is a date, money or short."""
    digits = "".join(character for character in found[0] if character.isdigit())
    if _is_card(digits):
        return CARD
    before, after = text[max(0, found.start() - 8) : found.start()], text[found.end() : found.end() + 8]
    if _DATE.match(found[0]) or _MONEY_BEFORE.search(before) or _MONEY_AFTER.match(after):
        return found[0]
    if len(digits) <= LONGEST_PLAIN_NUMBER and not _written_as_phone(found[0], digits):
        return found[0]
    return PHONE if len(digits) <= (11 if found[0].isdigit() else 15) else ACCOUNT


def _written_as_phone(number: str, digits: str) -> bool:
    """Seven digits as 555-0199, or any number with a country's prefix or an area code in brackets."""
    return number.startswith(("+", "00", "(")) or (
        len(digits) == 7 and re.fullmatch(r"\d{3}[-. ]\d{4}", number) is not None
    )


def _is_card(digits: str) -> bool:
    """Luhn's check (ISO/IEC 7812-1) on 13 to 19 digits."""
    if not 13 <= len(digits) <= 19:
        return False
    total = 0
    for place, digit in enumerate(map(int, reversed(digits))):
        doubled = digit * 2 if place % 2 else digit
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


def _iban_or_text(found: re.Match[str]) -> str:
    """The longest beginning that is an IBAN by its check digits (ISO 13616: modulo 97 is 1), masked."""
    text = found[0]
    for end in range(len(text), 14, -1):
        if text[end - 1].isalnum() and _is_iban("".join(filter(str.isalnum, text[:end]))):
            return IBAN + text[end:]
    return text


def _is_iban(letters: str) -> bool:
    if not 15 <= len(letters) <= 34 or not letters.isascii():
        return False
    moved = letters[4:] + letters[:4]
    return int("".join(str(int(character, 36)) for character in moved)) % 97 == 1
