"""Who of those in a meeting sells, from their mail addresses or from what the recorder says of them.

The recorder's own company sells, and everybody else buys. A free mail address tells nothing. Who was invited without a name
is looked for by the address: "ana.ruiz@globex.example" is Ana Ruiz. Whoever is not found keeps the name, without a side.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from conversations.formats.fields import FREE_MAIL, mail_domain, only_domain, text_or_empty

_LETTERS = re.compile(r"[^\W\d_]+")


class Person(NamedTuple):
    """Somebody who was invited, or spoke."""

    name: str
    mail: str = ""
    side: str = ""  # "seller" or "customer" where the recorder says it

    @property
    def has_name(self) -> bool:
        """Whether the name is more than the address once again, which some recorders write there."""
        return bool(self.name) and "@" not in self.name


def with_sides(people: Iterable[Person], home: str) -> list[Person]:
    """The people, each with a side where it is known. home: the domain of the recorder's company, "" where it is not."""
    return [person._replace(side=person.side or _side_by_domain(person.mail, home)) for person in people]


def company_of(people: Iterable[Person]) -> str | None:
    """The mail domain that all customers share, to be a conversation's group; None where there is none, or several."""
    return only_domain(person.mail for person in people if person.side == "customer")


def side_of_flag(flag: Any, of_true: str = "customer") -> str:
    """The side that True says, the other one of False, and "" of what is no flag."""
    of_false = "customer" if of_true == "seller" else "seller"
    return (of_true if flag else of_false) if isinstance(flag, bool) else ""


def sides_by_name(names: Iterable[str], people: Sequence[Person]) -> dict[str, str]:
    """The side of each of the names that is found among the people: by name, by address, or as the only one left.

    Whoever is left over on both sides, one voice and one address without a name, is taken for the same person.
    """
    voices = list(dict.fromkeys(name for name in names if name))
    nameless = list(dict.fromkeys(person for person in people if person.mail and not person.has_name))
    by_name = {_folded(person.name): person for person in reversed(people) if person.has_name and person.side}
    by_address: dict[str, list[Person]] = defaultdict(list)
    for person in nameless:
        by_address[_letters(person.mail.rpartition("@")[0])].append(person)
    found = {voice: one for voice in voices if (one := by_name.get(_folded(voice)) or _meant(voice, by_address))}
    left = [voice for voice in voices if voice not in found]
    free = set(nameless) - set(found.values())
    if found and len(left) == len(free) == 1:
        found[left[0]] = free.pop()
    return {voice: person.side for voice, person in found.items() if person.side}


def people_of(objects: Iterable[Mapping[str, Any]]) -> list[Person]:
    """People from objects with the fields 'name' and 'email'."""
    return [Person(text_or_empty(one.get("name")), text_or_empty(one.get("email")).lower()) for one in objects]


def _side_by_domain(mail: str, home: str) -> str:
    domain = mail_domain(mail)
    if not domain or not home or home in FREE_MAIL:
        return ""
    return "seller" if domain == home else "customer"


def _folded(name: str) -> str:
    """A name without case and accents."""
    parts = unicodedata.normalize("NFKD", name.casefold())
    return " ".join("".join(sign for sign in parts if not unicodedata.combining(sign)).split())


def _letters(text: str) -> str:
    return "".join(_LETTERS.findall(_folded(text)))


def _meant(name: str, by_address: Mapping[str, Sequence[Person]]) -> Person | None:
    """The one whose address, before its @, is made of the name: ana.ruiz, ruiz, aruiz, ana.r, anaruiz."""
    words = _LETTERS.findall(_folded(name))
    if not words:
        return None
    first, last = words[0], words[-1]
    ways = {first, last, first + last, last + first, first[0] + last, first + last[0], last + first[0]}
    meant = [person for way in ways for person in by_address.get(way, ())]
    return meant[0] if len(meant) == 1 else None
