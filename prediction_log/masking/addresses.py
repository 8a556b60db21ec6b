"""Masks e-mail addresses, also those written out so that no program shall find them, and IP addresses.

"jo [at] example [dot] com" is known by its brackets. "jo dot smith at example dot com" could be a sentence, "look at
example dot com", so of one plain word before "at" the common verbs are no address. Linear in the length.
"""

from __future__ import annotations

import ipaddress
import re

EMAIL, IP = "[email]", "[ip]"

_LOCAL = r"\w.!#$%&'*+/=?^`{|}~-"
_PLAIN = re.compile(rf"(?<![{_LOCAL}])[{_LOCAL}]++@[\w-]++(?:\.[\w-]++)++(?<=[\w-]{{2}})")

_OPEN, _CLOSE = r"[ ]?[\[({<][ ]?", r"[ ]?[\])}>][ ]?"
_DOT = rf"(?:\.|{_OPEN}(?:dot|punkt){_CLOSE}|[ ](?:dot|punkt)[ ])"
_BRACKETED = re.compile(
    rf"(?<![\w.+-])[\w.+-]++{_OPEN}at{_CLOSE}[\w-]++(?:{_DOT}[\w-]++){{1,5}}+", re.IGNORECASE | re.ASCII
)
_SPOKEN = re.compile(
    r"(?<![\w.+-])([\w.+-]++(?:[ ](?:dot|underscore|dash|hyphen|minus|plus)[ ][\w-]++){0,3}+)[ ]at[ ]"
    r"(?:[\w-]++[ ]dot[ ]){1,4}+(?:com|org|net|info|biz|edu|gov|dev|app|cloud|travel|online|shop|tech|[a-z]{2})\b",
    re.IGNORECASE,
)
_NO_LOCAL = frozenset(
    "are arrive available be bought buy find found from here hosted is it listed live log look looked looking looks met meet "
    "not now office order people posted read see shop sign sold started stay team there they up us visit was we work worked "
    "working works".split()
)

_IPV6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f:]{2,45}+(?:\.\d{1,3}){0,3}+(?![\w:])")
_IPV4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?!\.?\w)")
_VERSION = re.compile(
    r"(?:\b(?:versions?|ver|v|release|build|firmware|kernel|driver|patch|update|revision|rev)\b|\bv)[ .:#]{0,2}$",
    re.IGNORECASE,
)
_LONGEST_VERSION_WORD = 12  # with what stands between it and the number


def mask_addresses(text: str) -> str:
    """`text` with each address replaced by "[email]" or "[ip]"."""
    text = _PLAIN.sub(EMAIL, text)
    text = _BRACKETED.sub(EMAIL, text)
    text = _SPOKEN.sub(lambda found: found[0] if found[1].lower() in _NO_LOCAL else EMAIL, text)
    text = _IPV6.sub(lambda found: _ipv6(found[0]), text)
    return _IPV4.sub(lambda found: IP if _is_ipv4(found, text) else found[0], text)


def is_version(text: str, start: int) -> bool:
    """Whether the words before the number that begins at `start` call it a version."""
    return _VERSION.search(text, max(0, start - _LONGEST_VERSION_WORD), start) is not None


def _ipv6(found: str) -> str:
    """The mask, where it is an address of at least two groups and a digit; a class A::B and a time are none."""
    end = found[-1:] if found.endswith(":") and not found.endswith("::") else ""
    written = found.removesuffix(end)
    groups = [group for group in written.split(":") if group]
    if len(groups) < 2 or not any(map(str.isdigit, written)):
        return found
    try:
        ipaddress.IPv6Address(written)
    except ValueError:
        return found
    return IP + end


def _is_ipv4(found: re.Match[str], text: str) -> bool:
    parts = found[0].split(".")
    small = all(int(part) < 256 for part in parts)
    return small and any(len(part) > 1 for part in parts) and not is_version(text, found.start())
