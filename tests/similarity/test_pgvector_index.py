"""The index in PostgreSQL on a real server: beside brute force, filters, replacing, many writers, and a server that is away."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect, text

from answers.sources import Sources
from benchmarks.postgresql_server import PostgresqlServer
from conversations.conversation import Conversation
from foundations.artifact_folder import ArtifactFolder
from foundations.database import bring_up_to_date
from foundations.errors import InputError
from foundations.settings import load_settings
from langchain_integration import SalesAnalysisChain, SalesConversionPredictor, SalesEmbeddings, past_conversations
from main import main
from model_registry import load_model
from prediction_log.store import PredictionStore
from similarity import pgvector_database as vector_database
from similarity.index_files import load_index
from similarity.indexing import publish
from similarity.pgvector_database import VectorDatabase, located
from similarity.pgvector_index import FINGERPRINT, DatabasePlace, PgVectorIndex
from similarity.pgvector_tables import metadata, partition
from similarity.places import NAME, searched_place
from similarity.vector_index import IndexAwayError, IndexReplacedError, Record, matches, quantised
from tests.service_clients import client_for
from tests.similarity.test_vector_index import ids, records

pytestmark = pytest.mark.seconds(10)


@pytest.fixture(scope="module")
def url(postgresql: PostgresqlServer) -> str:
    return postgresql.new_database()


@pytest.fixture
def database(url: str) -> Iterator[VectorDatabase]:
    database = VectorDatabase(url)
    yield database
    database.close()


@pytest.fixture
def index(database: VectorDatabase, request: pytest.FixtureRequest) -> PgVectorIndex:
    """400 records, in two steps."""
    found = PgVectorIndex(database, request.node.name)
    found.add(records(400)[:90])
    found.add(records(400)[90:])
    return found


def place_of(database: VectorDatabase, request: pytest.FixtureRequest) -> DatabasePlace:
    return DatabasePlace(database, request.node.name, "train")


# The schema


def test_migrations_make_the_tables_of_the_code(postgresql: PostgresqlServer) -> None:
    url = postgresql.new_database()
    assert VectorDatabase(url).locate("none") is None
    with create_engine(load_settings(database_url=url).database).connect() as connection:
        options = {"version_table": "vector_schema_version"}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []
        assert connection.execute(text("SELECT version_num FROM vector_schema_version")).scalar() == "0001"
    newest = max(path.name.partition("_")[0] for path in vector_database.MIGRATIONS.glob("*.py"))
    assert newest == vector_database.SCHEMA_VERSION
    PredictionStore(load_settings(database_url=url).database).check()  # the other tables live beside these


def test_on_sqlite_the_migration_makes_nothing(tmp_path: Path) -> None:
    with create_engine(f"sqlite:///{tmp_path / 'a.db'}").begin() as connection:
        bring_up_to_date(connection, "0001", vector_database.MIGRATIONS, "vector_schema_version")
        assert inspect(connection).get_table_names() == ["vector_schema_version"]


def test_a_server_without_pgvector_is_told_so(
    postgresql: PostgresqlServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    url = postgresql.new_database()
    migration = (vector_database.MIGRATIONS / "0001_vectors.py").read_text()
    with monkeypatch.context() as patched:
        copy = Path(shutil.copytree(vector_database.MIGRATIONS, tmp_path / "migrations"))
        (copy / "0001_vectors.py").write_text(migration.replace("name = 'vector'", "name = 'no such'"))
        patched.setattr("similarity.pgvector_database.MIGRATIONS", copy)
        with pytest.raises(InputError, match="has no extension 'vector'; install pgvector there, or set SALES_VECTOR"):
            VectorDatabase(url).locate("a")
    assert VectorDatabase(url).locate("a") is None, "nothing was left half-made"
    with pytest.raises(InputError, match="need a database at postgresql://"):
        VectorDatabase("sqlite:///a.db")


# The contract, as for FAISS


def test_search_is_that_of_brute_force_with_and_without_a_filter(index: PgVectorIndex) -> None:
    everything = records(400)
    for query in records(5, seed=1):
        for where in (None, {"outcome": "failed"}, {"n": [3, 7, 11]}, {"outcome": "failed", "n": [3, 4]}):
            kept = [record for record in everything if matches(record.metadata, where or {})]
            best = sorted(kept, key=lambda record: -float(record.vector @ query.vector))[:5]
            hits = index.search(query.vector, 5, where)
            assert ids(hits) == [record.id for record in best]
            expected = [float(record.vector @ query.vector) for record in best]
            assert [hit.similarity for hit in hits] == pytest.approx(expected, abs=1e-6)


def test_what_does_not_match_is_not_found(index: PgVectorIndex, database: VectorDatabase) -> None:
    query = records(1)[0].vector
    assert index.search(query, 5, {"outcome": "open"}) == []
    assert index.search(query, 5, {"colour": None}) == []
    assert index.search(query, 5, {"n": []}) == []
    assert index.search(query, 5, {"n": "3"}) == [], "a text is no number"
    assert index.search(query, 0) == []
    nothing = PgVectorIndex(database, "nothing")
    assert (nothing.search(query, 5), nothing.get(["a"]), list(nothing), len(nothing)) == ([], [], [], 0)
    assert len(index.search(query, 1000)) == 400


def test_no_filter_becomes_part_of_a_statement(index: PgVectorIndex) -> None:
    query = records(1)[0].vector
    for evil in ("' OR true --", "x') OR ('1'='1", '"; DROP TABLE vector_indexes; --', "%s", ":n"):
        assert index.search(query, 5, {evil: "failed"}) == []
        assert index.search(query, 5, {"outcome": evil}) == []
    assert len(index) == 400
    with pytest.raises(InputError, match="The filter's value for 'n' is no JSON value"):
        index.search(query, 5, {"n": object()})


def test_records_are_replaced_and_removed(index: PgVectorIndex) -> None:
    new = Record("c-7", records(1, seed=2)[0].vector, "another text", {"outcome": "failed"})
    index.add([Record("c-7", new.vector, "of two the later counts"), new])
    index.delete(["c-0", "c-1", "never seen"])
    assert len(index) == 398
    assert [record.text for record in index.get(["c-7", "c-0", "c-2"])] == ["another text", "text 2"]
    assert ids(index.search(new.vector, 1)) == ["c-7"]
    assert [record.id for record in index][:2] == ["c-2", "c-3"]
    assert [record.id for record in index][-1] == "c-7", "the newest is last"


def test_what_is_read_is_what_was_written(database: VectorDatabase, request: pytest.FixtureRequest) -> None:
    index = PgVectorIndex(database, request.node.name)
    lines = quantised(np.eye(3))
    given = [
        Record("ä 🩺", np.array([0.6, 0.8], np.float32), 'a\t"b"\\\n🙂', {"x": None, "y": ["1", {"z": 2.5}]}, lines),
        Record("none", np.array([0, 1], np.float32), ""),
        Record("zero", np.zeros(2, np.float32), "", {}, lines[:0]),
    ]
    index.add(given)
    for before, after in zip(given, index, strict=True):
        assert (before.id, before.text, before.metadata) == (after.id, after.text, after.metadata)
        assert np.array_equal(before.vector, after.vector)
        assert (before.parts is None) == (after.parts is None)
    assert np.array_equal(next(iter(index)).parts, lines)  # type: ignore[arg-type]
    hits = index.search(given[1].vector, 3)
    assert [(hit.record.id, hit.similarity) for hit in hits] == [
        ("none", pytest.approx(1)),
        ("ä 🩺", pytest.approx(0.8)),
        ("zero", 0.0),
    ]


def test_bad_records_are_refused_and_nothing_is_half_written(index: PgVectorIndex) -> None:
    vector = records(1)[0].vector
    for bad, said in (
        (records(1, dim=4), "have 4 dimensions, the index has 16"),
        ([*records(1), *records(1, dim=4)], "have 4 and 16 dimensions; all must have the same"),
        ([Record("a", vector, "nul \0")], "does not take a record"),
        ([Record("a", vector, "", {"a": float("nan")})], "metadata of 'a' are no JSON"),
        ([Record("a", vector, "", {"a": object()})], "metadata of 'a' are no JSON"),
    ):
        with pytest.raises(InputError, match=said):
            index.add([*records(3, seed=9), *bad] if len(bad) == 1 and len(bad[0].vector) == 16 else bad)
        assert len(index) == 400
        assert index.get(["c-0"])[0].vector == pytest.approx(vector)
    with pytest.raises(InputError, match="has 4 dimensions, the index has 16"):
        index.search(records(1, dim=4)[0].vector, 1)


def test_a_filter_gives_as_many_as_wanted_and_the_graph_serves_the_rest(database: VectorDatabase) -> None:
    # 30 far ones match, behind thousands that don't: more than HNSW looks at by itself.
    random = np.random.default_rng(0)
    near = random.standard_normal((4000, 8)) * 0.1 + np.eye(8)[0]
    far = random.standard_normal((30, 8)) * 0.1 - np.eye(8)[0]
    vectors = np.concatenate([near, far]).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    given = [Record(f"c-{n}", vector, "", {"rare": n >= 4000}) for n, vector in enumerate(vectors)]
    index = PgVectorIndex(database, "rare")
    index.add(given)
    expected = sorted(given[4000:], key=lambda record: -float(record.vector @ vectors[0]))[:10]
    assert ids(index.search(vectors[0], 10, {"rare": True})) == [record.id for record in expected]
    assert database.read(lambda connection: connection.execute(text("SHOW hnsw.ef_search")).scalar()) == str(
        vector_database.EF_SEARCH
    )
    with database.changing() as connection:  # the graph alone, as a planner that expects many matches would use it
        connection.execute(text("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off"))
        found = located(connection, "rare")
        assert found is not None
        table = partition(found.version).name
        plan = f"EXPLAIN SELECT id FROM {table} ORDER BY embedding::vector(8) <=> '[1,0,0,0,0,0,0,0]' LIMIT 5"
        assert f"{table}_hnsw" in str(connection.execute(text(plan)).all())


def test_vectors_too_wide_for_a_graph_are_searched_exactly(database: VectorDatabase) -> None:
    index = PgVectorIndex(database, "wide")
    index.add(records(20, dim=2304))
    assert ids(index.search(records(20, dim=2304)[7].vector, 1)) == ["c-7"]


# One index for all machines


def test_a_new_version_takes_the_place_of_the_old_one(database: VectorDatabase, request: pytest.FixtureRequest) -> None:
    place = place_of(database, request)
    with pytest.raises(InputError, match="There is no index 'test_a_new.*' in the database; train"):
        place.open()
    assert place.stamp() is None
    assert place.replace(records(30), {"model": "m", FINGERPRINT: "one"}) == 0
    first, (opened, manifest) = place.stamp(), place.open()
    assert manifest == {"model": "m", FINGERPRINT: "one", "count": 30}
    assert place.replace(records(20, seed=3), {"model": "m", FINGERPRINT: "one"}) == 10, "ten are in the old one only"
    assert place.stamp() != first
    assert len(opened.search(records(1)[0].vector, 50)) == 20, "made with the same training: it goes on in the new one"
    place.replace(records(5), {"model": "m", FINGERPRINT: "two"})
    with pytest.raises(IndexReplacedError):
        opened.search(records(1)[0].vector, 5)
    with pytest.raises(InputError, match="another training of the model; train"):
        place.add(records(1), {FINGERPRINT: "one"})
    assert place.add(records(6), {FINGERPRINT: "two"}) == 5
    with pytest.raises(InputError, match="what every machine searches in; add .*--mode add"):
        place.open()[0].add(records(1))
    tables = database.read(lambda connection: inspect(connection).get_table_names())
    assert f"vector_records_{first}" not in tables, "an old version leaves nothing behind"


def test_a_stopped_replacement_leaves_the_old_version(
    database: VectorDatabase, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = place_of(database, request)
    place.replace(records(30), {FINGERPRINT: "one"})

    def stop(*of: Any) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(vector_database, "lacking", stop)
        with pytest.raises(KeyboardInterrupt):
            place.replace(records(20), {FINGERPRINT: "two"})
    assert place.open()[1] == {FINGERPRINT: "one", "count": 30}


def test_readers_see_a_whole_version_while_machines_write(url: str, database: VectorDatabase) -> None:
    place = DatabasePlace(database, "many", "train")
    place.replace(records(50), {FINGERPRINT: "one"})

    def write() -> None:
        machine = VectorDatabase(url)  # connections of its own, as another machine has
        own = DatabasePlace(machine, "many", "train")
        for _ in range(5):
            own.replace(records(50), {FINGERPRINT: "one"})
            own.add(records(60), {FINGERPRINT: "one"})
        machine.close()
        finished.append(True)

    finished: list[bool] = []
    writers = [threading.Thread(target=write) for _ in range(2)]
    for writer in writers:
        writer.start()
    index, sizes = place.open()[0], set()
    while any(writer.is_alive() for writer in writers):
        sizes.add(len(index.search(records(1)[0].vector, 100)))
    assert finished == [True, True]
    assert sizes <= {50, 60}, "never a half"
    assert len(place.open()[0]) == 60


def test_a_server_that_is_away_and_back(postgresql: PostgresqlServer, url: str) -> None:
    database = VectorDatabase(url)
    index = PgVectorIndex(database, "away")
    index.add(records(3))
    query = records(1)[0].vector
    postgresql.stop()
    try:
        with pytest.raises(IndexAwayError) as caught:
            index.search(query, 1)
        assert "The vector index can't be used now" in str(caught.value)
        assert caught.value.reason
        started = time.monotonic()
        with pytest.raises(IndexAwayError):
            index.search(query, 1)
        assert time.monotonic() - started < 1, "nobody waits for a server that was away a moment ago"
    finally:
        postgresql.start()
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            assert ids(index.search(query, 1)) == ["c-0"]
            break
        except IndexAwayError:
            time.sleep(0.1)
    else:
        pytest.fail("it did not come back")


# The product


@pytest.fixture
def folder(trained_artifacts: ArtifactFolder, tmp_path: Path) -> ArtifactFolder:
    shutil.copytree(trained_artifacts.root, tmp_path / "artifacts")
    return ArtifactFolder(tmp_path / "artifacts")


@pytest.fixture
def in_database(postgresql: PostgresqlServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty database that the settings name."""
    url = postgresql.new_database()
    monkeypatch.setenv("SALES_VECTOR_STORE", "pgvector")
    monkeypatch.setenv("SALES_DATABASE_URL", url)
    return url


def published(folder: ArtifactFolder) -> DatabasePlace:
    place = searched_place(folder, load_settings(artifacts=folder.root))
    assert isinstance(place, DatabasePlace)
    publish(folder, place)
    return place


BODY = {"transcript": "They asked for a proposal by Friday.", "include_similar": True, "similar_count": 5}


def test_the_api_answers_the_same_over_either(folder: ArtifactFolder, in_database: str) -> None:
    published(folder)
    answers = []
    for store in ("faiss", "pgvector"):
        with client_for(folder.root, vector_store=store) as client:
            for more in ({}, {"similar_filter": {"outcome": "failed"}}, {"similar_filter": {"industry": "piracy"}}):
                response = client.post("/predict", json={**BODY, **more})
                assert response.status_code == 200, response.text
                answers.append(response.json()["similar_conversations"])
            assert client.get("/health").json()["status"] == "ok"
    assert len(answers[0]) == 5
    assert answers[:3] == answers[3:]


def test_the_database_away_the_prediction_is_still_answered(
    folder: ArtifactFolder, in_database: str, postgresql: PostgresqlServer
) -> None:
    published(folder)
    with client_for(folder.root) as client:
        assert len(client.post("/predict", json=BODY).json()["similar_conversations"]) == 5
        postgresql.stop()
        try:
            answer = client.post("/predict", json=BODY)
            assert answer.status_code == 200
            assert answer.json()["similar_conversations"] is None
            assert answer.json()["similar_problem"].startswith("The vector index can't be used now")
            assert in_database.rpartition("=")[2] not in answer.text, "where the server is, is not for the caller"
            health = client.get("/health").json()
            assert health["status"] == "degraded"
            assert client.post("/predict", json={**BODY, "include_similar": False}).json()["similar_problem"] is None
        finally:
            postgresql.start()
        until = time.monotonic() + 20
        while client.get("/health").json()["status"] != "ok":
            assert time.monotonic() < until, "it did not come back"
            time.sleep(0.1)
        assert len(client.post("/predict", json=BODY).json()["similar_conversations"]) == 5


def test_a_start_without_the_database_is_degraded_and_without_an_index_says_how_to_make_it(
    folder: ArtifactFolder, in_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with client_for(folder.root) as client:
        answer = client.post("/predict", json=BODY)
        assert answer.status_code == 503
        assert "no index 'similar_conversations' in the database; make it with: python main.py" in answer.text
    with client_for(folder.root, database_url="postgresql://nobody@127.0.0.1:1/none") as client:
        assert client.get("/health").json()["status"] == "degraded"
        assert client.post("/predict", json=BODY).json()["similar_conversations"] is None


def test_another_machine_trained_again(folder: ArtifactFolder, in_database: str) -> None:
    place = published(folder)
    sources = Sources.of(folder, 1, place=place)
    query = Conversation(transcript="They will sign.")
    assert len(sources.similar.nearest(query, 3, None)) == 3
    place.replace(list(load_index(folder.similar_index, "")[0]), {"model": "contrastive", FINGERPRINT: "of another"})
    for _ in range(2):
        with pytest.raises(IndexReplacedError):
            sources.similar.nearest(query, 3, None)
        sources.similar.check()
        assert sources.similar.problem is not None, "reached, but not usable: it stays degraded"
    published(folder)
    assert len(sources.similar.nearest(query, 3, None)) == 3
    assert sources.similar.problem is None


def test_the_command_line_fills_adds_and_skips(
    folder: ArtifactFolder, in_database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    closed = tmp_path / "closed.jsonl"
    closed.write_text(
        json.dumps(
            {
                "conversation_id": "zebra",
                "transcript": "Zebra crossing paint, and they signed.",
                "outcome": "successful",
            }
        )
    )
    add = ["--mode", "add", "--data", str(closed), "--artifacts", str(folder.root)]
    place = searched_place(folder, load_settings(artifacts=folder.root))
    for said in ("1 conversations added, 0 replaced", "0 conversations added, 1 replaced"):
        assert main(add) == 0
        assert said in " ".join(capsys.readouterr().out.split())
    files, (index, manifest) = load_index(folder.similar_index, "")[0], place.open()
    assert manifest["count"] == len(index) == len(files)
    assert sorted(record.id for record in index) == sorted(record.id for record in files)
    query = load_model(folder, "contrastive", 1).embed([Conversation(transcript="Paint for zebras.")])[0]
    assert ids(index.search(query, 7)) == ids(files.search(query, 7))
    version = place.stamp()
    assert main(add) == 0
    assert place.stamp() == version, "adding is no new version"


def test_forget_takes_a_conversation_out_of_the_database_too(folder: ArtifactFolder, in_database: str) -> None:
    place = published(folder)
    gone, *others = [record.id for record in load_index(folder.similar_index, "")[0]]
    assert main(["--mode", "forget", "--conversation-id", gone, "--artifacts", str(folder.root)]) == 0
    assert sorted(record.id for record in place.open()[0]) == sorted(others)
    assert sorted(record.id for record in load_index(folder.similar_index, "")[0]) == sorted(others)
    place.close()


def test_the_command_line_without_its_database(
    folder: ArtifactFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    closed = tmp_path / "closed.jsonl"
    closed.write_text(json.dumps({"conversation_id": "n", "transcript": "They signed.", "outcome": "successful"}))
    arguments = ["--mode", "add", "--data", str(closed), "--artifacts", str(folder.root)]
    monkeypatch.setenv("SALES_VECTOR_STORE", "pgvector")
    assert main(arguments) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert error == (
        "Error: The setting SALES_VECTOR_STORE is 'pgvector': it needs SALES_DATABASE_URL to be "
        "postgresql://user:password@host/database."
    )
    monkeypatch.setenv("SALES_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    assert main(arguments) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert "Error: The database can't take the index of similar conversations (" in error
    assert "see SALES_DATABASE_URL, and start again" in error
    assert not folder.added_conversations.exists()


def test_langchain_searches_what_the_service_searches(folder: ArtifactFolder, in_database: str) -> None:
    published(folder)
    embeddings = SalesEmbeddings(artifacts=folder.root)
    store = past_conversations(embeddings)
    assert isinstance(store.index, PgVectorIndex)
    chain = SalesAnalysisChain(SalesConversionPredictor(artifacts=folder.root), embeddings, store)
    with client_for(folder.root) as client:
        expected = client.post("/predict", json={**BODY, "model_type": "contrastive"}).json()
    assert chain.invoke(BODY)["similar_conversations"] == expected["similar_conversations"]
    assert len(store.max_marginal_relevance_search("They will sign.", k=3)) == 3
    with pytest.raises(InputError, match=f"The index '{NAME}' is what every machine searches in"):
        store.add_texts(["A note."])


def test_threads_share_one_database(index: PgVectorIndex) -> None:
    wrong: list[object] = []

    def ask(seed: int) -> None:
        for record in records(400)[seed::40]:
            if ids(index.search(record.vector, 1)) != [record.id]:
                wrong.append(record.id)

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
