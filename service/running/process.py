"""Starts the service from the command line, in this process or with several workers, and ends it in good order.

What would fail in every worker is found out before the first one starts: a bad setting, no model, a port in use. On
SIGTERM no new connection is taken, what is being answered is finished, and what is queued is stored, within 20 seconds.
Several workers are forked by gunicorn, so that they share the memory of what is imported; one that dies or falls silent
is replaced, and so is one that does not get ready.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.workers.base import Worker

from foundations.errors import InputError
from foundations.json_log import configure_logging
from foundations.settings import Settings
from learning.served_versions import ServedVersions, check_trained
from prediction_log.store import PredictionStore
from service.access.callers import Callers, check_openness
from service.graceful_stop import send_at_once
from service.limits.crowd import BACKLOG
from service.limits.door import Door
from service.metrics import forget_this_process
from service.shared import process_folder, service_folder

SILENT_SECONDS = 5  # after which a worker that does not say that it lives is replaced
START_SECONDS = 120  # within which it has to be ready: a busy machine is slow to load models
ANSWER_SECONDS = 10  # for what is being answered; with graceful_stop and DRAIN_SECONDS under END_SECONDS
END_SECONDS = 18  # after which a worker that has not ended is killed

CreateApp = Callable[[Settings], FastAPI]


def run_server(settings: Settings, create_app: CreateApp, announce: Callable[[], None] = lambda: None) -> None:
    """Serves until it is interrupted; writes nothing but log lines.

    create_app: makes the app, in each worker; announce: called once the port is there.

    Raises InputError where the host is unknown, the port is in use, strangers could reach it without a key, no model
    is trained, or the workers can't start.
    """
    listener = _listen(settings.host, settings.port)
    try:
        _check(settings)
        announce()
        if settings.workers == 1:
            _serve_here(create_app(settings), listener)
        else:
            _serve_with_workers(create_app, settings, listener)
    except KeyboardInterrupt:  # uvicorn has already shut down in good order and passes the signal on
        pass
    finally:
        listener.close()
        shutil.rmtree(process_folder(), ignore_errors=True)


class ApiWorker(Worker):
    """A worker process: one uvicorn on the port that all share."""

    def init_process(self) -> None:
        """Makes the app, serves and ends, without going back into the code of the process that it was forked from."""
        self.began = time.monotonic()
        self.server: uvicorn.Server | None = None
        threading.Thread(target=self._say_that_it_lives, name="lives", daemon=True).start()
        code = 1
        try:
            super().init_process()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        except Exception:
            self.log.exception("the worker failed")
        finally:
            sys.stderr.flush()
            os._exit(code)

    def init_signals(self) -> None:
        """uvicorn takes the signals while it runs, and raises them again when it has ended in good order."""
        for number in self.SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)

    def run(self) -> None:
        """Serves until SIGTERM."""
        self.server = uvicorn.Server(_config(self.wsgi))
        # Ctrl-C reaches the workers too, and has gunicorn send SIGQUIT at once: they finish their answers all the same.
        signal.signal(signal.SIGQUIT, self.server.handle_exit)
        self.server.run(sockets=[listener.sock for listener in self.sockets])

    def is_well(self) -> bool:
        """Whether it is ready, or may still be starting."""
        is_ready = self.server is not None and self.server.started
        return is_ready or time.monotonic() - self.began < START_SECONDS

    def _say_that_it_lives(self) -> None:
        """As long as it is well; where nobody hears it any more, it ends."""
        while self.is_well():
            if os.getppid() != self.ppid:
                os.kill(os.getpid(), signal.SIGTERM)
                return
            self.notify()
            time.sleep(1)


class _Service(BaseApplication):
    """What gunicorn serves, and how."""

    def __init__(self, create_app: CreateApp, settings: Settings, listener: socket.socket) -> None:
        self._settings = settings
        self._create_app = create_app
        self._port = listener.detach()  # gunicorn takes it over, and closes it before the workers are told to end
        super().__init__()

    def load_config(self) -> None:
        """See BaseApplication."""
        for name, value in {
            "bind": f"fd://{self._port}",
            "workers": self._settings.workers,
            "worker_class": ApiWorker,
            "timeout": SILENT_SECONDS,
            "graceful_timeout": END_SECONDS,
            "errorlog": None,  # its lines are written by `foundations.json_log`
            "loglevel": self._settings.log_level,
            "control_socket_disable": True,
        }.items():
            self.cfg.set(name, value)

    def load(self) -> FastAPI:
        """The app, in a worker; where it can't be made, a sentence, and gunicorn does not try again."""
        try:
            return self._create_app(self._settings)
        except InputError as error:
            sys.stderr.write(f"Error: {error}\n")
            raise SystemExit(Arbiter.WORKER_BOOT_ERROR) from None


def _serve_here(app: FastAPI, listener: socket.socket) -> None:
    # When it has ended in good order, uvicorn raises SIGTERM again; whoever sent it is told by exit code 0.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    uvicorn.Server(_config(app)).run(sockets=[listener])


def _serve_with_workers(create_app: CreateApp, settings: Settings, listener: socket.socket) -> None:
    configure_logging(settings.log_level)
    forget_this_process()
    try:
        _Service(create_app, settings, listener).run()
    except SystemExit as ended:
        if ended.code == Arbiter.WORKER_BOOT_ERROR:
            raise InputError("The workers could not start; the lines above say why.") from None
        if ended.code:
            raise


def _config(app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=Door,
        ws="none",
        log_config=None,
        access_log=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=ANSWER_SECONDS,
        server_header=False,
        proxy_headers=False,  # `service.access.addresses` knows which proxies are trusted
    )


def _check(settings: Settings) -> None:
    """Raises InputError where every worker would fail."""
    check_openness(settings)
    folder = service_folder(settings)
    check_trained(settings, folder)
    store = PredictionStore(settings.database)
    try:
        ServedVersions(settings, store).start(folder)
    finally:
        store.close()  # workers that are forked make connections of their own
    Callers(settings)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise InputError(
            f"Cannot listen on {host!r}, port {port} ({error.strerror}); stop what uses it or give another with --port."
        ) from error
    send_at_once(listener)
    return listener
