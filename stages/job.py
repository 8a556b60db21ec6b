"""The options of a run, and what every stage asks of them: is there work, is the data there, which models, which files.

The stages are the modules beside this one and those at the top that users know by name. Each is skipped where its
inputs have not changed since its outputs were written (`stages.records`), unless `--force` is given.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from conversations.conversation import Conversation
from conversations.formats.options import ReadingOptions
from conversations.formats.research.corpora import companion_files
from conversations.reading.files import SPLIT_FILES
from conversations.reading.folder import are_many, files_of
from conversations.split import SplitBy
from encoder.cache import CacheFolder
from encoder.text_encoder import SALES
from foundations.artifact_folder import ArtifactFolder
from foundations.atomic_files import file_sha256
from foundations.errors import InputError
from foundations.settings import load_settings
from foundations.terminal import progress_bar, say
from modelling.names import MODEL_NAMES, STARTER, STARTER_ENCODERS
from modelling.processes import training_processes
from stages.records import StageRecords

_GIB = 1024**3

By = Literal["conversation", "deal"]
UNITS: tuple[By, ...] = get_args(By)


if TYPE_CHECKING:
    from encoder.torch_encoder import SalesEncoder

_ENCODED_AT_ONCE = 512  # texts between two steps of the progress bar
_SAME_VECTOR = 1e-4  # arithmetic alone makes vectors of one text differ less
_LARGEST_SEED = 2**32 - 1  # that numpy and scikit-learn accept


@dataclass(frozen=True)
class GenerateOptions:
    """Of `--mode generate`, and of a run without data of its own."""

    count: int = 200
    noise: float | None = None  # as the writers judged


@dataclass(frozen=True)
class ScoreOptions:
    """Of `--mode score`, for one file and in bulk."""

    rank: bool = False
    per_turn: bool = False


@dataclass(frozen=True)
class BulkOptions:
    """Of `--mode score --engine`; None: not given."""

    engine: str | None = None
    ray_address: str | None = None
    on_error: str | None = None
    output_format: str | None = None
    shard_rows: int | None = None
    stall_timeout: float | None = None
    workers: int | None = None


@dataclass(frozen=True)
class ServeOptions:
    """Of `--mode deploy`; None: as the settings say."""

    host: str | None = None
    port: int | None = None
    workers: int | None = None


@dataclass(frozen=True)
class RetrainOptions:
    """Of `--mode retrain`; None: not given."""

    after: int | None = None  # new outcomes
    older_than: float | None = None  # days
    on_drift: bool = False
    dry_run: bool = False
    encoder: str | None = None  # that of the champion


@dataclass(frozen=True)
class SyncOptions:
    """Of `--mode sync`."""

    crm: str | None = None  # which one; None: not given
    dry_run: bool = False  # shows what it would write
    queued: bool = False  # only what webhooks named


@dataclass(frozen=True)
class Job:
    """The options of the command line: those that several modes share, and those of single modes by themselves."""

    folder: ArtifactFolder
    data: Path | None = None
    reading: ReadingOptions = field(default_factory=ReadingOptions)  # how the data are meant
    split: SplitBy = "group"
    by: By = "conversation"  # what is learned from and scored: each conversation, or each deal
    output: Path | None = None
    encoder: str = SALES
    model: str | None = None
    seed: int = 42
    force: bool = False
    resume: bool = False  # train
    outcomes: Path | None = None  # a table that says how the data's conversations ended
    clear: bool = False  # cache
    conversation_id: str | None = None  # forget
    settings: Path | None = None  # train: of models, as --mode tune writes them
    trials: int | None = None  # tune, of each search
    top: int | None = None  # suggest: how long its lists are
    format: str | None = None  # labels
    generate: GenerateOptions = GenerateOptions()
    score: ScoreOptions = ScoreOptions()
    bulk: BulkOptions = BulkOptions()
    serve: ServeOptions = ServeOptions()
    retrain: RetrainOptions = RetrainOptions()
    sync: SyncOptions = SyncOptions()

    def __post_init__(self) -> None:
        if not 0 <= self.seed <= _LARGEST_SEED:
            raise InputError(f"The seed {self.seed} is out of range; give a whole number from 0 to {_LARGEST_SEED}.")

    @property
    def records(self) -> StageRecords:
        """What earlier runs in this artifact folder did."""
        return StageRecords(self.folder.stage_records)


def encode_once(encoder: SalesEncoder, conversations: Sequence[Conversation]) -> None:
    """Runs the encoder once over every text, with a bar; the models then find the vectors in its memory.

    Several processes share the work where they have a cache on disk in common.
    """
    from modelling.segments import segment_conversations

    texts = list(dict.fromkeys(segment_conversations(encoder, conversations).texts))
    texts.sort(key=len)
    pieces = [texts[start : start + _ENCODED_AT_ONCE] for start in range(0, len(texts), _ENCODED_AT_ONCE)]
    processes = training_processes()
    own = pieces[processes.rank :: processes.size]
    with progress_bar(f"Encoding {len(conversations)} conversations") as report:
        for done, piece in enumerate(own, start=1):
            encoder.embed_texts(piece)
            report(done / len(own))
        encoder.keep_on_disk()
        processes.gathered(None)  # from here on all are on disk
        encoder.keep_on_disk(refresh=True)
        for piece in pieces if processes.size > 1 else []:
            encoder.embed_texts(piece)


def check_vectors_differ(encoder: SalesEncoder, conversations: Sequence[Conversation]) -> None:
    """Raises InputError where the encoder reads every segment as the same, as it does of a script it has no words for."""
    from modelling.segments import segment_conversations

    texts = list(dict.fromkeys(segment_conversations(encoder, conversations).texts))
    vectors = encoder.embed_texts(texts)
    if abs(vectors - vectors[0]).max() < _SAME_VECTOR:
        raise InputError(
            f"The encoder reads all {len(conversations)} conversations to learn from as the same: it knows none of the words "
            f"of {texts[0][:40]!r} and the others; choose one for their language with --encoder (docs/encoders.md)."
        )


def unless_unchanged(job: Job, stage: str, inputs: dict[str, Any], work: Callable[[], Sequence[Path]]) -> bool:
    """Runs a stage's work, which gives the files it wrote, and remembers it; False where there was nothing to do."""
    if is_up_to_date(job, stage, inputs):
        return False
    job.records.remember(stage, inputs, work())
    return True


def is_up_to_date(job: Job, stage: str, inputs: dict[str, Any]) -> bool:
    """Whether a stage has nothing to do, which it then says."""
    if job.force or not job.records.is_current(stage, inputs):
        return False
    say(f"{stage}: unchanged since the last run, skipped (--force redoes it)", style="dim")
    return True


def wanted_models(job: Job) -> list[str]:
    """Names of the models that a stage works on."""
    if job.model not in (None, "all", "auto"):
        return [str(job.model)]
    return [name for name in MODEL_NAMES if name != STARTER or job.encoder in STARTER_ENCODERS]


def require_splits(job: Job) -> None:
    """Raises InputError where a split is missing."""
    missing = [path for path in split_files(job) if not os.path.isfile(path)]
    if missing:
        raise InputError(f"There is no {str(missing[0])!r}; make it with: python main.py --mode train --data FILE")


def split_files(job: Job) -> list[Path]:
    """Where train, validation and test data lie."""
    return [job.folder.data / name for name in SPLIT_FILES.values()]


def data_inputs(data: Path, reading: ReadingOptions, outcomes: Path | None = None) -> dict[str, Any]:
    """All that decides which conversations the data hold and how they ended. Raises InputError for a folder without files."""
    files = files_of(data, outcomes) if are_many(data) else [data]
    beside = [other for path in files for other in companion_files(path)] if len(files) == 1 else []
    meant: dict[str, Any] = {"columns": dict(reading.columns), "won": sorted(reading.won), "lost": sorted(reading.lost)}
    if reading.speech_model:
        meant["speech_model"] = str(reading.speech_model)
    kinds = {"files": files, "beside": beside, "outcomes": [outcomes] if outcomes else []}
    return {kind: [[path.name, sha256_or_none(path)] for path in paths] for kind, paths in kinds.items()} | meant


def sha256_or_none(path: Path) -> str | None:
    """None for what can't be read: whatever reads it next has the error that says why."""
    try:
        return file_sha256(path)
    except OSError:
        return None


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
