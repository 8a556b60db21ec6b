"""Warnings, worked by hand: each rule where it holds, where it just does not, since when, and on which words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conversations.conversation import Conversation
from deals.heard import Heard
from deals.warning_rules import KINDS, RULES_FILE, WarningTable, read_warning_rules
from deals.warnings import DealWarning, deal_warnings
from encoder.torch_encoder import SalesEncoder
from foundations.errors import InputError
from tests.deals.deal_conversations import call, note
from tests.deals.rule_tables import RULES, table

TODAY = date(2024, 5, 31)
STEP = "Let's meet on Friday."


def warned(
    heard: Sequence[Heard], rule: dict[str, Any], *probabilities: float, today: date = TODAY
) -> DealWarning | None:
    """What one rule alone says."""
    found = deal_warnings(heard, today, probabilities, WarningTable.model_validate({"rules": [rule]}))
    assert len(found) <= 1 and all(one.kind == rule["kind"] for one in found)
    return found[0] if found else None


def chat(encoder: SalesEncoder, day: str | None, said: str = "The weather is fine.", **more: Any) -> Heard:
    return call(encoder, day, "seller: How are you today?", f"customer: {said}", **more)


def mail(encoder: SalesEncoder, day: str | None) -> Heard:
    """What the seller sends and nobody answers."""
    return call(encoder, day, "seller: I wanted to follow up.", "seller: Any news?")


# ------------------------------------------------------------------------------------------------ activity, silence


@pytest.mark.parametrize(("day", "days"), [("2024-05-17", 14), ("2024-05-01", 30), ("2024-05-18", None)])
def test_no_activity_from_so_many_days(tiny_encoder: SalesEncoder, day: str, days: int | None) -> None:
    """31 − 17 = 14 days is long enough, 31 − 18 = 13 is not."""
    found = warned([chat(tiny_encoder, "2024-03-01"), chat(tiny_encoder, day)], RULES["no_activity"])
    assert (found and found.sentence) == (f"Nothing for {days} days" if days else None)
    assert found is None or found.since == date.fromisoformat(day)


def test_without_a_date_or_with_one_to_come_there_is_no_silence(tiny_encoder: SalesEncoder) -> None:
    for day in (None, "soon", "2024-12-24"):
        assert warned([chat(tiny_encoder, day)], RULES["no_activity"]) is None
    both = [chat(tiny_encoder, None), chat(tiny_encoder, "2024-03-01")]
    assert warned(both, RULES["no_activity"]) is not None, "one date tells"


def test_a_customer_who_leaves_the_seller_without_an_answer_is_silent(tiny_encoder: SalesEncoder) -> None:
    """20 May + 11 days = 31 May: from ten days on."""
    heard = [chat(tiny_encoder, "2024-05-20"), mail(tiny_encoder, "2024-05-24"), mail(tiny_encoder, "2024-05-30")]
    found = warned(heard, RULES["customer_silent"])
    assert found and (found.sentence, found.since) == ("Silent for 11 days, 2 unanswered", date(2024, 5, 20))
    assert warned(heard, RULES["customer_silent"], today=date(2024, 5, 29)) is None, "nine days"
    answered = [*heard, chat(tiny_encoder, "2024-05-31")]
    assert warned(answered, RULES["customer_silent"]) is None
    quiet = [chat(tiny_encoder, "2024-03-01")]
    assert warned(quiet, RULES["customer_silent"]) is None, "nobody asked since: that is no activity"


def test_a_customer_who_was_never_heard_is_silent_from_the_start(tiny_encoder: SalesEncoder) -> None:
    found = warned([mail(tiny_encoder, "2024-05-01"), mail(tiny_encoder, "2024-05-30")], RULES["customer_silent"])
    assert found and (found.sentence, found.since) == ("Silent for 30 days, 2 unanswered", date(2024, 5, 1))


def test_a_note_tells_of_the_customer_unless_it_tells_of_its_writer_alone(tiny_encoder: SalesEncoder) -> None:
    first = chat(tiny_encoder, "2024-05-01")
    of_them = note(tiny_encoder, "2024-05-20", "They liked the demo and asked about the archive.")
    of_us = note(tiny_encoder, "2024-05-20", "I sent the brochure again.")
    assert warned([first, of_them], RULES["customer_silent"]) is None
    assert warned([first, of_us], RULES["customer_silent"]) is not None


# --------------------------------------------------------------------------------------------------- probability


@pytest.mark.parametrize(
    ("probabilities", "words", "since"),
    [
        ((0.5, 0.7, 0.6, 0.55), "70 to 55", "2024-05-03"),  # 0.70 − 0.55 = 0.15, since the one after the highest
        ((0.7, 0.7, 0.6, 0.5), "70 to 50", "2024-05-03"),  # of two highest, the later one
        ((0.5, 0.7, 0.6, 0.56), None, None),  # 0.14
        ((0.9, 0.1, 0.95, 0.9), None, None),  # it fell and rose again
        ((0.2, 0.3, 0.4, 0.5), None, None),
        ((), None, None),
    ],
)
def test_a_falling_probability(
    tiny_encoder: SalesEncoder, probabilities: tuple[float, ...], words: str | None, since: str | None
) -> None:
    heard = [chat(tiny_encoder, f"2024-05-0{n}") for n in range(1, 5)]
    found = warned(heard, RULES["falling_probability"], *probabilities)
    assert (found and (found.sentence, str(found.since))) == (words and (f"From {words}", since))


def test_one_probability_falls_from_nothing_and_each_needs_its_conversation(tiny_encoder: SalesEncoder) -> None:
    heard = [chat(tiny_encoder, "2024-05-01")]
    assert warned(heard, RULES["falling_probability"], 0.1) is None
    with pytest.raises(ValueError, match="2 probabilities of 1 conversations"):
        deal_warnings(heard, TODAY, [0.5, 0.4])


# ------------------------------------------------------------------------------------------------ who decides, price


def test_nobody_who_decides_was_heard(tiny_encoder: SalesEncoder) -> None:
    first, second = chat(tiny_encoder, "2024-05-01"), chat(tiny_encoder, "2024-05-08")
    found = warned([first, second], RULES["no_decision_maker"])
    assert found and (found.sentence, found.since, found.quotes) == ("Nobody in 2", date(2024, 5, 1), ())
    assert warned([first], RULES["no_decision_maker"]) is None, "one conversation is too early"
    decides = chat(tiny_encoder, "2024-05-08", "I sign the contracts here.")
    assert warned([first, decides], RULES["no_decision_maker"]) is None


def test_who_says_that_another_decides_is_quoted(tiny_encoder: SalesEncoder) -> None:
    said = ["I sign the contracts here.", "Now our CFO has to approve it.", "The board decides, not me."]
    heard = [chat(tiny_encoder, f"2024-05-0{n}", text) for n, text in enumerate(said, start=1)]
    found = warned(heard, RULES["no_decision_maker"])
    assert found and found.since == date(2024, 5, 2)
    assert [quote.detail for quote in found.quotes] == ["The board", "our CFO"], "the newest first"


@pytest.mark.parametrize(
    ("context", "is_warned"),
    [
        ({"budget_authority": "Decision maker"}, False),
        ({"contact_role": "CEO"}, False),
        ({"contact_role": "Assistant to the CEO"}, True),
        ({"budget_authority": "influencer"}, True),
    ],
)
def test_the_crm_may_know_that_the_contact_decides(
    tiny_encoder: SalesEncoder, context: dict[str, str], is_warned: bool
) -> None:
    known = chat(tiny_encoder, "2024-05-01", conversation_context=context)
    silent = [known, chat(tiny_encoder, "2024-05-02")]
    assert (warned(silent, RULES["no_decision_maker"]) is not None) is is_warned
    denied = [known, chat(tiny_encoder, "2024-05-02", "My boss decides.")]
    assert warned(denied, RULES["no_decision_maker"]) is not None, "what was said outweighs it"


@pytest.mark.parametrize(
    ("said", "speaks_of_it"),
    [
        ("What does it cost?", True),
        ("That comes to 12,000 euros.", True),
        ("Is there a discount?", True),
        ("Forty per seat, then.", True),
        ("It costs us two days a month.", False),
        ("Our revenue is 12 million dollars.", False),
        ("We have a budget of $50,000.", False),
        ("You are all priceless.", False),
    ],
)
def test_the_price_was_never_mentioned(tiny_encoder: SalesEncoder, said: str, speaks_of_it: bool) -> None:
    first = chat(tiny_encoder, "2024-05-01")
    for second in (
        chat(tiny_encoder, "2024-05-02", said),
        call(tiny_encoder, "2024-05-02", f"seller: {said}", "customer: The weather is fine."),
        note(tiny_encoder, "2024-05-02", f"Long talk about golf. {said}"),
    ):
        found = warned([first, second], RULES["price_not_mentioned"])
        assert (found is None) is speaks_of_it
        assert found is None or (found.sentence, found.since) == ("No price in 2", date(2024, 5, 1))


def test_a_price_objection_speaks_of_the_price_whatever_its_words(tiny_encoder: SalesEncoder) -> None:
    said = "That is too rich for us."
    objects = chat(tiny_encoder, "2024-05-02", said, found={said: "price_objection-"})
    assert warned([chat(tiny_encoder, "2024-05-01"), objects], RULES["price_not_mentioned"]) is None
    assert warned([chat(tiny_encoder, "2024-05-01")], RULES["price_not_mentioned"]) is None, "one is too early"


# ------------------------------------------------------------------------------------------------ next step, contacts


def test_no_next_step_in_the_last_conversation_with_the_customer(tiny_encoder: SalesEncoder) -> None:
    agreed = chat(tiny_encoder, "2024-05-01", STEP, found={STEP: "commitment+"})
    open_end = chat(tiny_encoder, "2024-05-08")
    found = warned([agreed, open_end], RULES["no_next_step"])
    assert found and (found.since, found.quotes) == (date(2024, 5, 8), ())
    assert (
        warned([open_end, chat(tiny_encoder, "2024-05-09", STEP, found={STEP: "commitment+"})], RULES["no_next_step"])
        is None
    )
    assert warned([agreed, mail(tiny_encoder, "2024-05-08")], RULES["no_next_step"]) is None, (
        "a mail takes no step back"
    )


def test_a_next_step_that_was_refused_is_quoted(tiny_encoder: SalesEncoder) -> None:
    refused = "Please don't call again."
    heard = [chat(tiny_encoder, "2024-05-08", f"{STEP} {refused}", found={STEP: "commitment+", refused: "commitment-"})]
    found = warned(heard, RULES["no_next_step"])
    assert found and [(quote.text, quote.favourable) for quote in found.quotes] == [(refused, False)]
    assert warned([mail(tiny_encoder, "2024-05-08")], RULES["no_next_step"]) is not None, "nobody was heard at all"


def test_one_contact_only(tiny_encoder: SalesEncoder) -> None:
    def with_(day: str, *names: str) -> Heard:
        return call(tiny_encoder, day, "seller: How are you?", *(f"{name}: The weather is fine." for name in names))

    alone = [with_("2024-05-01", "Ann Lee"), with_("2024-05-02", "ANN  LEE")]
    found = warned(alone, RULES["one_contact"])
    assert found and found.since == date(2024, 5, 1)
    assert found.sentence.casefold() == "only ann  lee in 2".replace("  ", " ")
    sellers = [{"speaker": "seller", "name": name, "text": "How are you?"} for name in ("Bo Ek", "Cy Young")]
    ours = [Heard(Conversation.model_validate({"turns": [turn, *one.conversation.model_dump()["turns"]]}))
            for one, turn in zip(alone, sellers, strict=True)]  # fmt: skip
    assert warned(ours, RULES["one_contact"]) is not None, "our own side's names are none of theirs"
    assert warned([alone[0]], RULES["one_contact"]) is None, "one conversation is too early"
    assert warned([*alone, with_("2024-05-03", "Ann Lee", "Bo Ek")], RULES["one_contact"]) is None
    assert warned([alone[0], chat(tiny_encoder, "2024-05-02")], RULES["one_contact"]) is None, "the second has no name"


def test_where_no_names_are_known_the_crm_tells_the_contacts(tiny_encoder: SalesEncoder) -> None:
    def of(*roles: str | None) -> list[Heard]:
        return [
            chat(tiny_encoder, f"2024-05-0{n}", conversation_context={"contact_role": role})
            for n, role in enumerate(roles, start=1)
        ]

    found = warned(of("Buyer", "buyer"), RULES["one_contact"])
    assert found and found.sentence.casefold() == "only buyer in 2"
    assert warned(of("Buyer", "CFO"), RULES["one_contact"]) is None
    assert warned(of(None, None), RULES["one_contact"]) is None, "not known is no warning"


# ---------------------------------------------------------------------------------------------------- all together


@pytest.fixture(scope="module")
def neglected(tiny_encoder: SalesEncoder) -> list[Heard]:
    """Of which every rule holds that comes with the program."""
    talk = [call(tiny_encoder, f"2024-03-0{n}", "seller: Hello.", "Ann Lee: The weather is fine.") for n in range(1, 4)]
    return [*talk, mail(tiny_encoder, "2024-04-01")]


def test_the_file_that_is_delivered_warns_in_its_order_and_once_of_a_kind(neglected: list[Heard]) -> None:
    warnings = deal_warnings(neglected, TODAY, [0.8, 0.7, 0.6, 0.5])
    assert [one.kind for one in warnings] == [
        "falling_probability",
        "no_activity",
        "customer_silent",
        "no_decision_maker",
        "no_next_step",
        "price_not_mentioned",
        "one_contact",
    ]
    assert {one.kind for one in warnings} == set(KINDS)
    # 1 April to 31 May are 60 days: the rule for 30 days is before the one for 14.
    assert (warnings[1].severity, warnings[1].sentence[:33]) == ("high", "Nothing has happened for 60 days;")
    assert warnings[0].sentence == "The probability fell from 80 % to 50 %"
    later = deal_warnings(neglected, date(2024, 4, 16))
    assert [one.severity for one in later if one.kind == "no_activity"] == ["medium"]
    for one in warnings:
        assert DealWarning.model_validate_json(one.model_dump_json()) == one


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_the_order_in_which_conversations_are_given_changes_nothing(
    neglected: list[Heard], data: st.DataObject
) -> None:
    chances = [0.8, 0.7, 0.6, 0.5]
    given_as = data.draw(st.permutations(neglected))
    assert deal_warnings(given_as, TODAY, chances) == deal_warnings(neglected, TODAY, chances)


def test_a_deal_that_has_ended_or_has_no_conversation_warns_of_nothing(
    tiny_encoder: SalesEncoder, neglected: list[Heard]
) -> None:
    lost = chat(tiny_encoder, "2024-04-02", outcome="failed")
    assert deal_warnings([*neglected, lost], TODAY) == deal_warnings([], TODAY) == []


def test_a_users_own_file_decides(tmp_path: Path, neglected: list[Heard]) -> None:
    rules = read_warning_rules(table(tmp_path, RULES["one_contact"], {**RULES["no_activity"], "days": 60}))
    assert [one.kind for one in deal_warnings(neglected, TODAY, table=rules)] == ["one_contact", "no_activity"]
    rules = read_warning_rules(table(tmp_path / "other", {**RULES["no_activity"], "days": 61}))
    assert deal_warnings(neglected, TODAY, table=rules) == []


# ---------------------------------------------------------------------------------------------------------- bad files


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"kind": "no_activty"},
            "rules.json, rule 1: kind is 'no_activty'; it should be 'no_activity', 'customer_silent'",
        ),
        ({"days": 0}, "rules.json, rule 1: days is 0; it should be greater than or equal to 1"),
        ({"days": -3}, "days is -3"),
        ({"days": 10**9}, "days is 1000000000; it should be less than or equal to 3650"),
        ({"days": "14"}, "days is '14'; it should be a valid integer"),
        ({"days": 1.5}, "days is 1.5; it should be a valid integer"),
        ({"days": True}, "days is True"),
        ({"days": None}, "rule 1: no_activity needs 'days', such as 14"),
        ({"drop": 0.2}, "rule 1: 'drop' is no field of no_activity; its threshold is 'days'"),
        ({"roles": ["ceo"]}, "'roles' is no field of no_activity"),
        ({"severity": "dire"}, "severity is 'dire'; it should be 'high', 'medium' or 'low'"),
        ({"sentence": " "}, "sentence is ' '; string should have at least 1 character"),
        ({"sentence": "For {dayz} days"}, r"sentence names \{dayz\}; no_activity knows \{days\}"),
        ({"sentence": "For {days.real} days"}, r"sentence names \{days.real\}"),
        ({"sentence": "For {} days"}, r"sentence names \{\}"),
        ({"sentence": "For {days:99} days"}, r"sentence names \{days:99\}"),
        ({"sentence": "For {days!r} days"}, r"sentence names \{days!r\}"),
        ({"sentence": "For {days days"}, r"sentence 'For \{days days' has a brace without its other; use \{days\}"),
        ({"colour": "red"}, "colour is 'red'; extra inputs are not permitted"),
    ],
)
def test_a_wrong_rule_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_warning_rules(table(tmp_path, {**RULES["no_activity"], **change}))


@pytest.mark.parametrize(
    ("drop", "message"),
    [(0, "drop is 0; it should be greater than 0"), (15, "drop is 15; it should be less than or equal to 1")],
)
def test_a_drop_is_a_share(tmp_path: Path, drop: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_warning_rules(table(tmp_path, RULES["one_contact"], {**RULES["falling_probability"], "drop": drop}))


def test_a_wrong_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Cannot read the rules '.*none.json' \(No such file or directory\)"):
        read_warning_rules(tmp_path / "none.json")
    path = tmp_path / "rules.json"
    for text, message in [
        ('{"rules": []}', r"rules.json: rules is \[\]; list should have at least 1 item"),
        ("{}", "rules.json: rules is missing"),
        ('{"rules": [', "rules.json: it is "),
        ('{"rules": [{"kind": "no_activity"}]}', "rules.json, rule 1: severity is missing"),
    ]:
        path.write_text(text, encoding="utf-8")
        read_warning_rules.cache_clear()
        with pytest.raises(InputError, match=message):
            read_warning_rules(path)


def test_the_file_that_is_delivered_has_every_kind() -> None:
    assert {rule.kind for rule in read_warning_rules(RULES_FILE).rules} == set(KINDS)
