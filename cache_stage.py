"""`--mode cache`: how much of the encoder's work is kept on disk, and emptying it. What is kept is `encoder.cache`."""

from __future__ import annotations

from encoder.cache import CacheFolder
from foundations.artifact_folder import ArtifactFolder
from foundations.settings import load_settings
from foundations.terminal import say
from pipeline_job import Job

_GIB = 1024**3


def cache_folder(folder: ArtifactFolder) -> CacheFolder | None:
    """Where training keeps encoded segments; None where SALES_CACHE_GB is 0."""
    settings = load_settings()
    if not settings.cache_gb:
        return None
    return CacheFolder(
        settings.cache or folder.cache,
        int(settings.cache_gb * _GIB),
        warn=lambda sentence: say(f"Warning: {sentence}", style="yellow"),
    )


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
