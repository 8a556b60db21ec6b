"""Scoring on a Ray cluster of two nodes, one of which is lost without grace, and a driver that is killed.

The nodes are processes of this machine. Skipped where Ray is not installed; requirements/dev.txt installs it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from foundations.artifact_folder import ArtifactFolder
from main import main
from tests.scoring.bulk_jobs import ROOT, busy_worker, receipts, scored_ids, scoring, started, wait_until, write_notes

pytestmark = [
    pytest.mark.seconds(110),
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="pip install -r requirements/scale.txt"),
]

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

_QUICK_TO_NOTICE = {"health_check_period_ms": 500, "health_check_failure_threshold": 5, "health_check_timeout_ms": 5000}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True,
        head_node_args={
            "num_cpus": 1,
            "object_store_memory": 100 * 2**20,
            "include_dashboard": False,
            "_system_config": _QUICK_TO_NOTICE,
        },
    )
    yield cluster
    cluster.shutdown()


def workers(output: Path) -> set[str]:
    return {json.loads(path.read_text())["worker"] for path in receipts(output)}


def test_a_killed_driver_and_a_lost_node(tmp_path: Path, trained_artifacts: ArtifactFolder, cluster: Any) -> None:
    """Three runs of one job: the driver is killed, a node is lost, and the third has nothing to do."""
    node = cluster.add_node(num_cpus=1, object_store_memory=100 * 2**20)
    ids = write_notes(tmp_path / "deals.jsonl", 6000)
    output = tmp_path / "scored"
    more = ["--engine", "ray", "--ray-address", cluster.address, "--workers", "2", "--shard-rows", "50"]
    arguments = scoring(tmp_path / "deals.jsonl", output, trained_artifacts.root, *more)
    driver = started(arguments)
    wait_until(lambda: len(workers(output)) == 2)
    driver.kill()
    driver.communicate()
    assert len(receipts(output)) < 100, "it was to be killed in the middle"
    driver = started(arguments)
    wait_until(lambda: len(workers(output)) >= 4)  # both of the new processes work
    cluster.remove_node(node, allow_graceful=False)
    assert len(receipts(output)) < 120, "the node was to be lost in the middle"
    said, _ = driver.communicate(timeout=180)
    assert driver.returncode == 0, said
    assert " of 120 shards are finished, " in said
    assert scored_ids(output) == ids
    assert len(receipts(output)) == 120
    written = {path: path.stat().st_mtime_ns for path in (output / "scores").iterdir()}
    assert main(arguments) == 0
    assert {path: path.stat().st_mtime_ns for path in (output / "scores").iterdir()} == written


def test_a_job_that_gets_no_processor_ends_with_a_sentence(
    tmp_path: Path, trained_artifacts: ArtifactFolder, cluster: Any
) -> None:
    """The cluster's one processor belongs to somebody else: nothing hangs in silence."""
    hold = "import ray, sys, time; ray.init(sys.argv[1], log_to_driver=False)\n"
    hold += "@ray.remote(num_cpus=1)\nclass Other:\n    def here(self): return 1\n"
    hold += "other = Other.remote(); ray.get(other.here.remote()); print('held', flush=True); time.sleep(600)"
    other = subprocess.Popen([sys.executable, "-c", hold, cluster.address], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        write_notes(tmp_path / "deals.jsonl", 20)
        more = ["--engine", "ray", "--ray-address", cluster.address, "--stall-timeout", "3"]
        driver = started(scoring(tmp_path / "deals.jsonl", tmp_path / "scored", trained_artifacts.root, *more))
        said, _ = driver.communicate(timeout=180)
        assert driver.returncode == 2, said
        assert "No row was scored for" in said and "0 of 1 Ray tasks begun" in said
    finally:
        other.kill()
        other.communicate()


def test_the_third_worker_that_dies_at_a_shard_ends_the_job(
    tmp_path: Path, trained_artifacts: ArtifactFolder, cluster: Any
) -> None:
    """Each in the middle of the shard; the rows of the one before are not waited for a second time."""
    data = tmp_path / "deals.jsonl"
    write_notes(data, 6000)
    more = ["--engine", "ray", "--ray-address", cluster.address, "--shard-rows", "6000"]
    driver = started(scoring(data, tmp_path / "scored", trained_artifacts.root, *more))
    for _ in range(3):
        worker = busy_worker(driver, data)
        worker.kill()
        worker.wait(timeout=60)
    said, _ = driver.communicate(timeout=180)
    assert driver.returncode == 2, said
    assert f"A Ray task was lost (WorkerCrashedError), the 3rd one at shard part-00000 of {data}" in said
    assert receipts(tmp_path / "scored") == []


def test_a_process_keeps_its_model_for_the_next_shard(
    tmp_path: Path, trained_artifacts: ArtifactFolder, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And "auto" is the cluster of this machine, or the one that RAY_ADDRESS names."""
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    ids = write_notes(tmp_path / "deals.jsonl", 300)
    more = ["--engine", "ray", "--ray-address", "auto"]
    driver = started(scoring(tmp_path / "deals.jsonl", tmp_path / "scored", trained_artifacts.root, *more))
    said, _ = driver.communicate(timeout=180)
    assert driver.returncode == 0, said
    assert scored_ids(tmp_path / "scored") == ids
    assert len(receipts(tmp_path / "scored")) == 30
    assert len(workers(tmp_path / "scored")) == 1


@pytest.mark.parametrize("address", ["127.0.0.1:{port}", "nowhere", "ray://127.0.0.1:10001", "auto"])
def test_an_address_that_does_not_answer(
    tmp_path: Path,
    trained_artifacts: ArtifactFolder,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    address: str,
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]  # bound, but nobody listens
        address = address.format(port=port)
        monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{port}")
        write_notes(tmp_path / "deals.jsonl", 5)
        more = ["--engine", "ray", "--ray-address", address]
        start = time.monotonic()
        assert main(scoring(tmp_path / "deals.jsonl", tmp_path / "scored", trained_artifacts.root, *more)) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert f"No Ray cluster answers at {address!r}" in error and "HOST:PORT" in error
    assert time.monotonic() - start < 20, "Ray itself would try for longer"
    assert os.listdir(tmp_path) == ["deals.jsonl"]
