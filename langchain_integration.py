"""The predictor as LangChain components: embeddings, a Runnable, a vector store, a chain and a tool for agents.

On langchain-core 1.x alone, which is not among the packages that running needs; nothing else in the project imports this
module. Nothing is sent anywhere: all of it runs on the models of an artifact folder, loaded on first use and shared by
the components of a process. Costs what a prediction costs; a batch is one pass of the model. docs/langchain.md has an
example.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

try:
    from langchain_core.embeddings import Embeddings
    from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda, run_in_executor
    from langchain_core.tools import BaseTool, ToolException, tool
except ImportError as error:
    raise ImportError(
        "langchain_integration needs langchain-core 1.x; install it with: pip install -r requirements-langchain.txt"
    ) from error

from pydantic import BaseModel, ValidationError

from api_schemas import Prediction, PredictionRequest, PredictionResponse
from artifact_folder import DEFAULT_ARTIFACTS, ArtifactFolder
from conversation import Conversation, conversation_from_record, first_problem
from conversion_model import ConversionModel, prediction_of
from index_places import searched_place
from input_error import InputError
from model_names import AUTO
from model_registry import model_class
from model_server import ModelServer
from prediction_answer import answer
from processor_cores import available_cores
from sales_vector_store import SalesVectorStore
from settings import load_settings
from similar_conversations import DEFAULT_COUNT, SimilarConversations, folded

__all__ = [
    "SalesAnalysisChain",
    "SalesConversionPredictor",
    "SalesEmbeddings",
    "SalesVectorStore",
    "past_conversations",
    "similar_won_deals_tool",
]

Answer = dict[str, Any]
T = TypeVar("T")


class PredictorAnswer(Prediction):
    """What a SalesConversionPredictor gives, as a dictionary."""

    model_used: str


class _Asked(NamedTuple):
    """A valid input of the predictor."""

    model_type: str  # a model's name, or auto
    conversation: Conversation


@lru_cache(maxsize=4)
def _models_of(artifacts: Path) -> ModelServer:
    """One server for each artifact folder, so that components share their models."""
    folder = ArtifactFolder(artifacts)
    place = searched_place(folder, load_settings(artifacts=artifacts))
    return ModelServer(folder, available_cores(), place=place)


class _WithModel:
    """A component that uses one model of an artifact folder."""

    def __init__(self, model_type: str = "contrastive", artifacts: Path | str = DEFAULT_ARTIFACTS) -> None:
        if model_type != AUTO:
            model_class(model_type)  # refused here already
        self.model_type = model_type
        self.models = _models_of(Path(artifacts).resolve())

    @property
    def model(self) -> ConversionModel:
        """The model, loaded on first use. Raises InputError where it isn't trained or is damaged."""
        return self.models.model(self.models.resolve(self.model_type))


class SalesEmbeddings(_WithModel, Embeddings):
    """A model's embedding of whole conversations: lists of floats of length 1."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """One vector for each transcript, in one pass. Raises InputError for a text without words."""
        conversations = [conversation_from_record({"transcript": text}, "The text") for text in texts]
        return self.model.embed(conversations).tolist() if texts else []

    def embed_query(self, text: str) -> list[float]:
        """The vector of one transcript."""
        return self.embed_documents([text])[0]


class SalesConversionPredictor(_WithModel, Runnable[Mapping[str, Any], Answer]):
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
        return [{**prediction_of(probability)._asdict(), "model_used": model.name} for probability in probabilities]


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

        return answer(self.predictor.models, request, similar, as_run).model_dump(mode="json")


def past_conversations(embeddings: SalesEmbeddings) -> SalesVectorStore:
    """The closed conversations of the embeddings' artifact folder, those added after training too, as a vector store.

    From files a copy: adding to it does not change what the service finds. With SALES_VECTOR_STORE=pgvector the index
    that all machines share, which can't be added to here. Raises InputError where there is no index, or the embeddings
    are not those that it was made with.
    """
    place = embeddings.models.similar.place
    index, manifest = place.open()
    if manifest["model_fingerprint"] != embeddings.model.fingerprint:
        raise InputError(
            f"The index in {place} was made with the model {manifest['model']!r}; the embeddings of "
            f"{embeddings.model.name!r} can't search in it, or the model was trained again."
        )
    return SalesVectorStore(embeddings, index)


def similar_won_deals_tool(vectorstore: SalesVectorStore, count: int = DEFAULT_COUNT) -> BaseTool:
    """A tool that lets an agent look up won deals that resemble a conversation; `count` of them at most.

    Asked for what it can't answer, a conversation without words for example, it answers with the sentence that says so.
    """
    embeddings = vectorstore.embeddings
    if not isinstance(embeddings, SalesEmbeddings):
        raise InputError(f"The tool needs a store of SalesEmbeddings, not of {type(embeddings).__name__}.")

    @tool
    def similar_won_deals(conversation: str, industry: str | None = None) -> str:
        """Finds past sales conversations that ended in a deal and resemble the given one.

        Args:
            conversation: The transcript of a sales conversation, or a note about it.
            industry: Only deals in this industry, for example "technology"; leave it out for all.
        """
        where = {"outcome": "successful", **({"industry": folded(industry)} if industry else {})}
        try:
            query = conversation_from_record({"transcript": conversation}, "The conversation")
            found = SimilarConversations(embeddings.model, vectorstore.index).nearest(query, count, where)
        except InputError as error:
            raise ToolException(str(error)) from error
        lines = [f"{deal.conversation_id} (similarity {deal.similarity:.2f}): {deal.excerpt}" for deal in found]
        return "\n".join(lines) or "No won deal like this is known."

    similar_won_deals.handle_tool_error = True  # the agent reads the sentence and goes on
    return similar_won_deals


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
