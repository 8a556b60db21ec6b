"""Sentiment, buying signals, risks and recommendations from simple phrases and the CRM context.

Phrase-based: nothing here comes from a model or explains its probability, and a wording that is not in the table below
is not seen. Handled: negation within a clause ("no budget", "hasn't been approved", but not "no doubt" or "not only"),
the customer's words only where a dialogue tells who speaks, and order: of several mentions of one signal the last
counts. A quote stands in one list only. English only. Costs about 0.1 s for a transcript of 10,000 words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from conversation import Conversation, ConversationContext
from data_pipeline import split_sentences

Sentiment = Literal["positive", "neutral", "negative"]
HIGH_PROBABILITY, LOW_PROBABILITY = 0.7, 0.4
LONGEST_QUOTE = 120


@dataclass(frozen=True)
class Signal:
    """Something a deal is decided by, and the phrases that speak for and against it (regular expressions)."""

    name: str
    favourable_title: str
    adverse_title: str
    favourable: str
    adverse: str
    advice: str  # what to do about the risk


SIGNALS = (
    Signal(
        "budget",
        "💰 Budget mentioned",
        "💸 Budget missing or in doubt",
        r"budget\w*|fund(?:s|ing|ed)|money (?:is )?set aside|can afford",
        r"over budget|out of budget|(?:budget\w*|funds|funding) (?:\w+ ){0,2}(?:frozen|cut|gone|spent|tight|on hold)|"
        r"(?:tight|limited) budget",
        "💸 Settle the budget: who approves it, how much and by when",
    ),
    Signal(
        "urgency",
        "⚡ Wants to move soon",
        "🐢 No hurry to decide",
        r"move (?:forward|ahead|quickly)|right away|as soon as possible|asap|urgent\w*|immediately|get started|"
        r"(?:start|go live|launch) (?:this|next) (?:week|month|quarter)|deadline",
        r"no (?:rush|hurry|urgency)|next year|postpon\w+|put (?:it|this|things) off|on hold|some ?day|revisit",
        "🐢 Find the date or event that makes waiting costly",
    ),
    Signal(
        "authority",
        "👤 The one who decides is involved",
        "👤 The decision lies with someone else",
        r"decision[- ]makers?|final say|my (?:own )?(?:decision|call) to make|i (?:can |will )?(?:decide|sign off|approve)",
        r"(?:need|needs|have|has) to (?:ask|check with|run (?:it|this) by|convince)|my (?:boss|manager) (?:decides|has to)|"
        r"(?:need|needs|waiting for|requires?) (?:\w+ )?approval",
        "👤 Bring the person who decides into the next call",
    ),
    Signal(
        "interest",
        "🔥 Interest shown",
        "🧊 Little interest",
        r"excited|enthusiastic|lov(?:e|es|ed)|impress(?:ed|ive)|interested|keen|great fit|perfect",
        r"disinterested|unimpressed|disappoint\w+|waste of time|bored|frustrat\w+|annoyed",
        "🧊 Ask what result would be worth the change, and show only that",
    ),
    Signal(
        "objection",
        "✅ Concern settled",
        "⚠️ Open concern",
        r"(?:concern|worry|issue|objection|question|doubt)s? (?:[\w'’]+ ){0,3}(?:resolved|settled|answered|addressed|cleared)|"
        r"reassured|convinced",
        r"concern\w*|worr(?:y|ied|ies)|hesita\w+|objection\w*|doubts?|skeptical|too (?:expensive|costly|complex|risky)|"
        r"unconvinced",
        "⚠️ Answer the open concern in writing, with a reference customer",
    ),
    Signal(
        "competitor",
        "🏁 Competitor ruled out",
        "🏁 A competitor is in play",
        r"(?:chose|chosen|picked|prefer(?:red)?) (?:you|us) over|better than (?:the )?(?:competit\w+|others?|alternatives?)",
        r"competitors?|(?:other|another|current|existing) (?:vendor|provider|supplier)s?|alternatives?|"
        r"shopping around|already (?:use|using|have a)",
        "🏁 Show the difference that matters to this customer against the competitor",
    ),
    Signal(
        "commitment",
        "🤝 Next step agreed",
        "🕳️ No next step",
        r"send (?:me |us |over )?(?:the |a )?(?:contract|proposal|agreement|paperwork)|sign(?:ed|ing)?\b|"
        r"schedul\w+ (?:a|the|another)|purchase order|kick-?off|next steps?",
        r"think (?:about it|it over)|get back to (?:you|us)|call (?:you|us) back|not sure|maybe later",
        "🕳️ Agree on a date and an owner for the next step",
    ),
)
_PATTERNS = {
    signal.name: (
        re.compile(rf"\b(?:{signal.favourable})", re.IGNORECASE),
        re.compile(rf"\b(?:{signal.adverse})", re.IGNORECASE),
    )
    for signal in SIGNALS
}

_CLAUSE_END = re.compile(
    r";\s*|\s[—–]\s|,?\s+(?=(?:but|although|though|however|while|whereas|yet)\b)|,\s+(?=and\b)", re.IGNORECASE
)
_NOT_A_NEGATION = re.compile(
    r"\b(?:no doubt|no problem|not only|not just|can(?:no|')t wait|why not|nothing but|not a problem)\b", re.IGNORECASE
)
_ANSWER_WORD = re.compile(
    r"^(?:no|nope|well|yes|yeah)[,.]\s+", re.IGNORECASE
)  # "No, we have the budget" negates the question
_BEFORE = re.compile(
    r"(?:\b(?:no|not|never|without|nobody|none|cannot|lacks?|neither|nor|hardly)\b|n['’]t\b)(?:\W+\w+){0,4}\W*$",
    re.IGNORECASE,
)
_AFTER = re.compile(r"^\w*(?:\W+\w+){0,2}?\W+(?:\w+n['’]t|not|never|no longer)\b", re.IGNORECASE)
_INSIDE = re.compile(r"n['’]t\b|\b(?:not|never)\b", re.IGNORECASE)  # "concerns were not resolved" is one match
_CONJUNCTION = re.compile(r"\band\b|,", re.IGNORECASE)

Finding = tuple[Signal, bool, str]  # signal, favourable, quote


@dataclass
class ConversationAnalysis:
    """What the phrases and the context say; `risks` holds the signals behind the risk factors."""

    sentiment: Sentiment
    key_indicators: list[str] = field(default_factory=list)
    risk_factors: list[str] = field(default_factory=list)
    risks: list[Signal] = field(default_factory=list)


def analyse(conversation: Conversation) -> ConversationAnalysis:
    """Indicators and risks in the order of SIGNALS, those of the context after those that quote the conversation."""
    findings = list(_findings(conversation))
    last = {signal.name: (signal, favourable, quote) for signal, favourable, quote in findings}
    said = [last[signal.name] for signal in SIGNALS if signal.name in last]
    risky_quotes = {quote for _, favourable, quote in said if not favourable}
    result = ConversationAnalysis(_sentiment(findings))
    for signal, favourable, quote in said:
        if not favourable:
            result.risk_factors.append(f"{signal.adverse_title}: “{_shortened(quote)}”")
            result.risks.append(signal)
        elif quote not in risky_quotes:  # a clause that says both is shown as the risk
            result.key_indicators.append(f"{signal.favourable_title}: “{_shortened(quote)}”")
    _add_context(result, conversation.conversation_context, {name: found[1] for name, found in last.items()})
    return result


def recommendations(probability: float, analysis: ConversationAnalysis) -> list[str]:
    """What to do next: the band of P(successful) first, then one line for each risk."""
    if probability >= HIGH_PROBABILITY:
        steps = [
            "🎯 High conversion probability - prioritize this lead",
            "📞 Schedule follow-up call within 24 hours",
            "📋 Prepare detailed proposal or demo",
            "🔧 Involve technical team if needed",
        ]
    elif probability >= LOW_PROBABILITY:
        steps = [
            "⚖️ Medium conversion probability - find out what decides it",
            "📞 Schedule follow-up call within three days",
        ]
    else:
        steps = [
            "🔻 Low conversion probability - spend the time on likelier leads first",
            "📨 Keep in touch without pressure, and ask what would have to change",
        ]
    return steps + [risk.advice for risk in analysis.risks]


def _findings(conversation: Conversation) -> Iterator[Finding]:
    for text in _customer_texts(conversation):
        for sentence in split_sentences(text):
            for clause in filter(None, map(str.strip, _CLAUSE_END.split(sentence))):
                for signal in SIGNALS:
                    favourable = _polarity(signal, clause)
                    if favourable is not None:
                        yield signal, favourable, clause


def _customer_texts(conversation: Conversation) -> list[str]:
    """What everyone but the seller said: a seller's "so the budget is approved?" is no signal."""
    if conversation.turns is None:
        return [conversation.transcript or ""]
    return [turn.text for turn in conversation.turns if turn.speaker != "seller"]


def _polarity(signal: Signal, clause: str) -> bool | None:
    """True where the clause speaks for the deal, False against, None where the signal does not come up."""
    plain = _ANSWER_WORD.sub("", _NOT_A_NEGATION.sub("", clause))
    favourable, adverse = _PATTERNS[signal.name]
    match = adverse.search(plain)
    settled = favourable.search(plain)
    # The longer match is the more specific one: "concerns were resolved" holds "concerns".
    if match is not None and (settled is None or len(match[0]) >= len(settled[0])):
        return _is_negated(plain, match)
    if settled is None:
        return None
    return not (_INSIDE.search(settled[0]) or _is_negated(plain, settled))


def _is_negated(clause: str, match: re.Match[str]) -> bool:
    before = _CONJUNCTION.split(clause[: match.start()])[-1]
    after = _CONJUNCTION.split(clause[match.end() :])[0]
    return bool(_BEFORE.search(before) or _AFTER.search(after))


def _sentiment(findings: list[Finding]) -> Sentiment:
    """The customer's tone (interest) where it shows, else which side more of the signals are on."""
    tone = [finding for finding in findings if finding[0].name == "interest"] or findings
    balance = sum(1 if favourable else -1 for _, favourable, _ in tone)
    return "positive" if balance > 0 else "negative" if balance < 0 else "neutral"


def _add_context(result: ConversationAnalysis, context: ConversationContext, said: dict[str, bool]) -> None:
    """Adds what the CRM says, unless the conversation itself says the opposite."""
    urgency = (context.urgency or "").lower()
    authority = (context.budget_authority or "").lower().replace(" ", "_")
    if urgency in {"high", "urgent"} and said.get("urgency", True):
        result.key_indicators.append("⚡ High urgency customer")
    if urgency == "low" and not said.get("urgency", False):
        result.risk_factors.append("🐢 Low urgency customer")
    if authority == "decision_maker" and said.get("authority", True):
        result.key_indicators.append("👤 Speaking with decision maker")
    if authority in {"influencer", "end_user", "none"} and not said.get("authority", False):
        result.risk_factors.append(f"👤 Not speaking with the decision maker ({authority.replace('_', ' ')})")


def _shortened(quote: str) -> str:
    return quote if len(quote) <= LONGEST_QUOTE else quote[:LONGEST_QUOTE].rsplit(" ", 1)[0] + "…"
