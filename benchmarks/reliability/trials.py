"""Trials of versions: a split keeps each deal's version over workers, kills and restarts, and a shadow costs no answer."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.clients import Load
from benchmarks.reliability.figures import Figure, Progress, Sizes, of_all
from benchmarks.running_server import ROOT, RunningServer, running_server, until
from benchmarks.texts import NOTE
from foundations.artifact_folder import ArtifactFolder
from model_registry import artifact_path
from modelling.saved.serving_folder import serving_folder
from modelling.saved.versions import kept_versions

MODEL, WORKERS, CLIENTS = "few_shot", 2, 8
LEAST, MOST = 0.35, 0.65  # of the deals, that a split of 50 % may take
_IDLE_SECONDS = 120


def trials(artifacts: Path, sizes: Sizes, progress: Progress) -> Iterator[Figure]:
    """A split of 50 % before and after a kill of everything; then a shadow while eight clients ask all the time."""
    with tempfile.TemporaryDirectory() as scratch:
        root, state = Path(scratch) / "artifacts", Path(scratch) / "state"
        shutil.copytree(artifacts, root, ignore=shutil.ignore_patterns("service", "cache"))
        state.mkdir()
        old, new = _two_versions(root)
        deals = max(40, sizes.counted // 10)
        with running_server(root, WORKERS, SALES_STATE=str(state)) as server:
            _changed(server, "load", version=old)
            _changed(server, "trial", version=new, role="split", share=50)
            before = _answered_by(server, deals)
            progress(0.4)
            server.kill()
        with running_server(root, WORKERS, SALES_STATE=str(state)) as server:
            after = _answered_by(server, deals)
            progress(0.8)
            yield from _sticky(before, after, new)
            server.ask("DELETE", f"/models/{MODEL}/trial")
            _changed(server, "trial", version=new, role="shadow")
            yield from _shadowed(server, sizes.overload_seconds / 3)


def _sticky(before: list[set[str]], after: list[set[str]], new: str) -> Iterator[Figure]:
    both = sum(len(one | other) > 1 for one, other in zip(before, after, strict=True))
    share = sum(new in one for one in before) / len(before)
    yield Figure("deals that changed their version", of_all(both, len(before)), "0", both == 0)
    yield Figure("deals of the version on trial", f"{share:.0%}", f"{LEAST:.0%}–{MOST:.0%}", LEAST <= share <= MOST)


def _shadowed(server: RunningServer, seconds: float) -> Iterator[Figure]:
    with Load(server, CLIENTS, model=MODEL) as load:
        time.sleep(seconds)
    answered, failed = load.statuses[200], len(load.answers) - load.statuses[200] + len(load.lost)
    until(lambda: sum(_shadows(server).values()) >= answered, _IDLE_SECONDS)
    found = _shadows(server)
    yield Figure(f"{CLIENTS} clients beside a shadow, requests that failed", of_all(failed, answered), "0", failed == 0)
    told = f"{found['asked']:,} asked, {found['dropped']:,} dropped"
    yield Figure("conversations for the shadow", told, f"{answered:,}", sum(found.values()) == answered)


def _shadows(server: RunningServer) -> dict[str, int]:
    text = str(server.ask("GET", "/metrics")[1])
    found = re.findall(r'^sales_shadows_total{fate="(\w+)"} (\S+)$', text, re.MULTILINE)
    return {"asked": 0, "dropped": 0} | {fate: int(float(count)) for fate, count in found}


def _answered_by(server: RunningServer, deals: int) -> list[set[str]]:
    """The versions that answer for each deal, asked three times, by any worker."""
    bodies = [json.dumps({"transcript": NOTE, "model_type": MODEL, "deal_id": f"d-{n}"}) for n in range(deals)]
    return [{server.ask("POST", "/predict", body)[1]["model_version"] for _ in range(3)} for body in bodies]


def _changed(server: RunningServer, what: str, **asked: object) -> None:
    status, answer = server.ask("POST", f"/models/{MODEL}/{what}", json.dumps(asked))
    if status != 200:
        raise RuntimeError(f"{what} was answered {status}: {answer}")


def _two_versions(root: Path) -> tuple[str, str]:
    """The older and the newer of a model's versions; trained once more where there is one only."""
    current = serving_folder(artifact_path(ArtifactFolder(root), MODEL))
    if len(kept_versions(current)) < 2:
        command = [sys.executable, "main.py", "--mode", "train", "--model", MODEL, "--seed", "7"]
        subprocess.run([*command, "--artifacts", str(root)], cwd=ROOT, capture_output=True, check=True)
    newer, older, *_ = kept_versions(current)
    return older.version, newer.version
