"""The beginnings of a conversation and their scores: the right words, the right probability, each segment encoded once."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from conversations.conversation import Conversation, ConversationContext, Turn
from conversations.model_text import render_input
from conversations.prefixes import prefix_at, prefixes, turns_of
from conversations.split import DataSplits
from encoder.onnx_encoder import OnnxTextEncoder
from encoder.text_encoder import remembered_texts
from encoder.torch_encoder import SalesEncoder
from foundations.artifact_folder import ArtifactFolder
from model_registry import load_model
from modelling.names import MODEL_NAMES

every_model = pytest.mark.parametrize("name", MODEL_NAMES)

CONTEXT = ConversationContext(industry="retail")
DIALOGUE = Conversation(
    conversation_id="c-1",
    turns=[
        Turn(speaker="seller", text="Shall I send the offer?"),
        Turn(speaker="customer", text="Yes."),
        Turn(speaker="seller", text="By Friday?"),
        Turn(speaker="customer", text="Yes."),
        Turn(speaker="Dr. Lee", text="We sign next week."),
    ],
    conversation_context=CONTEXT,
)
NOTE = Conversation(transcript="Met Dr. Lee. Budget is there\nNo rival. They sign!", conversation_context=CONTEXT)


# ----------------------------------------------------------------------------------------------------------- beginnings


def test_the_beginnings_of_a_dialogue() -> None:
    beginnings = prefixes(DIALOGUE)
    assert [len(turns_of(beginning)) for beginning in beginnings] == [1, 2, 3, 4, 5]
    assert [turn.text for turn in turns_of(beginnings[1])] == ["Shall I send the offer?", "Yes."]
    assert all(beginning.conversation_context == CONTEXT for beginning in beginnings)
    assert beginnings[0].conversation_id == "c-1"
    assert len(DIALOGUE.turns or []) == 5, "the conversation itself stays whole"


def test_the_beginnings_of_a_note_are_its_sentences() -> None:
    assert [turn.text for turn in turns_of(NOTE)] == ["Met Dr. Lee.", "Budget is there", "No rival.", "They sign!"]
    assert all(beginning.turns is None for beginning in prefixes(NOTE))
    assert [passage.text for passage in render_input(prefixes(NOTE)[1])][1:] == ["Met Dr. Lee.", "Budget is there"]


def test_a_labelled_transcript_is_read_as_turns() -> None:
    labelled = Conversation(transcript="Agent: Hello. Any news?\nClient: Yes. We sign.")
    assert [turn.speaker for turn in turns_of(labelled)] == ["seller", "customer"]
    assert [passage.text for passage in render_input(prefixes(labelled)[0])] == ["seller: Hello. Any news?"]


# 5 turns: 10 % are 0.5 turns, rounded up to 1; 25 % are 1.25: 1; 50 % are 2.5: 3; 75 % are 3.75: 4.
@pytest.mark.parametrize(("share", "turns"), [(0.0, 1), (0.1, 1), (0.25, 1), (0.5, 3), (0.75, 4), (1.0, 5)])
def test_a_share_of_the_turns(share: float, turns: int) -> None:
    assert render_input(prefix_at(DIALOGUE, share)) == render_input(prefixes(DIALOGUE)[turns - 1])


words = st.text(st.sampled_from("ab .!?…\n\t\"'。Dr:é"), min_size=1, max_size=60).filter(str.strip)


@given(
    st.one_of(words, st.lists(st.tuples(st.sampled_from(["customer", "seller", ""]), words), min_size=1, max_size=6))
)
def test_each_beginning_reads_as_the_first_passages_of_the_whole(said: str | list[tuple[str, str]]) -> None:
    if isinstance(said, str):
        conversation = Conversation(transcript=said, conversation_context=CONTEXT)
    else:
        turns = [Turn(speaker=speaker, text=text) for speaker, text in said]
        conversation = Conversation(turns=turns, conversation_context=CONTEXT)
    whole = render_input(conversation)
    beginnings = prefixes(conversation)
    assert len(beginnings) == len(whole) - 1  # but for the context
    for count, beginning in enumerate(beginnings, start=1):
        assert render_input(beginning) == whole[: count + 1]


# --------------------------------------------------------------------------------------------------------- trajectories


@every_model
@pytest.mark.parametrize("conversation", [DIALOGUE, NOTE], ids=["dialogue", "note"])
def test_a_trajectory_holds_the_predictions_of_the_beginnings(
    trained_artifacts: ArtifactFolder, name: str, conversation: Conversation
) -> None:
    model = load_model(trained_artifacts, name)
    steps = model.trajectory(conversation)
    assert [step.turn for step in steps] == list(range(1, len(turns_of(conversation)) + 1))
    assert [step.speaker for step in steps] == [turn.speaker for turn in turns_of(conversation)]
    found = [step.probability for step in steps]
    cut_by_hand = conversation.model_copy(
        update={"turns": conversation.turns[:2]}
        if conversation.turns
        else {"transcript": "Met Dr. Lee. Budget is there"}
    )
    assert found[1] == pytest.approx(model.predict_proba([cut_by_hand])[0], abs=1e-6)
    assert found[-1] == pytest.approx(model.predict_proba([conversation])[0], abs=1e-6)
    assert found == pytest.approx([float(model.predict_proba([p])[0]) for p in prefixes(conversation)], abs=1e-6)
    assert len(set(found)) > 1


def test_few_beginnings_at_once_give_the_same_trajectory(
    trained_artifacts: ArtifactFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_model(trained_artifacts, "classification_head")
    together = model.trajectory(DIALOGUE)
    monkeypatch.setattr(
        "modelling.conversion_model._TURNS_AT_ONCE", 6
    )  # 5 beginnings: 1 a call, then 6 // 3 = 2, then the rest
    assert [step.turn for step in model.trajectory(DIALOGUE)] == [1, 2, 3, 4, 5]
    for step, expected in zip(model.trajectory(DIALOGUE), together, strict=True):
        assert step.probability == pytest.approx(expected.probability, abs=1e-6)


def test_few_points_of_a_trajectory_are_evenly_spread_and_the_same(trained_artifacts: ArtifactFolder) -> None:
    model = load_model(trained_artifacts, "few_shot")
    conversation = Conversation(turns=[Turn(speaker="rep", text=f"Number {n} of many.") for n in range(11)])
    every = {step.turn: step for step in model.trajectory(conversation)}
    for points, turns in (
        (2, [1, 11]),
        (3, [1, 6, 11]),
        (5, [1, 3, 6, 9, 11]),
        (11, list(range(1, 12))),
        (50, [*every]),
    ):
        steps = model.trajectory(conversation, points)  # of 5: 1, 3.5, 6, 8.5, 11, a half to the even number
        assert [step.turn for step in steps] == turns
        for step in steps:
            assert step.probability == pytest.approx(every[step.turn].probability, abs=1e-6)
            assert step.speaker == "seller"


# ------------------------------------------------------------------------------------------------------- encoding once


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every text that ONNX Runtime's encoder runs over, as often as it does."""
    texts: list[str] = []
    run = OnnxTextEncoder._embed_distinct

    def counting(self: OnnxTextEncoder, given: list[str]) -> NDArray[np.float32]:
        texts.extend(given)
        return run(self, given)

    monkeypatch.setattr(OnnxTextEncoder, "_embed_distinct", counting)
    return texts


@every_model
def test_twenty_turns_cost_one_pass(trained_artifacts: ArtifactFolder, encoded: list[str], name: str) -> None:
    model = load_model(trained_artifacts, name)
    turns = [Turn(speaker=("seller", "customer")[n % 2], text=f"This is point {n} of twenty.") for n in range(20)]
    call = Conversation(turns=turns)
    model.predict_proba([call])
    one_pass = len(encoded)
    assert one_pass >= 20
    encoded.clear()
    assert len(model.trajectory(call)) == 20
    assert len(encoded) == one_pass  # not 1 + 2 + … + 20 = 210


def test_a_text_that_comes_twice_is_run_once(trained_artifacts: ArtifactFolder, encoded: list[str]) -> None:
    encoder = load_model(trained_artifacts, "few_shot").encoder
    vectors = encoder.embed_texts(["Yes.", "No.", "Yes."])
    assert encoded == ["Yes.", "No."]
    assert np.array_equal(vectors[0], vectors[2])
    assert not np.allclose(vectors[0], vectors[1])
    encoder.embed_texts(["Yes."])
    assert encoded == ["Yes.", "No.", "Yes."], "nothing is kept from call to call"


def test_texts_are_remembered_within_the_block_only(trained_artifacts: ArtifactFolder, encoded: list[str]) -> None:
    encoder = load_model(trained_artifacts, "few_shot").encoder
    same = load_model(trained_artifacts, "classification_head").encoder
    with remembered_texts():
        first = encoder.embed_texts(["Yes."])
        with remembered_texts():
            assert np.array_equal(encoder.embed_texts(["Yes."]), first)
        assert encoder.token_count("Yes.") == encoder.token_count("Yes.") == 2
        assert encoded == ["Yes."]
        assert np.array_equal(same.embed_texts(["Yes."]), first)
        assert encoded == ["Yes."], "two models that did not tune their encoder share its vectors"
        stranger = threading.Thread(target=encoder.embed_texts, args=(["Yes."],))
        stranger.start()
        stranger.join()
        assert encoded == ["Yes."] * 2, "another request sees nothing of it"
    encoder.embed_texts(["Yes."])
    assert encoded == ["Yes."] * 3


def test_the_encoder_for_training_remembers_too(tiny_encoder: SalesEncoder, splits: DataSplits) -> None:
    texts: Sequence[str] = ["Yes.", "No.", "Yes."]
    expected = tiny_encoder.embed_texts(texts)
    with remembered_texts():
        tiny_encoder.embed_texts(texts[:1])
        np.testing.assert_allclose(tiny_encoder.embed_texts(texts), expected, atol=1e-6)
        assert tiny_encoder.embed_texts([]).shape == (0, tiny_encoder.dim)
