"""From a scenario to a conversation: slots get invented values, alternatives are drawn.

Two drawings of a scenario differ in names, firms, sums, dates and a few wordings, never in what happens; they share its
`group`. Values come from Faker and a seeded generator, so the same seed gives the same text. About 0.3 ms a conversation.
"""

from __future__ import annotations

import random
from datetime import date, timedelta
from typing import Any

from faker import Faker

from conversations.corpus.scenarios import ALTERNATIVES, FIRMS, PRODUCTS, SLOT, SLOT_PARTS, Scenario

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
MONTHS = (
    ("January", "February", "March", "April", "May", "June")
    + ("July", "August", "September", "October", "November", "December")
)  # fmt: skip
_BRAND_STARTS = (
    "Vel",
    "Kar",
    "Nor",
    "Tri",
    "Ser",
    "Alt",
    "Com",
    "Pla",
    "Ori",
    "Lum",
    "Qua",
    "Sol",
    "Bri",
    "Fen",
    "Mer",
)
_BRAND_ENDS = ("tora", "nix", "vio", "lane", "mark", "dex", "pont", "rise", "sta", "well", "link", "field", "tec", "za")
_MAIL_AS_TEXT = 0.4  # of the mail threads: one text, as a mail program exports it, not turns


class Drawing:
    """Draws conversations; one after another they depend on the seed and on those before."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._faker = Faker("en_US")
        self._faker.seed_instance(seed)

    def record(self, scenario: Scenario) -> dict[str, Any]:
        """A record without id and outcome: words, context, group, and the true probability of success."""
        values = _SlotValues(scenario, self._random, self._faker)
        return {
            **self._words(scenario, values),
            "conversation_context": {"industry": scenario.industry, **scenario.context},
            "group": scenario.group,
            "true_probability": scenario.probability,
        }

    def outcome(self, probability: float) -> str:
        """`successful` with this probability, else `failed`."""
        return "successful" if self._random.random() < probability else "failed"

    def _words(self, scenario: Scenario, values: _SlotValues) -> dict[str, Any]:
        turns = [(speaker, self._filled(text, values)) for speaker, text in scenario.turns()]
        if not turns:
            return {"transcript": self._filled(scenario.text, values)}
        if scenario.form == "mail" and self._random.random() < _MAIL_AS_TEXT:
            mails = [f"From: {values.of(speaker)}\n\n{text}" for speaker, text in turns]
            return {"transcript": "\n\n".join(mails)}
        return {"turns": [{"speaker": speaker, "text": text} for speaker, text in turns]}

    def _filled(self, text: str, values: _SlotValues) -> str:
        chosen = ALTERNATIVES.sub(lambda choices: self._random.choice(choices[1].split("|")), text)
        return SLOT.sub(lambda slot: values.of(slot[1]), chosen)


class _SlotValues:
    """What the slots of one drawing say; a name stays the same wherever it stands."""

    def __init__(self, scenario: Scenario, rng: random.Random, faker: Faker) -> None:
        self._scenario, self._random, self._faker = scenario, rng, faker
        self._names: dict[str, str] = {}
        start = date(2025, 1, 6) + timedelta(days=rng.randrange(700))
        self._start, self._month, self._day = start, rng.randrange(12), rng.randrange(5)
        self._sums = {
            "amount": rng.randint(12, 240) * 500,
            "price": rng.randint(9, 120),
            "number": rng.choice((6, 8, 12, 15, 18, 25, 30, 40, 45, 60, 80, 120, 150, 240)),
        }

    def of(self, slot: str) -> str:
        """The text of a slot as it is written between braces."""
        parts = SLOT_PARTS.fullmatch(slot)
        assert parts is not None, slot  # the scenario was checked
        name, of_name, factor, later = parts.groups()
        if name in self._sums:
            return f"{max(1, _rounded(self._sums[name] * float(factor or 1))):,}"
        if name == "date":
            day = self._start + timedelta(days=int(later or 0))
            return f"{day.day} {MONTHS[day.month - 1]}"
        if name == "month":
            return MONTHS[(self._month + int(later or 0)) % 12]
        if name == "day":
            return DAYS[(self._day + int(later or 0)) % 5]
        if of_name == "full":
            return f"{self._named(name)} {self._named(name + '.last')}"
        return self._named(f"{name}.last" if of_name else name)

    def _named(self, name: str) -> str:
        while name not in self._names:
            made = self._made(name)
            if made not in self._names.values():  # who is who decides a deal
                self._names[name] = made
        return self._names[name]

    def _made(self, name: str) -> str:
        faker = self._faker
        if name.endswith(".last"):
            return str(faker.last_name())
        if name in FIRMS:
            return str(faker.company())
        if name in PRODUCTS:
            return self._random.choice(_BRAND_STARTS) + self._random.choice(_BRAND_ENDS)
        if name == "percent":
            return f"{self._random.randint(4, 22)}%"
        if name.startswith("city"):
            return str(faker.city())
        if name in self._scenario.he:
            return str(faker.first_name_male())
        if name in self._scenario.she:
            return str(faker.first_name_female())
        return str(faker.first_name())


def _rounded(value: float) -> int:
    """To three figures, as sums are said."""
    digits = max(0, len(str(int(value))) - 3)
    return round(value / 10**digits) * 10**digits
