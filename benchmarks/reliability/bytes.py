"""Proof 7: one flipped byte in every file of the models, and a pickle with a payload in its place: refused, nothing runs."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.reliability.figures import Figure, Progress, Sizes, of_all
from benchmarks.running_server import RunningServer, running_server
from benchmarks.texts import NOTE
from foundations.artifact_folder import ArtifactFolder
from foundations.errors import InputError
from model_registry import MODEL_CLASSES, artifact_path, model_class, trained_models
from modelling.saved.serving_folder import serving_folder
from modelling.saved.versions import VERSIONS
from signals.artifact import load_signal_finder
from similarity.index_files import load_index

PLACES = 3  # bytes of each file: the first, the last, and one between
_ONE_WORKER = 1


class Payload:
    """Unpickled, it makes a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = str(marker)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, str]]:
        return open, (self.marker, "w")


def flipped_bytes(artifacts: Path, sizes: Sizes, progress: Progress) -> Iterator[Figure]:
    """Every file below models/ in turn, changed and put back, while the service runs and other programs load models."""
    chosen = random.Random(4)
    taken: list[str] = []
    changed_answers: list[str] = []
    with tempfile.TemporaryDirectory() as scratch:
        root, marker = Path(scratch) / "artifacts", Path(scratch) / "ran"
        shutil.copytree(artifacts, root)
        folder = ArtifactFolder(root)
        trained = trained_models(folder)
        files = sorted(path for path in folder.models.rglob("*") if path.is_file())
        damages = 0
        with running_server(root, _ONE_WORKER) as server:
            expected = {name: _answer(server, name) for name in trained}
            for number, path in enumerate(files):
                progress(number / len(files))
                for content in _damaged(path.read_bytes(), chosen, marker):
                    damages += 1
                    with _instead_of(path, content):
                        if not _is_refused(server, folder, path):
                            taken.append(str(path.relative_to(root)))
                        for name, answer in expected.items():
                            if _answer(server, name) != answer:
                                changed_answers.append(f"{name} after {path.relative_to(root)}")
        ran = marker.exists()
    yield Figure("files, each changed in turn", f"{len(files)}, {damages} changes")
    yield Figure("changes that were not refused", _some(taken, damages), "0", not taken)
    yield Figure("payloads that ran", str(int(ran)), "0", not ran)
    yield Figure(
        "answers of the served models that changed",
        _some(changed_answers, damages * len(expected)),
        "0",
        not changed_answers,
    )


def _damaged(content: bytes, chosen: random.Random, marker: Path) -> Iterator[bytes]:
    places = [0, len(content) - 1, chosen.randrange(len(content))][:PLACES]
    for place in places:
        yield content[:place] + bytes([content[place] ^ (1 << chosen.randrange(8))]) + content[place + 1 :]
    yield pickle.dumps(Payload(marker))


@contextlib.contextmanager
def _instead_of(path: Path, content: bytes) -> Iterator[None]:
    """Another file of that name, as a kept version shares its files with the newest by links."""
    aside = path.with_name(f".{path.name}.aside")
    path.rename(aside)
    try:
        path.write_bytes(content)
        yield
    finally:
        os.replace(aside, path)


def _is_refused(server: RunningServer, folder: ArtifactFolder, path: Path) -> bool:
    """Whether who reads that file refuses it with a sentence."""
    parts = path.relative_to(folder.models).parts
    if parts[0] == VERSIONS:
        return _kept_is_refused(server, folder, parts[1], parts[2])
    if path.is_relative_to(folder.signals):
        return _refuses(lambda: load_signal_finder(folder.signals))
    if path.is_relative_to(folder.similar_index):
        return _refuses(lambda: load_index(folder.similar_index, "train again"))
    for name in MODEL_CLASSES:
        saved = artifact_path(folder, name)
        if path.is_relative_to(serving_folder(saved)):
            return server.ask("POST", f"/models/{name}/load")[0] == 503
        if path.parent == saved.parent and path.name.partition(".")[0] == saved.name.partition(".")[0]:
            return _refuses(lambda saved=saved, name=name: model_class(name).load(saved))  # type: ignore[misc]
    raise AssertionError(f"nobody reads {path}")


def _kept_is_refused(server: RunningServer, folder: ArtifactFolder, name: str, version: str) -> bool:
    """A kept version is read where the newest is another, or none."""
    newest = serving_folder(artifact_path(folder, name))
    aside = newest.with_name(f".{newest.name}.aside")
    newest.rename(aside)
    try:
        status, _ = server.ask("POST", f"/models/{name}/load", json.dumps({"version": version}))
    finally:
        aside.rename(newest)
    return status in (404, 503)


def _refuses(load: Callable[[], object]) -> bool:
    try:
        load()
    except InputError:
        return True
    return False


def _answer(server: RunningServer, name: str) -> tuple[int, str, float]:
    status, answer = server.ask("POST", "/predict", json.dumps({"transcript": NOTE, "model_type": name}))
    return status, answer.get("model_version", ""), answer.get("prediction", {}).get("probability", -1.0)


def _some(found: list[str], everything: int) -> str:
    return of_all(len(found), everything) + (f" ({', '.join(sorted(set(found))[:5])})" if found else "")
