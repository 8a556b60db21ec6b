"""In which languages signals are found, and the sentence that says so where a conversation is in another.

They are learned from English sentences. On the multilingual encoder some of the others' are found as well; how many was
measured on translated test sentences (`python -m benchmarks.accuracy.languages`, docs/languages.md).
"""

from __future__ import annotations

from encoder.text_encoder import MULTILINGUAL
from probability.which_language import ENGLISH, language_of

# By language: the share of what is said that is found, and the share of what is found that is right; in English 0.78 and 0.91.
FOUND_AND_RIGHT = {"German": (0.30, 0.73), "Spanish": (0.31, 0.71)}


def language_note(text: str, encoder: str) -> str | None:
    """A sentence where the signals of a text can't be relied on as in English; None where it is English or can't be told.

    encoder: the name of the one whose vectors they are read off.
    """
    language = language_of(text)
    if language is None or language == ENGLISH:
        return None
    rest = (
        f"Signals, and what is recommended because of them, are learned from English; this reads as {language}, where"
    )
    if encoder != MULTILINGUAL:
        return f"{rest} none can be found reliably (an encoder that reads other languages: --encoder {MULTILINGUAL})."
    if language not in FOUND_AND_RIGHT:
        return f"{rest} it was not measured how many are found."
    found, right = FOUND_AND_RIGHT[language]
    return f"{rest} about {100 * found:.0f} % of them are found, {100 * right:.0f} % of those rightly."
