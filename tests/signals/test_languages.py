"""Which part of an answer can't be relied on where a conversation is not in English."""

from __future__ import annotations

import pytest

from encoder.text_encoder import BUNDLED, MULTILINGUAL, SALES
from signals.languages import language_note

GERMAN = "Der Chef will das Budget noch nicht freigeben, aber wir haben es mit ihm am Montag besprochen."
FRENCH = "Le budget est validé pour cette année et nous voulons commencer avec vous dès la semaine prochaine."


@pytest.mark.parametrize("encoder", [SALES, BUNDLED, MULTILINGUAL])
@pytest.mark.parametrize("text", ["We have the budget, and they want to start in the spring.", "Ja.", ""])
def test_english_and_what_can_not_be_told_need_no_note(text: str, encoder: str) -> None:
    assert language_note(text, encoder) is None


def test_the_note_says_how_much_is_found() -> None:
    start = "Signals, and what is recommended because of them, are learned from English; this reads as "
    assert language_note(GERMAN, SALES) == (
        f"{start}German, where none can be found reliably (an encoder that reads other languages: --encoder multilingual)."
    )
    assert language_note(GERMAN, MULTILINGUAL) == (
        f"{start}German, where about 30 % of them are found, 73 % of those rightly."
    )
    assert language_note(FRENCH, MULTILINGUAL) == f"{start}French, where it was not measured how many are found."
