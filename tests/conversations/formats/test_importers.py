"""Other tools' exports: a sample of each, the ways people save them, and no error but a clear one."""

from __future__ import annotations

import json
import logging
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations.conversation import Conversation
from conversations.formats.options import ReadingOptions
from conversations.formats.outcomes import outcome_of_stage, outcome_of_word
from conversations.formats.turns import speaker_with_role
from conversations.reading.files import read_conversations
from foundations.errors import InputError

DATA = Path(__file__).parents[2] / "data"
CUE = "00:00:01.000 --> 00:00:02.000"


def sample(name: str, **columns: str) -> list[Conversation]:
    return read_conversations(DATA / name, ReadingOptions(columns))


def read_text(folder: Path, content: str | bytes, columns: Mapping[str, str] | None = None) -> list[Conversation]:
    path = folder / "export"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_conversations(path, ReadingOptions(columns or {}))


def message(folder: Path, content: str | bytes, columns: Mapping[str, str] | None = None) -> str:
    with pytest.raises(InputError) as caught:
        read_text(folder, content, columns)
    said = str(caught.value)
    assert "\n" not in said and str(folder) in said and len(said) < 400
    return said


def said_by(conversation: Conversation) -> list[tuple[str, str]]:
    return [(turn.speaker, turn.text) for turn in conversation.turns or []]


def outcomes(conversations: list[Conversation]) -> list[str | None]:
    return [conversation.outcome for conversation in conversations]


def extra(conversation: Conversation, name: str) -> Any:
    return (conversation.model_extra or {}).get(name)


# ------------------------------------------------------------------------------------------------------ transcripts


def test_zoom() -> None:
    (call,) = sample("zoom.vtt")
    assert call.conversation_id == "zoom"
    assert said_by(call) == [
        ("seller", "Thanks for making the time today. Where did we leave the pilot?"),
        ("raj patel", "Two things: the team likes it, and our budget is approved for 10:30 on Friday."),
        ("seller", "Great, shall I send the contract?"),
    ]
    assert call.outcome is None


def test_teams() -> None:
    (call,) = sample("teams.vtt")
    assert said_by(call) == [
        ("jane doe", "Thanks for making the time, Raj & team."),
        ("raj patel", "Honestly, it is too expensive. We will renew with our vendor."),
    ]


def test_a_colon_in_captions_without_names_is_only_a_colon(tmp_path: Path) -> None:
    cues = ["One thing: the price.", "It is high.", "We can wait.", "Until May."]
    (call,) = read_text(tmp_path, "WEBVTT\n\n" + "\n\n".join(f"{CUE}\n{cue}" for cue in cues))
    assert said_by(call) == [("", " ".join(cues))]


def test_several_voices_in_a_cue_and_words_before_them(tmp_path: Path) -> None:
    cue = "<v.loud Ann>Hi</v> there <v Bob>5 < 6 <00:00:01.500>&lt;ok&gt;</v>"
    (call,) = read_text(
        tmp_path, f"WEBVTT - a title\nKind: captions\n\n{CUE}\n{cue}\n\nNOTE nothing\nmore\n\n{CUE}\nYes"
    )
    assert said_by(call) == [("ann", "Hi there"), ("bob", "5 < 6 <ok> Yes")]


def test_webvtt_without_words_is_refused(tmp_path: Path) -> None:
    assert "no words" in message(tmp_path, f"WEBVTT\n\n{CUE}\n<v Ann></v>\n")
    assert "no words" in message(tmp_path, "WEBVTT")


def test_gong() -> None:
    known, unknown = sample("gong.json")
    assert said_by(known) == [
        ("seller", "Thanks for joining. Did you see the quote?"),
        ("customer", "Yes, and finance signed it off."),
        ("seller", "Wonderful."),
    ]
    assert (known.conversation_id, known.group, known.outcome) == ("7782342274025937895", "001A1", "successful")
    assert extra(known, "date") == "2024-03-14T10:30:00Z"
    assert [speaker for speaker, _ in said_by(unknown)] == ["303", "404"]
    assert (unknown.group, unknown.outcome) == (None, None)


def test_gong_sentences_come_in_the_order_of_their_times(tmp_path: Path) -> None:
    monologues = [
        {"speakerId": 1, "sentences": [{"start": 0, "text": "a"}, {"start": 30, "text": "c"}]},
        {"speakerId": 2, "sentences": [{"start": 20, "text": "b"}]},
    ]
    call = {"callId": "1", "transcript": monologues, "outcome": "failed", "group": "acme"}
    silent = {"callId": "2", "transcript": []}
    (read,) = read_text(tmp_path, json.dumps({"callTranscripts": [call, silent]}))
    assert said_by(read) == [("1", "a"), ("2", "b"), ("1", "c")]
    assert (read.outcome, read.group) == ("failed", "acme")


@pytest.mark.parametrize("content", [{"callTranscripts": [{"callId": "1"}]}, {"callTranscripts": ["x"]}])
def test_a_gong_call_without_transcript_is_refused(tmp_path: Path, content: Any) -> None:
    assert "call 1: a Gong call has a list 'transcript'" in message(tmp_path, json.dumps(content))


def test_fireflies_from_the_api_and_from_its_page() -> None:
    (call,) = sample("fireflies.json")
    assert said_by(call) == [
        ("seller", "Shall we look at the dashboard?"),
        ("customer", "Please, my team needs it by May. Who would train us?"),
    ]
    assert (call.conversation_id, call.group) == ("ff-1", "globex.example")
    assert extra(call, "date") == "2024-03-14T10:30:00+00:00"
    (call,) = sample("fireflies_download.json")
    assert said_by(call) == [("jane doe", "Shall we look at the dashboard?"), ("ana ruiz", "Please.")]


def test_a_free_mail_organiser_tells_nothing_of_the_sides(tmp_path: Path) -> None:
    transcript = {
        "organizer_email": "jane@gmail.com",
        "meeting_attendees": [{"displayName": "Jane", "email": "jane@gmail.com"}],
        "sentences": [{"speaker_name": "Jane", "text": "Hi", "start_time": 0}],
    }
    (call,) = read_text(tmp_path, json.dumps({"data": {"transcripts": [transcript]}}))
    assert said_by(call) == [("jane", "Hi")]


def test_our_own_records_may_have_fields_of_those_names(tmp_path: Path) -> None:
    record = {"transcript": "Hi", "sentences": [{"text": 3}], "speaker": "x", "conversation_id": "c", "text": "y"}
    (conversation,) = read_text(tmp_path, json.dumps(record))
    assert conversation.transcript == "Hi"


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("Jane Doe (Sales)", "seller"),
        ("Customer - Bob", "customer"),
        ("Ann | Prospect", "customer"),
        ("Jane Sales-Doe", "Jane Sales-Doe"),
        ("Agent", "seller"),
    ],
)
def test_a_role_in_a_name(name: str, role: str) -> None:
    assert speaker_with_role(name) == role


# ------------------------------------------------------------------------------------------------------- CRM exports


def test_salesforce_api_names(caplog: pytest.LogCaptureFixture) -> None:
    won, lost, still_open = sample("salesforce_opportunities.csv")
    assert won.transcript == 'Raj was keen.\nThey signed after the demo, "no questions" asked.'
    assert (won.outcome, lost.outcome, still_open.outcome) == ("successful", "failed", None)
    assert (won.conversation_id, won.group, extra(won, "date")) == ("006A1", "001A1", "2024-03-14")
    assert (won.conversation_context.industry, won.conversation_context.lead_source) == ("Manufacturing", "Web")
    assert "1 of 4 rows have no text in 'DESCRIPTION'" in caplog.text


def test_a_salesforce_report_with_labels_and_a_footer_in_cp1252(caplog: pytest.LogCaptureFixture) -> None:
    deals = sample("salesforce_task_report.csv")
    assert outcomes(deals) == ["successful", "failed", None]
    assert deals[0].transcript == "Budget is approved – they want the café plan."
    assert [deal.group for deal in deals] == ["Acme", "Globex", "Initech"]
    assert [record.getMessage().split(": ", 1)[1] for record in caplog.records] == [
        "taken as open, since they say neither won nor lost: 'Champion found' (1)."
    ]


def test_hubspot_deals_and_calls() -> None:
    assert (
        outcomes(sample("hubspot_deals.csv")) == outcomes(sample("hubspot_calls.csv")) == ["successful", "failed", None]
    )
    call = sample("hubspot_calls.csv")[0]
    assert call.transcript == "They loved it & asked for a quote.\nNext step: contract."
    assert (call.conversation_id, call.group, extra(call, "date")) == ("1001", "5501", "2024-03-14T10:30:00+00:00")
    assert sample("hubspot_deals.csv")[0].conversation_id == "901"


def test_a_mapping_that_can_t_be_guessed_is_asked_for_and_then_used() -> None:
    with pytest.raises(InputError, match=r"found: 'Kunde', 'Notes', 'Stage'.*option column, as in transcript=Notes"):
        sample("semicolons.csv")
    deals = sample("semicolons.csv", transcript="Notes", outcome="Stage", group="kunde")
    assert outcomes(deals) == ["successful", "failed", None]
    assert [deal.group for deal in deals] == ["Müller GmbH", "Schmidt AG", "Weber KG"]
    assert [speaker for speaker, _ in said_by(deals[0])] == ["seller", "customer"]


def test_a_mapping_comes_before_a_guess_and_before_our_own_names(tmp_path: Path) -> None:
    table = "Description,transcript,Notes,outcome,Result,Job\nA,B,C,failed,Won,CEO\n"
    columns = {"transcript": "Notes", "outcome": "Result", "contact_role": "Job"}
    (deal,) = read_text(tmp_path, table, columns)
    assert (deal.transcript, deal.outcome, deal.conversation_context.contact_role) == ("C", "successful", "CEO")


def test_json_fields_can_be_mapped_too(tmp_path: Path) -> None:
    records = [{"notes": "Hi", "won": True, "Sector": "retail"}, {"notes": "Ho", "won": None}]
    deals = read_text(tmp_path, json.dumps(records), {"transcript": "notes", "outcome": "won", "industry": "sector"})
    assert [(deal.transcript, deal.outcome) for deal in deals] == [("Hi", "successful"), ("Ho", None)]
    assert deals[0].conversation_context.industry == "retail"


@pytest.mark.parametrize(
    ("content", "columns", "parts"),
    [
        ("Notes,Stage\nHi,won\n", {"transcript": "Note"}, ["no column 'Note' for transcript", "'Notes', 'Stage'"]),
        ('[{"notes": "Hi"}]', {"transcript": "text"}, ["no column 'text'", "'notes'"]),
        (
            "Notes,S\nHi,maybe later\n",
            {"transcript": "Notes", "outcome": "S"},
            ["line 2", "'maybe later'", "won, lost"],
        ),
        (f"WEBVTT\n\n{CUE}\nHi", {"transcript": "Notes"}, ["a transcript", "option column, transcript=Notes"]),
        ('{"callTranscripts": []}', {"outcome": "x"}, ["Gong", "option column, outcome=x"]),
        ("Description,IsWon\nHi,false\n", {}, ["'IsWon' alone", "IsClosed", "--column outcome=IsWon"]),
        ("Description,IsWon,IsClosed\nHi,perhaps,true\n", {}, ["line 2", "IsWon 'perhaps'", "true or false"]),
        ("hs_call_body,dealstage\nHi,1334521\n", {}, ["line 2", "'1334521' is an internal number"]),
        ("Description,StageName\nHi,Closed\n", {}, ["line 2", "'Closed'", "'Closed Won' or 'Closed Lost'"]),
        ("Unit,Turn,B4,B2\nHi,0,2,d\n", {}, ["line 2", "'2'", "persuader"]),
    ],
)
def test_what_is_not_understood_is_quoted(
    tmp_path: Path, content: str, columns: dict[str, str], parts: list[str]
) -> None:
    said = message(tmp_path, content, columns)
    for part in parts:
        assert part in said


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["transcript"], "'transcript' is not FIELD=COLUMN"),
        (["words=Notes"], "'words=Notes'"),
        (["transcript="], "'transcript='"),
        (["outcome=A", "outcome=B"], "twice for outcome, 'A' and 'B'"),
    ],
)
def test_bad_column_options(options: list[str], part: str) -> None:
    with pytest.raises(InputError) as caught:
        ReadingOptions.given(options)
    assert part in str(caught.value)


def test_a_column_s_name_may_hold_an_equals_sign_and_spaces() -> None:
    assert ReadingOptions.given(["transcript=Call notes = text", "outcome = Stage "]).columns == {
        "transcript": "Call notes = text",
        "outcome": "Stage",
    }


@pytest.mark.parametrize(
    ("word", "outcome"),
    [
        *((word, "successful") for word in ("won", "WON", "Closed Won", "closed_won", "closedwon", "Closed - Won (EU)")),
        *((word, "successful") for word in ("yes", "1", "1.0", "true", "successful", "Gewonnen")),
        *((word, "failed") for word in ("lost", "Closed Lost", "closedlost", "Lost - price", "no", "0", "0.0", "FALSE")),
        *((word, None) for word in ("", " ", "open", "Negotiation/Review", "contractsent", "Proposal sent", "Demo")),
    ],
)  # fmt: skip
def test_outcome_words(word: str, outcome: str | None) -> None:
    assert outcome_of_word(word, "here") == outcome


@pytest.mark.parametrize("word", ["banana", "2", "closed", "won or lost", "not really won", "disqualified"])
def test_unknown_outcome_words(word: str) -> None:
    with pytest.raises(InputError, match=f"here: the outcome '{word}' is not known"):
        outcome_of_word(word, "here")


def test_a_stage_that_says_nothing_is_open_but_a_closed_one_must_say_how() -> None:
    assert outcome_of_stage("Champion found", "here") is None
    for stage in ("Closed", "Won back, then lost", "Disqualified"):
        with pytest.raises(InputError, match="does not say how"):
            outcome_of_stage(stage, "here")


def test_a_flag_spares_the_stage_from_being_read(tmp_path: Path) -> None:
    deals = read_text(tmp_path, "Description,dealstage,hs_is_closed\na,991,false\nb,Closed Won,true\n")
    assert outcomes(deals) == [None, "successful"]


def test_flags_are_believed_before_stages(tmp_path: Path) -> None:
    rows = ["a,Abgeschlossen,TRUE,TRUE", "b,Abgelehnt,false,true", "c,Angebot,0,0", "d,Closed Lost,,"]
    deals = read_text(tmp_path, "Description,StageName,Opportunity.IsWon,IsClosed\n" + "\n".join(rows))
    assert outcomes(deals) == ["successful", "failed", None, "failed"]


# ----------------------------------------------------------------------------------------- tables as people save them


FOOTER = ["", '"Grand Totals (2 records)"', "", '"My report"', '"Copyright (c) 2000-2024 salesforce.com, inc."']


@pytest.mark.parametrize("padding", ["", ",,"], ids=["as exported", "saved again by Excel"])
def test_a_footer_is_left_out(tmp_path: Path, padding: str) -> None:
    lines = ["Description,Stage,Account Name", "Hi,Won,A", "Ho,Lost,B", *(line + padding for line in FOOTER)]
    assert outcomes(read_text(tmp_path, "\r\n".join(lines))) == ["successful", "failed"]


def test_without_a_footer_s_words_a_short_last_row_is_a_conversation(tmp_path: Path) -> None:
    assert len(read_text(tmp_path, "transcript,outcome\nHi,failed\n\nHo\n")) == 2
    assert len(read_text(tmp_path, "transcript\nHi\n\nHo\nCopyright (c) 2024 x\n")) == 2


def test_excel_s_delimiter_line_a_quoted_comma_in_the_header_and_blank_rows(tmp_path: Path) -> None:
    assert outcomes(read_text(tmp_path, "sep=;\r\ntranscript;outcome\r\nHi, you;failed\r\n;\r\n")) == ["failed"]
    assert outcomes(read_text(tmp_path, '"a, b, c, d";transcript;outcome\n1;Hi;failed\n')) == ["failed"]


def test_of_two_columns_with_one_name_the_first_with_words_counts(tmp_path: Path) -> None:
    deals = read_text(tmp_path, "Description,Description\nfirst,second\n,third\n")
    assert [deal.transcript for deal in deals] == ["first", "third"]


def test_an_export_without_any_words_is_refused(tmp_path: Path) -> None:
    said = message(tmp_path, "Id,Description,StageName\n1,,Closed Won\n2,#N/A,Closed Lost\n")
    assert "holds no conversation" in said and "2 rows have no text in 'Description'" in said


# ---------------------------------------------------------------------------------------------------- research corpora


def test_convokit_with_the_outcomes_of_conversations_json() -> None:
    deals = sample("convokit/utterances.jsonl")
    assert outcomes(deals) == ["successful", "failed", None]
    assert said_by(deals[0])[1] == ("customer", "Yes, I would like to help.")
    assert [deal.group for deal in deals] == ["user_2", "user_4", "user_5"]


def test_persuasion_for_good_with_the_donations_of_full_info() -> None:
    deals = sample("persuasion_for_good/full_dialog.csv")
    assert outcomes(deals) == ["successful", "failed"]
    assert said_by(deals[0])[2] == ("seller", "Would you give to children in need? Every cent helps.")
    assert [deal.group for deal in deals] == ["user_2", "user_4"]


def test_a_corpus_without_its_second_file_is_unlabelled(tmp_path: Path) -> None:
    for name in ("convokit/utterances.jsonl", "persuasion_for_good/full_dialog.csv"):
        assert set(outcomes(read_text(tmp_path, (DATA / name).read_bytes()))) == {None}


def test_convokit_s_first_names_and_times(tmp_path: Path) -> None:
    later = {"root": "d", "user": {"id": "ann"}, "text": "later", "timestamp": 2}
    first = {"root": "d", "user": {"id": "bob"}, "text": "first", "timestamp": 1}
    (deal,) = read_text(tmp_path, f"{json.dumps(later)}\n{json.dumps(first)}\n")
    assert said_by(deal) == [("bob", "first"), ("ann", "later")]
    assert "a ConvoKit utterance has" in message(tmp_path, f"{json.dumps(later)}\n{{}}\n")


def test_a_broken_second_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "conversations.json").write_text("{oops")
    assert "conversations.json" in message(tmp_path, (DATA / "convokit/utterances.jsonl").read_bytes())


# ------------------------------------------------------------------------------------------------------ documentation


EXAMPLES = re.findall(
    r"^```(vtt|json|jsonl|csv)\n(.*?)^```$",
    (DATA.parents[1] / "docs" / "importing.md").read_text(),
    re.MULTILINE | re.DOTALL,
)


@pytest.mark.parametrize(("kind", "text"), EXAMPLES)
def test_the_examples_of_the_documentation_are_read(tmp_path: Path, kind: str, text: str) -> None:
    columns = {"transcript": "Notes", "outcome": "Result", "group": "Client", "date": "Day"} if "Notes" in text else {}
    conversations = read_text(tmp_path, text, columns)
    assert all(speaker in ("seller", "customer", "raj patel") for c in conversations for speaker, _ in said_by(c))
    if len(conversations) > 1:
        assert outcomes(conversations) == ["successful", "failed", None]


# ------------------------------------------------------------------------------------------------------- any content


any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(
            "callTranscripts calls parties metaData context objects objectType objectId fields name value transcript "
            "speakerId sentences text start data transcripts speaker_name meeting_attendees email organizer_email date "
            "conversation_id speaker timestamp meta role id outcome turns".split()
        ),
        inner | st.sampled_from(["Opportunity", "StageName", "Closed Won"]),
        max_size=5,
    ),
    max_leaves=25,
)  # fmt: skip
tool_json = st.builds(
    lambda key, value: {key: value}, st.sampled_from(["callTranscripts", "sentences", "data"]), any_json
)
vtt_text = st.text("<>v/ :-.01a\n\r&;Jane") | st.text()
table_text = st.text('",;\t\nDescriptonStageWC0é')
tables = [
    "Description,StageName\n",
    "Unit,Turn,B4,B2\n",
    "hs_call_body;dealstage\n",
    "sep=;\n",
    "Description,IsWon,Stage\n",
]


@given(
    st.builds(lambda text: f"WEBVTT\n\n{CUE}\n{text}", vtt_text)
    | st.builds(lambda start, text: start + text, st.sampled_from(tables), table_text)
    | st.builds(json.dumps, tool_json | st.lists(any_json, min_size=1))
    | st.builds(lambda lines: "\n".join(map(json.dumps, lines)), st.lists(tool_json | any_json, min_size=1))
)
def test_any_text_is_conversations_or_an_input_error(text: str) -> None:
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        try:
            conversations = read_text(Path(folder), text.encode("utf-8", "surrogatepass"))
        except InputError:
            return  # what it says is tested above
        finally:
            logging.disable(logging.NOTSET)
    assert all(conversation.turns or conversation.transcript for conversation in conversations)


word = st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"], exclude_characters="<>&"), min_size=1, max_size=8)
payloads = st.lists(st.lists(word, min_size=1, max_size=6).map(" ".join), min_size=1, max_size=6)


@given(payloads.filter(lambda cues: not any("-->" in cue for cue in cues)), st.sampled_from(["", "voice", "name"]))
def test_every_word_of_a_webvtt_payload_survives(cues: list[str], kind: str) -> None:
    dress = {"": "{}", "voice": "<v Ann>{}</v>", "name": "Ann: {}"}[kind]
    text = "WEBVTT\n\n" + "\n\n".join(f"{n}\n{CUE}\n{dress.replace('{}', cue)}" for n, cue in enumerate(cues))
    with tempfile.TemporaryDirectory() as folder:
        (call,) = read_text(Path(folder), text)
    kept = " ".join(f"{speaker} {said}" if kind == "" else said for speaker, said in said_by(call)).split()
    spoken = " ".join(cues).split()
    if kind:
        assert kept == spoken
    else:  # a word before a colon may have become a speaker's name, in small letters and without its colon
        words = {w.casefold().strip(":") for w in spoken} - {""}  # a colon by itself may be what ends a name
        assert words <= {w.casefold().strip(":") for w in kept}
