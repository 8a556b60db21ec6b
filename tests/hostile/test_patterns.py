"""No text makes a pattern of the project slow: its time grows in proportion to the text, whatever stands there.

The attacks run in a process of their own, which is killed where a pattern does not come back.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys

import pytest

from tests.hostile.attacks import attacks
from tests.hostile.patterns import Found, patterns_of, project_patterns
from tests.test_architecture import ROOT

pytestmark = pytest.mark.seconds(15)

SECONDS = 150  # after which the process is killed; it needs about 8


def slow(patterns: list[Found]) -> dict[str, str]:
    """Where each slow pattern stands, and the attack that shows it."""
    given = [
        (one.where, one.source, one.pattern.flags, isinstance(one.pattern.pattern, bytes), one.methods)
        for one in patterns
    ]
    command = [sys.executable, "-m", "tests.hostile.growth"]
    done = subprocess.run(
        command, input=json.dumps(given), capture_output=True, text=True, cwd=ROOT, timeout=SECONDS, check=True
    )
    found: dict[str, str] = json.loads(done.stdout)
    return found


def pattern(source: str, *methods: str, flags: int = 0) -> Found:
    return Found(source, re.compile(source, flags), list(methods))


def test_no_text_makes_a_pattern_of_the_project_slow() -> None:
    assert slow(project_patterns()) == {}


SLOW = [
    pattern(r"(?:(?:h+m+|u+h*m+|u+h+|well)[\s,.]*)+", "fullmatch", flags=re.IGNORECASE),  # 2ⁿ
    pattern(r"(?:\w+\s?)*:", "match"),  # 2ⁿ
    pattern(r"<v(?:\.[^\s<>]*)?[ \t]+([^<>]*)>", "split"),  # n² in one place
    pattern(r"best[,!.]+(?:\s+[A-Z][\w.]*){0,4}[,!.]*", "fullmatch"),
    pattern(r",?\s+(?:and|but)\s+", "finditer"),  # n at each of n places
    pattern(r"\b[A-Z][\w.'’-]*(,?\s+and\s+)(?=[A-Z])", "finditer"),
    pattern(r"[“\"][^”\"]*[”\"]", "sub"),
    pattern(r"<<(.*?)>>", "findall", flags=re.DOTALL),
]
FAST = [
    pattern(r"(?:\w++\s?+)*+:", "match"),
    pattern(r"<v[ \t]++([^<>]*+)>", "split"),
    pattern(r",?(?<!\s)\s++(?:and|but)\s+", "finditer"),
    pattern(r"[a-z ]{1,24}?\s*:\s+(\S.*)$", "match"),  # 24 times as much work, but no more
]


def test_patterns_that_a_text_makes_slow_are_found_and_no_others() -> None:
    assert sorted(slow([*SLOW, *FAST])) == sorted(one.where for one in SLOW)


def test_the_attacks_are_made_of_the_pattern() -> None:
    found = {attack.text(2) for attack in attacks(re.compile(r"ab(?:cd?|[x-z])*;"))}
    assert {"abcc", "abcdcd", "abcdxcdx", "abzz\x00"} <= found


def found_in(source: str) -> dict[str, tuple[str, list[str]]]:
    tree = ast.parse(source)
    return {one.where: (one.source, one.methods) for one in patterns_of("room", tree, [tree])}


def test_every_kind_of_pattern_is_found_with_how_it_is_called() -> None:
    source = (
        "import re\n_A = 'a'\n_B = re.compile(rf'{_A}+')\nNAMED = re.compile('x')\ndef f(t):\n    re.split(_A, t)\n"
    )
    handed_on = "    for one in (NAMED,):\n        one.match(t)\n    return _B.sub('', _B.search(t)[0])\n"
    assert found_in(source + handed_on) == {
        "room, line 3: _B": ("a+", ["search", "sub"]),
        "room, line 4: NAMED": ("x", ["finditer", "fullmatch", "match"]),
        "room, line 6": ("a", ["split"]),
    }


def test_the_projects_patterns_are_found() -> None:
    found = {one.where.rpartition(": ")[2]: one.methods for one in project_patterns()}
    assert found["_FILLER"] == ["fullmatch"]
    assert found["_VOICE"] == ["split"]
    assert len(found) > 90


@pytest.mark.parametrize(
    "source",
    [
        "from re import compile",
        "import re as patterns",
        "import regex",
        "import re\ndef f(word, text):\n    return re.search(word, text)",
        "import re\ndef f(text):\n    return re.compile('a+').match(text)",
        "import re\nfind = re.findall",
    ],
)
def test_a_pattern_that_could_escape_the_test_is_refused(source: str) -> None:
    with pytest.raises(AssertionError, match="room"):
        found_in(source)
