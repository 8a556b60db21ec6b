"""Where the index of similar conversations lies, by the settings: always in files, and for many machines in a database
too.

The one module that knows what SALES_VECTOR_STORE can be; everybody else has an `IndexPlace`. Connects to nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from foundations.artifact_folder import ArtifactFolder
from foundations.settings import Settings
from similarity.index_files import IndexFolder
from similarity.search import how_to_index
from similarity.vector_index import IndexPlace, SharedPlace

NAME = "similar_conversations"  # of the index in a database


def searched_place(folder: ArtifactFolder, settings: Settings) -> IndexPlace:
    """Where similar conversations are looked for."""
    return shared_place(folder, settings) or IndexFolder(folder.similar_index, how_to_index(folder))


def shared_place(folder: ArtifactFolder, settings: Settings) -> SharedPlace | None:
    """What is filled beside the files, where there is such a thing."""
    return _SHARED[settings.vector_store](folder, settings)


def _in_database(folder: ArtifactFolder, settings: Settings) -> SharedPlace:
    from similarity.pgvector_database import VectorDatabase
    from similarity.pgvector_index import DatabasePlace  # here, because the files need none of it

    return DatabasePlace(VectorDatabase(settings.database_url), NAME, how_to_index(folder))


_SHARED: dict[Literal["faiss", "pgvector"], Callable[[ArtifactFolder, Settings], SharedPlace | None]] = {
    "faiss": lambda folder, settings: None,
    "pgvector": _in_database,
}
