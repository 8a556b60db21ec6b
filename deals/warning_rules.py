"""The rules of the warnings, `warning_rules.json`: which there are, from when each holds, and how it is worded."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from string import Formatter
from typing import Annotated, Literal, Self, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from foundations.rule_files import read_rule_file

RULES_FILE = Path(__file__).parent / "warning_rules.json"
Kind = Literal[
    "no_activity",
    "customer_silent",
    "falling_probability",
    "no_decision_maker",
    "no_next_step",
    "price_not_mentioned",
    "one_contact",
]
Severity = Literal["high", "medium", "low"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_THRESHOLDS = {"no_activity": "days", "customer_silent": "days", "falling_probability": "drop"}  # else conversations
_EXAMPLES = {"days": 14, "drop": 0.15, "conversations": 2}
_WORDS: dict[Kind, tuple[str, ...]] = {  # what a sentence may name in braces
    "no_activity": ("days",),
    "customer_silent": ("days", "unanswered"),
    "falling_probability": ("before", "now"),
    "no_decision_maker": ("conversations",),
    "no_next_step": ("conversations",),
    "price_not_mentioned": ("conversations",),
    "one_contact": ("conversations", "contact"),
}


class WarningRule(BaseModel):
    """One row of the table; `days`, `drop` or `conversations` is its threshold, whichever its kind has."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, str_strip_whitespace=True)

    kind: Kind
    severity: Severity
    sentence: Annotated[str, Field(min_length=1)]
    days: Annotated[int, Field(ge=1, le=3650)] | None = None  # since it last happened
    drop: Annotated[float, Field(gt=0, le=1)] | None = None  # of the probability, from its highest
    conversations: Annotated[int, Field(ge=1, le=1000)] | None = None  # of the deal, from which on it is told
    roles: list[Annotated[str, Field(min_length=1), AfterValidator(str.lower)]] = []  # of contacts who decide

    @property
    def least_conversations(self) -> int:
        """How many conversations a deal has before it is told."""
        return self.conversations or 1

    @model_validator(mode="after")
    def _has_the_fields_of_its_kind(self) -> Self:
        own = _THRESHOLDS.get(self.kind, "conversations")
        if getattr(self, own) is None:
            raise ValueError(f"{self.kind} needs {own!r}, such as {_EXAMPLES[own]}")
        given = [name for name in _EXAMPLES if getattr(self, name) is not None and name != own]
        if self.roles and self.kind != "no_decision_maker":
            given.append("roles")
        if given:
            raise ValueError(f"{given[0]!r} is no field of {self.kind}; its threshold is {own!r}")
        return self

    @model_validator(mode="after")
    def _sentence_names_what_is_known(self) -> Self:
        known = _WORDS[self.kind]
        try:
            named = [part[1:] for part in Formatter().parse(self.sentence) if part[1] is not None]
        except ValueError as error:
            raise ValueError(
                f"sentence {self.sentence!r} has a brace without its other; use {_braces(known)}"
            ) from error
        for name, form, conversion in named:
            written = f"{name}{'!' + conversion if conversion else ''}{':' + form if form else ''}"
            if written not in known:
                raise ValueError(f"sentence names {{{written}}}; {self.kind} knows {_braces(known)}")
        return self


class WarningTable(BaseModel):
    """The checked file."""

    model_config = ConfigDict(strict=True, frozen=True)

    rules: Annotated[list[WarningRule], Field(min_length=1)]


@cache
def read_warning_rules(path: Path = RULES_FILE) -> WarningTable:
    """Reads and checks the table. Raises InputError with the file, the rule and the field that is wrong."""
    return read_rule_file(path, WarningTable)


def _braces(names: tuple[str, ...]) -> str:
    return ", ".join(f"{{{name}}}" for name in names)
