"""Starts the service from the command line, in this process or with several workers, and ends it in good order.

What would fail in every worker is found out before the first one starts: a bad setting, no model, a port in use. On
SIGTERM no new connection is taken, what is being answered is finished, and what is queued is stored, within 20 seconds.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import time
from collections.abc import Callable
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess, multiprocess

from foundations.artifact_folder import ArtifactFolder
from foundations.errors import InputError
from foundations.settings import Settings, environment
from service.graceful_stop import send_at_once
from service.keys import ApiKeys
from service.shared import process_folder, service_folder

SILENT_SECONDS = 5  # after which a worker that does not answer its supervisor is replaced
START_SECONDS = 120  # for which it may be silent while it starts: a busy machine is slow to load the libraries
ANSWER_SECONDS = 10  # for what is being answered; with SILENT_SECONDS, graceful_stop and DRAIN_SECONDS under 20
BACKLOG = 2048  # connections that wait to be accepted


def run_server(
    settings: Settings,
    create_app: Callable[[Settings], FastAPI],
    app: str,
    announce: Callable[[], None] = lambda: None,
) -> None:
    """Serves until it is interrupted; writes nothing but log lines.

    create_app makes the app in this process; app is where worker processes find it, as "module:name"; announce is called
    once the port is there.

    Raises InputError where the host is unknown, the port is in use, no model is trained, or the workers can't start.
    """
    listener = _listen(settings.host, settings.port)
    try:
        _check(settings)
        announce()
        if settings.workers == 1:
            _serve_here(create_app(settings), settings, listener)
        else:
            _serve_with_workers(app, settings, listener)
    except KeyboardInterrupt:  # uvicorn has already shut down in good order and passes the signal on
        pass
    finally:
        listener.close()
        shutil.rmtree(process_folder(), ignore_errors=True)


class Worker(multiprocess.Process):
    """A worker process; until it is ready once, it has START_SECONDS to answer, and nobody waits for it meanwhile.

    Otherwise a slow start would be ended and begun again for ever, and the supervisor would hear no signal in between.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._began = time.monotonic()
        self._was_ready = self._asked = False

    def is_alive(self, timeout: float = SILENT_SECONDS) -> bool:
        """Whether the process runs and answers."""
        if self._was_ready or not self.process.is_alive():
            return super().is_alive(timeout)
        try:
            if not self._asked:  # one question at a time: an old answer must not stand for a later one
                self.parent_conn.send(b"ping")
            self._asked = not self.parent_conn.poll(0)
            if not self._asked:
                self._was_ready = bool(self.parent_conn.recv())
        except (OSError, EOFError):
            return False  # it died just now
        return time.monotonic() - self._began < START_SECONDS


multiprocess.Process = Worker  # type: ignore[assignment,misc]  # by this name the supervisor makes them


class Workers(Multiprocess):
    """uvicorn's supervisor, but for three things.

    Its workers may start slowly. At the end it lets go of the port before its workers do: otherwise connections would
    still be taken, for nobody, while the workers finish. And it notices at once when a worker dies while it is asked how
    it is, and does not wait for the answer, in which time it would not hear a signal.
    """

    def init_processes(self) -> None:
        """Starts the workers."""
        super().init_processes()
        self._leave_their_ends()

    def keep_subprocess_alive(self) -> None:
        """Replaces workers that died."""
        super().keep_subprocess_alive()
        self._leave_their_ends()

    def terminate_all(self) -> None:
        """Sends SIGTERM to the workers."""
        for listener in self.sockets:
            listener.close()
        super().terminate_all()

    def _leave_their_ends(self) -> None:
        """Closes the workers' ends of the pipes here, so that a pipe ends with its worker."""
        for process in self.processes:
            process.child_conn.close()


def _serve_here(app: FastAPI, settings: Settings, listener: socket.socket) -> None:
    # When it has ended in good order, uvicorn raises SIGTERM again; whoever sent it is told by exit code 0.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    uvicorn.Server(_config(app, settings)).run(sockets=[listener])


def _serve_with_workers(app: str, settings: Settings, listener: socket.socket) -> None:
    from foundations.json_log import configure_logging

    configure_logging(settings.log_level)
    os.environ.update(environment(settings))
    supervisor = Workers(_config(app, settings), sockets=[listener])
    supervisor.run()
    if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
        raise InputError("The workers could not start; the lines above say why.")


def _config(app: object, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        workers=settings.workers,
        log_config=None,
        access_log=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=ANSWER_SECONDS,
        timeout_worker_healthcheck=SILENT_SECONDS,
        server_header=False,
    )


def _check(settings: Settings) -> None:
    """Raises InputError where every worker would fail."""
    from answers.served_versions import ServedVersions

    ApiKeys(settings.api_keys)
    ServedVersions(ArtifactFolder(settings.artifacts), settings.state_folder).start(service_folder(settings))


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
