"""Where sentences end, and the clauses of one that says two things: "they have the budget, but the price is too high"."""

from __future__ import annotations

import re

# A sentence ends after . ! ? … (and closing quotes) before white space, or after a CJK full stop. A single capital or a
# known abbreviation before the full stop ("Dr. Lee", "J. Smith", "e.g. this") ends nothing. Some abbreviations can end a
# sentence, too, so what follows decides, on the same line: a number or a month ("Tue. 9/12", "Tue. Sep. 12", "No. 5"), or
# a small letter ("Acme Inc. has"). Nobody says which language a text is in, so German and Spanish ones count in any; but
# those that are something else in English ("v. nice", "Lee Sr.", "Fr. Tom") only where a word of theirs stands in the text.
_SENTENCE_END = re.compile(r"([.!?…][\"'”’)\]]*)\s+(?=\S)|([。！？])(?=\S)")
_MONTH = r"(?:jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)"
_ABBREVIATION = re.compile(
    r"\b(?:(?i:mr|mrs|ms|dr|prof|vs|approx|incl|excl|e\.g|i\.e)|St|[A-Z]"
    r"|Hrn?|Frl|Mio|Mrd|[Bb]zw|[Gg]gf|[Ee]vtl|[Vv]gl|[Bb]zgl|[Ii]nkl|[Ee]xkl|[Zz]zgl|[Aa]bzgl|d\.\s?h|v\.\s?d"
    r"|Sra|Srta|Sres|Dra|Dña|Cía|EE|p\.\s?ej)\.$"
)
_BEFORE_NUMBER = re.compile(
    rf"\b(?:(?i:{_MONTH}|mon|tues?|wed|thu(?:rs?)?|fri|sat|sun|nos|pp?|fig|vol|ext|min|max|est|ca|tel)|No"
    r"|Nrn?|Ziff|[Nn]úm|[Pp]ágs?)\.$"
)
_BEFORE_SMALL_LETTER = re.compile(
    r"\b(?:(?i:inc|ltd|corp|co|etc|dept|mgmt|mgr|qtr|[ap]\.m|esp)|ca|usw|u\.\s?[aä]|o\.\s?ä|UU|[UV]ds?)\.$"
)
_NUMBER = re.compile(rf"[$€£#~]?\d|{_MONTH}[a-z]*\b", re.IGNORECASE)
# Of single letters that abbreviate words together ("z. B.", "i. d. R.") the first ones end nothing.
_LETTER_OF_SEVERAL = re.compile(r"(?:z\.\s(?:B|T)|d\.\sh|u\.\s[aä]|o\.\sä|i\.\sd|v\.\sd|p\.\sej)\.")
_GERMAN = re.compile(
    r"\b(?:und|nicht|ist|mit|wir|sie|auf|das|dem|ein|eine|sind|aber|noch|kein|keine|zum|zur|nach|vom|schon)\b|\bHrn?\."
)
_GERMAN_ABBREVIATION = re.compile(
    r"(?:\b(?:Fr|Fa|v)|[a-zäöü]str|\bStr|\bi\.\s?d|\b(?:[Aa]m|[Zz]um|[Vv]om|[Bb]is|[Dd]e[rnm]|[Ii]m|[Aa]b)\s\d\d?)\.$"
)
_SPANISH = re.compile(r"[¿¡ñ]|\b(?:que|muy|una|pero|para|por|está|es|nos|del|los|las|el|y)\b")
_SPANISH_ABBREVIATION = re.compile(r"\b(?:Sr|Lic|[Aa]prox)\.$")
_OF_LANGUAGES = ((_GERMAN, _GERMAN_ABBREVIATION), (_SPANISH, _SPANISH_ABBREVIATION))
_LONGEST_ABBREVIATION = 10  # characters, with those before it


# A run of blanks, or of a name's characters, is tried from its start only: from each of them, time would grow with the square.
_BETWEEN = re.compile(
    r"(?:;|\s[–—])\s+(?:and|but|however|yet)\b,?\s+|;\s+|(?<!\d)\s[–—]\s+"
    r"|,?(?<!\s)\s++(?:and|but|although|even though|whereas)\s+"
    r"|,\s+(?:though|however|yet|while|nevertheless|unfortunately)\b,?\s+",
    re.IGNORECASE,
)
_NAMES = re.compile(r"(?<![\w.'’-])(?>[\w.'’-]*?\b[A-Z])[\w.'’-]*+(,?\s++and\s++)(?=[A-Z])")
_CONCESSION = re.compile(r"(?:although|though|even though|while|whereas)\s[^,;]++(,\s++)", re.IGNORECASE)


def clauses(sentence: str, fewest_words: int = 2) -> list[str]:
    """The clauses in order, in the sentence's own words; one of fewer words stays with its neighbour.

    [sentence] where it is one clause.
    """
    names = {found.span(1) for found in _NAMES.finditer(sentence)}
    cuts = [found.span() for found in _BETWEEN.finditer(sentence) if found.span() not in names]
    if (found := _CONCESSION.match(sentence)) is not None:
        cuts = sorted({found.span(1), *(cut for cut in cuts if cut[0] > found.end(1))})
    starts, ends = [0, *(end for _, end in cuts)], [*(start for start, _ in cuts), len(sentence)]
    spans: list[tuple[int, int]] = []
    for start, end in zip(starts, ends, strict=True):
        if spans and _words(sentence, *spans[-1]) < fewest_words:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
    if len(spans) > 1 and _words(sentence, *spans[-1]) < fewest_words:
        spans[-2:] = [(spans[-2][0], spans[-1][1])]
    return [sentence[start:end] for start, end in spans]


def _words(sentence: str, start: int, end: int) -> int:
    return len(sentence[start:end].split())


def split_sentences(text: str) -> list[str]:
    """The sentences of a text in order, white space folded; joined by spaces they hold every word of it."""
    return [" ".join(text[start:end].split()) for start, end in sentence_spans(text)]


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Where each sentence starts and ends in a text, without the white space around it; a new line ends a sentence."""
    of_language = [of for sign, of in _OF_LANGUAGES if sign.search(text)]
    ends = [max(end.end(1), end.end(2)) for end in _SENTENCE_END.finditer(text)]
    ends += [place.start() for place in re.finditer("\n", text)]
    spans: list[tuple[int, int]] = []
    start = 0
    for end in [*sorted(ends), len(text)]:
        piece = text[start:end]
        first, last = start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip())
        start = end
        if first >= last:
            continue
        if spans and _goes_on(text, spans[-1], first, of_language):
            spans[-1] = (spans[-1][0], last)
        else:
            spans.append((first, last))
    return spans


def _goes_on(text: str, before: tuple[int, int], start: int, of_language: list[re.Pattern[str]]) -> bool:
    """Whether what starts there belongs to the sentence before, which ends in an abbreviation.

    of_language: what abbreviates in the languages that the text has words of.
    """
    last = text[max(before[0], before[1] - _LONGEST_ABBREVIATION) : before[1]]
    if _ABBREVIATION.search(last):
        return True
    if not last.endswith(".") or "\n" in text[before[1] : start]:
        return False
    return bool(
        (_BEFORE_NUMBER.search(last) and _NUMBER.match(text, start))
        or (_BEFORE_SMALL_LETTER.search(last) and text[start].islower())
        or (_LETTER_OF_SEVERAL.match(text, before[1] - 2) and not text[before[1] - 3 : before[1] - 2].isalnum())
        or any(abbreviation.search(last) for abbreviation in of_language)
    )
