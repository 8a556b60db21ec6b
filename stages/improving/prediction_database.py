"""The service's prediction database, opened for a stage."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from foundations.database import StoreAwayError
from foundations.errors import InputError
from foundations.settings import load_settings
from prediction_log.store import PredictionStore
from stages.job import Job


@contextlib.contextmanager
def prediction_database(job: Job) -> Iterator[PredictionStore]:
    """The database of the settings. Raises InputError where there is none, or it can't be used."""
    settings = load_settings(artifacts=job.folder.root)
    if not settings.database_url and not settings.state_folder.exists() and not job.folder.root.exists():
        raise InputError(f"There is no folder {str(job.folder.root)!r}; give the service's own with --artifacts.")
    store = PredictionStore(settings.database)
    try:
        yield store
    except StoreAwayError as error:
        raise InputError(f"The prediction database can't be used ({error.reason}); see SALES_DATABASE_URL.") from error
    finally:
        store.close()
