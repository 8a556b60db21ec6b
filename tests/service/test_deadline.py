"""Work that nobody waits for any more ends by itself, and gives its place among the predictions in flight back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from answers.answer import answer
from answers.requests import PredictionRequest
from conversations.conversation import Conversation, Turn
from encoder.onnx_encoder import OnnxTextEncoder
from foundations.artifact_folder import ArtifactFolder
from foundations.long_work import GivenUpError, check_deadline, until_given_up
from model_registry import load_model
from modelling.conversion_model import ConversionModel
from tests.service_clients import client_for, error_of

TURNS = [{"speaker": ("rep", "customer")[n % 2], "text": f"Number {n} of what was said here."} for n in range(1000)]


def test_work_is_told_only_within_its_block_and_its_thread() -> None:
    given_up = threading.Event()
    given_up.set()
    check_deadline()
    with until_given_up(given_up):
        with pytest.raises(GivenUpError):
            check_deadline()
        with ThreadPoolExecutor(1) as other:
            other.submit(check_deadline).result()
    check_deadline()


def test_a_504_ends_its_work_and_frees_its_place(trained_artifacts: ArtifactFolder) -> None:
    # Whole, it takes many times as long as the time that it is given here.
    body = {"turns": TURNS, "include_trajectory": True, "include_analysis": True}
    with client_for(trained_artifacts.root, request_timeout=0.3, max_in_flight=1, rate_limit=0) as client:
        assert client.post("/predict", json={"transcript": "They will sign."}).status_code == 200
        error_of(client.post("/predict", json=body), 504, "timeout")
        over = time.monotonic()
        access = client.app.state.service.access  # type: ignore[attr-defined]
        while access.admission.in_flight.count():
            assert time.monotonic() - over < 1.5, "it goes on although nobody waits"
            time.sleep(0.01)
        assert client.post("/predict", json={"transcript": "They will sign."}).status_code == 200


def test_a_trajectory_ends_between_its_predictions(
    trained_artifacts: ArtifactFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_model(trained_artifacts, "few_shot")
    given_up = threading.Event()
    predicted: list[int] = []
    log_odds = type(model)._log_odds

    def counted(self: ConversionModel, conversations: Sequence[Conversation]) -> Any:
        found = log_odds(self, conversations)
        predicted.append(len(conversations))
        if len(predicted) == 2:
            given_up.set()
        return found

    monkeypatch.setattr(type(model), "_log_odds", counted)
    monkeypatch.setattr("modelling.conversion_model._TURNS_AT_ONCE", 1)
    turns = [Turn.model_validate(turn) for turn in TURNS[:6]]
    with until_given_up(given_up), pytest.raises(GivenUpError):
        model.trajectory(Conversation(turns=turns))
    assert predicted == [1, 1]


@pytest.mark.parametrize("threads", [1, 2])
def test_the_encoder_ends_between_its_packs(
    trained_artifacts: ArtifactFolder, monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    encoder = load_model(trained_artifacts, "few_shot", threads).encoder
    assert isinstance(encoder, OnnxTextEncoder)
    given_up = threading.Event()
    packs: list[int] = []
    run = OnnxTextEncoder._lower_states

    def counted(self: OnnxTextEncoder, texts: list[str], *arguments: Any) -> Any:
        packs.append(len(texts))
        given_up.set()
        return run(self, texts, *arguments)

    monkeypatch.setattr(OnnxTextEncoder, "_lower_states", counted)
    texts = [f"Number {n} of many texts that are not all read." for n in range(1000)]
    with until_given_up(given_up), pytest.raises(GivenUpError):
        encoder.embed_texts(texts)
    assert 1 <= len(packs) <= threads


def test_no_step_of_an_answer_is_begun_after_it(trained_artifacts: ArtifactFolder) -> None:
    given_up = threading.Event()
    done: list[str] = []

    def step(name: str, work: Callable[[], Any]) -> Any:
        done.append(name)
        found = work()
        given_up.set()
        return found

    with client_for(trained_artifacts.root) as client, until_given_up(given_up):
        sources = client.app.state.service.sources  # type: ignore[attr-defined]
        request = PredictionRequest(transcript="They will sign.", include_analysis=True, include_similar=True)
        with pytest.raises(GivenUpError):
            answer(sources, request.conversation(), request, step=step)
    assert done == ["prediction"]
