"""What speaks for a deal and against it, in short lines for people: from signals and from what the CRM knows.

Where the signals come from is `signals.finder`, what holds of several mentions `signals.mentions`, and what to do
about them `answers.recommendations`. The lines never contradict each other: a signal is an indicator or a risk, what was said
outweighs what the CRM holds and is not told twice, no quote stands both for the deal and against it. The
sentiment is where the customer stands at the end. Costs microseconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from conversations.conversation import Conversation, ConversationContext
from signals.mentions import Sentiment, Signal, settled, stance

LONGEST_QUOTE = 120
_HIGH_URGENCY = {"high", "very high", "urgent", "critical"}

# signal: (title where it speaks for the deal, title where it speaks against it), in the order of the lines
TITLES = {
    "budget": ("💰 Budget confirmed", "💸 Budget missing or in doubt"),
    "authority": ("👤 The one who decides is involved", "👤 The decision lies with someone else"),
    "need": ("🎯 Need stated", "💤 No need seen"),
    "timeline": ("📅 Date in view", "📅 No date, or a late one"),
    "commitment": ("🤝 Next step agreed", "🕳️ No next step"),
    "decision_process": ("🧭 Way to the decision is clear", "🧭 Way to the decision is unclear"),
    "competitor": ("🏁 Competitor ruled out", "🏁 A competitor is in play"),
    "price_objection": ("💲 Price accepted", "💲 Price objection"),
    "objection": ("✅ Concern settled", "⚠️ Open concern"),
    "objection_resolved": ("✅ Concern settled", "⚠️ Concern not settled"),
    "urgency": ("⚡ Wants to move soon", "🐢 No hurry to decide"),
    "no_decision_risk": ("🚀 Wants to decide", "🌫️ May end without a decision"),
    "sentiment": ("🔥 Interest shown", "🧊 Little interest"),
}


@dataclass(frozen=True)
class Finding:
    """One line of the analysis."""

    signal: str  # a key of TITLES
    favourable: bool
    title: str
    quote: str = ""  # as shown, a short answer after its question; "" where the CRM says it
    strength: float = 1.0

    @property
    def line(self) -> str:
        """What a person reads."""
        return f"{self.title}: “{self.quote}”" if self.quote else self.title

    @property
    def is_said(self) -> bool:
        """Whether the conversation says it, and not the CRM."""
        return bool(self.quote)


@dataclass(frozen=True)
class ConversationAnalysis:
    """Where the customer stands, and every finding, those that quote the conversation first."""

    sentiment: Sentiment
    findings: list[Finding]
    signals: Sequence[Signal] = ()  # all that hold at the end, also those whose line would contradict
    language_note: str | None = None  # why signals can't be relied on as in English; None where they can

    @property
    def mentioned(self) -> frozenset[str]:
        """The names of the signals."""
        return frozenset(signal.name for signal in self.signals)

    @property
    def key_indicators(self) -> list[str]:
        """What speaks for the deal."""
        return [finding.line for finding in self.findings if finding.favourable]

    @property
    def risk_factors(self) -> list[str]:
        """What speaks against it."""
        return [finding.line for finding in self.findings if not finding.favourable]


def analyse(
    conversation: Conversation, mentions: Sequence[Signal], language_note: str | None = None
) -> ConversationAnalysis:
    """The analysis of a conversation; `mentions`: every one that was found in it, in order."""
    signals = settled(mentions)
    by_name = {signal.name: signal for signal in signals}
    said = _without_contradictions([_finding(by_name[name]) for name in TITLES if name in by_name])
    shown = {finding.signal for finding in said}
    known = [
        finding
        for finding in _from_context(conversation.conversation_context)
        if finding.signal not in shown and not _is_denied(finding, by_name)
    ]
    return ConversationAnalysis(stance(mentions), [*said, *known], signals, language_note)


def _finding(signal: Signal) -> Finding:
    favourable = signal.polarity == "positive"
    quote = _shortened(signal.quote)
    if signal.question:
        quote = f"{_shortened(signal.question)} – {quote}"
    return Finding(signal.name, favourable, TITLES[signal.name][not favourable], quote, signal.strength)


def _without_contradictions(findings: list[Finding]) -> list[Finding]:
    """Of findings for and against the deal with one quote, those of the stronger side; of equal ones, those against."""
    strength: dict[str, list[float]] = {}  # by quote: of what stands against the deal, and for it
    for finding in findings:
        sides = strength.setdefault(finding.quote, [0.0, 0.0])
        sides[finding.favourable] = max(sides[finding.favourable], finding.strength)
    return [
        finding
        for finding in findings
        if finding.favourable == (strength[finding.quote][1] > strength[finding.quote][0])
    ]


def _from_context(context: ConversationContext) -> Iterator[Finding]:
    """What the CRM says."""
    urgency = (context.urgency or "").strip().lower()
    authority = (context.budget_authority or "").strip().lower().replace(" ", "_")
    if urgency in _HIGH_URGENCY:
        yield Finding("urgency", True, "⚡ High urgency customer")
    if urgency == "low":
        yield Finding("urgency", False, "🐢 Low urgency customer")
    if authority == "decision_maker":
        yield Finding("authority", True, "👤 Speaking with decision maker")
    if authority in {"influencer", "end_user", "none"}:
        yield Finding("authority", False, f"👤 Not speaking with the decision maker ({authority.replace('_', ' ')})")


def _is_denied(finding: Finding, said: Mapping[str, Signal]) -> bool:
    """Whether the conversation says the opposite of what the CRM does; who can start late only is in no hurry."""
    opposite = "negative" if finding.favourable else "positive"
    names = ("urgency", "timeline") if finding.signal == "urgency" and finding.favourable else (finding.signal,)
    return any(name in said and said[name].polarity == opposite for name in names)


def _shortened(quote: str) -> str:
    return quote if len(quote) <= LONGEST_QUOTE else quote[:LONGEST_QUOTE].rsplit(" ", 1)[0] + "…"
