"""`--mode cache` shows and empties what is kept of the encoder's work (`encoder.cache`); `--mode purge` deletes old records.

Those are stored predictions from before SALES_RETENTION_DAYS; deleting one at once is a route of the service.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from foundations.errors import InputError
from foundations.settings import load_settings
from foundations.terminal import progress_bar, say
from stages.job import _GIB, Job, cache_folder


def cache(job: Job) -> None:
    """Says how much the cache holds, or with `--clear` empties it."""
    folder = cache_folder(job.folder)
    if folder is None:
        say("There is no cache, as SALES_CACHE_GB is 0")
        return
    size = folder.size()
    if job.clear:
        folder.clear()
        say(f"{size.segments} entries deleted, {_readable(size.bytes)} freed in {folder.path}")
        return
    say(
        f"{size.segments} entries of {size.encoders} encoders in {folder.path}: {_readable(size.bytes)} of at most "
        f"{_readable(folder.limit_bytes)} (SALES_CACHE_GB); --clear empties it"
    )


def _readable(size: int) -> str:
    return f"{size / _GIB:.1f} GiB" if size >= _GIB else f"{size / 1024**2:.1f} MiB"


def purge(job: Job) -> None:
    """Deletes stored predictions that are older than SALES_RETENTION_DAYS, of the audit log what SALES_AUDIT_DAYS says."""
    from foundations.database import StoreAwayError
    from prediction_log.store import PredictionStore

    settings = load_settings(artifacts=job.folder.root)
    if not settings.database_url and not settings.state_folder.exists() and not job.folder.root.exists():
        raise InputError(f"There is no folder {str(job.folder.root)!r}; give the service's own with --artifacts.")
    now = datetime.now(UTC)
    before = now - timedelta(days=settings.retention_days)
    store = PredictionStore(settings.database)
    try:
        with progress_bar("purge") as progress:
            removed = store.purge(before, progress, now - timedelta(days=settings.audit_days))
    except StoreAwayError as error:
        raise InputError(f"The prediction database can't be used ({error.reason}); see SALES_DATABASE_URL.") from error
    finally:
        store.close()
    say(f"{removed} predictions from before {before:%Y-%m-%d %H:%M} UTC deleted (SALES_RETENTION_DAYS)")
