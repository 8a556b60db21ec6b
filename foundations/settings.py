"""The settings of the API service, and of training's cache, read from SALES_… environment variables.

Only what belongs to a machine; what a run shall do is said on the command line. `uvicorn deployment_system:app` takes
its own --host, --port and --workers, so those three count only where `python main.py` starts it. Costs nothing to read.
"""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from foundations.artifact_folder import DEFAULT_ARTIFACTS
from foundations.errors import InputError
from foundations.machine import available_cores
from foundations.outgoing import checked_crm_address, checked_secret, checked_token, checked_url, parsed_lines

ENVIRONMENT_PREFIX = "SALES_"
_SECRET = {  # never quoted: an error message ends up in logs
    "api_keys",
    "database_url",
    "webhook_url",
    "webhook_secret",
    "agents_key",
    "hubspot_token",
    "hubspot_webhook_secret",
    "salesforce_token",
    "salesforce_client_secret",
}
# What Kubernetes and Docker set for a service whose name begins with sales: SALES_API_PORT_80_TCP and the like.
_LINK = re.compile(r"SALES_(.+_)?(SERVICE_(HOST|PORT)(_.+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)", re.DOTALL)
_DATABASES = ("sqlite:///", "postgresql://", "postgres://", "postgresql+psycopg://")
_HOST_NAME = re.compile(r"(\*\.)?[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?")
_DATABASE_FORM = "give postgresql://user:password@host:port/database, or sqlite:///FILE"


def threads_per_worker(cores: int, workers: int) -> int:
    """Threads for each of several workers, so that together they have no more than there are cores; at least 1."""
    return max(1, cores // max(1, workers))


def default_threads(settings: dict[str, Any] | None = None) -> int:
    """All cores, shared among the workers of the settings, or of SALES_WORKERS or uvicorn's own WEB_CONCURRENCY."""
    named = os.environ.get(f"{ENVIRONMENT_PREFIX}WORKERS") or os.environ.get("WEB_CONCURRENCY", "")
    workers = int(named) if named.isdecimal() else 1
    return threads_per_worker(available_cores(), max(workers, (settings or {}).get("workers", 1)))


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Settings(BaseSettings):
    """What the service needs to know before it starts. Make it with `load_settings`, whose errors are readable."""

    model_config = SettingsConfigDict(env_prefix=ENVIRONMENT_PREFIX, env_ignore_empty=True, frozen=True)

    artifacts: Path = DEFAULT_ARTIFACTS  # the folder that --mode train wrote
    host: str = Field(default="127.0.0.1", min_length=1)
    port: int = Field(default=8000, ge=1, le=65535)
    workers: int = Field(default=1, ge=1, le=64)  # processes
    threads: int = Field(default_factory=default_threads, ge=1, le=1024)  # for one pass of the encoder, per worker
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    state: Path | None = None  # the database file, what waits for the database, which versions were served last
    database_url: str = ""  # empty: SQLite in `state`
    vector_store: Literal["faiss", "pgvector"] = "faiss"  # where similar conversations are looked for
    store_transcripts: Literal["full", "masked", "none"] = "masked"
    log_mode: Literal["background", "durable"] = "background"  # durable: stored before it is answered
    retention_days: int = Field(default=90, ge=1, le=36500)  # what --mode purge keeps
    audit_days: int = Field(default=365, ge=1, le=36500)  # what --mode purge keeps of who did what

    api_keys: str = ""  # role:key, comma-separated; read by `service.access.keys`
    api_keys_file: Path | None = None  # the same, a line each; read again whenever it changes
    open: Literal["no", "yes"] = (
        "no"  # yes: without keys whoever reaches the service may predict, not this machine only
    )
    allowed_hosts: str = ""  # comma-separated names by which the service may be asked, beside addresses and localhost
    trusted_proxies: str = ""  # comma-separated addresses or networks whose X-Forwarded-For is believed
    rate_limit: int = Field(default=6000, ge=0, le=10_000_000)  # requests a minute per key or address; 0: no limit
    max_in_flight: int = Field(default=32, ge=1, le=100_000)  # over all workers
    max_body_bytes: int = Field(default=8 * 1024 * 1024, ge=1024, le=1024**3)
    max_recording_bytes: int = Field(default=256 * 1024 * 1024, ge=1024, le=4 * 1024**3)
    speech_model: Path | None = None  # a folder with another Whisper, in CTranslate2's form; None: the packaged one
    max_transcript_characters: int = Field(
        default=200_000, ge=1, le=1_000_000
    )  # that of `conversations.conversation` at most
    max_connections: int = Field(default=1000, ge=16, le=100_000)  # to each worker
    max_address_connections: int = Field(default=256, ge=0, le=100_000)  # of one address to each worker; 0: no limit
    request_timeout: float = Field(default=30.0, gt=0, le=3600)  # seconds
    cors_origins: str = ""  # comma-separated; empty: no other site's pages may read answers
    traces_endpoint: str = ""  # where OpenTelemetry spans are sent; empty: nowhere, and none are made

    webhook_url: str = ""  # who is told of scores that cross a line; empty: nobody
    webhook_secret: str = Field(default="", validate_default=True)  # that what is sent there is signed with
    webhook_lines: str = "0.5"  # comma-separated probabilities
    agents: Literal["no", "yes"] = "no"  # yes: POST /mcp offers tools to agents
    agents_url: str = ""  # the service that --mode agents asks; empty: that of `host` and `port`
    agents_key: str = ""  # that it sends

    hubspot_token: str = ""  # of a private app; for --mode sync, as the next ones but for webhooks
    hubspot_url: str = "https://api.hubapi.com"
    hubspot_webhook_secret: str = ""  # the app's client secret; empty: POST /crm/hubspot is switched off
    hubspot_webhook_url: str = ""  # as HubSpot calls it; empty: https:// and the Host of the request
    salesforce_url: str = ""  # the organisation's own address, such as https://acme.my.salesforce.com
    salesforce_token: str = ""  # an access token; or the two of a connected app, which last
    salesforce_client_id: str = ""
    salesforce_client_secret: str = ""

    cache: Path | None = None  # encoded segments of training; None: `cache` in the artifacts
    cache_gb: float = Field(default=4.0, ge=0, le=100_000)  # GiB that they may take; 0: nothing is kept

    @field_validator("log_level", "vector_store", "store_transcripts", "log_mode", "open", "agents", mode="before")
    @classmethod
    def _lower_case(cls, value: Any) -> Any:
        return value.strip().lower() if isinstance(value, str) else value

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: str) -> str:
        if value and not value.startswith(_DATABASES):
            raise ValueError(_DATABASE_FORM)
        if value:
            from sqlalchemy import make_url
            from sqlalchemy.exc import ArgumentError

            try:
                make_url(with_driver(value))
            except (ArgumentError, ValueError):  # a port that is no number
                raise ValueError(_DATABASE_FORM) from None
        return value

    @field_validator("vector_store")
    @classmethod
    def _vectors_need_postgresql(cls, value: str, info: ValidationInfo) -> str:
        url = info.data.get("database_url")  # None: refused already
        if value == "pgvector" and url is not None and not url.startswith("postgres"):
            raise ValueError("it needs SALES_DATABASE_URL to be postgresql://user:password@host/database")
        return value

    @field_validator("allowed_hosts")
    @classmethod
    def _host_names(cls, value: str) -> str:
        for name in _listed(value.lower()):
            if not _HOST_NAME.fullmatch(name):
                raise ValueError("give names such as sales.example.com or *.example.com, separated by commas")
        return value.lower()

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: str) -> str:
        for network in _listed(value):
            try:
                ipaddress.ip_network(network)
            except ValueError:
                raise ValueError("give addresses or networks such as 10.0.0.0/8, separated by commas") from None
        return value

    @field_validator("cors_origins")
    @classmethod
    def _web_origins(cls, value: str) -> str:
        for origin in _listed(value):
            if origin == "*" or not origin.startswith(("http://", "https://")):
                raise ValueError("give origins such as https://crm.example.com, separated by commas")
        return value

    @field_validator("traces_endpoint")
    @classmethod
    def _web_address(cls, value: str) -> str:
        if value and not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#@]*)?", value):
            raise ValueError("give the address of a collector, such as http://127.0.0.1:4318/v1/traces")
        return value

    @field_validator("webhook_url", "agents_url")
    @classmethod
    def _sendable(cls, value: str) -> str:
        return checked_url(value) if value else value

    @field_validator("webhook_secret")
    @classmethod
    def _long_enough(cls, value: str, info: ValidationInfo) -> str:
        return checked_secret(value, info.data.get("webhook_url", ""))

    @field_validator("webhook_lines")
    @classmethod
    def _probabilities(cls, value: str) -> str:
        parsed_lines(value)
        return value

    @property
    def crossed_lines(self) -> tuple[float, ...]:
        """`webhook_lines` as numbers."""
        return parsed_lines(self.webhook_lines)

    @property
    def agents_address(self) -> str:
        """`agents_url`, or that of the service which these settings start."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # listened on, not asked
        host = f"[{host}]" if ":" in host else host
        return self.agents_url.rstrip("/") or f"http://{host}:{self.port}"

    @field_validator("hubspot_token", "hubspot_webhook_secret", "salesforce_token", "salesforce_client_secret")
    @classmethod
    def _can_be_sent(cls, value: str) -> str:
        return checked_token(value)

    @field_validator("hubspot_url", "salesforce_url", "hubspot_webhook_url")
    @classmethod
    def _address_of_a_crm(cls, value: str) -> str:
        return checked_crm_address(value) if value else value

    @property
    def state_folder(self) -> Path:
        """`state`, or the folder `service` of the artifacts."""
        return self.state or self.artifacts / "service"

    @property
    def folders(self) -> dict[str, Path]:
        """The folders that answers name by these words only: where they lie is no caller's business."""
        return {"ARTIFACTS": self.artifacts, "STATE": self.state_folder}

    @property
    def origins(self) -> list[str]:
        """`cors_origins` as a list."""
        return [origin.rstrip("/") for origin in _listed(self.cors_origins)]

    @property
    def host_names(self) -> list[str]:
        """`allowed_hosts` as a list."""
        return _listed(self.allowed_hosts)

    @property
    def proxies(self) -> list[Network]:
        """`trusted_proxies` as networks; an address is one of its own."""
        return [ipaddress.ip_network(network) for network in _listed(self.trusted_proxies)]

    @property
    def database(self) -> str:
        """`database_url` as SQLAlchemy wants it, or the SQLite file in `state`."""
        return (
            with_driver(self.database_url) if self.database_url else f"sqlite:///{self.state_folder / 'predictions.db'}"
        )


def _listed(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]


def with_driver(url: str) -> str:
    """The URL of a database as SQLAlchemy wants it, with psycopg as the driver of PostgreSQL."""
    scheme, _, rest = url.partition("://")
    return f"postgresql+psycopg://{rest}" if scheme != "sqlite" else url


def load_settings(**given: Any) -> Settings:
    """Settings from the environment, `given` (the command line's options) before it; a None in `given` counts as absent.

    Raises InputError that quotes the first bad value and names its variable, and for a variable that is no setting: who
    mistypes SALES_API_KEYS would start a service without keys.
    """
    _check_names()
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        problem = error.errors()[0]
        name = str(problem["loc"][0])
        said = str(problem["ctx"]["error"]) if problem["type"] == "value_error" else problem["msg"]
        value = "not shown here" if name in _SECRET else repr(problem["input"])
        message = f"The setting {ENVIRONMENT_PREFIX}{name.upper()} is {value}: {said[0].lower()}{said[1:]}."
    raise InputError(message)  # without the ValidationError, which holds the value


def _check_names() -> None:
    known = [name.upper() for name in Settings.model_fields]
    for name, value in sorted(os.environ.items()):
        upper = name.upper()
        own = upper.removeprefix(ENVIRONMENT_PREFIX)  # what all begin with makes none alike
        if upper.startswith(ENVIRONMENT_PREFIX) and value and own not in known and not _is_link(upper, value):
            alike = difflib.get_close_matches(own, known, n=1)
            meant = (
                f"did you mean {ENVIRONMENT_PREFIX}{alike[0]}?"
                if alike
                else "docs/settings.md lists those there are; unset it."
            )
            raise InputError(f"{name} is no setting; {meant}")  # without its value, which may be a key


def _is_link(name: str, value: str) -> bool:
    return _LINK.fullmatch(name) is not None or (name.endswith("_PORT") and value.startswith(("tcp://", "udp://")))
