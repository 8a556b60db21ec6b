"""The wordings by which people say clearly whether there is money, who decides, what hurts and by when, and speak of prices.

English only. `deals.clear_words` reads sentences with them.
"""

from __future__ import annotations

import re

_MONEY = (
    r"(?:[$€£]\s?\d[\d.,]{0,14}(?:\s?(?:k|m|thousand|million)\b)?"
    r"|\b\d[\d.,]{0,14}\s?(?:k|thousand|million)?\s?(?:euros?|dollars?|pounds|francs|EUR|USD|GBP|CHF|k|grand)\b)"
)
_FUNDS = r"(?:budgets?|money|funds|funding|cash)"
_ITSELF = r"(?! (?:order|thing|meeting|talk|round|question|issue|problem|worr\w+|season|planning|review|process)s?\b)"
_MONTHS = r"(?:january|february|march|april|may|june|july|august|september|october|november|december)"
_PERIOD = rf"(?:{_MONTHS}|spring|summer|autumn|fall|winter|Q[1-4]|week|month|quarter|year|season)"
_WEEKDAY = r"(?:(?:next |this )?(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day\b)"
_DATE = (
    rf"(?:(?:the )?(?:end|start|beginning|middle|close) of (?:the |this |next )?(?:\w+ )?{_PERIOD}\b"
    rf"|(?:next|this) (?:{_MONTHS}|spring|summer|autumn|fall|winter|week|month|quarter)\b|{_WEEKDAY}"
    rf"|(?:early |mid[- ]?|late )?{_MONTHS}\b(?: (?:the )?\d{{1,2}}(?:st|nd|rd|th)?\b)?"
    rf"|the \d{{1,2}}(?:st|nd|rd|th)\b(?: of {_MONTHS}\b)?|\d{{1,2}}(?:st|nd|rd|th)? (?:of )?{_MONTHS}\b|\d{{4}}-\d\d-\d\d"
    r"|(?:the )?(?:spring|summer|autumn|winter|Q[1-4])\b|Christmas\b|Easter\b"
    r"|(?:\d{1,2}|two|three|four|five|six|eight|ten|twelve) (?:days|weeks|months)\b)"
)
_BY = r"(?:by|before|in|on|from|until|till|within|is|for|at|no later than)"
_ROLE = (
    r"(?:boss|bosses|manager|director|managing director|board|C[EFTOI]O|owner|head of \w+|VP(?: of \w+)?|vice president"
    r"|president|management|procurement|purchasing|finance(?: director)?|headquarters|HQ|head office|council|committee"
    r"|husband|wife|father|partner|superintendent|principal|chief \w+ officer)"
)
_PERSON = (
    rf"(?:(?:(?:my|our|the|his|her|their) )?(?:\w{{1,20}} )?{_ROLE}"
    r"|(?-i:(?:Mr|Mrs|Ms|Dr)\.? [A-Z][\w'’-]{1,20}))"
)
_SIGN = r"sign(?! (?:up|in|out|me|us|for)\b)(?: (?:off|it|the \w+|everything|this))?"
_DECIDES = (
    r"(?:decides?|signs(?! (?:up|in|out|for)\b)(?: (?:off|it|the \w+|everything|this))?|approves?"
    r"|makes? (?:the|that|this|all) (?:\w+ )?decisions?|(?:has|have|gets?) the (?:final|last) (?:say|word)"
    rf"|(?:has|have|needs?) to (?:approve|{_SIGN}|agree|decide)|(?:must|will) (?:approve|{_SIGN}|agree|decide)"
    r"|(?:takes?|calls?) the (?:decision|shots))"
)
_BUY = (
    r"(?:start|begin|decide|sign|order|buy|switch|go live|roll|launch|install|move|have (?:it|this|that)"
    r"|be (?:live|up|running|ready|in place))"
)

BUDGET_THERE = re.compile(
    rf"\b{_FUNDS}\b[^.;?]{{0,30}}?\b(?:is|are|was|were|got|has been|have been|['’]s)(?: (?:now|already|all|finally|fully))?"
    r" (?:approved|signed off|released|secured|confirmed|allocated|set aside|granted|earmarked|available|ring-?fenced"
    r"|reserved|there|in place)\b"
    rf"|\b(?:approved|signed off|released|allocated|earmarked|set aside|ring-?fenced|reserved|granted)\b[^.;?]{{0,30}}?"
    rf"(?:\b{_FUNDS}\b{_ITSELF}|{_MONEY})"
    rf"|\b(?:we|they|I)(?: do)?(?:['’]ve| have| have got)(?: got)? (?:a|the|our|enough) (?:\w+ )?{_FUNDS}\b{_ITSELF}"
    rf"|\bbudget (?:of|is|was) (?:about |around |up to )?{_MONEY}",
    re.IGNORECASE,
)
BUDGET_MISSING = re.compile(
    rf"\bno (?:\w+ )?{_FUNDS}\b{_ITSELF}|\b(?:can['’]t|cannot|couldn['’]t) afford\b(?! to\b)"
    rf"|\b(?:don['’]t|doesn['’]t|do not|does not|didn['’]t) have (?:a|the|any|that|enough) (?:\w+ )?{_FUNDS}\b"
    rf"|\b{_FUNDS}\b[^.;?]{{0,20}}?\b(?:is|are|was|were|has been|['’]s)(?: (?:already|all|completely|still))? (?:frozen|cut"
    r"|spent|gone|used up|exhausted|on hold|pending|tight|not (?:approved|confirmed|released|there))\b"
    rf"|\b{_FUNDS}\b (?:isn['’]t|hasn['’]t been|wasn['’]t)(?: yet)? (?:approved|confirmed|released|there|signed off)\b"
    r"|\b(?:budget|spending) (?:freeze|cuts?|stop)\b|\bwaiting (?:for|on) (?:the |our )?budget\b",
    re.IGNORECASE,
)
DECIDES_MYSELF = re.compile(
    rf"\bI(?: alone| myself| can| do| will|['’]ll)? (?:decide(?! (?:on|between|whether)\b)|{_SIGN}|approve"
    r"|make (?:the|that|this|these|all) (?:\w+ )?decisions?|have the (?:final|last) (?:say|word))\b"
    r"|\b(?:it|that|this|the decision)(?:['’]s| is)(?: \w+)? (?:my (?:decision|call|money|budget)|up to me|mine to make)\b"
    r"|\bI(?:['’]m| am) the (?:one who (?:decides|signs|approves)|decision[- ]maker|(?:\w+ )?owner)\b",
    re.IGNORECASE,
)
CONTACT_DECIDES = re.compile(  # in a note
    r"\b(?:contact|customer|client|prospect) (?:alone |also |himself |herself )?(?:decides|signs|approves|has the final say)\b"
    r"|\b(?:he|she|contact|customer|client)(?:['’]s| is) the (?:\w+ )?decision[- ]maker\b"
    r"|\bdecision[- ]maker (?:was |is )?(?:joined|present|attended|on the call|in the room|at the table)\b",
    re.IGNORECASE,
)
OTHER_DECIDES = re.compile(
    rf"\b(?P<who>{_PERSON}) (?:still |also |always |then |alone )?{_DECIDES}\b"
    rf"|\b(?:decision|final say|last word|call)(?:['’]s| is| lies| rests| sits)(?: \w+)? (?:with|by|up to) (?P<with>{_PERSON})"
    rf"|\b(?:it|that|this)(?:['’]s| is) (?:up to|(?:a )?decision (?:of|for)) (?P<upto>{_PERSON})\b"
    rf"|\b(?:need|have|has|must|['’]ll have) to (?:ask|check with|convince|consult|talk to|run (?:it|this|that) (?:by|past))"
    rf" (?P<ask>{_PERSON})"
    r"|\b(?:not|isn['’]t) (?:really )?(?:my|mine to) (?:decision|call|decide)\b"
    rf"|\bI (?:can['’]t|cannot|don['’]t|may not) (?:decide(?! (?:on|between|whether)\b)|{_SIGN}|approve"
    r"|make (?:the|that|this) decision)\b",
    re.IGNORECASE,
)
HURTS = re.compile(
    r"\b(?:our|the|my|their) (?:biggest|main|real|worst|greatest) (?:problem|pain|issue|challenge|headache|worry)\b"
    r"|\b(?:we|they)(?:['’]re| are|['’]ve been)? (?:losing (?!it\b)|wast(?:e|ing)|struggl(?:e|ing) with|fed up with)"
    r"|\b(?:we|they) lose (?:\w+ ){0,3}?(?:customers?|clients?|guests?|orders?|money|sales|revenue|hours?|days?|thousands?)\b"
    r"|\b(?:costs|costing) (?:us|them) (?:\w+ ){0,3}?(?:hours?|days?|weeks?|customers?|thousands?|a fortune)\b"
    r"|\bkeeps? (?:crashing|failing|breaking|going down|losing)\b"
    r"|\b(?:we|they) (?:really |urgently |badly |desperately )(?:need|have to)\b"
    r"|\b(?:can['’]t|cannot) go on like this\b",
    re.IGNORECASE,
)
NO_NEED = re.compile(
    r"\b(?:don['’]t|do not|doesn['’]t) (?:really |actually )?"
    r"(?:need (?:it|this|that|a new|another|anything|one)\b(?! (?:to|from)\b)|see (?:a|any|the) (?:need|point|use|benefit)\b)"
    r"|\bno (?:real )?(?:need|use) for (?:it|this|that|a|another)\b|\bnot a priority\b"
    r"|\b(?:happy|fine|satisfied|content) with (?:what (?:we|they)(?:['’]ve| have)\b|our (?:current|present|existing)\b)"
    r"|\bworks (?:fine|well|perfectly)(?: enough)? (?:as it is|for us|the way it is)\b",
    re.IGNORECASE,
)
BY_DATE = re.compile(  # what they need by a weekday is an answer or a paper
    r"\b(?:(?:needs?|wants?|must|have to|has to|plan(?:s|ning)? to|aim(?:s|ing)? to)"
    rf"(?: (?:it|this|that|you)\b| (?:to )?{_BUY}\b)[^.;?]{{0,40}}?\b{_BY} (?!{_WEEKDAY}|the \d)(?P<date>{_DATE})"
    r"|(?:going live|goes? live|kick(?:s|ing)? off|decides?|(?<!the )decision|signs|signature|signing|deadline"
    r"|(?:contract|lease|licen[cs]e)s?\b[^.;?]{0,30}?\b(?:expires?|runs? out|ends?))\b"
    rf"[^.;?]{{0,40}}?\b{_BY} (?P<day>{_DATE}))",
    re.IGNORECASE,
)
NO_DATE = re.compile(
    r"\bno (?:\w+ )?(?:rush|hurry|deadline|timeline|time ?frame|fixed date|date yet)\b"
    r"|\bnot (?:this|before|until) (?:next )?(?:year|quarter|month|summer|autumn|spring|winter)\b"
    r"|\b(?:we|they)(?:['’]ll| will| might| may)\b[^.;?]{0,40}?\b(?:some ?day|at some point)\b|\bnext year at the earliest\b"
    r"|\b(?:wait|again|revisit|pushed?|back|postponed?|maybe|perhaps)\b[^.;?]{0,20}?\bnext year\b(?!['’]s)"
    r"|\b(?:it|this|that|everything|project|plan|decision|purchase|thing|idea|topic|rollout)(?:['’]s)?\b[^.;?]{0,20}?"
    r"\b(?:on ice|shelved|postponed|on the back burner|pushed back)\b",
    re.IGNORECASE,
)

AMOUNT = re.compile(_MONEY, re.IGNORECASE)
PRICE = re.compile(
    r"\b(?:pric(?:e[sd]?|ing|ey)|quotations?|discounts?|rebates?|expensive|cheap(?:er)?|fees?|licen[cs]e costs?)\b"
    r"|\bcosts?\b(?! (?:us|them|me|him|her)\b)|\bper (?:seat|user|head|licen[cs]e)\b",
    re.IGNORECASE,
)
OTHER_SUM = re.compile(
    r"\b(?:budgets?|turnover|revenues?|sales|raised|funding|set aside|sav(?:e|es|ed|ing)|los(?:e|es|t|ing)|earn\w*)\b",
    re.IGNORECASE,
)
NAMES_DATE = re.compile(_DATE, re.IGNORECASE)
NAMES_PERSON = re.compile(
    r"\b(?:(?:that|it)(?:['’]s| is| would be|['’]d be) |probably )?"
    rf"(?P<who>{_PERSON}\b|(?-i:[A-Z][a-z]{{2,20}}(?: [A-Z][\w'’-]{{1,20}})?)(?=[.,!]|$| (?:does|decides|signs)\b))",
    re.IGNORECASE,
)
MYSELF = re.compile(
    r"\b(?:(?:well|that['’]s|that['’]d be|that would be|it['’]s|just|only),? ){0,3}+"
    r"(?:(?:I|we)(?: alone| both)? (?:do|decide|sign|approve|will|am|are|must)\b|me\b|myself\b|mine\b|I alone\b)",
    re.IGNORECASE,
)
ASKS_WHO = re.compile(
    r"\bwho(?:se)?\b[^?]{0,50}?\b(?:decid\w*|decision|sign\w*|approv\w*|final say|last word)\b", re.IGNORECASE
)
ASKS_WHEN = re.compile(
    r"\b(?:when|how soon|what date|how quickly)\b[^?]{0,50}?"
    r"\b(?:start|begin|decide|decision|need|live|ready|sign|switch|in place|running)\b"
    r"|\b(?:your|the|a) (?:deadline|timeline|time ?frame)\b",
    re.IGNORECASE,
)
ASKS_BUDGET = re.compile(r"\bbudget\b|\bset aside\b", re.IGNORECASE)
EVASIVE = re.compile(
    r"\b(?:no|not?|never|idea|know|depends?|unclear|hard to say|perhaps|maybe|what|who|why)\b|n['’]t\b|\?",
    re.IGNORECASE,
)
# A favourable word under a condition, or after a denial, is none.
CONDITION = re.compile(
    r"\b(?:if|unless|whether|once|would|could|might|should|perhaps|maybe|as soon as|suppos\w+|assum\w+|rumou?rs?)\b|['’]d\b",
    re.IGNORECASE,
)
DENIED = re.compile(
    r"\b(?:not|never|no|nobody|only|hop(?:e|es|ing)|wish|until|were|had been|used to|did want|otherwise|than what"
    r"|you (?:say|said)|previous|last year)\b|n['’]t\b",
    re.IGNORECASE,
)
# These make an unfavourable word one of the past, or of what is only supposed.
OVER = re.compile(
    r"\b(?:if|unless|whether|no longer|any ?more|used to|back then|last (?:year|month|quarter|time)|were|would"
    r"|not (?:that|because|as if))\b",
    re.IGNORECASE,
)
