"""The settings of the API service, read from SALES_… environment variables.

Only what the service uses; training options belong to the command line. `uvicorn deployment_system:app` takes its own
--host and --port, so SALES_HOST and SALES_PORT count only where `run_server` starts it. Costs nothing to read.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from artifact_folder import DEFAULT_ARTIFACTS
from input_error import InputError

ENVIRONMENT_PREFIX = "SALES_"


def available_cores() -> int:
    """The cores this process may run on, which in a container can be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads_per_worker(cores: int, workers: int) -> int:
    """Threads for each of several workers, so that together they have no more than there are cores; at least 1."""
    return max(1, cores // max(1, workers))


def default_threads() -> int:
    """All cores, shared among the workers that SALES_WORKERS or uvicorn's own WEB_CONCURRENCY speaks of."""
    workers = os.environ.get(f"{ENVIRONMENT_PREFIX}WORKERS") or os.environ.get("WEB_CONCURRENCY", "")
    return threads_per_worker(available_cores(), int(workers) if workers.isdecimal() else 1)


class Settings(BaseSettings):
    """What the service needs to know before it starts. Make it with `load_settings`, whose errors are readable."""

    model_config = SettingsConfigDict(env_prefix=ENVIRONMENT_PREFIX, env_ignore_empty=True, frozen=True)

    artifacts: Path = DEFAULT_ARTIFACTS  # the folder that --mode train wrote
    host: str = Field(default="127.0.0.1", min_length=1)
    port: int = Field(default=8000, ge=1, le=65535)
    threads: int = Field(default_factory=default_threads, ge=1, le=1024)  # for one pass of the encoder, per worker
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("log_level", mode="before")
    @classmethod
    def _lower_case(cls, value: Any) -> Any:
        return value.strip().lower() if isinstance(value, str) else value


def load_settings(**given: Any) -> Settings:
    """Settings from the environment, `given` (the command line's options) before it; a None in `given` counts as absent.

    Raises InputError that quotes the first bad value and names its variable.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        problem = error.errors()[0]
        variable = ENVIRONMENT_PREFIX + str(problem["loc"][0]).upper()
        message = problem["msg"][0].lower() + problem["msg"][1:]
        raise InputError(f"The setting {variable} is {problem['input']!r}: {message}.") from error
