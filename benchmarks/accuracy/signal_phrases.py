"""The phrase lists that the signal detector is measured against: regular expressions, and a look for negations.

Written by hand, for each signal one list that speaks for the deal and one against it. English only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from signals.sentences import SIGNAL_LABELS, SIGNAL_NAMES

# For each signal the phrases that speak for the deal and those that speak against it.
_PHRASES = {
    "budget": (
        r"budget|fund(?:s|ing|ed)|money|afford|cash|set aside",
        r"(?:over|out of|tight|limited|frozen|cut) budget|budget (?:\w+ ){0,2}(?:frozen|cut|gone|spent)|broke|if we had",
    ),
    "authority": (
        r"decision[- ]maker|final say|last word|my (?:own )?(?:decision|call)|i (?:can )?(?:decide|sign|approve)",
        r"(?:ask|check with|run (?:it|this) by|convince)|my (?:boss|manager)|approval|above me",
    ),
    "need": (
        r"need|problem|struggl|pain|looking for|manual|too long|lose|losing",
        r"works (?:fine|well)|no use|good enough|overkill|already (?:have|solved)",
    ),
    "timeline": (
        r"by (?:friday|monday|the end)|next (?:week|month|quarter)|this (?:week|month|quarter)|go[- ]live|roll-?out|launch|"
        r"in (?:january|february|march|april|may|june|july|august|september|october|november|december)",
        r"next year|postpon|delayed|no (?:date|timeline)|on hold|pushed back",
    ),
    "commitment": (
        r"send (?:me )?(?:the )?contract|sign|schedul|purchase order|kick-?off|next step|let's|we take it|go ahead",
        r"think (?:about it|it over)|get back to you|call you back|not sure|maybe later|no answer",
    ),
    "decision_process": (
        r"process|committee|steps|criteria|legal|procurement|vote",
        r"complicated|bureaucra|nobody knows|tender|red tape|too many people",
    ),
    "competitor": (
        r"(?:chose|picked|prefer) you|better than|ruled out|only you",
        r"competitor|rival|other (?:vendor|provider|supplier|firm)|alternative|already use|shopping around",
    ),
    "price_objection": (
        r"fair price|good value|worth (?:it|the)|price is (?:fine|ok|fair)|affordable",
        r"expensive|pric(?:e|ey)|costly|discount|too (?:much|high)|cheaper",
    ),
    "objection": (
        r"no (?:concerns|objections|worries|doubts)",
        r"concern|worr|hesita|objection|doubt|s[ck]eptical|complex|complicated|risk|afraid|fear",
    ),
    "objection_resolved": (
        r"resolved|settled|answered|addressed|cleared|reassured|convinced|no longer (?:worried|a)",
        r"still (?:worried|concerned|not|open)|not (?:resolved|convinced|reassured)|unresolved",
    ),
    "urgency": (
        r"urgent|asap|as soon as possible|immediately|right away|hurry|deadline|quickly|at once",
        r"no (?:rush|hurry|urgency)|take (?:our|your) time|low priority|can wait|not urgent",
    ),
    "no_decision_risk": (
        r"not an option|no way back|have to decide|will happen",
        r"do nothing|status quo|stay with|leave (?:it|everything) as|shelved|stalled|never decide",
    ),
    "sentiment": (
        r"excited|enthusiastic|lov(?:e|es|ed)|impress|great|perfect|amaz|happy|fantastic",
        r"disappoint|waste of time|bored|boring|frustrat|annoy|angry|terrible|awful|unhappy",
    ),
}
_PATTERNS = {name: [re.compile(rf"\b(?:{part})", re.IGNORECASE) for part in _PHRASES[name]] for name in SIGNAL_NAMES}
_NEGATION = re.compile(r"\b(?:no|not|never|without|nobody|none|cannot|hardly)\b|n['’]t\b", re.IGNORECASE)


def find_phrases(sentences: Sequence[str]) -> NDArray[np.bool_]:
    """(n, len(SIGNAL_LABELS)): an adverse phrase wins over a favourable one, and a negation turns the latter."""
    found = np.zeros((len(sentences), len(SIGNAL_LABELS)), dtype=bool)
    for row, sentence in enumerate(sentences):
        if sentence.endswith("?"):
            continue
        for n, (favourable, adverse) in enumerate(_PATTERNS.values()):
            against = adverse.search(sentence) is not None
            if against or favourable.search(sentence):
                found[row, 2 * n + int(against or _NEGATION.search(sentence) is not None)] = True
    return found
