"""Next best actions: each with its trigger, the urgent first, no two alike; and the checks of the rule table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from answers.analysis import ConversationAnalysis, Finding, analyse
from answers.recommendations import URGENCIES, SimilarDeal, read_rules, recommend
from conversations.conversation import Conversation
from foundations.errors import InputError
from probability.bands import Band
from signals.mentions import Signal

BOSS = Finding("authority", False, "👤 The decision lies with someone else", "my boss decides")
A, D = Band.observed("A", 8, 10, ("A",)), Band.observed("D", 1, 10, ("D",))
RULE = {"when": {"risk": "budget"}, "action": "Settle the budget", "urgency": "today", "topic": "budget"}


def analysis(*findings: Finding) -> ConversationAnalysis:
    return ConversationAnalysis("neutral", list(findings))


def deals(*outcomes: Any, similarity: float = 0.9) -> list[SimilarDeal]:
    return [SimilarDeal(outcome, similarity) for outcome in outcomes]


def table(folder: Path, *rules: dict[str, Any], most: Any = 6, **more: Any) -> Path:
    path = folder / "rules.json"
    path.write_text(json.dumps({"most": most, "rules": list(rules), **more}), encoding="utf-8")
    return path


def test_each_action_names_its_trigger() -> None:
    actions = {
        one.trigger: one for one in recommend(read_rules(), analysis(BOSS), A, deals("failed", "failed", "successful"))
    }
    assert actions["risk"].line == (
        "Schedule a call with the person who decides (this week) — because the decision lies with someone else: "
        "“my boss decides”"
    )
    assert actions["similar"].reason == "2 of the 3 most similar deals were lost"
    # Wilson's interval for 8 of 10 is 0.490 to 0.943.
    assert actions["band"].reason == "8 of 10 converted in band A (95 % interval 49–94 %)"
    assert actions["missing"].reason.startswith("no clear word on: ")


def test_nothing_is_called_missing_in_a_language_in_which_most_is_overlooked() -> None:
    german = ConversationAnalysis("neutral", [BOSS], language_note="It reads as German.")
    assert {one.trigger for one in recommend(read_rules(), analysis(BOSS), A)} >= {"missing", "risk"}
    assert {one.trigger for one in recommend(read_rules(), german, A)} == {"risk", "band"}


def test_what_the_crm_says_is_a_trigger_too() -> None:
    slow = Finding("urgency", False, "🐢 Low urgency customer")
    lines = [one.line for one in recommend(read_rules(), analysis(slow), D)]
    assert "Find the date or event that makes waiting costly (this week) — because low urgency customer" in lines


def test_similar_deals_count_from_two_thirds_and_open_ones_do_not() -> None:
    def reasons(*outcomes: Any, similarity: float = 0.9) -> list[str]:
        actions = recommend(read_rules(), analysis(), A, deals(*outcomes, similarity=similarity))
        return [one.reason for one in actions if one.trigger == "similar"]

    assert reasons("successful", "successful", "failed") == ["2 of the 3 most similar deals were won"]
    assert reasons(*3 * ["failed"]) == ["all 3 most similar deals were lost"]
    assert reasons("successful", "failed", None, None) == reasons() == reasons(None) == []
    assert reasons("failed") == reasons("failed", "failed") == reasons("failed", "failed", None) == [], "too few"
    assert reasons(*3 * ["failed"], similarity=0.49) == [], "nor are they similar"


def test_an_unreliable_probability_recommends_nothing_for_its_band_nor_for_similar_deals() -> None:
    lost = deals(*3 * ["failed"])
    sure, unsure = (recommend(read_rules(), analysis(BOSS), A, lost, reliable) for reliable in (True, False))
    assert {"band", "similar"} < {one.trigger for one in sure}
    assert {one.trigger for one in unsure} == {"risk", "missing"}


def test_a_related_signal_counts_as_mentioned(tmp_path: Path) -> None:
    asks = [{**RULE, "when": {"missing": name}, "action": name, "topic": name} for name in ("authority", "timeline")]
    rules = read_rules(table(tmp_path, *asks))

    def missing(*findings: Finding) -> set[str]:
        return {one.name for one in recommend(rules, analysis(*findings), A)}

    assert missing() == {"authority", "timeline"}
    assert "authority" not in missing(Finding("decision_process", True, "🧭 Clear", "the board votes in May"))
    assert "timeline" not in missing(Finding("urgency", False, "🐢 No hurry", "it can wait"))
    assert "timeline" in missing(Finding("urgency", False, "🐢 Low urgency customer")), "the CRM names no date"


@pytest.mark.parametrize("band", [A, D])
def test_urgent_first_and_no_two_alike(band: Band) -> None:
    risks = [
        Finding(name, False, f"x {name}", name) for name in ("budget", "commitment", "no_decision_risk", "objection")
    ]
    actions = recommend(read_rules(), analysis(*risks, BOSS), band, deals("failed", "failed", "failed"))
    order = [URGENCIES.index(one.urgency) for one in actions]
    assert order == sorted(order)
    assert len({one.action for one in actions}) == len(actions) <= read_rules().most
    assert sum(one.name in ("commitment", "no_decision_risk") for one in actions) == 1  # one topic, one action


def test_bands_decide_whether_a_rule_applies(tmp_path: Path) -> None:
    rules = read_rules(table(tmp_path, {**RULE, "when": {"missing": "budget"}, "bands": ["A", "B"]}))
    assert [one.action for one in recommend(rules, analysis(), A)] == ["Settle the budget"]
    assert recommend(rules, analysis(), D) == []
    assert recommend(rules, analysis(Finding("budget", True, "💰 Budget")), A) == []


def test_what_was_mentioned_is_not_missing(tmp_path: Path) -> None:
    rules = read_rules(table(tmp_path, {**RULE, "when": {"missing": "budget"}}))
    assert (
        recommend(rules, ConversationAnalysis("neutral", [], [Signal("budget", "positive", 0.9, "q", "", None)]), A)
        == []
    )


def test_the_file_that_is_delivered_answers_every_risk_and_band() -> None:
    triggers = {rule.cause for rule in read_rules().rules}
    for name in ("budget", "authority", "need", "timeline", "commitment", "decision_process", "competitor"):
        assert ("risk", name) in triggers
    assert {("band", name) for name in "ABCD"} <= triggers
    for band in (A, D):
        assert recommend(read_rules(), analysis(), band)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"when": {"risk": "buget"}}, r"rules.json, rule 1: when.risk is 'buget'; use budget, authority"),
        (
            {"when": {"mood": "bad"}},
            r"when.mood is 'mood'; it should be 'risk', 'indicator', 'missing', 'band' or 'similar'",
        ),
        ({"when": {"risk": "budget", "band": "A"}}, r"when is \{.*\}; dictionary should have at most 1 item"),
        ({"when": None}, "when is None"),
        ({"when": {"similar": ["mostly_failed"]}}, r"when.similar is \['mostly_failed'\]"),
        ({"urgency": "soon"}, "urgency is 'soon'; it should be 'today', 'this week' or 'this month'"),
        ({"bands": ["E"]}, "bands.0 is 'E'; it should be 'A', 'B', 'C' or 'D'"),
        ({"bands": "A"}, "bands is 'A'"),
        ({"action": " "}, "action is ' '; string should have at least 1 character"),
        ({"topic": None}, "topic is None"),
        ({"bands": []}, "bands is .*at least 1 item"),
        ({"acton": "x"}, "acton is 'x'; extra inputs are not permitted"),
    ],
)
def test_a_wrong_rule_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_rules(table(tmp_path, {**RULE, **change}))


def test_a_wrong_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Cannot read the rules .*none\.json"):
        read_rules(tmp_path / "none.json")
    broken = tmp_path / "broken.json"
    broken.write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match=r"broken\.json: .*invalid JSON.* line 1 column 1"):
        read_rules(broken)
    with pytest.raises(InputError, match="rules is .*at least 1 item"):
        read_rules(table(tmp_path))
    for number, most in enumerate((0, True, "6")):
        (tmp_path / str(number)).mkdir()
        with pytest.raises(InputError, match=rf"most is {most!r}"):
            read_rules(table(tmp_path / str(number), RULE, most=most))
    assert read_rules(table(tmp_path, RULE)).least_similarity == 0.5
    for number, least in enumerate((-0.1, 1.5, "0.5", None, True)):
        with pytest.raises(InputError, match=rf"rules.json: least_similarity is {least!r}; it should be "):
            read_rules(table(tmp_path / str(number % 3), RULE, most=number + 1, least_similarity=least))


def test_alike_actions_need_one_topic(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the action of rule 2 is that of rule 1"):
        read_rules(table(tmp_path, RULE, {**RULE, "action": "settle the budget!", "topic": "money"}))


def test_what_was_awful_about_a_rival_gives_no_advice_to_ask_what_went_wrong() -> None:
    """`signals.grammar` makes a rival's bad support "competitor", for the deal; of us it would be "sentiment", against it."""
    quote, advice = "Their support was awful.", "Call in person and ask what went wrong"
    of_us = Signal("sentiment", "negative", 0.9, quote, "customer", 1)
    of_a_rival = Signal("competitor", "positive", 0.9, quote, "customer", 1)
    for signal, is_advised in ((of_us, True), (of_a_rival, False)):
        actions = recommend(read_rules(), analyse(Conversation(transcript="Hello."), [signal]), A)
        assert (advice in [one.action for one in actions]) == is_advised
