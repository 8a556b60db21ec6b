"""Reading and writing conversations: every format, every script, and one clear sentence for every bad file."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations.conversation import Conversation
from conversations.reading.files import read_conversations, write_conversations
from conversations.reading.record import conversation_from_record, with_identifiers
from foundations.errors import InputError

RECORDS: list[dict[str, Any]] = [
    {"conversation_id": "c-1", "transcript": "They want a demo.", "outcome": "successful", "group": "acme"},
    {
        "conversation_id": "c-2",
        "turns": [{"speaker": "Agent", "text": "Hello"}, {"speaker": "client", "text": "Too expensive."}],
        "conversation_context": {"industry": "technology", "previous_interactions": 2},
        "outcome": "failed",
        "split": "test",
    },
    {"conversation_id": "c-3", "transcript": "An open deal."},
]
UNUSUAL_TEXTS = [
    "A budget of $50,000, 20% off; it's the customer's \"final\" offer",
    "👍🏽 family 👨‍👩‍👧 emoji",
    "مرحبا، السعر مناسب",
    "价格合适。我们下周签约！",
    "नमस्ते, कीमत ठीक है",
    "tab\there, line\nbreak, a comma, a; semicolon",
]


def file_with(folder: Path, content: str | bytes, name: str = "deals.json") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def outcomes_and_texts(path: Path) -> list[tuple[str | None, str | None]]:
    return [(conversation.outcome, conversation.transcript) for conversation in read_conversations(path)]


# ---------------------------------------------------------------------------------------------------------- formats


@pytest.mark.parametrize("name", ["deals.json", "deals.jsonl", "deals.csv", "deals"])
@pytest.mark.parametrize(
    "content",
    [
        json.dumps(RECORDS),
        json.dumps(RECORDS, indent=2),
        "\n".join(map(json.dumps, RECORDS)),
        "\ufeff" + "\r\n\r\n".join(map(json.dumps, RECORDS)) + "\n",
    ],
    ids=["list", "indented list", "lines", "lines with BOM, CRLF and blank lines"],
)
def test_json_is_read_whatever_the_file_is_called(tmp_path: Path, name: str, content: str) -> None:
    conversations = read_conversations(file_with(tmp_path, content, name))
    assert [conversation.conversation_id for conversation in conversations] == ["c-1", "c-2", "c-3"]
    assert [conversation.outcome for conversation in conversations] == ["successful", "failed", None]
    assert conversations[1].turns is not None
    assert [turn.speaker for turn in conversations[1].turns] == ["seller", "customer"]
    assert conversations[1].conversation_context.previous_interactions == 2


@pytest.mark.parametrize("indent", [None, 2])
def test_one_object_is_one_conversation(tmp_path: Path, indent: int | None) -> None:
    path = file_with(tmp_path, json.dumps(RECORDS[0], indent=indent))
    assert outcomes_and_texts(path) == [("successful", "They want a demo.")]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("start", ["", "\ufeff", "\n\n"], ids=["plain", "BOM", "blank lines first"])
def test_csv_with_each_delimiter_multi_line_cells_and_context(tmp_path: Path, delimiter: str, start: str) -> None:
    rows = [
        [" transcript ", "outcome", "industry", "previous_interactions", "group", "note"],
        ['"Agent: Hi, there;\tyou\nClient: He said ""no"""', "Failed", "health care", "3", "g1", "kept"],
        ["Short.", "", "", "", "", ""],
    ]
    path = file_with(tmp_path, start + "\r\n".join(delimiter.join(row) for row in rows), "deals.json")
    first, second = read_conversations(path)
    assert first.transcript == 'Agent: Hi, there;\tyou\nClient: He said "no"'
    assert first.turns is not None
    assert [turn.text for turn in first.turns] == ["Hi, there;\tyou", 'He said "no"']
    assert (first.outcome, first.group) == ("failed", "g1")
    assert first.conversation_context.industry == "health care"
    assert first.conversation_context.previous_interactions == 3
    assert (second.outcome, second.group, second.conversation_id) == (None, None, "row-2")


def test_csv_whose_first_column_has_no_name(tmp_path: Path) -> None:
    assert outcomes_and_texts(file_with(tmp_path, "\ttranscript\toutcome\n0\tHi there\tfailed\n")) == [
        ("failed", "Hi there")
    ]


def test_what_pandas_writes_for_a_missing_value_is_absent(tmp_path: Path) -> None:
    record = '{"transcript": "Hi", "outcome": NaN, "group": NaN, "conversation_context": {"industry": NaN}, "n": NaN}'
    (conversation,) = read_conversations(file_with(tmp_path, record))
    assert (conversation.outcome, conversation.group) == (None, None)
    assert conversation.conversation_context.industry is None


def test_whole_numbers_of_a_column_where_one_is_missing(tmp_path: Path) -> None:
    """pandas makes them 17.0, and writes null in JSON for the missing one."""
    context = '{"previous_interactions": 2.0}'
    known = f'{{"conversation_id": 7.0, "transcript": "Hi", "group": 17.0, "conversation_context": {context}}}'
    missing = '{"conversation_id": null, "transcript": "Ho", "group": null}'
    first, second = read_conversations(file_with(tmp_path, f"{known}\n{missing}"))
    assert (first.conversation_id, first.group, first.conversation_context.previous_interactions) == ("7", "17", 2)
    assert (second.conversation_id, second.group) == ("row-2", None)
    (row,) = read_conversations(file_with(tmp_path, "transcript,previous_interactions\nHi,2.0\n"))
    assert row.conversation_context.previous_interactions == 2
    assert "conversation_id 1.5" in message(file_with(tmp_path, '{"conversation_id": 1.5, "transcript": "Hi"}'))


def test_a_blank_group_is_no_group() -> None:
    one, other = (
        conversation_from_record({"conversation_id": n, "transcript": "Hi", "group": " "}, "") for n in (1, 2)
    )
    assert one.group_key != other.group_key


# ------------------------------------------------------------------------------------------------------- round trip


def test_what_was_written_reads_back_equal(tmp_path: Path) -> None:
    records = [
        *RECORDS,
        *({"conversation_id": text[:3], "transcript": text, "extra": [text]} for text in UNUSUAL_TEXTS),
    ]
    conversations = [conversation_from_record(record, "test") for record in records]
    write_conversations(tmp_path / "out.json", conversations)
    assert read_conversations(tmp_path / "out.json") == conversations
    assert [c.transcript for c in read_conversations(tmp_path / "out.json")][len(RECORDS) :] == UNUSUAL_TEXTS


def test_a_long_labelled_transcript_reads_back(tmp_path: Path) -> None:
    """Its turns are written beside it: the same words must not count twice towards the limit."""
    transcript = "\n".join(f"{'Agent' if n % 2 else 'Client'}: {'word ' * 20}".strip() for n in range(6000))
    assert 500_000 < len(transcript) < 1_000_000
    conversations = with_identifiers([conversation_from_record({"transcript": transcript}, "test")])
    write_conversations(tmp_path / "out.json", conversations)
    assert read_conversations(tmp_path / "out.json") == conversations


words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)


@given(st.lists(st.tuples(words, st.sampled_from(["successful", "failed", None]), words | st.none()), min_size=1))
def test_any_text_reads_back_equal(rows: list[tuple[str, str | None, str | None]]) -> None:
    conversations = with_identifiers(
        [
            Conversation.model_validate(
                {"transcript": text, "outcome": outcome, "conversation_context": {"industry": industry}}
            )
            for text, outcome, industry in rows
        ]
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "any.json"
        write_conversations(path, conversations)
        assert read_conversations(path) == conversations


almost_json = st.text('[]{}",:;\\ \n\t\rtranscipou1eE+-.Nau"\'\x00\ufeff').map(str.encode)
starts = st.sampled_from(
    [b"", b"[", b"{", b'{"transcript":', b"transcript,outcome\n", b'transcript\n"', b"\xef\xbb\xbf"]
)


@given(starts, st.binary() | almost_json)
def test_any_bytes_are_conversations_or_an_input_error(start: bytes, rest: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = file_with(Path(folder), start + rest)
        try:
            conversations = read_conversations(path)
        except InputError:
            return  # what it says is tested below
        assert all(conversation.turns or conversation.transcript for conversation in conversations)


# -------------------------------------------------------------------------------------------------------- bad files


def message(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_conversations(path)
    assert "\n" not in str(caught.value), "one line for the person who reads it"
    return str(caught.value)


GOOD_LINE = '{"transcript": "Hi", "outcome": "failed"}'

BAD_FILES: dict[str, tuple[str | bytes, list[str]]] = {
    "empty": ("", ["is empty"]),
    "only white space": (" \n\t\n", ["is empty"]),
    "empty list": ("[]", ["holds no conversation"]),
    "header only": ("transcript,outcome\n", ["holds no conversation"]),
    "broken list": (
        '[\n  {"transcript": "Hi"},\n  {"transcript": oops}\n]',
        ["line 3, column 18", "at 'o' (Expecting value)"],
    ),
    "cut off list": ('[{"transcript": "Hi"}', ["line 1, column 22"]),
    "broken line": (f"{GOOD_LINE}\n\n{GOOD_LINE[:-1]}, 7}}\n{GOOD_LINE}", ["line 3, column 43"]),
    "cut off line": (f'{GOOD_LINE}\n{{"transcript": "Hi', ["line 2, column 16", "Unterminated string"]),
    "broken object over several lines": ('{\n "transcript": "Hi",\n "outcome": lost\n}', ["line 3, column 13"]),
    "words after an object": (GOOD_LINE + " and more", ["line 1, column 43"]),
    "list of text": ('["Hi"]', ["item 1", "(a text of 2 characters)", "an object"]),
    "number in lines": (f"{GOOD_LINE}\n42", ["line 2", "42"]),
    "transcript of the wrong type": (f'[{GOOD_LINE}, {{"transcript": 42}}]', ["item 2", "transcript 42"]),
    "turns of the wrong type": ('{"turns": "Agent: Hi"}', ["turns (a text of 9 characters)"]),
    "turn of the wrong type": (
        '{"turns": ["Hi"]}',
        ["turns.0 (a text of 2 characters) is wrong: it should be an object"],
    ),
    "turn without text": ('{"turns": [{"speaker": "Agent"}]}', ["turns.0.text is missing"]),
    "context of the wrong type": (
        '{"transcript": "Hi", "conversation_context": "technology"}',
        ["conversation_context 'technology' is wrong: it should be an object"],
    ),
    "unknown outcome": (
        f'{GOOD_LINE}\n{{"transcript": "Hi", "outcome": "maybe"}}',
        ["line 2", "'maybe'", "successful", "--won"],
    ),
    "outcome of the wrong type": ('{"transcript": "Hi", "outcome": [1]}', ["outcome [1]", "'successful'"]),
    "unknown split": ('{"transcript": "Hi", "split": "dev"}', ["'dev'", "'validation'"]),
    "unknown outcome in CSV": ("transcript,outcome\nHi,failed\nHo,maybe\n", ["line 3", "'maybe'"]),
    "unknown outcome in CSV after blank lines": ("\n\ntranscript,outcome\nHo,maybe\n", ["line 4", "'maybe'"]),
    "empty transcript": ('{"transcript": " \\n", "outcome": "failed"}', ["the transcript is empty"]),
    "no transcript": (
        f'{GOOD_LINE}\n{{"outcome": "failed"}}',
        ["line 2", "neither 'transcript' nor 'turns'", "(found: 'outcome')"],
    ),
    "other names": (
        '[{"text": "Hi", "label": 1}]',
        ["item 1", "(found: 'text', 'label')", "as in transcript=Notes"],
    ),
    "a list within an object": (
        '{"data": [{"transcript": "Hi"}]}',
        ["(found: 'data')", "give a list of conversations"],
    ),
    "turns without words": ('{"turns": [{"text": " "}]}', ["the transcript is empty"]),
    "empty transcript in CSV": ("transcript,outcome\n,failed\n", ["line 2", "the transcript is empty"]),
    "2 MB transcript": (json.dumps({"transcript": "word " * 400_000}), ["1,999,999 characters", "1,000,000"]),
    "2 MB transcript in CSV": ("transcript\n" + "word " * 400_000, ["line 2", "1,999,999 characters"]),
    "half a surrogate pair": (
        r'[{"transcript": "great \ud83d"}]',
        ["item 1", "its character 7 of 7 is '\\ud83d', half of a character"],
    ),
    "half a pair in a turn": (r'{"turns": [{"text": "\ude00"}]}', ["half of a character"]),
    "half a pair in the context": (
        r'{"transcript": "Hi", "conversation_context": {"industry": "\ud83d"}}',
        ["half of a character"],
    ),
    "half a pair in another field": (r'{"transcript": "Hi", "crm": {"notes": ["\ud83d"]}}', ["half of a character"]),
    "half a pair in an id": (r'{"transcript": "Hi", "conversation_id": "\ud83d"}', ["half of a character"]),
    "infinite number": ('{"transcript": "Hi", "amount": 1e999}', ["the number inf"]),
    "probability beyond 1": ('{"transcript": "Hi", "true_probability": 1.5}', ["true_probability 1.5"]),
    "number of 5,000 digits": (f'[{{"transcript": "Hi", "n": {"9" * 5000}}}]', ["line 1", "thousands of digits"]),
    "nested beyond the parser": ("[" * 100_000, ["line 1", "nested too deeply"]),
    "nested object": ('{"a":' * 100_000, ["line 1", "nested too deeply"]),
    "nested extra field": (f'[{{"transcript": "Hi", "x": {"[" * 200}{"]" * 200}}}]', ["item 1", "50 levels"]),
    "binary": (b"\x89" + bytes(range(1, 256)), ["not UTF-8", "byte 0 is 0x89"]),
    "binary with zero bytes": (b"Deal\x00\x00", ["binary", "byte 4 is 0x00"]),
    "Latin-1": (GOOD_LINE.replace("a", "é").encode("latin-1"), ["not UTF-8"]),
    "Latin-1 JSON": ('{"transcript": "Café"}'.encode("latin-1"), ["not UTF-8", "byte 19 is 0xe9"]),
    "CSV without transcript": ("text,outcome\nHi,failed\n", ["no column 'transcript'", "'text', 'outcome'"]),
    "prose": ("Dear all, the deal is off.", ["no column 'transcript'"]),
    "CSV with an open quote": ('transcript,outcome\n"Hi,failed\n', ["line 2", "broken CSV"]),
    "CSV with quotes inside a quoted cell": (
        'transcript,outcome\n"They said "yes" to it",failed\n',
        ["line 2", "write a quote inside a quoted cell twice"],
    ),
    "CSV with an open quote in the header": ('"transcript', ["line 1", "broken CSV"]),
    "CSV with an unquoted comma": (
        "transcript\nHello, you\n",
        ["line 2", "a cell of 4 characters lies beyond the last column, 'transcript'", "quotes"],
    ),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_bad_file_is_refused_naming_file_and_place(tmp_path: Path, kind: str) -> None:
    content, parts = BAD_FILES[kind]
    path = file_with(tmp_path, content)
    said = message(path)
    assert str(path) in said
    assert len(said) < 400
    for part in parts:
        assert part in said


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    assert "no file" in message(tmp_path / "nowhere.json")
    assert "nowhere.json" in message(tmp_path / "nowhere.json")
    assert f"Cannot read {str(tmp_path)!r}" in message(tmp_path)
    assert "Cannot read" in message(file_with(tmp_path, GOOD_LINE) / "inside-a-file.json")


def test_the_largest_accepted_transcript(tmp_path: Path) -> None:
    (conversation,) = read_conversations(file_with(tmp_path, json.dumps({"transcript": "x" * 1_000_000})))
    assert len(conversation.transcript or "") == 1_000_000
