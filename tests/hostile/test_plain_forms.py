"""The patterns that were made fast find what their plain forms find, which are easy to read but slow on hostile texts."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conversations import mail, sentences
from conversations.corpus.scenarios import ALTERNATIVES
from conversations.formats.recordings import webvtt
from foundations import settings as service_settings
from signals import distillation, said
from signals.sentences import read_training_sentences
from tests.test_architecture import ROOT

_SOUNDS = r"h+m+|u+h*m+|u+h+|er+|ah+|oh+"
_FILLER = re.compile(
    rf"(?:(?:{_SOUNDS}|well|sorry|thanks|thank you|hi|hello|hold on|wait|please"
    r"|let me (?:just )?(?:check|see|think|look)(?: (?:that|it|this))?(?: (?:up|quickly))?"
    r"|(?:just )?(?:one|a|give me a) (?:moment|second|sec|minute)|(?:that['’]s )?(?:a )?good (?:question|point))"
    r"[\s,.!?…-]*)+",
    re.IGNORECASE,
)
_LITERAL = re.compile(r"[“\"][^”\"]*[”\"]")
_VOICE = re.compile(r"<v(?:\.[^\s<>]*)?[ \t]+([^<>]*)>")
_ALTERNATIVES = re.compile(r"<<(.*?)>>", re.DOTALL)
_LINK = re.compile(r"SALES_(.+_)?(SERVICE_(HOST|PORT)(_.+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)")


def plain(pattern: re.Pattern[str]) -> re.Pattern[str]:
    """The pattern without what makes it fast, where that is possessive loops and where a run of blanks may begin."""
    source = re.sub(r"(?<!\\)([+*}])\+", r"\1", pattern.pattern).replace(r"(?<!\s)", "")
    assert source != pattern.pattern
    return re.compile(source, pattern.flags)


def found(pattern: re.Pattern[str], text: str) -> Any:
    return [(one.span(), one.groups()) for one in pattern.finditer(text)]


def whole(pattern: re.Pattern[str], text: str) -> Any:
    return (one.span(), one.groups()) if (one := pattern.fullmatch(text)) else None


def start(pattern: re.Pattern[str], text: str) -> Any:
    return (one.span(), one.groups()) if (one := pattern.match(text)) else None


def names(pattern: re.Pattern[str], text: str) -> Any:
    return [one.span(1) for one in pattern.finditer(text)]  # what `clauses` reads


def without_quotations(pattern: re.Pattern[str], text: str) -> str:
    return pattern.sub(r"\1" if pattern.groups else "", text)


PLAIN_NAMES = re.compile(r"\b[A-Z][\w.'’-]*(,?\s+and\s+)(?=[A-Z])")
PAIRS: dict[str, tuple[Callable[[re.Pattern[str], str], Any], re.Pattern[str], re.Pattern[str]]] = {
    "filler": (lambda p, text: p.fullmatch(text) is not None, said._FILLER, _FILLER),
    "literal": (without_quotations, said._LITERAL, _LITERAL),
    "voice": (found, webvtt._VOICE, _VOICE),
    "between": (found, sentences._BETWEEN, plain(sentences._BETWEEN)),
    "names": (names, sentences._NAMES, PLAIN_NAMES),
    "concession": (start, sentences._CONCESSION, plain(sentences._CONCESSION)),
    "joint": (found, distillation._JOINT, plain(distillation._JOINT)),
    "greeting": (whole, mail._GREETING, plain(mail._GREETING)),
    "sign-off": (whole, mail._SIGN_OFF, plain(mail._SIGN_OFF)),
    "subject": (start, mail._SUBJECT, plain(mail._SUBJECT)),
    "quoted line": (start, mail._QUOTED_LINE, plain(mail._QUOTED_LINE)),
    "link": (lambda p, text: p.fullmatch(text) is not None, service_settings._LINK, _LINK),
}
PIECES = [
    *"aAhmu.,;:!?-–“”\"<>&\n\t ", "  ", "and", " and ", ", and ", "but", "Ann", "A.B", "O'Neil", "uh", "um", "ah", "oh", "er",
    "hm", "hi", "hello", "hold on", "well", "let me check", " that", "that's a good point", "just a moment", "one sec",
    "although ", "while it is, ", "though", "however", "best", "kind ", "regards", "thanks", "with ", "hi all", "Dear ", "Tom",
    "<v ", "<v.x ", "<v Ann>", "Subject:", "Subject: x\n\n", "> ", "SALES_", "_SERVICE_HOST", "_PORT_80_TCP", "_ADDR", "5",
]  # fmt: skip


@pytest.mark.parametrize("name", PAIRS)
@given(parts=st.lists(st.sampled_from(PIECES), max_size=9))
@settings(max_examples=400, deadline=None)
def test_a_fast_pattern_finds_what_its_plain_form_finds(name: str, parts: list[str]) -> None:
    read, fast, slow = PAIRS[name]
    assert read(fast, "".join(parts)) == read(slow, "".join(parts))


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [text for one in inner for text in _texts(one)]


def realistic_texts() -> list[str]:
    """Sentences, lines and whole texts of the test data and of the training data."""
    data = ROOT / "tests" / "data"
    texts = [text for path in data.glob("*.json") for text in _texts(json.loads(path.read_text(encoding="utf-8")))]
    texts += [path.read_text(encoding="utf-8", errors="replace") for path in data.rglob("*.[cv][st][vt]")]
    texts += [path.read_text(encoding="utf-8") for path in sorted((ROOT / "conversations/corpus").rglob("0[1-3].toml"))]
    texts += read_training_sentences().texts
    lines = [line for text in texts for line in text.splitlines()]
    parts = [part for text in texts for part in sentences.split_sentences(text)]
    return list(dict.fromkeys([*texts, *lines, *parts]))


@pytest.fixture(scope="module")
def texts() -> list[str]:
    made = realistic_texts()
    assert len(made) > 3000
    return made


@pytest.mark.parametrize("name", PAIRS)
def test_on_realistic_texts_as_well(name: str, texts: list[str]) -> None:
    read, fast, slow = PAIRS[name]
    assert [text for text in texts if read(fast, text) != read(slow, text)] == []


def test_every_row_of_sounds_is_a_filler_or_none_as_before() -> None:
    for letters in itertools.product("uhmaei", repeat=7):
        text = "".join(letters)
        assert bool(said._FILLER.fullmatch(text)) == bool(_FILLER.fullmatch(text)), text


def test_the_alternatives_of_every_scenario_are_found() -> None:
    paths: list[Path] = sorted((ROOT / "conversations/corpus").rglob("*.toml"))
    for path in paths:
        text = path.read_text(encoding="utf-8")
        assert ALTERNATIVES.findall(text) == _ALTERNATIVES.findall(text), path
