"""The names of rivals in sentences about them."""

from __future__ import annotations

import pytest

from signals.rivals import rival_named


@pytest.mark.parametrize(
    ("sentence", "name"),
    [
        ("We went with Globex, they were cheaper.", "Globex"),
        ("We're also talking to Initech Systems about their offer.", "Initech Systems"),
        ("They chose Globex.", "Globex"),
        ("Your offer is dearer than Initech's.", "Initech"),
        ("We have an offer from AT&T on the table.", "AT&T"),
        ("We stayed with the software from Globex", "Globex"),
        ("We went with another vendor.", None),
        ("We talked to Mr Smith on Monday.", None),
        ("We are talking to them on Friday.", None),
        ("went with Friday", None),
        ("Globex is nice.", None),
        ("", None),
    ],
)
def test_only_who_is_named_behind_a_word_of_choosing_counts(sentence: str, name: str | None) -> None:
    assert rival_named(sentence) == name
