"""The sentences of a conversation that may carry a signal: what the customer's side said, or what a note reports of it.

What the seller says is none: a pitch, a promise or "so the budget is approved?" tells nothing of the customer. But a
customer's short answer is read together with the seller's question ("Do you have a budget?" – "Yes, we do."), the last
one of the turn, or each with its own answer where there are as many; and a short assent with the offer that the turn ends
with ("I can send the contract today." – "Do that."). Speakers of other names count as the customer's
side. A note counts whole, as it reports what was said, but for what its writer did ("I told them we can start"). What
belongs to an e-mail rather than to its message, and a word that stands alone, count for nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from conversations.conversation import Conversation, Turn
from conversations.mail import is_courtesy, own_message
from conversations.sentences import clauses, split_sentences
from encoder.text_encoder import TextEncoder
from modelling.segments import pieces_that_fit

_SHORT_ANSWER = 6  # words up to which a customer's answer is read together with the question
_QUESTION = re.compile(r"\?[\"'”’)]*$|,\s*(?:right|correct|is that right|isn['’]t it|yes)[.!]?$", re.IGNORECASE)
# A sound keeps its last h for the next word where that needs it ("uhhello"); "uhhm" is one sound, never "uh" and "hm": what
# can be read in two ways is read in 2ⁿ where it stands n times.
_LAST_H = r"(?:h++(?!m)|h+(?=hi|hello|hold on))"
_FILLER = re.compile(
    rf"(?:(?:h++m++|u++h*+m++|u++{_LAST_H}|er++|[ao](?:{_LAST_H}|h(?=h+m))|well|sorry|thanks|thank you"
    r"|hi|hello|hold on|wait|please"
    r"|let me (?:just )?(?:check|see|think|look)(?: (?:that|it|this))?(?: (?:up|quickly))?"
    r"|(?:just )?(?:one|a|give me a) (?:moment|second|sec|minute)|(?:that['’]s )?(?:a )?good (?:question|point))"
    r"[\s,.!?…-]*+)+",
    re.IGNORECASE,
)
_YES_OR_NO = re.compile(
    r"(?:(?:well|h+m+|u+m+|oh|so|ah)[\s,.…]+)*(?:yes|yeah|yep|yup|no|nope|not|never|sure|of course|absolutely|definitely"
    r"|certainly|correct|exactly|right|indeed|unfortunately|sadly|(?:we|i|it|they|he|she) (?:do|does|did|is|are|am|was"
    r"|have|has|can)(?:n['’]t)?)\b",
    re.IGNORECASE,
)
_OFFER = re.compile(
    r"(?:(?:then|so|okay|ok|good|great|well|sure|perfect|and|if you like)[\s,]+)*"
    r"(?:(?:I|we)(?:['’](?:ll|d)|\s+(?:can|could|will|would|shall|may))\b|let me\b)",
    re.IGNORECASE,
)
_ASSENT = re.compile(
    r"(?:(?:yes|yeah|yep|ok|okay|sure|great|perfect|good|fine|lovely|please|absolutely|definitely|of course|by all means"
    r"|go ahead|sounds? (?:good|great|fine)|works|do (?:that|it|so)|let['’]s do (?:that|it)|(?:I|we)['’]d like that"
    r"|(?:that|it|this|\w+day) (?:works|suits|would be|sounds)|that['’]d be)\b)(?![^.!?]*(?:\b(?:but|not|too)\b|n['’]t))",
    re.IGNORECASE,
)
_TOLD = (
    r"(?:told?|tell|offer(?:ed)?|send|sent|explain(?:ed)?|propos(?:e|ed)|quoted?|show(?:ed)?|present(?:ed)?|pitched"
    r"|suggest(?:ed)?|mention(?:ed)?|promised?|recommend(?:ed)?|describ(?:e|ed)|assured?|remind(?:ed)?|gave|give|shared?"
    r"|demonstrated?|said|stress(?:ed)?|point(?:ed)? out)"
)
_OPENING = (
    r"(?:(?:although|though|while|then|so|now|today|yesterday|also|finally|later|afterwards|since|because)[\s,]+)*"
)
_WRITER_ACTS = re.compile(
    rf"{_OPENING}(?:I|we)(?:['’](?:ve|d|ll|m|re))?\s+"
    rf"(?:(?:have|had|will|can|could|would|am|are|going|to|also|just|then|already|again|only|both)\s+)*{_TOLD}\b",
    re.IGNORECASE,
)
_SOMEONE_ELSE = re.compile(
    rf"{_OPENING}(?:they|he|she|it|the|their|his|her|this|that|these|there|all|both|every\w+|nobody|no|nothing|still no"
    r"|customer|client|prospect|(?-i:(?!I\b|We\b)[A-Z][\w'’.-]*))\b",
    re.IGNORECASE,
)
_ADDRESSED = re.compile(r"\byou(?:rs?)?\b", re.IGNORECASE)
_LITERAL = re.compile(r"([“\"][^”\"]*+\Z)|[“\"][^”\"]*+[”\"]")  # a quotation; its group: one that nothing closes


class SaidSentence(NamedTuple):
    """A sentence of a conversation that may carry a signal."""

    quote: str
    question: str  # the seller's, or their offer, that it answers, or ""
    speaker: str
    turn: int | None
    before: str = ""  # the last sentence of the seller's turn before

    @property
    def text(self) -> str:
        """What the encoder reads."""
        return self.reading(self.quote)

    @property
    def clauses(self) -> list[str]:
        """The quote's clauses, or the quote alone; of an answer, one word is a clause."""
        return clauses(self.quote, 1 if self.question else 2)

    def reading(self, part: str) -> str:
        """What the encoder reads of a part of the quote."""
        return f"{self.question} {part}" if self.question else part


def said_sentences(conversation: Conversation, encoder: TextEncoder) -> Iterator[SaidSentence]:
    """The sentences of everyone but the seller, or those of a note, in order; longer ones than the window in pieces."""
    if conversation.turns is None:
        note = _sentences(conversation.transcript or "", encoder)
        is_letter = any(_ADDRESSED.search(_LITERAL.sub(r"\1", sentence)) for sentence in note)
        for sentence in note:
            for quote in [sentence] if is_letter else _reported(sentence):
                if not _is_one_word(quote):
                    yield SaidSentence(quote, "", "", None)
    asked: list[str] = []  # all sentences of the seller's turn before
    for number, turn in enumerate(conversation.turns or []):
        sentences = _sentences(turn.text, encoder)
        if turn.speaker == "seller":
            asked = sentences
            continue
        yield from _turn_sentences(number, turn, sentences, asked, encoder)
        asked = []


def _turn_sentences(
    number: int, turn: Turn, sentences: Sequence[str], asked: Sequence[str], encoder: TextEncoder
) -> Iterator[SaidSentence]:
    questions = _questions_answered(asked, sentences)
    for n, quote in enumerate(sentences):
        sentence = SaidSentence(quote, questions.get(n, ""), turn.speaker, number, asked[-1] if asked else "")
        if sentence.question and encoder.token_count(sentence.text) > encoder.window:
            sentence = sentence._replace(question="")
        answers = sentence.question or (asked and n == 0)
        if answers or not _is_one_word(quote):
            yield sentence


def _questions_answered(asked: Sequence[str], sentences: Sequence[str]) -> dict[int, str]:
    """The questions of the seller's turn, or its offer, by the index of the customer's sentence that shortly answers each."""
    questions = [sentence for sentence in asked if _QUESTION.search(sentence)]
    answers = [n for n, sentence in enumerate(sentences) if not _FILLER.fullmatch(sentence)]
    if not questions and asked and answers and _OFFER.match(asked[-1]) and _ASSENT.match(sentences[answers[0]]):
        questions = [asked[-1]]
    if not questions or not answers:
        return {}
    clear = [n for n in answers if _YES_OR_NO.match(sentences[n])]
    if len(questions) > 1 and len(clear) >= len(questions):
        pairs = dict(zip(clear, questions, strict=False))
    elif questions[-1] == asked[-1] or answers[0] in clear:
        pairs = {answers[0]: questions[-1]}
    else:  # the seller went on, and so did the customer
        pairs = {}
    return {n: question for n, question in pairs.items() if _borrows(sentences[n])}


def _borrows(answer: str) -> bool:
    """Whether an answer needs its question to be understood; "Your support was awful." speaks of us, whatever was asked."""
    if len(answer.split()) > _SHORT_ANSWER:
        return False
    return not _ADDRESSED.search(answer) or bool(_YES_OR_NO.match(answer) or _ASSENT.match(answer))


def _reported(sentence: str) -> list[str]:
    """What a note's sentence says of the customer: all of it, or the stretches besides what the writer told them."""
    parts = [part for clause in clauses(sentence) for part in clause.split(", ")]
    if not any(_WRITER_ACTS.match(part) for part in parts):
        return [sentence]
    stretches: list[tuple[int, int]] = []  # of the customer's side
    end, goes_on = 0, False
    for part in parts:
        start = sentence.index(part, end)
        end = start + len(part)
        if _WRITER_ACTS.match(part):
            goes_on = False
        elif goes_on:  # also without a subject: "they liked it and want more"
            stretches[-1] = (stretches[-1][0], end)
        elif _SOMEONE_ELSE.match(part):
            stretches.append((start, end))
            goes_on = True
    return [sentence[start:end] for start, end in stretches]


def _is_one_word(text: str) -> bool:
    return len(text.split()) < 2 and text.isascii()  # some scripts put no space between words


def _sentences(text: str, encoder: TextEncoder) -> list[str]:
    return [
        piece
        for sentence in split_sentences(own_message(text))
        if not is_courtesy(sentence)
        for piece in pieces_that_fit(sentence, encoder.token_count, encoder.window)
    ]
