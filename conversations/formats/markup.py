"""The words of HTML, as mails, chats and rich-text fields of CRMs hold them: no tags, styles or escapes, a line a block.

What stands in a `blockquote` gets "> " in front, as mail programs write it in plain text. A text without a tag of HTML stays
as it is. It judges nothing and loads nothing. Costs one pass.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from conversations.formats.turns import unescaped

_IS_MARKUP = re.compile(
    r"</?(?:p|div|br|span|ul|ol|li|b|i|u|a|em|strong|h\d|table|tr|td|th|tbody|html|body|blockquote)\b[^<>]*>",
    re.IGNORECASE,
)
_HAS_BLOCKS = re.compile(r"<(?:p|div|br|li|tr|body|blockquote|h\d)\b[^<>]*>", re.IGNORECASE)
_TAG = re.compile(r"(<!--|-->|</?[a-zA-Z!][a-zA-Z0-9:-]*+(?:[\s/][^<>]*+)?>)")
_NAME = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9:-]*+)")
_BLOCKS = frozenset(("p", "div", "br", "li", "tr", "blockquote", "hr", *(f"h{n}" for n in range(1, 7))))
_INLINE = frozenset(("a", "b", "i", "u", "em", "strong", "span", "font", "code", "small", "sub", "sup", "o:p"))
_UNSEEN = frozenset(("style", "script", "head", "title"))
_DEEPEST_QUOTE = 20


def plain_words(text: str) -> str:
    """The words of a text that may be HTML, each block a line; a text without HTML's tags is given back unchanged."""
    if not _IS_MARKUP.search(text):
        return text
    lines = unescaped("".join(_pieces(text))).splitlines()
    return "\n".join(filter(None, (" ".join(line.split()) for line in lines)))


def _pieces(text: str) -> Iterator[str]:
    """The text piece by piece, a line's end for each block's, and nothing of what no reader sees."""
    line_end = " " if _HAS_BLOCKS.search(text) else "\n"  # where blocks make the lines, those of the source are none
    quotes, unseen, in_comment = 0, "", False
    for number, piece in enumerate(_TAG.split(text)):  # words, tag, words, tag …
        tag = _NAME.match(piece) if number % 2 else None
        closes, name = (tag[1], tag[2].lower()) if tag else ("", "")
        if number % 2 and not name:
            in_comment = piece == "<!--"
        elif in_comment or unseen:
            unseen = "" if closes and name == unseen else unseen
        elif not name:
            yield piece.replace("\n", line_end)
        elif name in _UNSEEN and not closes:
            unseen = name
        else:
            quotes = max(0, min(quotes + (-1 if closes else 1) * (name == "blockquote"), _DEEPEST_QUOTE))
            yield f"\n{'> ' * quotes}" if name in _BLOCKS else "" if name in _INLINE else " "
