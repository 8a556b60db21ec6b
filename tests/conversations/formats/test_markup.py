"""HTML to words: what a reader sees, a line a block, quotes marked, and no text changed that is none."""

from __future__ import annotations

import pytest

from conversations.formats.markup import plain_words
from tests.hostile.growth import growth

MAIL = """<html><head><style>p {color: red}</style><title>Mail</title></head><body>
<!--[if mso]><p>for one program only</p><![endif]-->
<p>Hi Raj,<br>the price &amp; the
date fit.</p><div>On Mon, 4 Mar 2024 Raj wrote:</div>
<blockquote type="cite"><p>What does
it cost?</p></blockquote></body></html>"""


def test_blocks_are_lines_and_what_nobody_sees_is_left_out() -> None:
    assert plain_words(MAIL).split("\n") == [
        "Hi Raj,",
        "the price & the date fit.",
        "On Mon, 4 Mar 2024 Raj wrote:",
        ">",
        "> What does it cost?",
        ">",
    ]


def test_lines_stay_where_no_block_makes_them() -> None:
    assert plain_words("Agent: <b>Hi</b>\nClient: Yes") == "Agent: Hi\nClient: Yes"


@pytest.mark.parametrize("text", ["5 < 6 > 4", "Ann <ann@x.example>\n\n wrote", "a\n\n  b", "&amp;", "<v Jane>Hi"])
def test_what_is_no_html_stays_as_it_is(text: str) -> None:
    assert plain_words(text) == text


@pytest.mark.parametrize("piece", ["<p>", "<", "<!--", "<style>", "<blockquote>", "</blockquote>", "<a ", "&#9", "-->"])
def test_no_html_takes_long(piece: str) -> None:
    assert growth(lambda text: plain_words(f"<p>{text}"), piece.__mul__, 20_000, floor=0.5) is None
