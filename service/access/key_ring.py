"""The keys that count now: those of SALES_API_KEYS and of a file, which is read again whenever it changes.

So keys are exchanged without a restart, by every worker within a second. A file that can't be read leaves the keys as
they were, and the log says so. Where no keys are configured, the admin key (`service.access.admin_key`) is the only one.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import time
from collections.abc import Callable
from pathlib import Path

from foundations.errors import InputError
from foundations.json_log import log
from foundations.settings import Settings
from service.access.admin_key import admin_key_path, make_admin_key, read_admin_key
from service.access.keys import ApiKey, parsed_keys

LOOK_SECONDS = 1.0  # between two looks at the file


class KeyRing:
    """The keys of one service."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        """Makes the admin key where no keys are configured. Raises InputError, which does not quote a key."""
        self._fixed = parsed_keys(
            [entry.strip() for entry in settings.api_keys.split(",") if entry.strip()], "The setting SALES_API_KEYS"
        )
        self.configured = bool(self._fixed) or settings.api_keys_file is not None
        self._file = settings.api_keys_file
        if not self.configured:
            self._file = admin_key_path(settings)
            make_admin_key(self._file)
        self._clock = clock
        self._looked_at = clock()
        self._seen = _signature(self._file)
        self._keys = self._read()

    def matching(self, given: str) -> ApiKey | None:
        """The key that is `given`, compared with all, so that the time tells nothing; also one that has ended."""
        self._look()
        sha256 = hashlib.sha256(given.encode("utf-8", "surrogateescape")).digest()
        found = None
        for key in self._keys:
            if hmac.compare_digest(key.sha256, sha256):
                found = key
        return found

    def _look(self) -> None:
        if self._file is None or self._clock() - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = self._clock()
        seen = _signature(self._file)
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self._keys = self._read()
        except InputError as error:
            log.error("the keys stay as they were", problem=str(error))
        else:
            log.info("keys exchanged", keys=len(self._keys))

    def _read(self) -> list[ApiKey]:
        if self._file is None:
            return self._fixed
        if not self.configured:
            return parsed_keys([f"admin:{read_admin_key(self._file)}"], f"The admin key {str(self._file)!r}")
        return self._fixed + _keys_of(self._file)


def _keys_of(path: Path) -> list[ApiKey]:
    """Raises InputError where it can't be read, or holds none: who empties it by mistake must not lock everybody out."""
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise InputError(f"Cannot read SALES_API_KEYS_FILE {str(path)!r} ({reason}).") from error
    entries = [line for line in lines if line and not line.startswith("#")]
    if not entries:
        raise InputError(f"SALES_API_KEYS_FILE {str(path)!r} holds no key; write a line such as predict:KEY for each.")
    return parsed_keys(entries, f"SALES_API_KEYS_FILE {str(path)!r}")


def _signature(path: Path | None) -> tuple[int, ...]:
    """What changes with a file; a link, as Kubernetes exchanges them, is followed."""
    try:
        found = os.stat(path) if path is not None else None
    except OSError:
        return ()
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns) if found else ()
