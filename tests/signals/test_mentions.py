"""What holds of several mentions: which objection a resolution settles, and which it does not."""

from __future__ import annotations

from typing import Literal

import pytest

from signals.mentions import Signal, settled

Mention = tuple[str, Literal["positive", "negative"], str]
MIGRATION: Mention = ("objection", "negative", "They worry about the migration.")
SECURITY: Mention = ("objection", "negative", "They are concerned about data security.")
PRICE: Mention = ("price_objection", "negative", "The price is far too high.")


def held(*mentions: Mention) -> dict[str, tuple[str, str]]:
    """Polarity and quote of what holds, by name."""
    signals = [Signal(name, polarity, 0.9, quote, "", None) for name, polarity, quote in mentions]
    return {one.name: (one.polarity, one.quote) for one in settled(signals)}


def resolution(text: str) -> Mention:
    return "objection_resolved", "positive", text


def test_a_named_concern_settles_that_one_only() -> None:
    done = resolution("The migration worry is settled.")
    assert held(MIGRATION, SECURITY, done)["objection"] == ("negative", SECURITY[2])
    assert held(SECURITY, MIGRATION, done)["objection"] == ("negative", SECURITY[2])
    imports: Mention = ("objection", "negative", "How would the old data get imported?")
    assert held(imports, MIGRATION, resolution("The import is not a problem."))["objection"][1] == MIGRATION[2]
    assert "objection" not in held(MIGRATION, done)


def test_a_resolution_that_names_nothing_settles_the_latest_and_what_is_like_it() -> None:
    done = resolution("That convinced them.")
    assert held(MIGRATION, SECURITY, done)["objection"] == ("negative", MIGRATION[2])
    again: Mention = ("objection", "negative", "A migration of this size frightens them.")
    assert "objection" not in held(MIGRATION, again, done)
    assert "objection" not in held(MIGRATION, SECURITY, resolution("All their concerns are settled."))


@pytest.mark.parametrize(
    ("text", "accepted"),
    [
        ("The migration worry is settled.", False),
        ("They are not worried about the migration any more.", False),
        ("After the talk that concern is settled.", True),
        ("Now they are convinced.", True),
        ("The price is no longer an issue.", True),
    ],
)
def test_a_price_objection_needs_a_resolution_that_may_mean_it(text: str, accepted: bool) -> None:
    expected = ("positive", text) if accepted else ("negative", PRICE[2])
    assert held(PRICE, resolution(text))["price_objection"] == expected


def test_a_price_objection_beside_another_is_settled_only_by_name() -> None:
    after = held(PRICE, MIGRATION, resolution("That convinced them."))
    assert after["price_objection"][0] == "negative" and "objection" not in after
    named = held(PRICE, MIGRATION, resolution("The price concern is off the table."))
    assert named["price_objection"][0] == "positive" and named["objection"] == ("negative", MIGRATION[2])


def test_two_resolutions_settle_two_concerns() -> None:
    both = held(
        MIGRATION, SECURITY, resolution("The audit settled the security question."), resolution("Migration is solved.")
    )
    assert set(both) == {"objection_resolved"}
    assert "objection" in held(resolution("That is settled."), MIGRATION), "what comes later is open"
