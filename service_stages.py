"""The stages around the service: `--mode deploy`, the end of every run, and `--mode purge`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from foundations.errors import InputError
from foundations.terminal import progress_bar, say
from pipeline_job import Job


def deploy(job: Job) -> None:
    """Serves until stopped."""
    from foundations.settings import load_settings
    from service.process import run_server

    settings = load_settings(artifacts=job.folder.root, host=job.host, port=job.port, workers=job.workers)
    page = f"http://{settings.host}:{settings.port}/app"
    said = f"Serving the models of {job.folder.models}: open {page} (Ctrl-C stops)"
    run_server(settings, announce=lambda: say(said, style="bold"))


def purge(job: Job) -> None:
    """Deletes stored predictions that are older than SALES_RETENTION_DAYS."""
    from foundations.database import StoreAwayError
    from foundations.settings import load_settings
    from prediction_log.store import PredictionStore

    settings = load_settings(artifacts=job.folder.root)
    if not settings.database_url and not settings.state_folder.exists() and not job.folder.root.exists():
        raise InputError(f"There is no folder {str(job.folder.root)!r}; give the service's own with --artifacts.")
    before = datetime.now(UTC) - timedelta(days=settings.retention_days)
    store = PredictionStore(settings.database)
    try:
        with progress_bar("purge") as progress:
            removed = store.purge(before, progress)
    except StoreAwayError as error:
        raise InputError(f"The prediction database can't be used ({error.reason}); see SALES_DATABASE_URL.") from error
    finally:
        store.close()
    say(f"{removed} predictions from before {before:%Y-%m-%d %H:%M} UTC deleted (SALES_RETENTION_DAYS)")
