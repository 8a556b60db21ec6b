"""Reaches a Ray cluster, or starts a Ray on this machine; tells at once, and in one sentence, where nobody answers.

Nothing is reported to anybody: usage statistics and the dashboard are off. Needs requirements-scale.txt.
"""

from __future__ import annotations

import os
import socket
from typing import Any

from foundations.errors import InputError

_CONNECT = 5.0  # seconds within which a cluster's head must answer
_OBJECT_STORE = 100 * 2**20  # bytes: hardly anything goes through it


def check_ray(address: str | None) -> Any:
    """The package. Raises InputError where it isn't installed, or nobody answers at the address of a cluster."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # before the import: nothing leaves the machine
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else Ray warns of a change to come
    try:
        import ray
    except ModuleNotFoundError as error:
        raise InputError(
            "--engine ray needs the package 'ray': pip install -r requirements-scale.txt, or use --engine local."
        ) from error
    if address is not None:
        try:
            _check_answers(_head_address(address))
        except (OSError, ValueError) as error:
            raise _no_cluster(address, error) from error
    return ray


def started_ray(address: str | None, workers: int | None) -> Any:
    """The package, connected to the cluster at `address`; with None, to a Ray of its own with `workers` processors.

    Raises InputError as `check_ray` does. Whoever started it ends it with `shutdown`.
    """
    ray = check_ray(address)
    own: dict[str, Any] = {}
    if address is None:
        own = {"include_dashboard": False, "num_cpus": workers, "object_store_memory": _OBJECT_STORE}
    try:
        ray.init(address=address or "local", log_to_driver=False, logging_level="error", **own)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise _no_cluster(address or "local", error) from error
    return ray


def _no_cluster(address: str, error: Exception) -> InputError:
    told = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return InputError(
        f"No Ray cluster answers at {address!r} ({told.rstrip('.')}); give --ray-address HOST:PORT of its head node, 'auto' "
        "on one of its machines, or leave it out to use this machine."
    )


def _head_address(address: str) -> str:
    if address.startswith("ray://"):
        raise ValueError("Ray Client is not used here; give HOST:PORT, without ray://")
    from ray._private.services import canonicalize_bootstrap_address

    return str(canonicalize_bootstrap_address(address))


def _check_answers(address: str) -> None:
    """Ray itself waits for minutes, and may end the process, where nobody is there."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise ValueError("not HOST:PORT")
    with socket.create_connection((host.strip("[]"), int(port)), _CONNECT):
        pass
