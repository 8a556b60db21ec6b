"""Evidence is the model's own change of mind: exact, complete where it can be, bounded where it can't, faithful."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from answers import evidence as prediction_evidence
from answers.evidence import MOST_NEW_TEXT, MOST_OF_A_TURN, MOST_STRETCHES, _shorter, evidence, sentences_of, without
from benchmarks.accuracy.evidence import faithfulness
from classification_head_model import ClassificationHeadModel
from conversations import sentences
from conversations.conversation import Conversation, ConversationContext, Turn
from conversations.model_text import render_input
from conversations.reading.record import conversation_from_record
from conversations.split import split_conversations
from encoder.onnx_encoder import OnnxTextEncoder
from encoder.text_encoder import remembered_texts
from encoder.torch_encoder import SalesEncoder
from few_shot_model import FewShotModel
from foundations.artifact_folder import ArtifactFolder
from generate_sales_data import generate_conversations
from model_registry import MODEL_CLASSES, load_model
from modelling import segments as conversation_segments
from modelling.words import WordModel
from starter_model import StarterModel

pytestmark = pytest.mark.seconds(15)

NOTE = Conversation(transcript="Met Dr. Lee.  She liked it!\nno budget yet\n\nSigns on Friday.")
DIALOGUE = Conversation(
    turns=[
        Turn(speaker="seller", text="Is the budget there?"),
        Turn(speaker="customer", text="It is. I'll sign on Friday."),
        Turn(speaker="seller", text="Good."),
    ]
)


class Phrases:
    """A model that knows a few phrases, and counts what it is asked."""

    def __init__(self, **weights: float) -> None:
        self.weights = weights
        self.asked: list[Conversation] = []

    def predict_proba(self, conversations: Sequence[Conversation]) -> np.ndarray:
        self.asked += conversations
        texts = [one.transcript or " ".join(turn.text for turn in one.turns or []) for one in conversations]
        return np.array([0.5 + sum(w for phrase, w in self.weights.items() if phrase in text) for text in texts])


def test_every_sentence_knows_where_it_stands() -> None:
    found = sentences_of(NOTE)
    assert [one.sentence for one in found] == ["Met Dr. Lee.", "She liked it!", "no budget yet", "Signs on Friday."]
    for one in found:
        assert " ".join((NOTE.transcript or "")[one.start : one.end].split()) == one.sentence
        assert (one.speaker, one.turn) == ("", None)
    turns = DIALOGUE.turns or []
    for one in sentences_of(DIALOGUE):
        assert one.turn is not None
        assert turns[one.turn].text[one.start : one.end] == one.sentence
        assert turns[one.turn].speaker == one.speaker
    assert [one.turn for one in sentences_of(DIALOGUE)] == [0, 1, 1, 2]


def test_without_cuts_sentences_and_empty_turns() -> None:
    second, third = sentences_of(NOTE)[1:3]
    shorter = without(NOTE, [third, second])
    assert [one.sentence for one in sentences_of(shorter)] == ["Met Dr. Lee.", "Signs on Friday."]
    asked, is_there, sign, good = sentences_of(DIALOGUE)
    assert [turn.text.strip() for turn in without(DIALOGUE, [is_there, good]).turns or []] == [
        "Is the budget there?",
        "I'll sign on Friday.",
    ]
    assert without(DIALOGUE, [asked, is_there, sign, good]).turns == []


@pytest.mark.parametrize("name", MODEL_CLASSES)
@pytest.mark.parametrize("conversation", [NOTE, DIALOGUE], ids=["note", "dialogue"])
def test_an_effect_is_what_the_model_says_without_the_sentence(
    trained_artifacts: ArtifactFolder, name: str, conversation: Conversation
) -> None:
    model = load_model(trained_artifacts, name, threads=1)
    found = evidence(model, conversation)
    assert {one.sentence for one in found} == {one.sentence for one in sentences_of(conversation)}
    for one in found:
        whole, shorter = (model.predict_proba([c])[0] for c in (conversation, without(conversation, [one])))
        assert one.effect == pytest.approx(100 * (whole - shorter), abs=1e-3)
    sizes = [abs(one.effect) for one in found]
    assert sizes == sorted(sizes, reverse=True)


def test_a_note_is_encoded_once(trained_artifacts: ArtifactFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_model(trained_artifacts, "classification_head", threads=1)
    encoded: list[str] = []
    encode = OnnxTextEncoder._embed_distinct

    def counted(encoder: OnnxTextEncoder, texts: list[str]) -> Any:
        encoded.extend(texts)
        return encode(encoder, texts)

    monkeypatch.setattr(OnnxTextEncoder, "_embed_distinct", counted)
    evidence(model, NOTE)
    assert sorted(encoded) == sorted(one.sentence for one in sentences_of(NOTE))


@pytest.mark.parametrize("name", MODEL_CLASSES)
@pytest.mark.parametrize("text", ["Yes", "好的。成交！", "😀", "…", "We have no budget."])
def test_one_sentence_is_compared_with_nothing_said(trained_artifacts: ArtifactFolder, text: str, name: str) -> None:
    found = evidence(load_model(trained_artifacts, name, threads=1), Conversation(transcript=text))
    assert "".join(sorted((one.sentence for one in found), key=text.index)) == text
    assert all(np.isfinite(one.effect) for one in found)


def test_a_long_call_is_searched_by_stretches() -> None:
    turns = [Turn(speaker="seller" if n % 2 else "customer", text=f"Turn {n}. It goes on.") for n in range(1000)]
    turns[612] = Turn(speaker="customer", text="Fine weather. The contract is signed. So it goes.")
    turns[77] = Turn(speaker="customer", text="We have no money.")
    model = Phrases(**{"contract is signed": 0.3, "no money": -0.2})
    found = evidence(model, Conversation(turns=turns))  # type: ignore[arg-type]
    assert [(one.sentence, one.turn) for one in found[:2]] == [
        ("The contract is signed.", 612),
        ("We have no money.", 77),
    ]
    assert [one.effect for one in found[:3]] == [30, -20, 0]
    assert len(model.asked) < 4 * MOST_STRETCHES
    assert found[0].start == len("Fine weather. ")


@pytest.mark.parametrize(
    "text",
    [
        NOTE.transcript,
        "Met J. Smith.\nNo. 5 is e.g. this. Dr. Lee",
        "好的。成交！ “Yes.” “No.” so it goes… (Really?) 3.5 % off.\n\nno end\nDr.",
        "One.  Two!\tThree?\r\nFour\n . \nFive. One. One.",
    ],
)
def test_leaving_out_reads_as_the_text_without_the_sentence(text: str) -> None:
    note = Conversation(transcript=text, conversation_context=ConversationContext(industry="retail"))
    sentences = sentences_of(note)
    shorter = _shorter(note, sentences)
    for start, end in itertools.combinations(range(len(sentences) + 1), 2):
        part = sentences[start:end]
        read = [[(p.text, p.speaker) for p in render_input(one)] for one in (shorter(part), without(note, part))]
        assert read[0] == read[1]


def test_a_long_note_is_split_and_read_once(trained_artifacts: ArtifactFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    note = Conversation(transcript=" ".join(f"They asked for offer {n}." for n in range(200)))
    model = load_model(trained_artifacts, "ensemble", threads=1)
    seen: dict[str, list[Any]] = {"split": [], "counted": [], "cut": [], "words": []}

    def count(owner: Any, name: str, kind: str) -> None:
        work = getattr(owner, name)

        def counted(*given: Any) -> Any:
            seen[kind].append(given)
            return work(*given)

        monkeypatch.setattr(owner, name, counted)

    for module in (sentences, prediction_evidence):
        count(module, "sentence_spans", "split")
    count(conversation_segments, "pieces_that_fit", "counted")
    count(conversation_segments, "segments", "cut")
    count(WordModel, "_terms_of", "words")
    assert len(evidence(model, note)) > 0
    asked, rounds = len(seen["cut"]), 3
    assert [given[0] for given in seen["split"]] == [note.transcript]
    assert len(seen["counted"]) <= 200 * rounds  # passages, not passages × variants
    assert len(seen["words"]) <= 200 * rounds
    assert asked <= rounds * (MOST_STRETCHES + 1)  # each variant once, not once for each member


def test_work_grows_as_the_note_does() -> None:
    passages = []
    for count in (2_500, 10_000):
        model = Phrases(**{"Part 77.": 0.3})
        note = Conversation(transcript=" ".join(f"Part {n}." for n in range(count)))
        found = evidence(model, note)  # type: ignore[arg-type]
        assert (found[0].sentence, found[0].effect) == ("Part 77.", 30)
        assert len(model.asked) <= 4 * MOST_STRETCHES
        passages.append(sum(len(asked.turns or []) for asked in model.asked))
    assert passages[1] <= 5 * passages[0]


def test_new_text_is_bounded_and_spent_on_the_turns_that_matter() -> None:
    turns = [Turn(speaker="customer", text=" ".join(f"Part {n} of {t}." for n in range(8))) for t in range(12)]
    turns[5] = Turn(speaker="customer", text=(turns[5].text + " We sign."))
    conversation = Conversation(turns=turns)
    model = Phrases(**{"We sign": 0.3})
    found = evidence(model, conversation)  # type: ignore[arg-type]
    assert found[0].sentence == "We sign."
    new = {turn.text for asked in model.asked for turn in asked.turns or []} - {turn.text for turn in turns}
    characters = sum(len(turn.text) for turn in turns)
    assert sum(map(len, new)) <= (MOST_NEW_TEXT + MOST_OF_A_TURN) * characters
    speech = [Turn(speaker="customer", text=" ".join(f"Part {n}." for n in range(99))), *turns[:2]]
    assert {one.turn for one in evidence(model, Conversation(turns=speech))} <= {1, 2}  # type: ignore[arg-type]


def test_deleting_the_evidence_moves_real_predictions_three_times_as_far() -> None:
    """Real weights, phrasings that training never saw; benchmarks.accuracy.evidence measures it for every served model,
    those too that take long to train."""
    records = generate_conversations(count=60)
    splits = split_conversations([conversation_from_record(record, "generated") for record in records])
    encoder = SalesEncoder.load(keep_states=True)
    with remembered_texts():  # all of them read the same random variants
        for model_class in (StarterModel, FewShotModel, ClassificationHeadModel):
            model = model_class(encoder)
            model.fit(splits.train, splits.validation)
            moved = faithfulness(model, splits.test)
            assert moved.conversations == 12
            assert moved.ratio >= 3
            assert moved.random > 1  # point: the ratio isn't large because nothing moves at all


def test_faithfulness_by_hand() -> None:
    # Ten sentences, two of which count 0.2 each; the two are the top 20 %, and two random ones hold 0.4 on average.
    text = " ".join(["We sign.", "We pay.", *(f"Part {n}." for n in range(8))])
    model = Phrases(**{"We sign": 0.2, "We pay": 0.2})
    moved = faithfulness(model, [Conversation(transcript=text), Conversation(transcript="Alone.")], draws=4000)  # type: ignore[arg-type]
    assert moved.top == pytest.approx(40)
    assert moved.random == pytest.approx(2 / 10 * 40, rel=0.1)
    assert moved.conversations == 1
