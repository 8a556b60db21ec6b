"""Who a rival is, where a sentence about rivals names one: "we went with Globex", "we're talking to Initech Systems".

Only a name that is written with a capital behind a word of choosing, comparing or dealing counts; who is not named so stays
unnamed, as a guess would be worse than none. Ask it of sentences that are about a rival alone. English only.
"""

from __future__ import annotations

import re

_NAME = r"(?P<name>(?-i:[A-Z][\w&'’.-]{1,29}(?: [A-Z][\w&'’.-]{1,29}){0,2}))"
_RIVAL_NAME = re.compile(
    r"\b(?:(?:go|goes|going|gone|went|sign(?:ed|ing)?|stay(?:ed|ing|s)?|work(?:ed|ing)?) with"
    r"|(?:switch(?:ed|ing)?|moved?|moving|talk(?:ed|ing|s)?|spoke|speaking|spoken) (?:over |back )?(?:to|with)"
    r"|(?:choos(?:e|ing)|chosen?|pick(?:ed|ing)?|prefer(?:red|ring|s)?|bought from|buy(?:ing)? from)"
    r"|(?:offers?|quotes?|demos?|proposals?|bids?|pilots?) (?:from|by|of|with)"
    r"|(?:compar(?:ed?|ing)(?: you| it| this)? (?:to|with|against)|(?:cheaper|better|dearer|faster) than)"
    r"|(?:looking|look|looked) at|evaluat(?:e|ed|ing)|competitor|vendor|rival|incumbent|in favou?r of|lost to)"
    rf" (?:the (?:\w{{1,20}} )?(?:from|of|by) )?{_NAME}",
    re.IGNORECASE,
)
_NO_RIVAL = frozenset(
    "i we you they he she it our your their my his her the this that mr mrs ms dr monday tuesday wednesday thursday friday "
    "saturday sunday january february march april may june july august september october november december ceo cfo cto coo "
    "vp it hr q1 q2 q3 q4 christmas easter english german french".split()
)


def rival_named(sentence: str) -> str | None:
    """The rival's name in a sentence about one, as it is written; None where it names none."""
    for found in _RIVAL_NAME.finditer(sentence):
        name = found["name"].rstrip(".'’-").removesuffix("'s").removesuffix("’s")
        if name.split()[0].casefold() not in _NO_RIVAL:
            return name
    return None
