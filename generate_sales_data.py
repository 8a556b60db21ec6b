"""Generates labelled sales conversations in which meaning, not vocabulary, tells how the deal ended.

A latent deal state (`conversations.generated.deal_state`) decides the outcome with a known probability, and each of its
signals is written in the words of one phrasing family (`sales_phrasings.json`). Both outcomes talk about the same
things in the same words; negation, order, resolution and who says it make the difference. The family is the record's
`group`, so a split by group tests on phrasings that training never saw. Companies, people, products and amounts come
from Faker.

It does not imitate speech recognition, other languages or real customers. 200 conversations take about 0.2 s; the same
arguments give the same records, whatever ran before.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from faker import Faker
from rich.console import Console

from conversations.generated.deal_state import (
    DealState,
    deal_score,
    draw_context_levels,
    draw_deal_state,
    steepness_for_noise,
    success_probability,
)
from conversations.generated.phrasings import Family, fill_slots, load_phrasings
from evaluation.difficulty import check_generated, difficulty_table
from foundations.atomic_files import write_json
from foundations.errors import InputError
from foundations.terminal import console, progress_bar, say
from stages.job import Job, unless_unchanged
from stages.records import code_sha256

# The modules that do each stage's work; what they import counts with them.
_CODE = ("generate_sales_data", Path("conversations/generated/sales_phrasings.json"))


FEWEST_CONVERSATIONS = 20
INDUSTRIES = ("technology", "healthcare", "finance", "retail", "manufacturing")
MONTHS = ("January", "February", "March", "April", "June", "July", "September", "October", "November")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")

Slots = dict[str, str]


def generate_conversations(count: int = 200, seed: int = 42, noise: float = 0.02) -> list[dict[str, Any]]:
    """`count` records, half successful (an odd one is failed) and about half dialogues, in a shuffled order.

    Each holds `transcript` or `turns`, the full `conversation_context`, `outcome`, `group` (the phrasing family) and
    `true_probability`, the probability with which its outcome was drawn. `noise` is the expected share of outcomes that
    go against the deal state, so the best reachable accuracy is about 1 - noise.
    Raises InputError for a count below 20, a noise outside [0, 0.5) or a damaged phrasing bank.
    """
    if isinstance(count, bool) or not isinstance(count, int) or count < FEWEST_CONVERSATIONS:
        raise InputError(f"The count {count!r} is too small or no whole number; give at least {FEWEST_CONVERSATIONS}.")
    steepness = steepness_for_noise(noise)
    bank = load_phrasings()
    rng = random.Random(seed)
    faker = Faker("en_US")
    faker.seed_instance(seed)
    records = [_record(bank, plan, steepness, rng, faker) for plan in _plans(count, len(bank["families"]))]
    rng.shuffle(records)
    return [{"conversation_id": f"c-{number:04d}", **record} for number, record in enumerate(records, start=1)]


def _plans(count: int, families: int) -> list[tuple[int, bool, bool]]:
    """(family, successful, is a dialogue) per conversation: families, outcomes and forms are dealt out evenly."""
    successes = count // 2
    plans = [(place % families, True, place) for place in range(successes)]
    plans += [(place % families, False, place) for place in range(count - successes)]
    # The form alternates inside a family, the other way round in its other outcome and in the next family.
    return [(family, won, (place // families + family + won) % 2 == 0) for family, won, place in plans]


def _record(
    bank: dict[str, Any], plan: tuple[int, bool, bool], steepness: float, rng: random.Random, faker: Faker
) -> dict[str, Any]:
    number, successful, dialogue = plan
    family = bank["families"][number]
    state, probability = _draw_state_with_outcome(successful, steepness, rng)
    context = _context(bank["slot_values"], state, rng)
    slots = _slots(bank["slot_values"], context, rng, faker)
    words = (
        {"turns": _dialogue(family, state, slots, rng)}
        if dialogue
        else {"transcript": _note(family, state, slots, rng)}
    )
    return {
        **words,
        "conversation_context": context,
        "outcome": "successful" if successful else "failed",
        "group": family["name"],
        "true_probability": probability,
    }


def _draw_state_with_outcome(successful: bool, steepness: float, rng: random.Random) -> tuple[DealState, float]:
    """Draws deals and their outcomes until one ends as wanted (twice on average), which keeps P(outcome | state)."""
    while True:
        state = draw_deal_state(rng)
        probability = success_probability(deal_score(state), steepness)
        if (rng.random() < probability) == successful:
            return state, round(probability, 6)


def _context(values: dict[str, Any], state: DealState, rng: random.Random) -> dict[str, Any]:
    authority, urgency = draw_context_levels(state, rng)
    return {
        "company_size": rng.choice(values["company_size"]),
        "industry": rng.choice(INDUSTRIES),
        "contact_role": rng.choice(values["contact_role"][authority]),
        "urgency": urgency,
        "budget_authority": authority,
        "previous_interactions": rng.randint(0, 8),
        "lead_source": rng.choice(values["lead_source"]),
    }


def _slots(values: dict[str, Any], context: dict[str, Any], rng: random.Random, faker: Faker) -> Slots:
    topic, other = rng.sample(values["topic"], 2)
    person, rep, decider = _different_first_names(3, faker)
    return {
        "company": faker.company(),
        "person": person,
        "contact_role": context["contact_role"],
        "rep": rep,
        "product": faker.last_name() + rng.choice(values["product_suffix"]),
        "competitor": faker.company(),
        "amount": f"${faker.random_int(12, 240) * 500:,}",
        "percent": f"{faker.random_int(5, 20)}%",
        "month": rng.choice(MONTHS),
        "day": rng.choice(DAYS),
        "pain": rng.choice(values["pain"][context["industry"]]),
        "team": rng.choice(values["team"][context["industry"]]),
        "topic": topic,
        "other": other,
        "decider": f"{decider} {faker.last_name()}",
        "role": rng.choice(values["decider_role"]),
    }


def _different_first_names(count: int, faker: Faker) -> list[str]:
    """Names that nobody could confuse: who says what decides the deal."""
    names: list[str] = []
    while len(names) < count:
        name = faker.first_name()
        if name not in names:
            names.append(name)
    return names


def _order(state: DealState, rng: random.Random) -> list[str]:
    """The signals in a random order; the commitment, if any, closes the conversation."""
    names = sorted(name for name in state if name != "commitment")
    rng.shuffle(names)
    return [*names, "commitment"]


def _side(value: int) -> str:
    return "favourable" if value > 0 else "against"


def _note(family: Family, state: DealState, slots: Slots, rng: random.Random) -> str:
    """Call notes in the third person: an opening, a sentence per signal and up to two asides in between."""
    sentences = [family["signals"][name]["note"][_side(state[name])] for name in _order(state, rng)]
    for aside in family["asides"]:
        if rng.random() < 0.6:
            sentences.insert(rng.randrange(len(sentences)), aside)
    return " ".join(fill_slots(sentence, slots) for sentence in [family["opening"], *sentences])


def _dialogue(family: Family, state: DealState, slots: Slots, rng: random.Random) -> list[dict[str, str]]:
    """8 to 18 turns: the seller asks the same question in either state, and only the customer's answer differs."""
    exchanges = [
        (family["signals"][name]["seller"], family["signals"][name]["customer"][_side(state[name])])
        for name in _order(state, rng)
    ]
    if rng.random() < 0.5:
        exchanges.insert(rng.randrange(len(exchanges)), tuple(family["small_talk"]))
    if rng.random() < 0.7:
        exchanges.insert(0, tuple(family["greeting"]))
    return [
        {"speaker": speaker, "text": fill_slots(text, slots)}
        for exchange in exchanges
        for speaker, text in zip(("seller", "customer"), exchange, strict=True)
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """The command line: writes the records as JSON and prints how hard they are. Returns the exit code (2: bad input)."""
    parser = argparse.ArgumentParser(description="Generate labelled sales conversations and measure their difficulty.")
    parser.add_argument("--count", type=int, default=200, help="how many conversations (at least 20; default 200)")
    parser.add_argument("--seed", type=int, default=42, help="the same seed gives the same records (default 42)")
    parser.add_argument("--noise", type=float, default=0.02, help="share of outcomes against the deal state, < 0.5")
    default = Path("artifacts/data/generated_conversations.json")
    parser.add_argument("--output", type=Path, default=default, metavar="FILE", help=f"default: {default}")
    arguments = parser.parse_args(argv)
    try:
        records = generate_conversations(arguments.count, arguments.seed, arguments.noise)
        write_json(arguments.output, records)
        Console().print(difficulty_table(check_generated(records, arguments.seed)))
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{len(records)} conversations written to {arguments.output}")
    return 0


def generate(job: Job) -> None:
    """Writes the synthetic conversations and prints how hard they are."""
    output, options = job.output or job.folder.generated_data, job.generate
    inputs = {"count": options.count, "seed": job.seed, "noise": options.noise, "code": code_sha256(_CODE)}
    unless_unchanged(job, f"generate {output}", inputs, lambda: _generate(job, output))


def _generate(job: Job, output: Path) -> list[Path]:
    with progress_bar("Generating conversations") as report:
        records = generate_conversations(job.generate.count, job.seed, job.generate.noise)
        write_json(output, records)
        report(0.1)
        figures = check_generated(records, job.seed)
    say(f"{len(records)} conversations in {output}")
    console.print(difficulty_table(figures))
    return [output]


if __name__ == "__main__":
    sys.exit(main())
