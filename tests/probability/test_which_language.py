"""Which language a text is in: on all the written corpus and the notes of other languages, and where nothing can be said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.accuracy.corpus import UNSEEN
from conversations.corpus.drawing import Drawing
from conversations.corpus.scenarios import read_scenarios
from conversations.model_text import spoken_text
from conversations.reading.record import conversation_from_record
from foundations.errors import InputError
from probability import which_language
from probability.which_language import OTHER_SCRIPT, language_of


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (
            "Le budget est validé pour cette année et nous voulons commencer avec vous dès la semaine prochaine.",
            "French",
        ),
        (
            "Il preventivo è piaciuto, ma il direttore vuole sapere quando si può partire e se c'è uno sconto.",
            "Italian",
        ),
        ("O orçamento já foi aprovado, mas ele quer falar com a diretoria antes de assinar.", "Portuguese"),
        ("De offerte ligt bij de directie en we horen volgende week of het door kan gaan.", "Dutch"),
        ("Nie ma już budżetu na ten rok, ale jest szansa, że to się uda po wakacjach.", "Polish"),
        ("予算が承認されました。来週契約します。", OTHER_SCRIPT),
        ("Бюджет утверждён, подпишем на этой неделе.", OTHER_SCRIPT),
        ("I don’t think we’ll have it in the budget before the summer.", "English"),
    ],
)
def test_languages_are_told(text: str, language: str) -> None:
    assert language_of(text) == language


@pytest.mark.parametrize("text", ["", "Yes.", "OK, 12.500 €", "Ja, machen wir.", "la la la la", "der the el le"])
def test_what_is_too_short_or_too_mixed_has_no_name(text: str) -> None:
    assert language_of(text) is None


@pytest.mark.parametrize("name", ["german", "spanish"])
def test_notes_are_told_or_left_open_and_never_taken_for_another(name: str) -> None:
    lines = (UNSEEN / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    told = [language_of(json.loads(line)["transcript"]) for line in lines]
    assert set(told) <= {name.capitalize(), None}
    assert told.count(None) <= 6


def test_every_written_scenario_is_english() -> None:
    drawing = Drawing(1)
    texts = [spoken_text(conversation_from_record(drawing.record(one), one.id)) for one in read_scenarios("demo")]
    assert {language_of(text) for text in texts} == {"English"}


def test_a_damaged_word_list_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "words.json").write_text("[]")
    monkeypatch.setattr(which_language, "LANGUAGE_WORDS", tmp_path / "words.json")
    which_language._words_of_each.cache_clear()
    try:
        with pytest.raises(InputError, match="words.json' is damaged .*; restore the file"):
            language_of("The one and only.")
    finally:
        which_language._words_of_each.cache_clear()
