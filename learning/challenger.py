"""A model of the champion's kind, settings, seed and encoder, fitted on more; and the version that is made of it."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from conversations.conversation import Conversation
from encoder.text_encoder import TextEncoder
from foundations.artifact_folder import ArtifactFolder
from foundations.atomic_files import make_private_folder
from foundations.errors import InputError
from foundations.long_work import Progress
from model_registry import artifact_path, model_class
from modelling.conversion_model import ConversionModel
from modelling.saved.serving_folder import serving_folder
from modelling.saved.training_record import retrained_record
from modelling.saved.versions import add_version
from signals.sentences import read_training_sentences

_UNFINISHED = ".retraining"  # below the models, where the kept versions lie as well: one rename brings it there


def check_encoder(encoder: TextEncoder, model: str, version: str, manifest: dict[str, Any]) -> None:
    """Raises InputError where it is not the champion's.

    The gate shall say what outcomes teach. With another encoder it would say something else, and what was indexed by the
    champion's vectors, similar conversations among it, would no longer fit.
    """
    champion, own = manifest["encoder"], encoder.identity.as_dict()
    if own["sha256"] != champion["sha256"] or own["pooling"] != champion.get("pooling", own["pooling"]):
        raise InputError(
            f"The champion, {model} {version}, reads with the encoder {champion['name']!r} and a challenger would read with "
            f"{own['name']!r}, or with other weights of it; retraining keeps the encoder: leave --encoder out, or train with "
            "--mode train --encoder and load that version."
        )


def fitted(
    model: str,
    encoder: TextEncoder,
    champion: dict[str, Any],
    train: Sequence[Conversation],
    validation: Sequence[Conversation],
    progress: Progress,
) -> ConversionModel:
    """champion: its manifest. Raises InputError where the data lack an outcome."""
    kind = model_class(model)
    settings = type(kind.default_settings())(**champion["hyper_parameters"])
    challenger = kind(encoder, settings, champion["seed"])
    challenger.fit(train, validation, progress)
    return challenger


def kept_as_version(
    challenger: ConversionModel,
    artifacts: ArtifactFolder,
    champion: dict[str, Any],
    spared: Collection[str],
    until: datetime,
) -> str:
    """Writes a model fitted here as a version that can be served, completely or not at all; gives the version.

    spared: versions that are not forgotten, such as the champion's. until: when the newest outcome came. Raises InputError.
    """
    challenger.record = retrained_record(challenger.record, champion, until.isoformat())
    current = serving_folder(artifact_path(artifacts, challenger.name))
    with _unfinished(artifacts) as folder:
        path = folder / challenger.artifact_file
        challenger.save(path, also_read=read_training_sentences().texts)
        return add_version(serving_folder(path), current, spared)


@contextlib.contextmanager
def _unfinished(artifacts: ArtifactFolder) -> Iterator[Path]:
    """An empty folder on the models' file system; what a killed retraining left there is deleted."""
    folder = artifacts.models / _UNFINISHED
    shutil.rmtree(folder, ignore_errors=True)
    make_private_folder(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
