"""The written scenarios: TOML files, read and checked.

    conversations/corpus/demo/<writer>/NN.toml         what `generate_sales_data.py` draws from
    conversations/corpus/knowledge/<writer>/NN.toml    what the sales encoder is tuned on; the two never mix

Each scenario was written by one of several writers, with the probability of a deal that this writer judged from the whole
text (docs/data.md). Names, firms, sums and dates are slots and some wordings have alternatives, which `drawing` fills.
Reading a half takes about a second for a thousand scenarios.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from foundations.errors import InputError

Half = Literal["demo", "knowledge"]
Form = Literal["call", "note", "mail", "chat"]
Stage = Literal["discovery", "demo", "negotiation", "renewal", "upsell", "cold call", "tender", "closing"]
Person = Literal["seller", "seller2", "customer", "customer2", "customer3", "boss", "other"]

CORPUS = Path(__file__).parent
PEOPLE: frozenset[str] = frozenset(("seller", "seller2", "customer", "customer2", "customer3", "boss", "other"))
FIRMS = frozenset(("company", "vendor", "rival", "rival2", "partner"))
PRODUCTS = frozenset(("product", "rival_product"))
SUMS = frozenset(("amount", "price", "number"))  # may be multiplied: {amount*0.8}
TIMES = frozenset(("day", "month", "date"))  # may be moved on: {month+1}
OTHERS = frozenset(("percent", "city", "city2"))
SLOT = re.compile(r"\{([^{}]*)\}")
SLOT_PARTS = re.compile(r"([a-z_0-9]+)(?:\.(last|full)|\*(\d+(?:\.\d+)?)|\+(\d+))?")
ALTERNATIVES = re.compile(r"<<((?:[^<>]|<(?!<)|>(?!>))*+)>>")
_TURN = re.compile(r"^([SC])\d?:[ \t]*", re.MULTILINE)
_SPEAKERS = {"S": "seller", "C": "customer"}


class Scenario(BaseModel):
    """One situation at one customer: what was said or noted, and how likely it was to become a deal."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(min_length=1)
    writer: str = ""
    pair: str | None = None  # two scenarios of one writer that begin alike and end differently
    form: Form
    stage: Stage
    industry: str
    probability: float = Field(gt=0.0, lt=1.0)  # of a deal, as the writer judges from the whole text
    stated: bool  # whether the decision is said in the text
    why: str  # for people only
    context: dict[str, str | int] = Field(default_factory=dict)
    he: tuple[Person, ...] = ()
    she: tuple[Person, ...] = ()
    text: str = Field(min_length=1)

    @field_validator("text")
    @classmethod
    def _slots_are_known(cls, value: str) -> str:
        for slot in SLOT.findall(value):
            if not _is_known(slot):
                raise ValueError(f"the slot {{{slot}}} is unknown")
        for choices in ALTERNATIVES.findall(value):
            if "|" not in choices:
                raise ValueError(f"<<{choices[:40]}>> has no alternative")
        return value.strip()

    @model_validator(mode="after")
    def _has_turns_unless_a_note(self) -> Scenario:
        if (self.form == "note") == bool(_TURN.match(self.text)):
            raise ValueError(
                f"a {self.form} {'has' if self.form == 'note' else 'needs'} turns that begin with S: or C:"
            )
        return self

    @property
    def group(self) -> str:
        """What must not lie on both sides of a split: the scenario, with the other one of its pair."""
        return f"{self.writer}-{self.pair or self.id}"

    def turns(self) -> list[tuple[str, str]]:
        """(speaker, text) with slots and alternatives as they were written; [] for a note."""
        if self.form == "note":
            return []
        starts = list(_TURN.finditer(self.text))
        ends = [*(start.start() for start in starts[1:]), len(self.text)]
        return [
            (_SPEAKERS[start[1]], self.text[start.end() : end].strip()) for start, end in zip(starts, ends, strict=True)
        ]


@lru_cache(maxsize=2)
def read_scenarios(half: Half, corpus: Path = CORPUS) -> tuple[Scenario, ...]:
    """Every scenario of a half, in a fixed order. Raises InputError that names the file and what is wrong in it."""
    found = [scenario for path in sorted((corpus / half).glob("*/*.toml")) for scenario in _read(path)]
    if not found:
        raise InputError(f"There are no scenarios in {str(corpus / half)!r}; restore the folder.")
    groups: dict[tuple[str, str], Scenario] = {}
    for scenario in found:
        if groups.setdefault((scenario.writer, scenario.id), scenario) is not scenario:
            raise InputError(f"The scenario {scenario.id!r} of {scenario.writer!r} is there twice; rename one.")
    return tuple(found)


def _read(path: Path) -> Iterator[Scenario]:
    try:
        entries: list[dict[str, Any]] = tomllib.loads(path.read_text(encoding="utf-8"))["scenario"]
        for entry in entries:
            yield Scenario(**entry, writer=path.parent.name)
    except (OSError, KeyError, TypeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{str(path)!r} is no file of scenarios ({error}); restore it.") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise InputError(f"{str(path)!r}, scenario {entry.get('id')!r}: {place} {first['msg']}; correct it.") from error


def _is_known(slot: str) -> bool:
    parts = SLOT_PARTS.fullmatch(slot)
    if parts is None:
        return False
    name, of_name, factor, later = parts.groups()
    if of_name:
        return name in PEOPLE
    if factor:
        return name in SUMS
    if later:
        return name in TIMES
    return name in PEOPLE | FIRMS | PRODUCTS | SUMS | TIMES | OTHERS
