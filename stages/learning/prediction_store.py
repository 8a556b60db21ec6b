"""The prediction database for a command, or the sentence that says why it can't be used."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from foundations.database import StoreAwayError
from foundations.errors import InputError
from foundations.settings import Settings
from prediction_log.store import PredictionStore


@contextlib.contextmanager
def opened_store(settings: Settings, may_be_new: bool = False) -> Iterator[PredictionStore]:
    """Raises InputError where there is none, unless `may_be_new` and there are artifacts of a service, or it is away."""
    file = settings.state_folder / "predictions.db"
    is_there = file.exists() or (may_be_new and settings.artifacts.exists())
    if not settings.database_url and not is_there:
        raise InputError(
            f"There is no prediction database {str(file)!r}: the service makes it; give the service's --artifacts, SALES_STATE "
            "or SALES_DATABASE_URL."
        )
    store = PredictionStore(settings.database)
    try:
        yield store
    except StoreAwayError as error:
        raise InputError(f"The prediction database can't be used ({error.reason}); see SALES_DATABASE_URL.") from error
    finally:
        store.close()
