"""From a conversation to model text, and from a file to train, validation and test data.

`render_input` is the one place where a conversation becomes the text that models and bags of words read; `segments`
cuts that text to what one encoder window holds, at turn boundaries and without dropping a word. Reading files is
`conversation_files`, splitting is `conversation_split`; both are offered here under one name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from conversation import Conversation, ConversationContext, Turn, conversation_from_record
from conversation_files import read_conversations, write_conversations
from conversation_split import SHARES, DataSplits, split_conversations
from foundations.long_work import check_deadline

__all__ = [
    "Conversation",
    "ConversationContext",
    "DataSplits",
    "Passage",
    "Segment",
    "Turn",
    "conversation_from_record",
    "read_conversations",
    "read_splits",
    "render_input",
    "rendered_text",
    "segments",
    "sentence_spans",
    "split_conversations",
    "split_sentences",
    "spoken_text",
    "write_splits",
]

SPLIT_FILES = {"train": "train_data.json", "validation": "val_data.json", "test": "test_data.json"}

# A sentence ends after . ! ? … (and closing quotes) before white space, or after a CJK full stop. A single capital or a
# known abbreviation before the full stop ("Dr. Lee", "J. Smith", "e.g. this") ends nothing. Some abbreviations can end a
# sentence, too, so what follows decides, on the same line: a number or a month ("Tue. 9/12", "Tue. Sep. 12", "No. 5"), or
# a small letter ("Acme Inc. has").
_SENTENCE_END = re.compile(r"([.!?…][\"'”’)\]]*)\s+(?=\S)|([。！？])(?=\S)")
_MONTH = r"(?:jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)"
_ABBREVIATION = re.compile(r"\b(?:(?i:mr|mrs|ms|dr|prof|vs|approx|incl|excl|e\.g|i\.e)|St|[A-Z])\.$")
_BEFORE_NUMBER = re.compile(
    rf"\b(?:(?i:{_MONTH}|mon|tues?|wed|thu(?:rs?)?|fri|sat|sun|nos|pp?|fig|vol|ext|min|max|est|ca|tel)|No)\.$"
)
_BEFORE_SMALL_LETTER = re.compile(r"\b(?:inc|ltd|corp|co|etc|dept|mgmt|mgr|qtr|[ap]\.m|esp)\.$", re.IGNORECASE)
_NUMBER = re.compile(rf"[$€£#~]?\d|{_MONTH}[a-z]*\b", re.IGNORECASE)
_LONGEST_ABBREVIATION = 10  # characters, with those before it


@dataclass(frozen=True)
class Passage:
    """A stretch of model text from one place of the conversation: the context, a turn, or a sentence of a note."""

    text: str
    speaker: str  # "context", "seller", "customer", another name, or "" for a plain transcript
    turn: int | None  # index into `turns`, None for the context and for a plain transcript


@dataclass(frozen=True)
class Segment:
    """Model text that fits one encoder window."""

    text: str
    speaker: str  # as in Passage
    position: float  # where in the conversation it lies: 0.0 the first words, 1.0 the last


def render_input(conversation: Conversation) -> list[Passage]:
    """What a model reads of a conversation: its context as one sentence, then each turn, or each sentence of a note."""
    check_deadline()  # here, since whatever reads many conversations, or variants of one, renders each
    passages = []
    context = _render_context(conversation.conversation_context)
    if context:
        passages.append(Passage(context, "context", None))
    if conversation.turns is None:
        passages += [Passage(sentence, "", None) for sentence in split_sentences(conversation.transcript or "")]
    for index, turn in enumerate(conversation.turns or []):
        text = " ".join(turn.text.split())
        passages.append(Passage(f"{turn.speaker}: {text}" if turn.speaker else text, turn.speaker, index))
    return passages


def rendered_text(conversation: Conversation) -> str:
    """The whole rendered conversation as one string, a passage a line: what a bag of words reads."""
    return "\n".join(passage.text for passage in render_input(conversation))


def spoken_text(conversation: Conversation) -> str:
    """What was said or noted, without context and names of speakers: one string."""
    if conversation.turns is None:
        return conversation.transcript or ""
    return "\n".join(turn.text for turn in conversation.turns)


def segments(
    conversation: Conversation,
    token_count: Callable[[str], int],
    max_tokens: int,
    cut: dict[str, list[str]] | None = None,
) -> list[Segment]:
    """The passages of a conversation, those longer than `max_tokens` cut at a sentence or, failing that, a word.

    `token_count` gives the number of tokens of a text without special tokens. No word is lost: the segments of a
    passage joined by spaces are the passage, but that a single word longer than `max_tokens` is cut into parts.
    `cut` keeps the pieces of each passage for other conversations that have it too.
    """
    cut = {} if cut is None else cut
    passages = render_input(conversation)
    spoken = sum(passage.speaker != "context" for passage in passages)
    result: list[Segment] = []
    place = 0
    for passage in passages:
        position = 0.0 if passage.speaker == "context" or spoken < 2 else place / (spoken - 1)
        place += passage.speaker != "context"
        pieces = cut.get(passage.text)
        if pieces is None:
            pieces = cut[passage.text] = pieces_that_fit(passage.text, token_count, max_tokens)
        result += [Segment(piece, passage.speaker, position) for piece in pieces]
    return result


def split_sentences(text: str) -> list[str]:
    """The sentences of a text in order, white space folded; joined by spaces they hold every word of it."""
    return [" ".join(text[start:end].split()) for start, end in sentence_spans(text)]


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Where each sentence starts and ends in a text, without the white space around it; a new line ends a sentence."""
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
        if spans and _goes_on(text, spans[-1], first):
            spans[-1] = (spans[-1][0], last)
        else:
            spans.append((first, last))
    return spans


def _goes_on(text: str, before: tuple[int, int], start: int) -> bool:
    """Whether what starts there belongs to the sentence before, which ends in an abbreviation."""
    last = text[max(before[0], before[1] - _LONGEST_ABBREVIATION) : before[1]]
    if _ABBREVIATION.search(last):
        return True
    if not last.endswith(".") or "\n" in text[before[1] : start]:
        return False
    return bool(
        (_BEFORE_NUMBER.search(last) and _NUMBER.match(text, start))
        or (_BEFORE_SMALL_LETTER.search(last) and text[start].islower())
    )


def write_splits(splits: DataSplits, folder: Path) -> None:
    """Writes train_data.json, val_data.json and test_data.json, each atomically."""
    for name, file_name in SPLIT_FILES.items():
        write_conversations(folder / file_name, splits.part(name))


def read_splits(folder: Path) -> DataSplits:
    """Reads what `write_splits` wrote. Raises InputError where a file is missing or damaged."""
    train, validation, test = (read_conversations(folder / SPLIT_FILES[name]) for name in SHARES)
    return DataSplits(train, validation, test)


def _render_context(context: ConversationContext) -> str:
    interactions = context.previous_interactions
    parts = [
        ("company size", context.company_size),
        ("industry", context.industry),
        ("contact", context.contact_role),
        ("urgency", context.urgency),
        ("budget authority", context.budget_authority),
        ("previous interactions", None if interactions is None else str(interactions)),
        ("lead source", context.lead_source),
    ]
    known = [f"{name} {value.replace('_', ' ')}" for name, value in parts if value]
    return ", ".join(known)


def pieces_that_fit(text: str, token_count: Callable[[str], int], max_tokens: int) -> list[str]:
    surely_fits = 2 * len(text.encode("utf-8")) <= max_tokens  # a byte never makes more than two tokens
    if surely_fits or token_count(text) <= max_tokens:
        return [text]
    sentences = split_sentences(text)
    units = sentences if len(sentences) > 1 else list(_words_that_fit(text, token_count, max_tokens))
    return [
        piece
        for packed in _pack(units, token_count, max_tokens)
        for piece in ([packed] if len(units) == 1 else pieces_that_fit(packed, token_count, max_tokens))
    ]


def _words_that_fit(text: str, token_count: Callable[[str], int], max_tokens: int) -> Iterator[str]:
    """Words, those of more than `max_tokens` tokens (a long URL, an unspaced script) halved until they fit."""
    for word in text.split():
        stack = [word]
        while stack:
            part = stack.pop()
            if len(part) < 2 or token_count(part) <= max_tokens:
                yield part
            else:
                stack += [part[len(part) // 2 :], part[: len(part) // 2]]


def _pack(units: Sequence[str], token_count: Callable[[str], int], max_tokens: int) -> Iterator[str]:
    """Joins neighbouring units while their tokens fit; a unit that is too long alone stays alone."""
    packed: list[str] = []
    used = 0
    for unit in units:
        tokens = token_count(unit)
        if packed and used + tokens > max_tokens:
            yield " ".join(packed)
            packed, used = [], 0
        packed.append(unit)
        used += tokens
    if packed:
        yield " ".join(packed)
