"""What speaks for a deal and against it, in short lines for people: from signals and from what the CRM knows.

Where the signals come from is `conversation_signals`; what to do about them is `recommendations`. The lines never
contradict each other: of several mentions of a signal the last one counts, an objection that was settled afterwards is
none, what was said outweighs what the CRM holds, and no quote stands for the deal and against it. Costs microseconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from conversation import Conversation, ConversationContext
from conversation_signals import Signal

Sentiment = Literal["positive", "neutral", "negative"]
LONGEST_QUOTE = 120
_CLEARLY_WEAKER = 0.5  # a later mention below this share of the strongest one does not overrule it

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
_OPPOSITE = {"commitment": "no_decision_risk", "no_decision_risk": "commitment"}  # of both, the later mention counts


@dataclass(frozen=True)
class Finding:
    """One line of the analysis."""

    signal: str  # a key of TITLES
    favourable: bool
    title: str
    quote: str = ""  # as shown; "" where the CRM says it
    strength: float = 1.0

    @property
    def line(self) -> str:
        """What a person reads."""
        return f"{self.title}: “{self.quote}”" if self.quote else self.title


@dataclass(frozen=True)
class ConversationAnalysis:
    """The customer's tone and every finding, those that quote the conversation first."""

    sentiment: Sentiment
    findings: list[Finding]

    @property
    def key_indicators(self) -> list[str]:
        """What speaks for the deal."""
        return [finding.line for finding in self.findings if finding.favourable]

    @property
    def risk_factors(self) -> list[str]:
        """What speaks against it."""
        return [finding.line for finding in self.findings if not finding.favourable]


def analyse(conversation: Conversation, signals: Sequence[Signal]) -> ConversationAnalysis:
    """The analysis of a conversation; `signals` in the order in which they were found in it."""
    said = _without_contradictions([_finding(signal) for signal in _that_count(signals)])
    known = _from_context(conversation.conversation_context, {one.signal: one.favourable for one in said})
    return ConversationAnalysis(_sentiment(said), [*said, *known])


def _that_count(signals: Sequence[Signal]) -> list[Signal]:
    """At most one signal of each name, in the order of TITLES: the last mention that is not clearly weaker."""
    counted: dict[str, Signal] = {}
    for name in TITLES:
        mentions = [signal for signal in _still_open(signals) if signal.name == name]
        strongest = max((signal.strength for signal in mentions), default=0.0)
        for signal in mentions:
            if signal.strength >= _CLEARLY_WEAKER * strongest:
                counted[name] = signal
    return [signal for signal in counted.values() if not _overruled(signal, counted, signals)]


def _still_open(signals: Sequence[Signal]) -> list[Signal]:
    """Without the objections that were settled: each resolution settles the nearest open objection before it."""
    kept: list[Signal] = []
    for signal in signals:
        if signal.name == "objection_resolved" and signal.polarity == "positive":
            before = [n for n, one in enumerate(kept) if one.name.endswith("objection") and one.polarity == "negative"]
            if before:
                del kept[before[-1]]
        kept.append(signal)
    return kept


def _overruled(signal: Signal, counted: dict[str, Signal], signals: Sequence[Signal]) -> bool:
    """Whether the opposite was said later under another name."""
    other = counted.get(_OPPOSITE.get(signal.name, ""))
    return other is not None and other.polarity != signal.polarity and signals.index(other) > signals.index(signal)


def _finding(signal: Signal) -> Finding:
    favourable = signal.polarity == "positive"
    return Finding(
        signal.name, favourable, TITLES[signal.name][not favourable], _shortened(signal.quote), signal.strength
    )


def _without_contradictions(findings: list[Finding]) -> list[Finding]:
    """Of findings for and against the deal with one quote, those of the stronger side; of equal ones, those against."""
    against: dict[str, list[float]] = {}
    for finding in findings:
        sides = against.setdefault(finding.quote, [0.0, 0.0])
        sides[finding.favourable] = max(sides[finding.favourable], finding.strength)
    return [
        finding for finding in findings if finding.favourable == (against[finding.quote][1] > against[finding.quote][0])
    ]


def _sentiment(findings: Sequence[Finding]) -> Sentiment:
    """The customer's tone where it shows, else which side the findings are on."""
    decisive = [one for one in findings if one.signal == "sentiment"] or findings
    balance = sum(one.strength if one.favourable else -one.strength for one in decisive)
    return "positive" if balance > 0 else "negative" if balance < 0 else "neutral"


def _from_context(context: ConversationContext, said: dict[str, bool]) -> Iterator[Finding]:
    """What the CRM says, unless the conversation itself says the opposite."""
    urgency = (context.urgency or "").lower()
    authority = (context.budget_authority or "").lower().replace(" ", "_")
    if urgency in {"high", "urgent"} and said.get("urgency", True):
        yield Finding("urgency", True, "⚡ High urgency customer")
    if urgency == "low" and not said.get("urgency", False):
        yield Finding("urgency", False, "🐢 Low urgency customer")
    if authority == "decision_maker" and said.get("authority", True):
        yield Finding("authority", True, "👤 Speaking with decision maker")
    if authority in {"influencer", "end_user", "none"} and not said.get("authority", False):
        yield Finding("authority", False, f"👤 Not speaking with the decision maker ({authority.replace('_', ' ')})")


def _shortened(quote: str) -> str:
    return quote if len(quote) <= LONGEST_QUOTE else quote[:LONGEST_QUOTE].rsplit(" ", 1)[0] + "…"
