"""The predictor as LangChain components: embeddings, a Runnable, a vector store, a chain and a tool for agents.

The one place to import them from; the predictor and the chain are `answers.langchain.runnables`, the embeddings
`answers.langchain.embeddings`, the store `answers.langchain.vector_store`. On langchain-core 1.x alone, which is not
among the packages that running needs; nothing else in the project imports this module. Nothing is sent anywhere: all of
it runs on the models of an artifact folder, loaded on first use and shared by the components of a process. Costs what a
prediction costs; a batch is one pass of the model. docs/langchain.md has an example.
"""

from __future__ import annotations

try:
    from langchain_core.tools import BaseTool, ToolException, tool
except ImportError as error:
    raise ImportError(
        "langchain_integration needs langchain-core 1.x; install it with: pip install -r requirements/langchain.txt"
    ) from error

from answers.langchain.embeddings import SalesEmbeddings
from answers.langchain.runnables import SalesAnalysisChain, SalesConversionPredictor
from answers.langchain.vector_store import SalesVectorStore
from conversations.reading.record import conversation_from_record
from foundations.errors import InputError
from similarity.search import DEFAULT_COUNT, SimilarConversations, folded

__all__ = [
    "SalesAnalysisChain",
    "SalesConversionPredictor",
    "SalesEmbeddings",
    "SalesVectorStore",
    "past_conversations",
    "similar_won_deals_tool",
]


def past_conversations(embeddings: SalesEmbeddings) -> SalesVectorStore:
    """The closed conversations of the embeddings' artifact folder, those added after training too, as a vector store.

    From files a copy: adding to it does not change what the service finds. With SALES_VECTOR_STORE=pgvector the index
    that all machines share, which can't be added to here. Raises InputError where there is no index, or the embeddings
    are not those that it was made with.
    """
    place = embeddings.sources.similar.place
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
