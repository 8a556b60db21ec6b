"""The admin key of a service without configured keys: random, made at the first start, in a file of its owner alone.

Where somebody is, such as on this machine, is no proof of who they are: a proxy, a forwarded port or a web page comes
from here as well. Who can read the file may manage the service.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import tempfile
from pathlib import Path

from foundations.errors import InputError
from foundations.settings import Settings


def admin_key_path(settings: Settings) -> Path:
    """Where the key lies."""
    return settings.state_folder / "admin_key"


def make_admin_key(path: Path) -> None:
    """Makes the key where there is none; of several processes that do it at once, one. Raises InputError."""
    if path.exists():
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".admin_key.")  # mode 0600
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(secrets.token_urlsafe() + "\n")
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):  # another process was quicker
                os.link(temporary, path)
        finally:
            os.unlink(temporary)
    except OSError as error:
        raise InputError(
            f"Cannot write the admin key {str(path)!r} ({error.strerror}); let SALES_STATE be a folder that you may write "
            "to, or set SALES_API_KEYS."
        ) from error


def read_admin_key(path: Path) -> str:
    """The key. Raises InputError where it can't be read, others may read it too, or the file is empty."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        key = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise InputError(f"Cannot read the admin key {str(path)!r} ({reason}).") from error
    if mode & 0o077:
        raise InputError(
            f"The admin key {str(path)!r} has the mode {mode:04o}, so others may know it; delete it, and the next start makes "
            "a new one."
        )
    if not key:
        raise InputError(f"The admin key {str(path)!r} is empty; delete it, and the next start makes a new one.")
    return key
