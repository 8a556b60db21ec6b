"""The API service: `uvicorn deployment_system:app`, with any number of workers, or `run_server(settings)`.

Wiring only: what comes in and goes out is `api_schemas`, errors are `api_errors`, models in memory `model_server`, the
log `service_log`. Each worker holds its own copy of the models: about 200 MB with the bundled encoder. Predictions run
in threads, so /health answers meanwhile. It keeps no history and asks for no key.
"""

from __future__ import annotations

import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI, Request
from fastapi_offline import FastAPIOffline
from starlette.concurrency import run_in_threadpool

from api_errors import add_error_handlers, documented_errors
from api_schemas import Health, ModelList, PredictionRequest, PredictionResponse, ServiceInfo
from artifact_folder import ArtifactFolder
from input_error import InputError
from model_names import AUTO
from model_registry import MODEL_CLASSES
from model_server import ModelServer, UnavailableError
from prediction_answer import answer
from recommendations import read_rules
from service_log import RequestLog, configure_logging, log
from settings import Settings, load_settings

TITLE = "Sales conversion prediction"
VERSION = "0.1.0"


def create_app(settings: Settings) -> FastAPI:
    """The service for one artifact folder. Starts without trained models and then answers 503 to predictions.

    Raises InputError where the rules of the recommendations are wrong.
    """
    configure_logging(settings.log_level)
    read_rules()  # a mistake in them stops the start, not the first request
    server = ModelServer(ArtifactFolder(settings.artifacts), settings.threads)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(_warm_up, server)
        yield

    app = FastAPIOffline(
        title=TITLE,
        version=VERSION,
        description="How likely a sales conversation is to convert, and why.",
        lifespan=lifespan,
        swagger_ui_parameters={"validatorUrl": None},  # the page must load nothing from outside
    )
    app.add_middleware(RequestLog)
    add_error_handlers(app)
    _add_routes(app, server)
    return app


def run_server(settings: Settings) -> None:
    """Serves until it is interrupted, in this process; writes nothing but log lines.

    Raises InputError where the host is unknown or the port is in use.
    """
    listener = _listen(settings.host, settings.port)
    config = uvicorn.Config(create_app(settings), log_config=None)
    try:
        uvicorn.Server(config).run(sockets=[listener])
    except KeyboardInterrupt:  # uvicorn has already shut down in good order and passes the signal on
        pass
    finally:
        listener.close()


def _add_routes(app: FastAPI, server: ModelServer) -> None:
    @app.get("/", responses=documented_errors(500))
    async def info() -> ServiceInfo:
        """What this is and where to go on."""
        links = {"docs": "/docs", "openapi": "/openapi.json", "health": "/health", "models": "/models"}
        return ServiceInfo(
            name=TITLE,
            version=VERSION,
            status="degraded" if server.problem() else "ok",
            models=[AUTO, *MODEL_CLASSES],
            auto=server.auto(),
            links=links,
        )

    @app.get("/health", responses=documented_errors(500))
    async def health() -> Health:
        """Whether predictions can be served; never waits for one."""
        problem = server.problem()
        return Health(
            status="degraded" if problem else "ok",
            problem=problem,
            loaded_models=server.loaded,
            uptime_seconds=round(time.monotonic() - server.started, 3),
        )

    @app.get("/models", responses=documented_errors(500))
    def models() -> ModelList:
        """Every model: trained or not, validation metrics, encoder, loaded or not, and which is auto."""
        return ModelList(auto=server.auto(), models=server.describe())

    @app.post("/predict", responses=documented_errors(400, 422, 500, 503))
    def predict(body: PredictionRequest, request: Request) -> PredictionResponse:
        """The probability that a conversation converts, with analysis and similar conversations where asked for."""
        response = answer(server, body)
        request.state.model = response.model_used  # for the log
        return response


def _warm_up(server: ModelServer) -> None:
    try:
        log.info("model loaded", model=server.warm_up())
    except UnavailableError as error:
        log.warning("starts without a model", problem=str(error))


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise InputError(
            f"Cannot listen on {host!r}, port {port} ({error.strerror}); stop what uses it or give another with --port."
        ) from error


app = create_app(load_settings())
