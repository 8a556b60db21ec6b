"""Masks what a word in front of it gives away: account, policy and member numbers, national ids, passwords and keys.

Also national ids and keys that their own form gives away, where a check letter, a fixed prefix or a mix of signs makes
sure. What else a number may be says `prediction_log.masking.text`. Linear in the length, whatever the text.
"""

from __future__ import annotations

import re

ACCOUNT, NATIONAL_ID, PASSWORD, KEY = "[account]", "[id]", "[password]", "[key]"

SPACE = r" \t\u00a0\u1680\u2000-\u200d\u202f\u205f\u2060\u3000\ufeff"  # those of no width too
HYPHEN = r"\-\u00ad\u2010-\u2015\u2212\ufe58\ufe63\uff0d"

_START = r"(?<![^\W_])"  # of a word; an underscore may stand before it
_NAMED = r"(?:[ _-](?:number|no\.?|nr\.?|id|code|card)|[ _-]?(?=\#))"  # what makes "account" the name of a number
_IS = r"[\W_]{1,3}+(?:(?:is|was|è)[\W_]{1,2}+)?+"  # between a name and what it names
_ENDS = r"(?!\])"  # "[account]" is a mask, no announcement of the number behind it

# Letters and digits in groups. After a space a group begins with a digit, so that a value ends where the sentence goes on.
_VALUE = (
    rf"(?=(?:[A-Z]{{1,4}}[{SPACE}])?[A-Za-z{HYPHEN}/_.]{{0,8}}\d)"
    rf"(?:[A-Z]{{1,4}}[{SPACE}])?+(?:[A-Za-z0-9]|(?:[{HYPHEN}_/.]|[{SPACE}](?=\d))(?=[A-Za-z0-9]))++(?: [B-HJ-Z]\b)?+"
)
_ACCOUNT = re.compile(
    rf"({_START}(?i:"
    rf"(?:account|acct|a/c|routing|sort[ ]code|policy){_ENDS}\.?{_NAMED}?+"
    r"|(?:customer|client|member(?:ship)?|subscriber|patient|insurance|claim|contract|loan|mortgage|reference|ref"
    rf"|medicare|insured|invoice|order){_NAMED}){_IS})({_VALUE})"
)
_FEWEST_DIGITS, _FEWEST_UNNAMED = 3, 4  # of such a number; where "number" isn't said a year is none
_YEAR = re.compile(r"(?:19|20)\d\d")

_NATIONAL_ID = re.compile(
    rf"({_START}(?:(?i:"
    r"national[ ](?:id|identity|identification|insurance)|passport|driv(?:er['’]?s?|ing)[ ]licen[cs]e"
    r"|tax(?:payer)?[ ](?:id|number|no\.?)|steuer-?id(?:nr\.?)?|codice[ ]fiscale|personnummer|aadhaar|pesel|curp|hetu|nino"
    r"|ni[ ](?:number|no\.?))|DNI|NIE|NIF|NIR|BSN|CPF|AHV|SIN|PAN|PPS)"
    rf"(?i:{_NAMED})?+{_IS})({_VALUE})"
)
_BY_FORM = re.compile(
    r"\b(?:[A-Z]{6}\d\d[A-Z]\d\d[A-Z]\d{3}[A-Z]"  # Italy's codice fiscale
    r"|[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d\d ?\d\d ?\d\d ?[A-D]"  # national insurance
    r"|[A-Z]{5}\d{4}[A-Z]"  # India's PAN
    r"|[A-Z]{4}\d{6}[HM][A-Z]{5}[A-Z0-9]\d)\b"  # Mexico's CURP
)
_SPANISH = re.compile(r"\b([XYZ]|\d)-?(\d{7})-?([A-Z])\b")
_SPANISH_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"  # by the number's remainder by 23
_FINNISH = re.compile(r"\b(\d{6})[-+A](\d{3})([0-9A-Z])\b")
_FINNISH_SIGNS = "0123456789ABCDEFHJKLMNPRSTUVWXY"  # by 31

_NO_PASSWORD = (  # what people say of one; no sentence about a policy needs a mask
    r"(?!(?:not|never|now|too|the|a|an|in|on|at|of|for|to|your|my|our|their|his|her|its|very|still|also|only|no|and|or|we|they"
    r"|you|it|weak|strong|strict|old|new|same|safe|secure|lost|gone|known|what|that|where|how|when|case|manager|policy|reset"
    r"|[a-z]*+(?<=ed|ng|le))\b)"
)
_QUOTE = r"[\"'“‘`]?+"
_PASSWORD = re.compile(
    rf"({_START}(?i:password|passwd|passcode|passphrase|passwort|pwd|pw){_ENDS}"
    rf"(?:[ ]*+(?:(?i:is|was)[ ]|[:=])\s*+{_QUOTE}(?i:{_NO_PASSWORD})|[ ]{_QUOTE}(?=[^\s\d]{{0,40}}\d)))([^\s\[][^\s]*+)"
)
_PIN = re.compile(rf"({_START}(?i:pin)(?i:[ -]?(?:code|number|no\.?))?+{_IS})(\d{{4,12}}+)(?![\w])")
_SECRET = re.compile(
    rf"({_START}(?i:(?:api|access|secret|private|auth|client|licen[cs]e)[ _-]?(?:key|token|secret)|apikey|token|bearer|secret)"
    rf"{_ENDS}(?:[\W_]{{0,2}}(?:is|was)\b)?+\W{{1,3}}+)(?=[^\s\d]{{0,64}}\d)([^\s\"'“”,;\[]{{8,}}+)"
)
_KEY = re.compile(
    r"(?<![\w-])(?:[spr]k_(?:live|test)_\w{8,}+|(?:AKIA|ASIA)[A-Z0-9]{16}|gh[pousr]_\w{20,}+|github_pat_\w{20,}+"
    r"|xox[abeprs]-[\w-]{10,}+|glpat-[\w-]{16,}+|AIza[\w-]{30,}+|sk-[\w-]{16,}+|eyJ[\w-]{6,}+\.[\w-]{6,}+\.[\w-]*+)"
)
_LONG_WORD = re.compile(r"(?<![A-Za-z0-9])[A-Za-z0-9]{20,}+")
_HEXADECIMAL = re.compile(r"[0-9a-f]{32,}+|[0-9A-F]{32,}+")


def mask_labelled(text: str) -> str:
    """`text` with each such value replaced by its kind: "[account]", "[id]", "[password]", "[key]"."""
    text = _KEY.sub(KEY, text)
    text = _LONG_WORD.sub(lambda found: KEY if _is_key(found[0]) else found[0], text)
    text = _PASSWORD.sub(lambda found: _but_its_end(found, PASSWORD), text)
    text = _PIN.sub(lambda found: found[1] + PASSWORD, text)
    text = _SECRET.sub(lambda found: _but_its_end(found, KEY), text)
    text = _NATIONAL_ID.sub(lambda found: _named_number(found, NATIONAL_ID), text)
    text = _BY_FORM.sub(NATIONAL_ID, text)
    text = _SPANISH.sub(lambda found: NATIONAL_ID if _is_spanish(found) else found[0], text)
    text = _FINNISH.sub(lambda found: NATIONAL_ID if _is_finnish(found) else found[0], text)
    return _ACCOUNT.sub(lambda found: _named_number(found, ACCOUNT), text)


def _but_its_end(found: re.Match[str], kind: str) -> str:
    """The value's name, its mask, and the signs that end the sentence or the quotation."""
    value = found[2].rstrip(".,;:?)\"'”’`")
    return found[1] + kind + found[2][len(value) :] if value else found[0]


def _named_number(found: re.Match[str], kind: str) -> str:
    name, value = found[1], found[2]
    is_named = re.search(_NAMED, name, re.IGNORECASE) is not None
    fewest = _FEWEST_DIGITS if is_named else _FEWEST_UNNAMED
    if sum(map(str.isdigit, value)) < fewest or (not is_named and _YEAR.fullmatch(value)):
        return found[0]
    return name + kind


def _is_key(word: str) -> bool:
    """Hexadecimal as of 128 bits, or capitals, small letters and digits in a mix that no name is."""
    digits = sum(map(str.isdigit, word))
    return digits >= 3 and (_HEXADECIMAL.fullmatch(word) is not None or word.upper() != word != word.lower())


def _is_spanish(found: re.Match[str]) -> bool:
    """DNI or NIE, by the letter that its number gives."""
    first = {"X": "0", "Y": "1", "Z": "2"}.get(found[1], found[1])
    return _SPANISH_LETTERS[int(first + found[2]) % 23] == found[3]


def _is_finnish(found: re.Match[str]) -> bool:
    return _FINNISH_SIGNS[int(found[1] + found[2]) % 31] == found[3]
