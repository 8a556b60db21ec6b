"""Retraining from stored outcomes to a served version: promoted, refused, stopped anywhere, two at once, what starts it."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from answers.model_server import ModelServer
from conversations.conversation import Conversation
from encoder.torch_encoder import SalesEncoder
from foundations.artifact_folder import ArtifactFolder
from foundations.settings import Settings, load_settings
from learning import challenger, promotion, retraining
from learning.gate import Verdict
from learning.outcomes import outcomes_to_learn_from
from learning.promotion import served_models
from main import main
from model_registry import artifact_path
from modelling.conversion_model import ConversionModel
from modelling.saved.serving_folder import serving_folder
from modelling.saved.training_record import ranked_by
from modelling.saved.versions import add_version
from prediction_log.actors import OPERATOR
from prediction_log.audit import AuditFilter, audit_page
from prediction_log.outcomes.recording import GivenOutcome, record_outcomes
from prediction_log.outcomes.retrainings import Retraining, RetrainingFilter, retraining_list
from prediction_log.store import PredictionStore
from signals.sentences import LabelledSentences
from tests.learning.ended_deals import MODEL, conversations, log_outcomes, row, train_champion
from tests.service_clients import client_for

pytestmark = pytest.mark.seconds(40)
COUNT = 120  # outcomes: 60 to learn from and 60 held out
CHAMPIONS: dict[str, Any] = {"cross_validation_metrics": {}}  # a manifest, as far as it is asked for
OLD = 48  # conversations that the champion learned from


@pytest.fixture(scope="module")
def champion(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: SalesEncoder) -> ArtifactFolder:
    """Shared by tests, which take copies."""
    folder = ArtifactFolder(tmp_path_factory.mktemp("champion"))
    train_champion(folder, tiny_encoder)
    return folder


@pytest.fixture(scope="module", autouse=True)
def few_texts_to_measure_ranges_on(few_sentences: LabelledSentences) -> Iterator[None]:
    """All of them take a second for each version, and change no test here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(challenger, "read_training_sentences", lambda: few_sentences)
        yield


@pytest.fixture
def settings(champion: ArtifactFolder, tmp_path: Path) -> Settings:
    shutil.copytree(champion.root, tmp_path / "artifacts")
    return load_settings(artifacts=tmp_path / "artifacts")


@pytest.fixture
def store(settings: Settings) -> Iterator[PredictionStore]:
    store = PredictionStore(settings.database)
    yield store
    store.close()


@pytest.fixture
def run(settings: Settings, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Runs `--mode retrain`; gives its exit code and all that it said."""

    def retrain(*options: str) -> tuple[int, str]:
        code = main(["--mode", "retrain", "--artifacts", str(settings.artifacts), *options])
        said = capsys.readouterr()
        return code, " ".join((said.out + said.err).split())

    return retrain


def served_of(settings: Settings) -> ModelServer:
    with contextlib.closing(PredictionStore(settings.database)) as store:
        return served_models(settings, store)


def served(settings: Settings) -> str:
    return served_of(settings).served(MODEL).version


def noted(store: PredictionStore) -> list[Retraining]:
    return retraining_list(store, RetrainingFilter()).retrainings


def test_good_outcomes_are_promoted_and_every_worker_serves_the_new_version(
    settings: Settings, store: PredictionStore, run: Callable[..., tuple[int, str]]
) -> None:
    old = served(settings)
    log_outcomes(store, conversations(COUNT, 2, "new"))
    with client_for(settings.artifacts) as client:
        hi = {"transcript": "Contract approved, signature today.", "model_type": MODEL}
        assert client.post("/predict", json=hi).json()["model_version"] == old
        code, said = run()
        assert code == 0 and f"{MODEL} promoted in place of {old}" in said, said
        deadline = datetime.now(UTC).timestamp() + 20
        while (new := client.post("/predict", json=hi).json()["model_version"]) == old:
            assert datetime.now(UTC).timestamp() < deadline, "the worker does not follow"
        (told,) = client.get("/retrainings").json()["retrainings"]
        assert (told["decision"], told["promoted_version"]) == ("promoted", new)
    (found,) = noted(store)
    assert (found.champion_version, found.promoted_version, found.decision) == (old, served(settings), "promoted")
    assert (found.new_outcomes, found.held_out, found.held_out_successful) == (COUNT, 60, 30)
    assert found.interval_high is not None and found.interval_high < found.threshold == 0.02
    assert found.started_by == "asked for" and found.learned == OLD + 60
    loaded = audit_page(store, AuditFilter(action="version promoted")).entries
    assert (loaded[0].caller, loaded[0].detail) == ("retraining", {"before": old, "after": new})
    with client_for(settings.artifacts) as client:
        assert client.post("/predict", json=hi).json()["model_version"] == new, "a later start keeps it"
    assert not [*settings.artifacts.glob("models/.retraining/*")]


def test_a_retrained_version_keeps_its_place_among_the_models_and_is_not_judged_by_what_it_knows(
    settings: Settings, store: PredictionStore, run: Callable[..., tuple[int, str]]
) -> None:
    before = ranked_by(served_of(settings).served(MODEL).found.manifest)  # type: ignore[union-attr]
    log_outcomes(store, conversations(COUNT, 2, "new"))
    run()
    found = served_of(settings).served(MODEL).found
    assert found is not None and ranked_by(found.manifest) == before
    code, said = run()
    assert code == 0 and "Too few outcomes: of the 0 that the champion has not learned from" in said
    assert "learned from other conversations" not in said
    log_outcomes(store, conversations(COUNT, 3, "later"))
    run("--dry-run")
    code, said = run()
    assert noted(store)[0].new_outcomes == COUNT, said
    assert noted(store)[0].learned == OLD + COUNT + 60


@pytest.mark.parametrize(
    ("turned", "reason"), [(60, "May be worse"), (COUNT, "see whether won and lost are exchanged")]
)
def test_outcomes_that_are_turned_round_are_refused(
    settings: Settings, store: PredictionStore, run: Callable[..., tuple[int, str]], turned: int, reason: str
) -> None:
    old = served(settings)
    log_outcomes(store, conversations(COUNT, 2, "new"), turned=range(turned))
    code, said = run()
    assert code == 0 and f"{MODEL} refused; {old} serves on." in said and reason in said
    assert served(settings) == old
    (found,) = noted(store)
    assert (found.decision, found.promoted_version) == ("refused", None) and reason in found.reason
    assert None not in (found.champion_loss, found.challenger_loss, found.difference, found.interval_low)


def test_a_dry_run_decides_and_changes_nothing(
    settings: Settings, store: PredictionStore, run: Callable[..., tuple[int, str]]
) -> None:
    old = served(settings)
    log_outcomes(store, conversations(COUNT, 2, "new"))
    files = {path: path.stat().st_mtime_ns for path in settings.artifacts.glob("models/**/*.json")}
    code, said = run("--dry-run")
    assert code == 0 and f"{MODEL} would be promoted in place of {old}" in said and "Nothing was changed" in said
    assert {path: path.stat().st_mtime_ns for path in settings.artifacts.glob("models/**/*.json")} == files
    assert noted(store) == [] and served(settings) == old


# Stopped


@pytest.fixture(scope="module")
def refitted(tiny_encoder: SalesEncoder) -> ConversionModel:
    """What a retraining fits, made once: which moment it is killed at is what these tests are about."""
    learned = conversations(60, 1, "old")
    manifest = {"hyper_parameters": {}, "seed": 7}
    return challenger.fitted(MODEL, tiny_encoder, manifest, learned[:44], learned[44:], lambda share: None)


def _die(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _dies_after(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> None:
        function(*arguments, **named)
        _die()

    return call


# Where it is killed; whether the new version serves then; how often the next run says that one was stopped.
MOMENTS: dict[str, tuple[tuple[Any, str, Callable[[Any], Any]], bool, int]] = {
    "before it has learned anything": ((retraining, "fitted", lambda _: _die), False, 0),
    "while the version is written": ((challenger, "add_version", lambda _: _die), False, 0),
    "between version and note": ((retraining, "note_retraining", lambda _: _die), False, 0),
    "between note and promotion": ((retraining, "promote", lambda _: _die), False, 1),
    "between promotion and its note": ((retraining, "settle", lambda _: _die), True, 1),
    "after its note": ((retraining, "settle", _dies_after), True, 0),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_anywhere_a_champion_serves_and_the_next_run_is_not_disturbed(
    settings: Settings,
    store: PredictionStore,
    run: Callable[..., tuple[int, str]],
    refitted: ConversionModel,
    moment: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (module, name, kill), is_new, told = MOMENTS[moment]
    old = served(settings)
    log_outcomes(store, conversations(COUNT, 2, "new"))
    monkeypatch.setattr(retraining, "fitted", lambda *_: refitted)
    monkeypatch.setattr(retraining, "judged", lambda *_: Verdict(True, "Let through.", 0.6, 0.6, 0.0, (0.0, 0.0)))

    def killed() -> None:
        setattr(module, name, kill(getattr(module, name)))
        main(["--mode", "retrain", "--artifacts", str(settings.artifacts)])

    child = multiprocessing.get_context("fork").Process(target=killed)
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL
    assert (served(settings) != old) is is_new
    assert served_of(settings).model(MODEL).predict_proba(conversations(2, 5, "x")).shape == (2,)
    code, said = run()
    assert code == 0 and said.count("was stopped while it promoted") == told, said
    decisions = [one.decision for one in noted(store)]
    if is_new:
        assert "Too few outcomes: of the 0" in said, "what the new champion has learned from is known from its version"
        assert decisions == ["refused", "promoted"]
    else:
        assert "promoted in place of" in said
        assert decisions == ["promoted", *["interrupted"] * told]
    assert not [*settings.artifacts.glob("models/.retraining/*")]


def test_of_two_at_once_the_second_says_so(
    settings: Settings,
    store: PredictionStore,
    run: Callable[..., tuple[int, str]],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log_outcomes(store, conversations(COUNT, 2, "new"))
    seconds: list[int] = []

    def fitted(*_: Any) -> Any:
        seconds.append(main(["--mode", "retrain", "--artifacts", str(settings.artifacts)]))
        raise KeyboardInterrupt

    monkeypatch.setattr(retraining, "fitted", fitted)
    code, said = run()
    assert (code, seconds) == (130, [2])
    assert "Another retraining of the models in" in said and "is under way" in said
    monkeypatch.undo()
    assert run("--dry-run")[0] == 0, "the lock went with the one that was stopped"


# What starts it, and what it refuses


def test_triggers_that_are_not_met_are_told_and_nothing_is_tried(
    settings: Settings, store: PredictionStore, run: Callable[..., tuple[int, str]]
) -> None:
    log_outcomes(store, conversations(12, 2, "new"))
    code, said = run("--after", "13", "--older-than", "5", "--on-drift")
    assert code == 0
    assert f"No retraining of {MODEL}: 12 of 13 new outcomes (--after); 0.0 of 5 days since it was trained" in said
    assert "no large drift beyond chance (--on-drift)" in said
    assert noted(store) == []
    run("--after", "12")
    assert noted(store)[0].started_by == "12 new outcomes (--after 12)"
    assert "No retraining" in run("--after", "1")[1], "what was looked at once is not new"
    run("--older-than", "0")
    assert noted(store)[0].started_by == "0 days since it was trained (--older-than 0)"
    assert [one.decision for one in noted(store)] == ["refused", "refused"], "12 outcomes are too few"


def test_drift_starts_a_try_and_promotes_nothing_by_itself(
    settings: Settings, store: PredictionStore, run: Callable[..., tuple[int, str]]
) -> None:
    old = served(settings)
    store.write(
        [row(one, datetime.now(UTC), model_version=old, probability=0.999) for one in conversations(400, 4, "scored")]
    )
    code, said = run("--on-drift")
    assert code == 0 and "refused" in said and "Too few outcomes" in said
    assert noted(store)[0].started_by.startswith("drift of scores, PSI ")
    assert served(settings) == old


def test_another_encoder_than_the_champions_is_refused(
    settings: Settings, store: PredictionStore, run: Callable[..., tuple[int, str]]
) -> None:
    log_outcomes(store, conversations(COUNT, 2, "new"))
    code, said = run("--encoder", "bundled")
    assert code == 2
    assert f"The champion, {MODEL} {served(settings)}, reads with the encoder" in said
    assert "a challenger would read with 'bundled'" in said and "leave --encoder out" in said
    assert noted(store) == []


def test_where_no_words_may_be_stored_there_is_nothing_to_learn_from(
    settings: Settings,
    store: PredictionStore,
    run: Callable[..., tuple[int, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log_outcomes(store, conversations(COUNT, 2, "new"))
    monkeypatch.setenv("SALES_STORE_TRANSCRIPTS", "none")
    code, said = run()
    assert code == 2 and "There is nothing to learn from, as SALES_STORE_TRANSCRIPTS is 'none'" in said


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--after", "0"), "--after 0 is no number of outcomes; give 1 or more."),
        (("--older-than", "-1"), "--older-than -1 is no number of days; give 0 or more."),
        (("--older-than", "nan"), "--older-than nan is no number of days"),
        (("--model", "all"), "--mode retrain trains one model"),
        (("--model", "few_shot"), "The model 'few_shot' is not trained"),
    ],
)
def test_bad_options_are_a_sentence(
    store: PredictionStore, run: Callable[..., tuple[int, str]], options: tuple[str, ...], sentence: str
) -> None:
    store.check()
    code, said = run(*options)
    assert code == 2 and sentence in said


def test_without_a_database_or_training_data_it_says_what_is_missing(
    settings: Settings, run: Callable[..., tuple[int, str]]
) -> None:
    code, said = run()
    assert code == 2 and "There is no prediction database" in said
    shutil.rmtree(settings.artifacts / "data")
    code, said = run()
    assert code == 2 and "train_data.json" in said


def test_a_champion_of_other_data_than_those_there_is_told_of(
    settings: Settings, store: PredictionStore, run: Callable[..., tuple[int, str]]
) -> None:
    path = settings.artifacts / "data" / "train_data.json"
    path.write_text(path.read_text(encoding="utf-8").replace("meeting", "talk"), encoding="utf-8")
    log_outcomes(store, conversations(12, 2, "new"))
    assert "learned from other conversations than those in" in run()[1]


def test_deleting_a_conversation_takes_it_out_of_what_is_learned_from(store: PredictionStore) -> None:
    ended = conversations(3, 2, "new")
    log_outcomes(store, ended)
    store.remove_conversation("new-1", OPERATOR)
    assert [one.conversation.conversation_id for one in outcomes_to_learn_from(store).known] == ["new-0", "new-2"]


def test_kept_versions_never_lose_the_champion(
    settings: Settings, refitted: ConversionModel, store: PredictionStore
) -> None:
    """However many versions retrainings wrote that were killed before they were promoted."""
    old = served(settings)
    artifacts, manifest = ArtifactFolder(settings.artifacts), CHAMPIONS
    made = []
    for second in range(5):
        until = datetime(2026, 1, 1, 0, 0, second, tzinfo=UTC)
        made.append(challenger.kept_as_version(refitted, artifacts, manifest, {old}, until))
    kept = {
        path.name for path in (serving_folder(artifact_path(artifacts, MODEL)).parent / "versions" / MODEL).iterdir()
    }
    current = serving_folder(artifact_path(artifacts, MODEL))
    again = Path(shutil.copytree(current.parent / "versions" / MODEL / made[-1], artifacts.models / "again"))
    assert add_version(again, current, {old}) == made[-1], "as by a retraining that was killed before it was chosen"
    assert old in kept and made[-1] in kept and len(kept) <= 4
    with contextlib.closing(PredictionStore(settings.database)) as store:
        promotion.promote(settings, store, MODEL, made[-1])
    assert served(settings) == made[-1]


def test_forgetting_tells_of_a_retrained_version_that_may_have_learned_from_it(
    settings: Settings, refitted: ConversionModel, store: PredictionStore, capsys: pytest.CaptureFixture[str]
) -> None:
    log_outcomes(store, conversations(2, 2, "new"))
    artifacts = ArtifactFolder(settings.artifacts)
    for number, learned in ((0, False), (1, True)):
        if learned:
            challenger.kept_as_version(refitted, artifacts, CHAMPIONS, {served(settings)}, datetime.now(UTC))
        forget = ["--mode", "forget", "--conversation-id", f"new-{number}", "--artifacts", str(settings.artifacts)]
        assert main(forget) == 0
        assert ("Still there: what the models learned from it" in capsys.readouterr().out) is learned


def test_a_conversation_that_is_corrected_later_is_learned_from_as_corrected(store: PredictionStore) -> None:
    (one,) = conversations(1, 2, "new")
    log_outcomes(store, [one], turned=[0])
    record_outcomes(store, [GivenOutcome("conversation", "new-0", "failed")], OPERATOR)
    found: list[Conversation] = [known.conversation for known in outcomes_to_learn_from(store).known]
    assert [known.outcome for known in found] == ["failed"]
