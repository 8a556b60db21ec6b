"""What is flagged as unreliable and what is not, on real weights; the formulas behind it by hand."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from classification_head_model import ClassificationHeadModel
from conversations.conversation import Conversation, Turn
from conversations.reading.record import conversation_from_record
from conversations.split import DataSplits, split_conversations
from encoder.text_encoder import TextEncoder
from encoder.torch_encoder import SalesEncoder, TunedEncoder
from generate_sales_data import generate_conversations
from model_registry import MODEL_CLASSES
from modelling.conversion_model import ConversionModel
from probability.language import LanguageProfile, TrigramTable, trigrams_of
from probability.reliability import (
    HeldOut,
    PredictionReliability,
    _common_language,
    _least_similarity,
    _rarely_exceeded,
)
from probability.venn_abers import ProbabilityIntervals, left_out_widths
from scoring.scores import score_conversations

LOREM_IPSUM = (
    "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore et dolore magna "
    "aliqua. Ut enim ad minim veniam, quis nostrud exercitation ullamco laboris nisi ut aliquip ex ea commodo consequat."
)
GERMAN_CALL = [
    ("seller", "Guten Tag, hier ist Anna Schmidt. Haben Sie sich unser Angebot schon ansehen können?"),
    ("customer", "Ja, wir haben es letzte Woche im Team besprochen. Der Preis liegt leider noch über unserem Budget."),
    ("seller", "Wenn Sie sich für zwei Jahre binden, kann ich Ihnen zehn Prozent Nachlass geben."),
    ("customer", "Das klingt gut. Schicken Sie mir bitte den Vertrag, dann unterschreiben wir bis Freitag."),
]
SPANISH_NOTE = (
    "El cliente mostró mucho interés en nuestro software. Preguntó por los precios y por el plazo de implantación. Dijo que "
    "el presupuesto ya está aprobado y que quieren avanzar rápidamente antes de final de mes."
)
CHINESE_CALL = [
    ("seller", "您好，请问您看过我们的报价了吗？"),
    ("customer", "看过了，价格有点高，但是功能很适合我们。"),
    ("seller", "如果签两年，我们可以给您九折优惠。"),
    ("customer", "好的，请把合同发给我，我们周五之前签。"),
]
RECIPE = (
    "Preheat the oven to 180 degrees. Cream the butter and the sugar until the mixture is pale and fluffy. Beat in the eggs "
    "one at a time, then fold in the flour and the baking powder. Spoon the batter into a greased tin and bake for forty "
    "minutes until a skewer comes out clean. Leave the cake to cool before you spread the icing over the top."
)


def note(text: str) -> Conversation:
    return Conversation(transcript=text)


def dialogue(turns: Sequence[tuple[str, str]]) -> Conversation:
    return Conversation(turns=[Turn(speaker=speaker, text=text) for speaker, text in turns])


@pytest.fixture(scope="module")
def default_splits() -> DataSplits:
    return split_conversations([conversation_from_record(r, "generated") for r in generate_conversations(count=80)])


@pytest.fixture(scope="module")
def model(bundled_encoder: SalesEncoder, default_splits: DataSplits) -> ConversionModel:
    """On the default data, with real weights."""
    model = ClassificationHeadModel(bundled_encoder)
    model.fit(default_splits.train, default_splits.validation)
    return model


# ------------------------------------------------------------------------------------------------------ what is flagged


@pytest.mark.parametrize(
    ("conversation", "kinds"),
    [
        (note(LOREM_IPSUM), {"far", "language"}),
        (dialogue(GERMAN_CALL), {"far", "language"}),
        (note(SPANISH_NOTE), {"far", "language"}),
        (dialogue(CHINESE_CALL), {"language"}),
        (note(RECIPE), {"far"}),
        (note("Yes."), {"short"}),
        (note("They will sign."), {"short"}),
    ],
    ids=["lorem", "german", "spanish", "chinese", "recipe", "one word", "three words"],
)
def test_what_is_not_like_the_training_data_is_flagged(
    model: ConversionModel, conversation: Conversation, kinds: set[str]
) -> None:
    (assessed,) = model.assess([conversation])
    assert assessed.reliability == "low"
    assert {reason.kind for reason in assessed.reasons} >= kinds
    assert all(reason.sentence.endswith(".") for reason in assessed.reasons)


def test_another_language_is_named_and_the_one_that_was_learned_from(model: ConversionModel) -> None:
    said = {
        name: model.assess([talk])[0].reasons
        for name, talk in (("German", dialogue(GERMAN_CALL)), ("Spanish", note(SPANISH_NOTE)))
    }
    for name, reasons in said.items():
        assert [one.sentence for one in reasons if one.kind == "language"] == [
            f"It reads as {name}; the model learned from conversations in English."
        ]
    state = {name: value for name, value in model.reliability.state().items() if name != "spoken_in"}
    assert PredictionReliability.from_state(state).spoken_in is None, "artifacts from before it was looked at"


def test_what_most_training_conversations_are_in_counts() -> None:
    german, english = (
        "Der Chef will noch nicht, aber wir haben es mit ihm besprochen.",
        "They will not have it in the budget.",
    )
    assert _common_language([german] * 20) == "German"
    assert _common_language([german] * 10 + [english]) is None  # 10 of 11 are not 95 %
    assert _common_language(["OK"]) is None


def test_held_out_conversations_are_not_flagged(model: ConversionModel, default_splits: DataSplits) -> None:
    assessed = model.assess(default_splits.test)  # in phrasings that training never saw
    assert np.mean([one.reliability == "ok" for one in assessed]) >= 0.95


def test_a_reason_tells_what_was_found_and_what_is_usual(model: ConversionModel) -> None:
    (assessed,) = model.assess([note("They will sign.")])
    words = sorted(reason.sentence for reason in assessed.reasons if reason.kind == "short")
    usual = model.reliability.usual_words
    assert words == [f"It has 3 words; training conversations rarely have fewer than {usual}."]
    assert usual > 50


# -------------------------------------------------------------------------------------- what every model gives with it


@pytest.mark.parametrize("name", MODEL_CLASSES)
def test_assessing_agrees_with_predicting_and_encodes_no_more(
    fitted_models: dict[str, ConversionModel], splits: DataSplits, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    model = fitted_models[name]
    passes: list[int] = []
    for encoder in (SalesEncoder, TunedEncoder):
        monkeypatch.setattr(encoder, "_embed_distinct", _counted(encoder._embed_distinct, passes))
    expected = model.predict_proba(splits.test)
    needed = len(passes)
    assessed = model.assess(splits.test)
    assert needed > 0
    assert len(passes) == 2 * needed, "the encoder is the expensive part"
    np.testing.assert_array_equal([one.probability for one in assessed], expected)
    assert all(0 <= one.interval[0] <= one.probability <= one.interval[1] <= 1 for one in assessed)
    assert model.assess([]) == []


def _counted(embed: Callable[..., np.ndarray], passes: list[int]) -> Callable[..., np.ndarray]:
    def counted(encoder: TextEncoder, texts: Sequence[str]) -> np.ndarray:
        passes.append(len(texts))
        return embed(encoder, texts)

    return counted


def test_a_model_that_overrides_nothing_is_assessed_too(
    fitted_models: dict[str, ConversionModel], splits: DataSplits, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = fitted_models["classification_head"]
    own = model._read(splits.test)
    with monkeypatch.context() as patched:
        patched.setattr(ClassificationHeadModel, "_log_odds", lambda self, conversations: own.log_odds)
        inherited = ConversionModel._read(model, splits.test)
    np.testing.assert_allclose(own.log_odds, inherited.log_odds, atol=1e-6)
    np.testing.assert_allclose(own.embedding, inherited.embedding, atol=1e-6)
    np.testing.assert_allclose(own.spoken, inherited.spoken, atol=1e-6)


def test_a_score_row_says_why(model: ConversionModel) -> None:
    row = score_conversations(model, [note("Yes.")])[0]
    assert row["reliability"] == "low"
    assert "It has 1 word; " in row["reliability_reasons"]


def test_reliability_survives_its_state(model: ConversionModel, default_splits: DataSplits) -> None:
    again = PredictionReliability.from_state(model.reliability.state())
    reading = model._read(default_splits.test)
    probabilities = model.calibration.probabilities(reading.log_odds)
    assert again.assess(default_splits.test, probabilities, reading.log_odds, reading.spoken) == model.assess(
        default_splits.test
    )


# ------------------------------------------------------------------------------------------------------------- distance


def test_the_limit_of_distance_by_hand() -> None:
    # Four directions in a plane at 0°, 10°, 40° and 45°; 0° and 10° are one group, the other two are one each.
    angles = np.radians([0, 10, 40, 45])
    examples = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    # Nearest of another group: 0° → 40° (40° off), 10° → 40° (30°), 40° → 45° (5°), 45° → 40° (5°).
    rare, median = np.quantile(np.cos(np.radians([40, 30, 5, 5])), [0.01, 0.5])
    assert _least_similarity(examples, ["a", "a", "b", "c"]) == pytest.approx(rare - 0.5 * (median - rare))
    # With one group only, each conversation is compared with all others: 10°, 10°, 5°, 5°.
    rare, median = np.quantile(np.cos(np.radians([10, 10, 5, 5])), [0.01, 0.5])
    assert _least_similarity(examples, ["a"] * 4) == pytest.approx(rare - 0.5 * (median - rare))


def test_a_new_value_rarely_exceeds_the_limit() -> None:
    # Of 199 values the ⌈0.99 · 200⌉ = 198th: two of 200 equally likely places lie above it, 1 %.
    assert _rarely_exceeded(np.arange(1.0, 200.0)) == 198
    assert _rarely_exceeded(np.array([0.2, 0.7, 0.5])) == 0.7


# ------------------------------------------------------------------------------------------------------------- language


def test_trigrams_fold_case_digits_and_spaces() -> None:
    assert len(trigrams_of("ab")) == 2  # " ab" and "ab "
    assert trigrams_of("It is  $1,299").tolist() == trigrams_of("it is\n$4,810").tolist()
    assert trigrams_of("的").tolist() == [(32 << 42) | (0x7684 << 21) | 32]


def test_a_trigram_table_by_hand() -> None:
    # "aaa" padded is " aaa ": the trigrams " aa", "aaa", "aa ", one each; 3 + ½ · (3 + 1) = 5.
    table = TrigramTable.fit(["aaa"])
    known, unknown = table.look_up(trigrams_of("aaa")), table.look_up(trigrams_of("xyz"))
    assert known == pytest.approx([math.log(1.5 / 5)] * 3)
    assert unknown == pytest.approx([math.log(0.5 / 5)] * 3)


def test_another_language_is_further_off_the_longer_it_goes_on(default_splits: DataSplits) -> None:
    texts = [conversation.transcript or " ".join(t.text for t in conversation.turns or []) for conversation in
             default_splits.train]  # fmt: skip
    half = np.arange(len(texts) // 2)
    other = np.arange(len(texts) // 2, len(texts))
    profile = LanguageProfile.fit(texts, [(half, other), (other, half)])
    assert profile.deviations_below(RECIPE) < 4  # it knows letters, not meaning
    assert profile.deviations_below("Ja.") < 4 < profile.deviations_below(SPANISH_NOTE)
    assert profile.deviations_below(SPANISH_NOTE) < profile.deviations_below(f"{SPANISH_NOTE} {SPANISH_NOTE}")


# ------------------------------------------------------------------------------------------------------------ intervals


def test_intervals_by_hand() -> None:
    intervals = ProbabilityIntervals.fit([1, 2, 3, 4], [0, 0, 1, 1])
    low, high = intervals.of([5.0, 2.5, 0.0, 3.0])
    # 5: a failure there would be pooled with the two successes below it: 2 of 3; a success leaves 1.
    # 2.5: between failures and successes nothing is known: 0 if it fails, 1 if it succeeds.
    # 0: a success there would be pooled with the two failures above it: 1 of 3; a failure leaves 0.
    # 3: a failure at the score of a success: 1 of 2, pooled with nothing as 4 has 1; a success leaves 1.
    assert low == pytest.approx([2 / 3, 0, 0, 1 / 2])
    assert high == pytest.approx([1, 1, 1 / 3, 1])


def test_leaving_out_is_fitting_without() -> None:
    random = np.random.default_rng(0)
    scores = np.round(random.normal(size=40), 1)  # rounded: some scores come twice
    labels = (scores + random.normal(size=40) > 0).astype(int)
    widths = left_out_widths(scores, labels)
    for index in range(40):
        low, high = ProbabilityIntervals.fit(np.delete(scores, index), np.delete(labels, index)).of(scores[[index]])
        assert widths[index] == pytest.approx(high[0] - low[0])


def test_intervals_hold_the_share_of_successes_and_narrow_with_n() -> None:
    random = np.random.default_rng(1)
    widths = []
    for n in (50, 800):
        scores = random.normal(size=n)
        low, high = ProbabilityIntervals.fit(scores, random.random(n) < 1 / (1 + np.exp(-scores))).of([-1.0, 0.0, 1.0])
        widths.append(np.mean(high - low))
    # At the larger n the interval is narrow and near the true probability, sigmoid(−1, 0, 1).
    assert (low + high) / 2 == pytest.approx([0.27, 0.5, 0.73], abs=0.12)
    assert widths[1] < widths[0] / 2


def test_an_interval_wider_than_usual_is_a_reason(splits: DataSplits) -> None:
    n = len(splits.train)
    labels = np.arange(400) >= 200
    scores = np.concatenate([np.linspace(-2, -1, 200), np.linspace(1, 2, 200)])  # nothing is known between −1 and 1
    vectors = np.tile(np.array([1.0, 0.0], dtype=np.float32), (n, 1))
    reliability = PredictionReliability.fit(splits.train, vectors, HeldOut(scores, labels), seed=0)
    log_odds = np.array([0.0, 1.5])
    open_question, known = reliability.assess(splits.train[:2], np.array([0.5, 0.9]), log_odds, vectors[:2])
    assert [reason.kind for reason in open_question.reasons] == ["wide"]
    assert "from 0.00 to 1.00" in open_question.reasons[0].sentence
    assert open_question.interval == (0.0, 1.0)
    assert known.reliability == "ok"
