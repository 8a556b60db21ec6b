"""One prediction, and all that POST /predict answers, as LangChain Runnables.

Needs langchain-core; import it through `langchain_integration`, which says how to install that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar, get_type_hints

from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda, run_in_executor
from pydantic import BaseModel, ValidationError, create_model

from answers.answer import answer
from answers.langchain.embeddings import ModelComponent, SalesEmbeddings
from answers.langchain.vector_store import SalesVectorStore
from answers.requests import PredictionRequest
from answers.responses import PredictionResponse
from conversations.conversation import Conversation
from conversations.reading.record import first_problem
from foundations.errors import InputError
from probability.bands import Prediction, prediction_of
from similarity.search import SimilarConversations

Answer = dict[str, Any]
T = TypeVar("T")


# What a SalesConversionPredictor gives, as a dictionary: a prediction, and the name of the model.
_FIELDS: dict[str, Any] = {**get_type_hints(Prediction, include_extras=True), "model_used": str}
PredictorAnswer = create_model("PredictorAnswer", **_FIELDS)


class _Asked(NamedTuple):
    """A valid input of the predictor."""

    model_type: str  # a model's name, or auto
    conversation: Conversation


class SalesConversionPredictor(ModelComponent, Runnable[Mapping[str, Any], Answer]):
    """From {"transcript" or "turns", "context"} to {"outcome", "probability", "confidence", "model_used"}.

    An input's own "model_type" comes before the predictor's, as it does for the chain.
    Raises InputError for a conversation without words or a field of the wrong kind, in one sentence.
    """

    def get_input_schema(self, config: RunnableConfig | None = None) -> type[BaseModel]:
        """The body of a request; what only the chain can answer is passed over."""
        return PredictionRequest

    def get_output_schema(self, config: RunnableConfig | None = None) -> type[BaseModel]:
        """What `invoke` gives."""
        return PredictorAnswer

    def invoke(self, input: Mapping[str, Any], config: RunnableConfig | None = None, **kwargs: Any) -> Answer:
        """One prediction."""
        return self._call_with_config(self._predict, input, config)

    async def ainvoke(self, input: Mapping[str, Any], config: RunnableConfig | None = None, **kwargs: Any) -> Answer:
        """The same in a thread, so that the event loop goes on."""

        async def predict(given: Mapping[str, Any]) -> Answer:
            return await run_in_executor(None, self._predict, given)

        return await self._acall_with_config(predict, input, config)

    def batch(
        self,
        inputs: list[Mapping[str, Any]],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Answer]:
        """One pass of each model for its valid inputs; a bad one spoils only its own answer with `return_exceptions`."""
        return self._batch_with_config(self._predict_all, inputs, config, return_exceptions=return_exceptions)

    async def abatch(
        self,
        inputs: list[Mapping[str, Any]],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Answer]:
        """The same in a thread."""

        async def predict(given: list[Mapping[str, Any]]) -> list[Exception | Answer]:
            return await run_in_executor(None, self._predict_all, given)

        return await self._abatch_with_config(predict, inputs, config, return_exceptions=return_exceptions)

    def _predict(self, given: Mapping[str, Any]) -> Answer:
        (result,) = self._predict_all([given])
        if isinstance(result, Exception):
            raise result
        return result

    def _predict_all(self, inputs: list[Mapping[str, Any]]) -> list[Exception | Answer]:
        read = [_read_or_error(given, {"model_type": self.model_type}) for given in inputs]
        asked = [item for item in read if isinstance(item, _Asked)]
        answers = {
            name: iter(self._answers(name, [one.conversation for one in asked if one.model_type == name]))
            for name in {one.model_type for one in asked}
        }
        return [next(answers[item.model_type]) if isinstance(item, _Asked) else item for item in read]

    def _answers(self, model_type: str, conversations: list[Conversation]) -> list[Exception | Answer]:
        """One pass of a model; where it can't be used, that error for each."""
        try:
            model = self.models.model(self.models.resolve(model_type))
        except InputError as error:
            return [error for _ in conversations]
        probabilities = model.predict_proba(conversations).tolist()
        return [{**vars(prediction_of(probability)), "model_used": model.name} for probability in probabilities]


class SalesAnalysisChain(Runnable[Mapping[str, Any], Answer]):
    """What POST /predict answers, with analysis, recommendations and similar conversations, from the same code.

    Predicts with the predictor's model, and looks for similar conversations in the vector store by the embeddings. The
    input is the body of a request: every field of it counts, `include_analysis` and `include_similar` are true unless
    it says otherwise. Each part of the answer is a run within the chain's, so callbacks and streamed events tell of it.
    """

    def __init__(
        self, predictor: SalesConversionPredictor, embeddings: SalesEmbeddings, vectorstore: SalesVectorStore
    ) -> None:
        self.predictor = predictor
        self.embeddings = embeddings
        self.vectorstore = vectorstore

    def get_input_schema(self, config: RunnableConfig | None = None) -> type[BaseModel]:
        """The body of POST /predict."""
        return PredictionRequest

    def get_output_schema(self, config: RunnableConfig | None = None) -> type[BaseModel]:
        """What POST /predict answers."""
        return PredictionResponse

    def __call__(self, input: Mapping[str, Any], config: RunnableConfig | None = None) -> Answer:
        """The same as `invoke`."""
        return self.invoke(input, config)

    def invoke(self, input: Mapping[str, Any], config: RunnableConfig | None = None, **kwargs: Any) -> Answer:
        """One answer, as the API's JSON. Raises InputError as the API answers 422 and 503."""
        return self._call_with_config(self._answer, input, config)

    async def ainvoke(self, input: Mapping[str, Any], config: RunnableConfig | None = None, **kwargs: Any) -> Answer:
        """The same in a thread, so that the event loop goes on."""

        async def answer_it(given: Mapping[str, Any]) -> Answer:
            return await run_in_executor(None, self._answer, given)

        return await self._acall_with_config(answer_it, input, config)

    def _answer(self, given: Mapping[str, Any]) -> Answer:
        wanted = {"model_type": self.predictor.model_type, "include_analysis": True, "include_similar": True}
        request = _request(given, wanted)
        similar = SimilarConversations(self.embeddings.model, self.vectorstore.index)

        def as_run(name: str, work: Callable[[], T]) -> T:
            part: Runnable[Mapping[str, Any], T] = RunnableLambda(lambda _: work(), name=name)
            return part.invoke(given)  # LangChain's context makes it a part of the chain's run

        return answer(self.predictor.sources, request.conversation(), request, similar, as_run).model_dump(mode="json")


def _read_or_error(given: Mapping[str, Any], wanted: Mapping[str, Any]) -> _Asked | InputError:
    try:
        request = _request(given, wanted)
        return _Asked(request.model_type, request.conversation())
    except InputError as error:
        return error


def _request(given: Mapping[str, Any], wanted: Mapping[str, Any]) -> PredictionRequest:
    """The request that an input makes, `wanted` where it leaves a field out. Raises InputError."""
    if not isinstance(given, Mapping):
        raise InputError(f"The input is {given!r:.80}; it should be a dictionary with 'transcript' or 'turns'.")
    try:
        return PredictionRequest.model_validate({**wanted, **given})
    except ValidationError as error:
        raise InputError(f"The input is wrong: {first_problem(error)}.") from error
