"""Similar conversations: who is found, which passage is shown, filters, additions without training, changes while serving."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from answers.sources import Sources
from conversations.conversation import Conversation
from conversations.model_text import words_sha256
from conversations.reading.record import conversation_from_record
from conversations.split import DataSplits
from data_pipeline import read_conversations
from foundations.artifact_folder import ArtifactFolder
from foundations.atomic_files import SEAL, sealed, write_json
from foundations.errors import InputError
from foundations.texts import shortened
from model_registry import artifact_path, embedding_model_name, load_model
from modelling.conversion_model import ConversionModel
from modelling.names import MODEL_NAMES
from modelling.saved.serving_folder import MANIFEST as SERVING_MANIFEST
from modelling.saved.serving_folder import files_fingerprint, serving_folder
from modelling.saved.versions import keep_version
from similarity import indexing as similar_index
from similarity.index_files import MANIFEST, IndexFolder
from similarity.indexing import add_closed_conversations, build_similar_index, records_of
from similarity.search import SimilarConversations, SimilarSearch
from similarity.vector_index import Record, quantised


@pytest.fixture
def folder(trained_artifacts: ArtifactFolder, tmp_path: Path) -> ArtifactFolder:
    shutil.copytree(trained_artifacts.root, tmp_path / "artifacts")
    return ArtifactFolder(tmp_path / "artifacts")


@pytest.fixture(scope="module")
def model(trained_artifacts: ArtifactFolder) -> ConversionModel:
    return load_model(trained_artifacts, "contrastive", 1)


@pytest.fixture(scope="module")
def search(trained_artifacts: ArtifactFolder) -> SimilarConversations:
    return Sources.of(trained_artifacts, 1).similar.current()


def closed(identifier: str, text: str, outcome: str = "successful", **context: Any) -> Conversation:
    record = {"conversation_id": identifier, "transcript": text, "outcome": outcome, "conversation_context": context}
    return conversation_from_record(record, "test")


def test_neighbours_are_those_of_the_contrastive_embedding(
    search: SimilarConversations, model: ConversionModel, splits: DataSplits
) -> None:
    query = splits.test[0]
    cosines = model.embed(splits.learned_from) @ model.embed([query])[0]
    best = np.argsort(-cosines)[:4]
    found = search.nearest(query, 4)
    assert [one.conversation_id for one in found] == [splits.learned_from[n].conversation_id for n in best]
    assert [one.outcome for one in found] == [splits.learned_from[n].outcome for n in best]
    assert [one.similarity for one in found] == pytest.approx(cosines[best], abs=1e-3)


def test_without_the_contrastive_model_the_best_other_one_searches(folder: ArtifactFolder) -> None:
    assert embedding_model_name(folder) == "contrastive"
    for path in folder.models.glob("contrastive*.*"):
        path.unlink()
    assert embedding_model_name(folder) in set(MODEL_NAMES) - {"contrastive"}
    build_similar_index(folder)
    sources = Sources.of(folder, 1)
    assert sources.similar.current().model.name == embedding_model_name(folder)


def test_a_conversation_does_not_find_itself(search: SimilarConversations, splits: DataSplits) -> None:
    query = splits.learned_from[0]
    anonymous = query.model_copy(update={"conversation_id": ""})
    elsewhere = anonymous.model_copy(update={"conversation_context": type(query.conversation_context)(urgency="low")})
    edited = query.model_copy(update={"transcript": "Other words.", "turns": None})
    for same in (query, anonymous, elsewhere, edited):
        found = [one.conversation_id for one in search.nearest(same, len(splits.learned_from))]
        assert len(found) == len(splits.learned_from) - 1
        assert query.conversation_id not in found


def test_a_conversation_that_is_there_many_times_still_finds_others(model: ConversionModel) -> None:
    from similarity.faiss_index import FaissIndex

    index = FaissIndex()
    index.add(records_of(model, [closed(f"c-{n}", "They want to sign.") for n in range(30)] + [closed("o", "Never.")]))
    found = SimilarConversations(model, index).nearest(Conversation(transcript="they want  to SIGN."), 3)
    assert [one.conversation_id for one in found] == ["o"]


def test_the_excerpt_is_the_most_similar_passage(model: ConversionModel) -> None:
    from similarity.faiss_index import FaissIndex

    wanted = "The finance director wants the signed contract back before the end of Friday."
    long = f"We met at noon for lunch. {'They told us about the new offices in the north. ' * 5} {wanted} Bye."
    turns = {
        "turns": [{"speaker": "agent", "text": "Hello there, it is me again."}, {"speaker": "client", "text": wanted}]
    }
    dialogue = conversation_from_record({"conversation_id": "d", "outcome": "failed", **turns}, "test")
    index = FaissIndex()
    index.add(records_of(model, [closed("n", long), dialogue]))
    query = Conversation(transcript=f"A short call. {wanted} Then we talked about their holidays.")
    excerpts = {one.conversation_id: one.excerpt for one in SimilarConversations(model, index).nearest(query)}
    assert excerpts == {"n": wanted, "d": f"Customer: {wanted}"}


@pytest.mark.parametrize(("nearness", "wanted"), [(0.80, "Customer"), (0.90, "Seller")])
def test_where_it_is_close_the_customers_words_are_the_excerpt(nearness: float, wanted: str) -> None:
    # Cosines to the query (1, 0): the customer's line 0.78, the seller's 0.02 or 0.12 more; 0.05 decides.
    text = "Seller: We could start in March with the whole team.\nCustomer: We start in March with the whole team."
    cosines = np.array([nearness, 0.78])
    lines = quantised(np.stack([cosines, np.sqrt(1 - cosines**2)], axis=1))
    search = SimilarConversations(None, None)  # type: ignore[arg-type]
    query = np.array([[1.0, 0.0]], dtype=np.float32)
    assert search._nearest_passage(Record("r", query[0], text, {}, lines), query).startswith(wanted)


def test_an_excerpt_is_cut_at_a_word() -> None:
    assert shortened("one  two\nthree", 100) == "one two three"
    assert shortened("one two three", 9) == "one two…"
    assert shortened("x" * 20, 9) == "x" * 9 + "…"


def test_filters_leave_only_what_they_name(search: SimilarConversations, splits: DataSplits) -> None:
    industries = [c.conversation_context.industry for c in splits.learned_from if c.conversation_context.industry]
    assert industries
    for where in ({"outcome": "failed"}, {"outcome": "successful", "industry": industries[0].lower()}):
        expected = {
            c.conversation_id
            for c in splits.learned_from
            if c.outcome == where["outcome"]
            and ("industry" not in where or (c.conversation_context.industry or "").lower() == where["industry"])
        }
        assert {one.conversation_id for one in search.nearest(splits.test[0], 1000, where)} == expected
    assert search.nearest(splits.test[0], 3, {"industry": "piracy"}) == []


def test_words_count_without_case_space_and_context() -> None:
    note = closed("a", "They will  sign.")
    assert words_sha256(note) == words_sha256(closed("b", "they will sign. ", "failed", industry="retail"))
    assert words_sha256(note) != words_sha256(closed("a", "They won't sign."))


# Adding without training


def test_added_conversations_are_found_replaced_and_kept_when_indexed_again(folder: ArtifactFolder) -> None:
    sources = Sources.of(folder, 1)
    trained = len(sources.similar.current().index)
    new = [closed("n-1", "Zebra crossing paint was all they asked about.", industry="Roads"), closed("n-2", "Nothing.")]
    counts, _ = add_closed_conversations(folder, [*new, Conversation(transcript="An open deal.")])
    assert counts == (2, 0)
    query = Conversation(transcript="They asked about paint for a zebra crossing.")
    found = sources.similar.current().nearest(query, trained + 9, {"industry": "roads"})
    assert [one.conversation_id for one in found] == ["n-1"], "a running service sees it at the next request"

    counts, _ = add_closed_conversations(
        folder, [closed("n-1", "It ended badly after all.", "failed", industry="Roads")]
    )
    assert counts == (0, 1)
    build_similar_index(folder)  # as after training again
    found = sources.similar.current().nearest(query, trained + 9, {"industry": "roads"})
    assert [(one.outcome, one.excerpt) for one in found] == [("failed", "It ended badly after all.")]
    assert len(sources.similar.current().index) == trained + 2


def test_a_training_conversation_is_replaced_for_good(folder: ArtifactFolder, splits: DataSplits) -> None:
    identifier = splits.learned_from[0].conversation_id
    counts, _ = add_closed_conversations(folder, [closed(identifier, "New words for an old deal.")])
    assert counts == (0, 1)
    for _ in range(2):
        (record,) = Sources.of(folder, 1).similar.current().index.get([identifier])
        assert record.text == "New words for an old deal."
        build_similar_index(folder)


def test_without_ids_the_words_say_what_is_the_same(folder: ArtifactFolder, tmp_path: Path) -> None:
    path = tmp_path / "closed.jsonl"
    lines = [{"transcript": "Yes, they signed.", "outcome": "successful"}, {"transcript": "No.", "outcome": "failed"}]
    path.write_text("\n".join(map(json.dumps, lines)))
    assert add_closed_conversations(folder, read_conversations(path))[0] == (2, 0)
    assert add_closed_conversations(folder, read_conversations(path))[0] == (0, 2)
    other = tmp_path / "other.jsonl"
    other.write_text(json.dumps({"transcript": "Another row-1.", "outcome": "failed"}) + "\n")
    assert add_closed_conversations(folder, read_conversations(other))[0] == (1, 0), "its row-1 is not ours"


def test_open_deals_can_not_be_added(folder: ArtifactFolder) -> None:
    before = (folder.similar_index / MANIFEST).read_bytes()
    with pytest.raises(InputError, match="None of the 1 conversations has an outcome"):
        add_closed_conversations(folder, [Conversation(transcript="Open.")])
    assert (folder.similar_index / MANIFEST).read_bytes() == before
    assert not folder.added_conversations.exists()


def test_stopped_while_adding_nothing_is_lost(folder: ArtifactFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = len(Sources.of(folder, 1).similar.current().index)

    def stop(*of: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(similar_index, "save_index", stop)
        with pytest.raises(KeyboardInterrupt):
            add_closed_conversations(folder, [closed("n-1", "They signed.")])
    assert len(Sources.of(folder, 1).similar.current().index) == trained, "the old index works"
    build_similar_index(folder)
    assert len(Sources.of(folder, 1).similar.current().index) == trained + 1


def test_conversations_of_one_id_are_all_indexed(folder: ArtifactFolder) -> None:
    training = folder.data / "train_data.json"
    records = json.loads(training.read_text())
    for record in records[:3]:
        record["conversation_id"] = "same"
    training.write_text(json.dumps(records))
    validation = json.loads((folder.data / "val_data.json").read_text())
    build_similar_index(folder)
    index = Sources.of(folder, 1).similar.current().index
    assert len(index) == len(records) + len(validation)
    assert len(index.get(["same", "same#2", "same#3"])) == 3


# The index of a running service


def test_an_index_of_another_training_is_refused_or_waits(folder: ArtifactFolder) -> None:
    search = SimilarSearch(
        IndexFolder(folder.similar_index, "train"), Sources.of(folder, 1).models.with_fingerprint, "train"
    )
    first = search.current()
    assert search.current() is first, "it is read once"
    path = folder.similar_index / MANIFEST
    manifest = json.loads(path.read_text())
    manifest.pop(SEAL)
    write_json(path, sealed({**manifest, "model_fingerprint": "of another training"}))
    assert search.current() is first, "no model that is there can search in the new one"
    with pytest.raises(InputError, match="another training of the model 'contrastive'.*--mode train"):
        Sources.of(folder, 1).similar.current()
    with pytest.raises(InputError, match="before the model 'contrastive' was trained again"):
        add_closed_conversations(folder, [closed("n", "They signed.")])


def test_the_index_is_searched_by_the_version_it_was_made_with(
    folder: ArtifactFolder, splits: DataSplits, search: SimilarConversations
) -> None:
    served = serving_folder(artifact_path(folder, "contrastive"))
    keep_version(served)
    manifest = json.loads((served / SERVING_MANIFEST).read_text())
    other = serving_folder(artifact_path(folder, "few_shot"))
    shutil.rmtree(served)
    shutil.copytree(other, served)
    sources = Sources.of(folder, 1)
    found = sources.similar.current()
    assert (
        found.model.fingerprint
        == files_fingerprint(manifest)
        != files_fingerprint(json.loads((served / SERVING_MANIFEST).read_text()))
    )
    assert found.nearest(splits.test[0]) == search.nearest(splits.test[0])
    assert sources.similar.current() is found


def test_the_served_models_fingerprint_is_that_of_its_files(folder: ArtifactFolder, model: ConversionModel) -> None:
    assert len(model.fingerprint) == 64
    assert load_model(folder, "contrastive", 1).fingerprint == model.fingerprint
    assert load_model(folder, "few_shot", 1).fingerprint != model.fingerprint
    assert artifact_path(folder, "contrastive").exists()


def test_predicting_and_searching_encode_each_text_once(
    search: SimilarConversations, splits: DataSplits, monkeypatch: pytest.MonkeyPatch
) -> None:
    from encoder.text_encoder import remembered_texts

    encoder = search.model.encoder
    encoded: list[str] = []
    encode = encoder._embed_distinct  # type: ignore[attr-defined]

    def counted(texts: list[str]) -> Any:
        encoded.extend(texts)
        return encode(texts)

    monkeypatch.setattr(encoder, "_embed_distinct", counted)
    query = splits.test[0]
    alone = search.model.predict_proba([query]), search.nearest(query)
    assert len(encoded) > len(set(encoded))
    encoded.clear()
    with remembered_texts():
        together = search.model.predict_proba([query]), search.nearest(query)
    assert len(encoded) == len(set(encoded)) > 0
    assert together[1] == alone[1]
    assert together[0] == pytest.approx(alone[0], abs=1e-9)
    encoded.clear()
    search.model.predict_proba([query])
    assert encoded, "nothing is remembered afterwards"
