"""LangChain: its own standard tests of the store, each way to run the predictor, the chain beside the API, the example."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from langchain_core.runnables import Runnable
from langchain_core.vectorstores import VectorStore
from langchain_tests.integration_tests import VectorStoreIntegrationTests

from answers.requests import SAMPLE_REQUEST
from answers.sources import Sources
from benchmarks.postgresql_server import PostgresqlServer
from conversations.conversation import Conversation
from conversations.split import DataSplits
from deployment_system import create_app
from foundations.artifact_folder import ArtifactFolder
from foundations.errors import InputError
from foundations.machine import available_cores
from foundations.settings import load_settings
from langchain_integration import (
    SalesAnalysisChain,
    SalesConversionPredictor,
    SalesEmbeddings,
    SalesVectorStore,
    past_conversations,
    similar_won_deals_tool,
)
from model_registry import load_model
from modelling.conversion_model import ConversionModel
from similarity.faiss_index import FaissIndex
from similarity.pgvector_database import VectorDatabase
from similarity.pgvector_index import PgVectorIndex

ROOT = Path(__file__).parents[1]
CALL: dict[str, Any] = {"transcript": "They asked for the contract.", "context": {"industry": "technology"}}
OTHER = {"turns": [{"speaker": "customer", "text": "No budget until next year."}]}
EMPTY = {"transcript": "  "}


class TestFlatStore(VectorStoreIntegrationTests):
    """LangChain's own tests."""

    @pytest.fixture
    def vectorstore(self) -> VectorStore:  # type: ignore[override]
        return SalesVectorStore(self.get_embeddings())


class TestInvertedListsStore(VectorStoreIntegrationTests):
    """The same above the limit of the exact search."""

    @pytest.fixture
    def vectorstore(self) -> VectorStore:  # type: ignore[override]
        return SalesVectorStore(self.get_embeddings(), FaissIndex(flat_limit=0))


class TestPostgresqlStore(VectorStoreIntegrationTests):
    """The same in a real PostgreSQL, each test in an index of its own."""

    @pytest.fixture
    def vectorstore(self, vector_database: VectorDatabase) -> VectorStore:  # type: ignore[override]
        return SalesVectorStore(self.get_embeddings(), PgVectorIndex(vector_database, uuid.uuid4().hex))


@pytest.fixture(scope="module")
def vector_database(postgresql: PostgresqlServer) -> Iterator[VectorDatabase]:
    database = VectorDatabase(postgresql.new_database())
    yield database
    database.close()


@pytest.fixture(scope="module")
def predictor(trained_artifacts: ArtifactFolder) -> SalesConversionPredictor:
    return SalesConversionPredictor(model_type="contrastive", artifacts=trained_artifacts.root)


@pytest.fixture(scope="module")
def embeddings(trained_artifacts: ArtifactFolder) -> SalesEmbeddings:
    return SalesEmbeddings(model_type="contrastive", artifacts=trained_artifacts.root)


@pytest.fixture(scope="module")
def chain(predictor: SalesConversionPredictor, embeddings: SalesEmbeddings) -> SalesAnalysisChain:
    return SalesAnalysisChain(predictor, embeddings, past_conversations(embeddings))


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many conversations each pass of a model predicted."""
    sizes: list[int] = []
    predict = ConversionModel.predict_proba

    def counted(self: ConversionModel, conversations: Any) -> Any:
        sizes.append(len(conversations))
        return predict(self, conversations)

    monkeypatch.setattr(ConversionModel, "predict_proba", counted)
    return sizes


# The store


class Plane(Embeddings):
    """Texts like "30" become the direction of so many degrees."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return [2 * float(np.cos(np.radians(float(text)))), 2 * float(np.sin(np.radians(float(text))))]


@pytest.fixture
def plane() -> SalesVectorStore:
    degrees = ["0", "2", "4", "40", "90"]
    metadatas = [{"n": n, "side": "east" if n < 3 else "north"} for n in range(5)]
    return SalesVectorStore.from_texts(degrees, Plane(), metadatas, ids=list("abcde"))


def contents(documents: list[Document]) -> list[str]:
    return [document.page_content for document in documents]


def test_search_with_scores_and_filters(plane: SalesVectorStore) -> None:
    (nearest, cosine), (second, _) = plane.similarity_search_with_score("1.5", k=2)
    assert (nearest.page_content, nearest.id, nearest.metadata) == ("2", "b", {"n": 1, "side": "east"})
    assert cosine == pytest.approx(np.cos(np.radians(0.5)))
    assert second.page_content == "0"
    assert contents(plane.similarity_search("0", filter={"side": "north"})) == ["40", "90"]
    assert contents(plane.similarity_search("0", filter={"n": [4, 1], "side": ["east"]})) == ["2"]
    assert contents(plane.similarity_search_by_vector([0.0, 3.0], k=1)) == ["90"]
    (_, relevance), *_ = plane.similarity_search_with_relevance_scores("90", k=1)
    assert relevance == pytest.approx(1.0)
    retriever = plane.as_retriever(search_type="mmr", search_kwargs={"k": 1, "filter": {"side": "north"}})
    assert contents(retriever.invoke("0")) == ["40"]


def test_max_marginal_relevance_by_hand(plane: SalesVectorStore) -> None:
    # From 0° with λ 0.5 the first is 0°. A document at x° then scores 0.5 cos x − 0.5 cos x = 0, whichever it is, so the
    # diversity must count more: with λ 0.3 it scores −0.4 cos x, and 90° is best.
    assert contents(plane.max_marginal_relevance_search("0", k=2, lambda_mult=0.3)) == ["0", "90"]
    assert contents(plane.max_marginal_relevance_search("0", k=2, lambda_mult=1.0)) == ["0", "2"]
    # Of the three nearest only, 4° is the most different.
    assert contents(plane.max_marginal_relevance_search("0", k=2, fetch_k=3, lambda_mult=0.3)) == ["0", "4"]
    assert contents(plane.max_marginal_relevance_search("0", k=2, lambda_mult=0.3, filter={"side": "east"})) == [
        "0",
        "4",
    ]
    assert SalesVectorStore(Plane()).max_marginal_relevance_search("0") == []
    assert asyncio.run(plane.amax_marginal_relevance_search("0", k=1))[0].page_content == "0"


def test_a_store_is_saved_and_read(plane: SalesVectorStore, tmp_path: Path) -> None:
    plane.save_local(tmp_path)
    store = SalesVectorStore.load_local(tmp_path, Plane())
    assert store.similarity_search("3", k=3) == plane.similarity_search("3", k=3)
    assert store.delete() and store.similarity_search("3") == []
    next(tmp_path.glob("vectors.*")).write_bytes(b"")
    with pytest.raises(InputError, match="was changed after it was written"):
        SalesVectorStore.load_local(tmp_path, Plane())


def test_metadata_and_ids_must_be_as_many_as_texts() -> None:
    store = SalesVectorStore(DeterministicFakeEmbedding(size=4))
    with pytest.raises(InputError, match="2 texts, 1 metadata and 2 ids"):
        store.add_texts(["a", "b"], [{}])
    with pytest.raises(InputError, match="1 texts, 1 metadata and 2 ids"):
        store.add_texts(["a"], ids=["1", "2"])
    assert store.add_texts([]) == []


# The embeddings and the predictor


def test_embeddings_are_the_models(embeddings: SalesEmbeddings, trained_artifacts: ArtifactFolder) -> None:
    texts = ["They will sign.", "Customer: no.\nSeller: a pity."]
    expected = load_model(trained_artifacts, "contrastive", 1).embed([Conversation(transcript=text) for text in texts])
    assert np.allclose(embeddings.embed_documents(texts), expected, atol=1e-6)
    assert embeddings.embed_query(texts[1]) == pytest.approx(expected[1], abs=1e-6)
    assert embeddings.embed_documents([]) == []
    assert isinstance(embeddings.embed_query("Yes.")[0], float)
    with pytest.raises(InputError, match="The text: the transcript is empty"):
        embeddings.embed_query(" ")


def test_components_of_one_folder_share_their_models(
    predictor: SalesConversionPredictor, embeddings: SalesEmbeddings, trained_artifacts: ArtifactFolder
) -> None:
    assert predictor.model is embeddings.model
    other = SalesConversionPredictor("few_shot", artifacts=trained_artifacts.root)
    assert other.invoke(CALL)["model_used"] == other.model.name == "few_shot"


def test_a_prediction_is_the_models(predictor: SalesConversionPredictor, splits: DataSplits) -> None:
    record = splits.test[0].model_dump(exclude_none=True)
    answer = predictor.invoke(record)
    assert answer["probability"] == pytest.approx(predictor.model.predict_proba([splits.test[0]])[0], abs=1e-9)
    assert answer["outcome"] == ("successful" if answer["probability"] >= 0.5 else "failed")
    assert answer["confidence"] == max(answer["probability"], 1 - answer["probability"])
    assert answer["model_used"] == "contrastive"


def test_a_batch_is_one_pass(predictor: SalesConversionPredictor, passes: list[int]) -> None:
    inputs: list[Mapping[str, Any]] = [CALL, OTHER, {**CALL, "context": {"urgency": "low"}}] * 5
    answers = predictor.batch(inputs)
    assert passes == [15]
    assert asyncio.run(predictor.abatch(inputs)) == answers
    assert passes == [15, 15]
    for given, answer in zip(inputs[:3], answers, strict=False):
        assert predictor.invoke(given)["probability"] == pytest.approx(answer["probability"], abs=1e-6)
    assert predictor.batch([]) == []


def test_a_bad_input_spoils_only_its_own_answer(predictor: SalesConversionPredictor, passes: list[int]) -> None:
    good, bad, other = predictor.batch([CALL, EMPTY, OTHER], return_exceptions=True)
    assert passes == [2]
    assert isinstance(bad, InputError)
    assert [good["probability"], other["probability"]] == pytest.approx(
        [predictor.invoke(given)["probability"] for given in (CALL, OTHER)], abs=1e-6
    )
    with pytest.raises(InputError, match="the transcript is empty"):
        predictor.batch([CALL, EMPTY])


def test_an_input_may_name_its_model(
    predictor: SalesConversionPredictor, chain: SalesAnalysisChain, passes: list[int]
) -> None:
    by_name = {**CALL, "model_type": "few_shot"}
    one, two, bad, three = predictor.batch(
        [CALL, by_name, {**CALL, "model_type": "oracle"}, {**OTHER, "model_type": "few_shot"}], return_exceptions=True
    )
    assert passes in ([1, 2], [2, 1])
    assert [answer["model_used"] for answer in (one, two, three)] == ["contrastive", "few_shot", "few_shot"]
    assert isinstance(bad, InputError)
    known = "starter, few_shot, classification_head, contrastive, ensemble and 'auto'"
    sentence = f"There is no model 'oracle'; the models are {known}."
    assert str(bad) == f"The input is wrong: {sentence}"
    for component in (SalesConversionPredictor, SalesEmbeddings):
        with pytest.raises(InputError, match=re.escape(sentence)):
            component(model_type="oracle", artifacts=predictor.models.folder.root)
    assert predictor.invoke(by_name)["probability"] == pytest.approx(two["probability"], abs=1e-6)
    without_more = chain.invoke({**by_name, "include_analysis": False, "include_similar": False})
    assert without_more["prediction"]["probability"] == pytest.approx(two["probability"], abs=1e-6)


def test_inputs_and_answers_fit_the_declared_schemas(
    predictor: SalesConversionPredictor, chain: SalesAnalysisChain
) -> None:
    for component in (predictor, chain):
        assert {"transcript", "turns", "context", "model_type"} <= set(component.get_input_jsonschema()["properties"])
        component.get_output_schema().model_validate(component.invoke(CALL))
    assert set(predictor.get_output_jsonschema()["properties"]) == set(predictor.invoke(CALL))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (EMPTY, "the transcript is empty"),
        ({"transcript": 5}, "transcript 5 is wrong"),
        ({"transcript": "Hi", "context": "retail"}, "context 'retail' is wrong"),
        ({"transcript": "Hi", "turns": [{"speaker": "customer"}]}, "turns.0.text is missing"),
        ("Hi", "The input is 'Hi'; it should be a dictionary"),
    ],
)
def test_bad_input_is_one_sentence(predictor: SalesConversionPredictor, given: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        predictor.invoke(given)


def test_a_model_that_is_not_trained_says_how_to_train_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--mode train --model contrastive"):
        SalesConversionPredictor(artifacts=tmp_path).invoke(CALL)
    with pytest.raises(InputError, match="There is no .*manifest.json.*--mode train"):
        past_conversations(SalesEmbeddings(artifacts=tmp_path))


async def test_async_gives_the_same(predictor: SalesConversionPredictor, chain: SalesAnalysisChain) -> None:
    assert await predictor.ainvoke(CALL) == predictor.invoke(CALL)
    answers = await asyncio.gather(*(chain.ainvoke(CALL) for _ in range(4)))
    assert all(_timeless(answer) == _timeless(chain.invoke(CALL)) for answer in answers)
    with pytest.raises(InputError, match="the transcript is empty"):
        await predictor.ainvoke(EMPTY)


@pytest.mark.parametrize(
    ("component", "more", "parts"),
    [
        ("predictor", {}, []),
        ("chain", {}, ["prediction", "similar_conversations", "analysis"]),
        ("chain", {"include_trajectory": True, "include_similar": False}, ["trajectory", "prediction", "analysis"]),
    ],
)
async def test_events_are_streamed(
    component: str, more: dict[str, Any], parts: list[str], request: pytest.FixtureRequest
) -> None:
    runnable: Runnable[Mapping[str, Any], dict[str, Any]] = request.getfixturevalue(component)
    given = {**CALL, **more}
    events = [event async for event in runnable.astream_events(given, version="v2")]
    name = type(runnable).__name__
    of_parts = [(event, part) for part in parts for event in ("on_chain_start", "on_chain_end")]
    told = [(event["event"], event["name"]) for event in events if event["event"] != "on_chain_stream"]
    assert told == [("on_chain_start", name), *of_parts, ("on_chain_end", name)]
    assert all(event["parent_ids"] == events[0]["run_id"].split() for event in events if event["name"] in parts)
    output = events[-1]["data"]["output"]
    assert _timeless(output) == _timeless(runnable.invoke(given))
    for event in events:
        if (event["event"], event["name"]) == ("on_chain_end", "prediction"):
            assert event["data"]["output"].probability == output["prediction"]["probability"]


class Heard(BaseCallbackHandler):
    def __init__(self) -> None:
        self.heard: list[str] = []

    def on_chain_start(self, serialized: Any, inputs: Any, **kwargs: Any) -> None:
        self.heard.append("start")

    def on_chain_end(self, outputs: Any, **kwargs: Any) -> None:
        self.heard.append(f"end {sorted(outputs)[0] if isinstance(outputs, dict) else type(outputs).__name__}")

    def on_chain_error(self, error: BaseException, **kwargs: Any) -> None:
        self.heard.append(type(error).__name__)


def test_callbacks_hear_of_each_run(predictor: SalesConversionPredictor, chain: SalesAnalysisChain) -> None:
    handler = Heard()
    predictor.invoke(CALL, {"callbacks": [handler]})
    predictor.batch([CALL, EMPTY], {"callbacks": [handler]}, return_exceptions=True)
    chain.with_config(callbacks=[handler]).invoke({**CALL, "include_similar": False, "include_analysis": False})
    assert handler.heard == [
        "start",
        "end confidence",
        "start",
        "start",
        "end confidence",
        "InputError",
        "start",
        "start",
        "end Assessment",
        "end analysis",
    ]


def test_a_retry_repeats_what_failed(predictor: SalesConversionPredictor, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = predictor.invoke(CALL)
    predict, failures = ConversionModel.predict_proba, [OSError("busy"), OSError("busy")]

    def sometimes(self: ConversionModel, conversations: Any) -> Any:
        if failures:
            raise failures.pop()
        return predict(self, conversations)

    monkeypatch.setattr(ConversionModel, "predict_proba", sometimes)
    patient = predictor.with_retry(
        retry_if_exception_type=(OSError,), wait_exponential_jitter=False, stop_after_attempt=3
    )
    assert patient.invoke(CALL) == expected
    failures.extend([OSError("busy")] * 2)
    for answer in patient.batch([CALL, CALL]):
        assert answer["probability"] == pytest.approx(expected["probability"], abs=1e-6)
    assert failures == []
    failures.extend([OSError("busy")] * 3)
    with pytest.raises(OSError, match="busy"):
        patient.invoke(CALL)


def test_it_composes_with_other_runnables(predictor: SalesConversionPredictor) -> None:
    sequence = predictor | (lambda prediction: prediction["outcome"])
    assert sequence.invoke(CALL) == predictor.invoke(CALL)["outcome"]
    assert sequence.batch([CALL, OTHER]) == [predictor.invoke(given)["outcome"] for given in (CALL, OTHER)]


# The chain, beside the API


def _timeless(answer: dict[str, Any]) -> dict[str, Any]:
    """What doesn't change from one answer to the next; the service alone numbers requests and predictions."""
    of_one_answer = {"processing_time", "request_id", "prediction_id"}
    return {name: value for name, value in answer.items() if name not in of_one_answer}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"similar_count": 5, "similar_filter": {"outcome": "failed"}},
        {"similar_format": "text", "include_analysis": False},
        {"include_similar": False, "model_type": "few_shot"},
    ],
)
def test_the_chain_and_the_api_give_the_same_answer(
    chain: SalesAnalysisChain, trained_artifacts: ArtifactFolder, splits: DataSplits, more: dict[str, Any]
) -> None:
    wanted = {"model_type": "contrastive", "include_analysis": True, "include_similar": True}
    # As many threads as the chain takes: they decide which texts run together, and that the eighth digit.
    settings = load_settings(artifacts=trained_artifacts.root, threads=available_cores())
    with TestClient(create_app(settings), "http://127.0.0.1", client=("127.0.0.1", 50000)) as client:
        for record in (
            SAMPLE_REQUEST | wanted,
            splits.test[0].model_dump(exclude_none=True),
            splits.train[0].model_dump(),
        ):
            expected = client.post("/predict", json={**wanted, **record, **more})
            assert expected.status_code == 200, expected.text
            for answer in (chain({**record, **more}), chain.invoke({**record, **more})):
                assert _timeless(answer) == _timeless(expected.json())
    assert (answer["similar_conversations"] is None) == (more.get("include_similar") is False)


def test_a_chain_over_another_store_finds_what_is_in_it(
    predictor: SalesConversionPredictor, embeddings: SalesEmbeddings
) -> None:
    notes = ["They talked about the weather for an hour. The contract is on its way to our office today.", "Nothing."]
    store = SalesVectorStore.from_texts(notes, embeddings, [{"outcome": "successful"}, {}], ids=["note-1", "note-2"])
    answer = SalesAnalysisChain(predictor, embeddings, store)({"transcript": notes[0][43:], "similar_count": 2})
    found = {one["conversation_id"]: one for one in answer["similar_conversations"]}
    assert set(found) == {"note-1", "note-2"}
    assert found["note-1"]["outcome"] == "successful"
    assert found["note-1"]["excerpt"] == "The contract is on its way to our office today."
    assert found["note-2"]["outcome"] is None


def test_embeddings_of_another_model_can_not_search_the_index(trained_artifacts: ArtifactFolder) -> None:
    with pytest.raises(InputError, match="made with the model 'contrastive'; the embeddings of 'few_shot'"):
        past_conversations(SalesEmbeddings("few_shot", trained_artifacts.root))


# The tool


def test_the_tool_finds_won_deals(embeddings: SalesEmbeddings, splits: DataSplits) -> None:
    store = past_conversations(embeddings)
    tool = similar_won_deals_tool(store, count=2)
    assert tool.name == "similar_won_deals"
    assert set(tool.args) == {"conversation", "industry"}
    text = "They asked for a proposal by Friday."
    search = Sources.of(embeddings.models.folder, 1).similar.current()
    expected = search.nearest(Conversation(transcript=text), 2, {"outcome": "successful"})
    lines = tool.invoke({"conversation": text}).splitlines()
    assert [line.split(" (")[0] for line in lines] == [deal.conversation_id for deal in expected]
    assert all(deal.excerpt in line for deal, line in zip(expected, lines, strict=True))
    assert tool.invoke({"conversation": text, "industry": "Piracy"}) == "No won deal like this is known."
    industry = next(c.conversation_context.industry for c in splits.train if c.outcome == "successful")
    assert tool.invoke({"conversation": text, "industry": (industry or "").upper()}).count("similarity") in (1, 2)
    assert "the transcript is empty" in tool.invoke({"conversation": " "})  # the agent's run goes on
    with pytest.raises(InputError, match="needs a store of SalesEmbeddings, not of Plane"):
        similar_won_deals_tool(SalesVectorStore(Plane()))


# The documents, and a machine without LangChain


def test_the_example_of_the_document_runs(
    trained_artifacts: ArtifactFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (ROOT / "docs" / "langchain.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert 'artifacts = "artifacts"' in example
    names: dict[str, Any] = {}
    exec(example.replace('artifacts = "artifacts"', f"artifacts = {str(trained_artifacts.root)!r}"), names)
    assert set(names["result"]) >= {"prediction", "analysis", "recommendations", "similar_conversations"}
    assert [document.metadata["outcome"] for document in names["won"]] == ["successful"] * 3
    assert [document.metadata["outcome"] for document in names["lost"]] == ["failed"] * 2
    assert len(capsys.readouterr().out.splitlines()) == 6


def test_without_langchain_one_sentence_says_how_to_install_it() -> None:
    code = (
        "import sys; sys.modules['langchain_core'] = None\n"
        "try:\n    import langchain_integration\n"
        "except ImportError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == (
        "langchain_integration needs langchain-core 1.x; install it with: pip install -r requirements/langchain.txt"
    )
    assert (ROOT / "requirements/langchain.txt").is_file()


def test_it_needs_no_torch(trained_artifacts: ArtifactFolder) -> None:
    code = (
        "import sys; from langchain_integration import *\n"
        f"embeddings = SalesEmbeddings(artifacts={str(trained_artifacts.root)!r})\n"
        f"predictor = SalesConversionPredictor(artifacts={str(trained_artifacts.root)!r})\n"
        "SalesAnalysisChain(predictor, embeddings, past_conversations(embeddings))({'transcript': 'They will sign.'})\n"
        "print([name for name in ('torch', 'sklearn', 'scipy', 'transformers') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
