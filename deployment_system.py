"""The API service: `uvicorn deployment_system:app`, with any number of workers; `service.running.process` starts it itself.

Wiring only: what comes in and goes out is `answers.requests` and `answers.responses`, routes are `service.routes.predictions`,
`service.routes.uploads` and `service.routes.management`, pages `service.routes.pages`, who may do what
`service.access`, and the parts behind them `service.running.worker`. Each worker holds its own copy of the models: about 200 MB
with the bundled encoder.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi_offline import FastAPIOffline

import foundations.thread_policy  # noqa: F401 — before the libraries whose threads it governs
from answers.recommendations import read_rules
from foundations.errors import InputError
from foundations.json_log import configure_logging
from foundations.settings import Settings, load_settings
from foundations.terminal import say
from foundations.tracing import sent_traces
from modelling.names import AUTO, MODEL_NAMES
from service.access.admin_key import admin_key_path, read_admin_key
from service.access.origins import HostAndOrigin
from service.access.repeating import HEADER
from service.agents.door import AgentsDoor
from service.agents.stdio import serve_agents
from service.api_errors import add_error_handlers, documented_errors
from service.graceful_stop import CloseWhenDraining
from service.limits.door import STATE
from service.metrics import count_request
from service.middleware import REQUEST_ID_HEADER, HeadAsGet, RequestLog, SecurityHeaders
from service.routes.crm import crm_router
from service.routes.deals import deals_router
from service.routes.experiments import experiment_routers
from service.routes.learning import learning_router
from service.routes.management import figures_router, health_router, management_routers
from service.routes.pages import pages_router
from service.routes.predictions import Predicting, prediction_router
from service.routes.recordings import recordings_router
from service.routes.review import review_routers
from service.routes.similar import similar_router
from service.routes.uploads import upload_router
from service.running.process import run_server
from service.running.worker import RunningService
from service.schemas import ServiceInfo
from stages.job import Job

TITLE = "Sales conversion prediction"
VERSION = "0.1.0"
CANNOT_START = 3  # the exit code on which uvicorn does not start a worker again


def create_app(settings: Settings) -> FastAPI:
    """The service for one artifact folder.

    Raises InputError where it can't start: no model is trained, or the rules of the recommendations are wrong.
    """
    configure_logging(settings.log_level)
    read_rules()  # a mistake in them stops the start, not the first request
    service = RunningService(settings)
    traces = sent_traces(settings.traces_endpoint)
    agents_door = AgentsDoor(settings, VERSION)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        with traces:
            await service.start()
            async with agents_door.open():
                yield {STATE: service.crowd}
            await service.stop()

    app = FastAPIOffline(
        title=TITLE,
        version=VERSION,
        description="How likely a sales conversation is to convert, and why.",
        lifespan=lifespan,
        swagger_ui_parameters={"validatorUrl": None},  # the page must load nothing from outside
    )
    app.state.service = service
    app.openapi = lambda: _with_keys(app, FastAPI.openapi(app))  # type: ignore[method-assign]
    _add_middleware(app, service)
    add_error_handlers(app)
    _add_start_page(app, service)
    for router in _routers(service):
        app.include_router(router)
    if agents_door.is_on:
        app.include_router(agents_door.router(service.access))
    return app


def _routers(service: RunningService) -> Iterator[APIRouter]:
    """Each is handed what it needs."""
    access, sources, store = service.access, service.sources, service.store
    longest = service.settings.max_transcript_characters
    predicting = Predicting(access, sources, service.recorder, store, longest, service.trials)
    yield health_router(service.health, sources.models, service.stopping)
    yield prediction_router(predicting)
    yield upload_router(predicting)
    yield similar_router(predicting)
    yield recordings_router(access, service.hearing)
    yield figures_router(access, sources.models, service.reports, store)
    yield from management_routers(access, service.following, store, service.measure)
    yield from experiment_routers(access, service.following, store)
    yield pages_router(access, service.settings)  # before the deals: a browser gets their pages
    yield deals_router(access, store)
    yield learning_router(access, store)
    yield from review_routers(access, store, service.settings)
    yield crm_router(access, service.settings, store)


def _add_middleware(app: FastAPI, service: RunningService) -> None:
    """The last one added is the first to see a request."""
    app.add_middleware(HeadAsGet)
    if service.settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=service.settings.origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "X-API-Key", HEADER, REQUEST_ID_HEADER],
            expose_headers=[REQUEST_ID_HEADER, "Retry-After"],
        )

    def answered(method: str, route: str, status: int, seconds: float) -> None:
        count_request(method, route, status, seconds)
        service.writer.count(route, status)

    app.add_middleware(HostAndOrigin, settings=service.settings)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(CloseWhenDraining, stop=service.stopping)
    app.add_middleware(RequestLog, answered=answered)


def _with_keys(app: FastAPI, schema: dict[str, Any]) -> dict[str, Any]:
    """The OpenAPI schema with how a key is sent, so that /docs can send one; it is the same object at every call."""
    schema.setdefault("components", {})["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer"},
        "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    }
    for methods in schema["paths"].values():
        for operation in methods.values():
            if "401" in operation["responses"]:
                # A route that says itself what lets in keeps that. The last: none, where no key is configured.
                operation.setdefault("security", [{"bearer": []}, {"key": []}, {}])
    return schema


def _add_start_page(app: FastAPI, service: RunningService) -> None:
    @app.get("/", responses=documented_errors(500))
    async def info() -> ServiceInfo:
        """What this is and where to go on."""
        return ServiceInfo(
            name=TITLE,
            version=VERSION,
            status=service.health().status,
            models=[AUTO, *MODEL_NAMES],
            auto=service.sources.models.auto,
            links={
                "app": "/app",
                "deals": "/deals",
                "dashboard": "/dashboard",
                "docs": "/docs",
                "openapi": "/openapi.json",
                "health": "/health",
                "models": "/models",
            },
        )


def deploy(job: Job) -> None:
    """`--mode deploy`: serves until stopped."""
    settings = load_settings(artifacts=job.folder.root, **asdict(job.serve))
    address = f"http://{settings.host}:{settings.port}"
    key = admin_key_path(settings)
    is_new = not key.exists()

    def announce() -> None:
        if is_new and key.exists():  # there is one only where no keys are configured
            page = f"{address}/dashboard#key={read_admin_key(key)}"
            say(f"The admin key, shown once and kept in {key}, opens the log: {page}")
        say(f"Serving the models of {job.folder.models}: open {address}/app (Ctrl-C stops)", style="bold")

    run_server(settings, create_app, announce)


def agents(job: Job) -> None:
    """`--mode agents`: the tools over standard input and output, answered by a running service."""
    serve_agents(load_settings(host=job.serve.host, port=job.serve.port), VERSION)


def __getattr__(name: str) -> Any:
    """`deployment_system.app`, made when it is first asked for: importing this module starts nothing.

    Where it can't start, one sentence goes to standard error and the process ends; uvicorn does not try again then.
    """
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        app = create_app(load_settings())
    except InputError as error:
        sys.stderr.write(f"Error: {error}\n")
        raise SystemExit(CANNOT_START) from None
    globals()["app"] = app
    return app
