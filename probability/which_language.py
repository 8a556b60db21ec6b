"""Which language a text is in, by its commonest little words; what can't be told has no name.

For sentences such as "It reads as German" and for knowing where the parts that were made for English end: the model itself
may know more languages or fewer (`probability.language` compares letters with the training text, whatever language that is).
It knows the languages of `language_words.json` and, by their letters, that some others are none of them. Costs 0.1 ms.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from foundations.errors import InputError

LANGUAGE_WORDS = Path(__file__).with_name("language_words.json")
ENGLISH = "English"
OTHER_SCRIPT = "a language of other letters"  # than those of language_words.json: Greek, Japanese, Arabic, …
_MOST_WORDS = 1000  # looked at, evenly spread over the text: a bound on time
_FEWEST_WORDS = 4  # known little words that a language must have
_CLEARLY = 1.3  # times as many as the next language has
_WORD = re.compile(r"[^\W\d_]++(?:'[a-z]{1,2}(?![^\W_]))?")
_LAST_LATIN = "ɏ"  # U+024F, where Latin letters with marks end


def language_of(text: str) -> str | None:
    """The language's English name, OTHER_SCRIPT, or None where the text is too short or too mixed to tell."""
    words = _WORD.findall(text.lower().replace("’", "'"))
    words = words[:: 1 + len(words) // _MOST_WORDS]
    elsewhere = sum(word[0] > _LAST_LATIN for word in words)
    if 2 * elsewhere > len(words):
        return OTHER_SCRIPT
    scores = dict.fromkeys(_words_of_each(), 0.0)
    for word in words:
        for language, weight in _weights().get(word, {}).items():
            scores[language] += weight
    second, best = sorted(scores.values())[-2:]
    if best < _FEWEST_WORDS or best < _CLEARLY * second:
        return None
    return max(scores, key=lambda language: scores[language])


@lru_cache(maxsize=1)
def _words_of_each() -> Mapping[str, frozenset[str]]:
    try:
        found = json.loads(LANGUAGE_WORDS.read_text(encoding="utf-8"))
        return {name: frozenset(words.split()) for name, words in found.items()}
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(f"{str(LANGUAGE_WORDS)!r} is damaged ({error}); restore the file.") from error


@lru_cache(maxsize=1)
def _weights() -> Mapping[str, Mapping[str, float]]:
    """By word: the languages that have it, each with its share of the word."""
    words_of_each = _words_of_each()
    every_word = frozenset().union(*words_of_each.values())
    homes = {word: [name for name, words in words_of_each.items() if word in words] for word in every_word}
    return {word: dict.fromkeys(names, 1 / len(names)) for word, names in homes.items()}
