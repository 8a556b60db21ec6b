"""From a conversation to model text: rendering, sentences, and segments that fit and lose no word."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from conversations.conversation import Conversation
from conversations.model_text import Passage, render_input, rendered_text
from conversations.reading.record import conversation_from_record
from conversations.sentences import split_sentences
from encoder.torch_encoder import SalesEncoder
from modelling.segments import Segment, segments


def conversation(**record: Any) -> Conversation:
    return conversation_from_record(record, "test")


def letters_and_marks(text: str) -> int:
    """A token for every three letters of a word and for every other character, as a small vocabulary would give."""
    return sum(-(-len(part) // 3) if part.isalnum() else 1 for part in re.findall(r"\w+|[^\w\s]", text))


def words_of(parts: list[Segment]) -> list[str]:
    return [word for part in parts for word in part.text.split()]


# -------------------------------------------------------------------------------------------------------- rendering


def test_the_context_is_one_sentence_of_what_is_known() -> None:
    context = {
        "company_size": "mid-market",
        "industry": "technology",
        "contact_role": "VP of Sales",
        "urgency": None,
        "budget_authority": "decision_maker",
        "previous_interactions": 0,
        "favourite_colour": "blue",
    }
    assert render_input(conversation(transcript="They call back.", conversation_context=context)) == [
        Passage(
            "company size mid-market, industry technology, contact VP of Sales, budget authority decision maker, "
            "previous interactions 0",
            "context",
            None,
        ),
        Passage("They call back.", "", None),
    ]


def test_turns_carry_their_speaker_and_their_index() -> None:
    turns = [
        {"speaker": "Sales rep", "text": "Hello.\n How are  you?"},
        {"speaker": "Client", "text": " "},  # nothing was said: no turn
        {"speaker": "Client", "text": "Fine."},
        {"speaker": "Dr. Lee", "text": "And you?"},
        {"text": "Noise."},
    ]
    assert render_input(conversation(turns=turns, transcript="not read beside turns")) == [
        Passage("Hello. How are you?", "seller", 0),
        Passage("Fine.", "customer", 1),
        Passage("And you?", "dr. lee", 2),
        Passage("Noise.", "", 3),
    ]


def test_a_note_is_read_by_sentences() -> None:
    note = "Budget is $50,000. They'd sign at 20% off!\n\nReally?"
    passages = render_input(conversation(transcript=note))
    assert [passage.text for passage in passages] == ["Budget is $50,000.", "They'd sign at 20% off!", "Really?"]
    assert {passage.speaker for passage in passages} == {""}
    assert rendered_text(conversation(transcript=note)) == "Budget is $50,000.\nThey'd sign at 20% off!\nReally?"


def test_a_labelled_transcript_becomes_turns() -> None:
    labelled = conversation(transcript="Agent: Hi: how are you?\n\n  customer : Fine.\nSALES REP: Good.")
    assert [passage.text for passage in render_input(labelled)] == [
        "seller: Hi: how are you?",
        "customer: Fine.",
        "seller: Good.",
    ]


@pytest.mark.parametrize(
    "transcript",
    ["Customer: only one line", "Customer: Fine.\nThen they left.", "Budget: high\nNeed: urgent"],
    ids=["one line", "a line without a label", "labels that name no speaker"],
)
def test_other_transcripts_stay_notes(transcript: str) -> None:
    assert conversation(transcript=transcript).turns is None


# -------------------------------------------------------------------------------------------------------- sentences


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("It works. We like it!  Do you?", ["It works.", "We like it!", "Do you?"]),
        ("Dr. Lee met J. Smith vs. Mr. Jones. Done.", ["Dr. Lee met J. Smith vs. Mr. Jones.", "Done."]),
        (
            "DR. Lee met MS. Jones. Approx. 5 came, INCL. Bo. Yes.",
            ["DR. Lee met MS. Jones.", "Approx. 5 came, INCL. Bo.", "Yes."],
        ),
        (
            "Approx. $1.5M is set. Follow-up Tue. 9/12. Good.",
            ["Approx. $1.5M is set.", "Follow-up Tue. 9/12.", "Good."],
        ),
        ("Meet Fri. Sept. 5 or on Mon. Dec. 12.", ["Meet Fri. Sept. 5 or on Mon. Dec. 12."]),
        ("We met on Tue. They agreed.", ["We met on Tue.", "They agreed."]),
        ("Until Tue.\n5 people.", ["Until Tue.", "5 people."]),
        ("Order No. 5 came. No. We wait.", ["Order No. 5 came.", "No.", "We wait."]),
        ("Acme Inc. has it, etc. and more.", ["Acme Inc. has it, etc. and more."]),
        ("At 5 p.m. on Friday at Acme Inc. We sign.", ["At 5 p.m. on Friday at Acme Inc.", "We sign."]),
        ("Dr.\n\n Lee agreed. Fine.", ["Dr. Lee agreed.", "Fine."]),
        ("Tools, e.g. a CRM. Good.", ["Tools, e.g. a CRM.", "Good."]),
        ("It costs $3.50 or 1.2 percent. Fine.", ["It costs $3.50 or 1.2 percent.", "Fine."]),
        ('She said "We buy." Then he left.', ['She said "We buy."', "Then he left."]),
        ("She said “No!” (Twice.) Well… maybe.", ["She said “No!”", "(Twice.)", "Well…", "maybe."]),
        ("价格合适。我们下周签约！好吗？", ["价格合适。", "我们下周签约！", "好吗？"]),
        # German
        ("Hr. Vogt kam. Fr. Dr. Lang auch.", ["Hr. Vogt kam.", "Fr. Dr. Lang auch."]),
        ("Mit Hrn. v. Bülow und Frl. v. d. Heide. Gut.", ["Mit Hrn. v. Bülow und Frl. v. d. Heide.", "Gut."]),
        ("Vieles, z. B. Globex, d. h. Wettbewerb. Ja.", ["Vieles, z. B. Globex, d. h. Wettbewerb.", "Ja."]),
        ("Sie kaufen i. d. R. im Mai. Das ist i. d. R. so.", ["Sie kaufen i. d. R. im Mai.", "Das ist i. d. R. so."]),
        ("Preis bzw. Rabatt, ggf. Miete, zzgl. Fracht. Ok.", ["Preis bzw. Rabatt, ggf. Miete, zzgl. Fracht.", "Ok."]),
        (
            "Auftrag Nr. 12, ca. 30 Stück, ca. zwei Wochen. Gut.",
            ["Auftrag Nr. 12, ca. 30 Stück, ca. zwei Wochen.", "Gut."],
        ),
        ("Am 3. Mai ist der 2. Termin. Bis 15. September.", ["Am 3. Mai ist der 2. Termin.", "Bis 15. September."]),
        (
            "Das Budget ist 2 Mio. Euro. Es ist Hauptstr. 5. Ja.",
            ["Das Budget ist 2 Mio. Euro.", "Es ist Hauptstr. 5.", "Ja."],
        ),
        ("Preise usw. und mehr. Preise usw. Dann nichts.", ["Preise usw. und mehr.", "Preise usw.", "Dann nichts."]),
        ("Sie haben SAP u. a. Das reicht.", ["Sie haben SAP u. a.", "Das reicht."]),
        # Spanish
        ("El Sr. Ruiz y la Sra. Gil. Bien.", ["El Sr. Ruiz y la Sra. Gil.", "Bien."]),
        ("Dña. Eva y la Dra. Paz, aprox. tres. Sí.", ["Dña. Eva y la Dra. Paz, aprox. tres.", "Sí."]),
        ("Otros, p. ej. Globex. Bien.", ["Otros, p. ej. Globex.", "Bien."]),
        ("¿Quiere Ud. verlo? Se lo envío a Ud. Mañana.", ["¿Quiere Ud. verlo?", "Se lo envío a Ud.", "Mañana."]),
        ("En EE. UU. no venden. Pedido núm. 4.", ["En EE. UU. no venden.", "Pedido núm. 4."]),
        # and what only looks like them in English
        ("They changed their mind. Plan b. Globex waits.", ["They changed their mind.", "Plan b.", "Globex waits."]),
        (
            "He spoke to John Lee Sr. They sign on Fr. Tom said.",
            ["He spoke to John Lee Sr.", "They sign on Fr.", "Tom said."],
        ),
        ("i am 74. later they were v. nice", ["i am 74.", "later they were v.", "nice"]),
        ("It costs 30. Then we left at 12. Good.", ["It costs 30.", "Then we left at 12.", "Good."]),
        ("first line\nsecond line", ["first line", "second line"]),
        ("no end", ["no end"]),
        ("Call Dr.\n", ["Call Dr."]),
        ("", []),
    ],
)
def test_sentences(text: str, sentences: list[str]) -> None:
    assert split_sentences(text) == sentences


@given(st.text())
def test_sentences_keep_every_character_in_order_and_fold_white_space(text: str) -> None:
    sentences = split_sentences(text)
    assert "".join("".join(sentences).split()) == "".join(text.split())
    assert all(sentence == " ".join(sentence.split()) and sentence for sentence in sentences)


@given(st.lists(st.from_regex(r"[A-Za-z$%']{1,8}[.!?,]?", fullmatch=True)))
def test_sentences_keep_every_word_in_order(words: list[str]) -> None:
    assert " ".join(split_sentences(" ".join(words))).split() == words


# --------------------------------------------------------------------------------------------------------- segments

utterances = st.text(st.sampled_from("ab. é中。!? \n\"'$%,")) | st.text()
spoken = st.lists(st.fixed_dictionaries({"speaker": st.sampled_from(["Agent", "client", ""]), "text": utterances}))
industries = st.sampled_from(["health care", None])


@pytest.mark.parametrize("as_turns", [True, False])
@given(spoken, industries, st.integers(4, 40))
def test_segments_fit_and_lose_nothing(
    as_turns: bool, turns: list[dict[str, str]], industry: str | None, max_tokens: int
) -> None:
    note = " ".join(turn["text"] for turn in turns)
    assume(note.strip())
    said: dict[str, Any] = {"turns": turns} if as_turns else {"transcript": note}
    one = conversation(**said, conversation_context={"industry": industry})
    parts = segments(one, letters_and_marks, max_tokens)
    assert all(letters_and_marks(part.text) <= max_tokens for part in parts)
    assert "".join("".join(part.text for part in parts).split()) == "".join(said_of(one).split())
    assert all(0 <= part.position <= 1 for part in parts)
    assert [part.position for part in parts if part.speaker != "context"] == sorted(
        part.position for part in parts if part.speaker != "context"
    )


def said_of(one: Conversation) -> str:
    """The model text without the speakers' names, which no segment has."""
    return "\n".join(passage.said for passage in render_input(one))


@given(st.lists(st.from_regex(r"[a-z]{1,9}[.!?,]?", fullmatch=True), min_size=1), st.integers(5, 40))
def test_segments_keep_whole_words_that_fit(words: list[str], max_tokens: int) -> None:
    parts = segments(conversation(transcript=" ".join(words)), letters_and_marks, max_tokens)
    assert words_of(parts) == words


def test_segments_are_cut_at_turns_and_placed_from_0_to_1() -> None:
    turns = [{"speaker": speaker, "text": f"{speaker} speaks"} for speaker in ("agent", "client", "agent")]
    one = conversation(turns=turns, conversation_context={"industry": "retail"})
    assert segments(one, letters_and_marks, max_tokens=100) == [
        Segment("industry retail", "context", 0.0),
        Segment("agent speaks", "seller", 0.0),
        Segment("client speaks", "customer", 0.5),
        Segment("agent speaks", "seller", 1.0),
    ]


def test_a_long_turn_is_cut_at_sentences_before_words() -> None:
    text = "One two three. Four five six. Seven eight nine ten eleven twelve."
    (first, second, third, *rest) = segments(conversation(turns=[{"text": text}]), lambda t: len(t.split()), 5)
    assert [first.text, second.text] == ["One two three.", "Four five six."]
    assert third.text == "Seven eight nine ten eleven"
    assert [part.text for part in rest] == ["twelve."]


def test_a_word_longer_than_the_window_is_cut_into_parts() -> None:
    parts = segments(conversation(transcript="see " + "x" * 100), letters_and_marks, max_tokens=10)
    assert len(parts) > 3
    assert "".join(words_of(parts)) == "see" + "x" * 100


@pytest.mark.parametrize("shape", ["note", "one sentence", "dialogue", "unspaced script"])
def test_ten_thousand_words_fit_the_encoder(tiny_encoder: SalesEncoder, shape: str) -> None:
    words = [f"word{n}" if n % 9 else f"$50,{n:03}." for n in range(10_000)]
    record: dict[str, Any] = {"transcript": " ".join(words)}
    if shape == "one sentence":
        record = {"transcript": " ".join(words).replace(".", ";")}
    elif shape == "dialogue":
        record = {"turns": [{"speaker": "client", "text": " ".join(words[n : n + 50])} for n in range(0, 10_000, 50)]}
    elif shape == "unspaced script":
        record = {"transcript": "价" * 10_000}
    one = conversation(**record)
    parts = segments(one, tiny_encoder.token_count, tiny_encoder.window)
    assert max(tiny_encoder.token_count(part.text) for part in parts) <= tiny_encoder.window
    assert "".join(words_of(parts)) == "".join(said_of(one).split())
    if shape != "unspaced script":
        assert words_of(parts) == said_of(one).split()
        assert sum(map(tiny_encoder.token_count, (part.text for part in parts))) / len(parts) > tiny_encoder.window / 4
