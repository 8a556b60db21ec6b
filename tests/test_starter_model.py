"""The starter knows sales as it comes: it ranks conversations of writers it has not read, and needs the sales encoder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from conversations.conversation import Conversation, Turn
from conversations.reading.files import read_splits
from conversations.reading.record import conversation_from_record
from conversations.split import DataSplits, split_conversations
from encoder.text_encoder import SALES
from encoder.torch_encoder import SalesEncoder
from foundations.artifact_folder import ArtifactFolder
from foundations.errors import InputError
from generate_sales_data import generate_conversations
from main import main
from model_registry import load_model
from modelling.names import STARTER
from modelling.starter_head import STARTER_BLOCKS, StarterHead, read_starter_head
from starter_model import StarterModel

pytestmark = [pytest.mark.seconds(10), pytest.mark.usefixtures("quick_looks_at_data")]


@pytest.fixture(scope="module")
def sales_encoder() -> SalesEncoder:
    return SalesEncoder.load(keep_states=True)


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> ArtifactFolder:
    """What it leaves when it scores in an empty folder, where generated conversations say what its log-odds are worth."""
    folder = tmp_path_factory.mktemp("scored")
    data = folder / "open.jsonl"
    data.write_text(
        '{"transcript": "They asked for the contract."}\n{"transcript": "No budget this year, they said."}\n'
    )
    arguments = ["--mode", "score", "--model", "starter", "--data", str(data), "--output", str(folder / "scores.jsonl")]
    with pytest.MonkeyPatch.context() as patch:  # stages of their own, and long with this encoder
        patch.setattr("stages.training.make_signals", lambda *of: None)
        patch.setattr("stages.training.index_conversations", lambda *of: None)
        assert main([*arguments, "--count", "40", "--seed", "11", "--artifacts", str(folder / "artifacts")]) == 0
    return ArtifactFolder(folder / "artifacts")


@pytest.fixture(scope="module")
def demo() -> DataSplits:
    records = generate_conversations(count=60, seed=11)
    return split_conversations([conversation_from_record(record, "generated") for record in records])


def test_the_default_encoder_is_the_sales_encoder(sales_encoder: SalesEncoder) -> None:
    assert sales_encoder.identity.name == SALES
    bundled = SalesEncoder.load("bundled")
    assert sales_encoder.identity.sha256 != bundled.identity.sha256
    text = "Send me the contract, our legal name is on the last invoice."
    near = float((sales_encoder.embed_texts([text]) * bundled.embed_texts([text])).sum())
    assert near < 0.999 * float(np.linalg.norm(sales_encoder.embed_texts([text])) ** 2)


def test_it_ranks_what_other_writers_wrote(scored: ArtifactFolder) -> None:
    """It learns nothing from them but what its log-odds are worth, so that all are held out."""
    model = load_model(scored, STARTER)
    assert model.record.cross_validation_metrics["roc_auc"] > 0.7
    splits = read_splits(scored.data)
    assert len(splits.learned_from) == 32


def test_pooling_by_hand() -> None:
    class TwoTexts:
        dim, window, tokenizer = 2, 64, "t"

        def token_count(self, text: str) -> int:
            return len(text.split())

        def embed_texts(self, texts: list[str]) -> np.ndarray:
            return np.array([{"Buy?": [2.0, 0.0], "Yes.": [0.0, 3.0]}[text] for text in texts], dtype=np.float32)

    talk = Conversation(turns=[Turn(speaker="seller", text="Buy?"), Turn(speaker="customer", text="Yes.")])
    weights = np.array([1, 2, 3, 4, 5, 6, 7, 8], dtype=np.float32)
    log_odds, pooled = StarterHead(weights, 0.5).read(TwoTexts(), [talk])  # type: ignore[arg-type]
    # customer, seller, customer's last, anyone with weights e^-2 and 1 of two turns at 0 and 1: shares .119 and .881
    early = np.exp(-2) / (1 + np.exp(-2))
    np.testing.assert_allclose(pooled[0], [0, 1, 1, 0, 0, 1, early, 1 - early], atol=1e-6)
    assert log_odds[0] == pytest.approx(6 * (2 + 3 + 6 + 7 * early + 8 * (1 - early)) + 0.5)
    assert len(STARTER_BLOCKS) * 2 == len(weights)


def test_another_encoder_is_told(bundled_encoder: SalesEncoder, demo: DataSplits) -> None:
    with pytest.raises(
        InputError, match="was learned on the encoders 'sales' and 'multilingual' and can't read 'bundled'"
    ):
        StarterModel(bundled_encoder).fit(demo.train, demo.validation)


def test_a_damaged_head_is_told(tmp_path: Path) -> None:
    (tmp_path / "head").write_bytes(b"no tensors")
    with pytest.raises(InputError, match="is damaged .*; restore the file"):
        read_starter_head(tmp_path / "head")


def test_it_scores_before_anything_was_trained(scored: ArtifactFolder) -> None:
    written = (scored.root.parent / "scores.jsonl").read_text(encoding="utf-8")
    assert written.count('"model": "starter"') == 2
