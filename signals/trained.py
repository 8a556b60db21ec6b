"""The signal detectors that come with this program, for the sales encoder, the multilingual and the bundled one.

sales_signals.safetensors is a head alone, fitted by `knowledge.signal_head`, since the sales encoder was tuned for it
(`knowledge.tuning`). Signals and models read the same vectors. So is multilingual_signals.safetensors
(`knowledge.multilingual`). trained_signals.safetensors has blocks of its own, for the bundled encoder.

It learns from our own sentences, so training it on every user's machine would give the same numbers each time. Several
trainings and what `signals.distillation` makes of them are in it. For another encoder, or once signal_sentences.json or
the settings changed, there is none, and one plain training is done where it is needed. `python -m benchmarks.accuracy.signals
--keep` trains, measures and writes the file; weights are kept as float16.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save

from encoder.text_encoder import MULTILINGUAL, SALES
from encoder.torch_encoder import SalesEncoder, TunedEncoder, pretrained, upper_block_arrays
from foundations.atomic_files import file_sha256, write_atomically
from signals.distillation import DistillationSettings
from signals.head import SignalHead
from signals.sentences import TRAINING_SENTENCES
from signals.training import SignalDetector

TRAINED_SIGNALS = Path(__file__).with_name("trained_signals.safetensors")
SALES_SIGNALS = Path(__file__).with_name("sales_signals.safetensors")
MULTILINGUAL_SIGNALS = Path(__file__).with_name("multilingual_signals.safetensors")
_HEADS_ALONE = {SALES: SALES_SIGNALS, MULTILINGUAL: MULTILINGUAL_SIGNALS}  # by the encoder's name
_HEAD, _BLOCKS = "head.", "blocks."


def read_trained_signals(encoder: SalesEncoder, path: Path = TRAINED_SIGNALS) -> SignalDetector | None:
    """The detector that comes with an encoder; None where there is none, or the file is not of this training.

    For the bundled encoder it is what distilling it now would give, but for rounding.
    """
    if head := _HEADS_ALONE.get(encoder.identity.name):
        return _read_head(encoder, head)
    if not path.is_file():
        return None
    with safe_open(path, "numpy") as file:
        about = file.metadata()
        if about.get("training") != _training(encoder):
            return None
        arrays = {name: file.get_tensor(name).astype(np.float32) for name in file.keys()}  # noqa: SIM118 — no dict
    tuned = TunedEncoder.from_arrays(encoder, _part(arrays, _BLOCKS))
    return SignalDetector(tuned, SignalHead.from_state(_part(arrays, _HEAD)), int(about["sentences"]))


def _read_head(encoder: SalesEncoder, path: Path) -> SignalDetector | None:
    with safe_open(path, "numpy") as file:
        about = file.metadata()
        if about.get("encoder") != encoder.identity.sha256:
            return None
        head = SignalHead.from_state({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118 — no dict
    return SignalDetector(encoder, head, int(about["sentences"]))


def write_signals(head: SignalHead, sentences: int, encoder_sha256: str, path: Path) -> None:
    """Writes the head for an encoder whose weights have that SHA-256. Raises InputError where that can't be done."""
    about = {"encoder": encoder_sha256, "sentences": str(sentences)}
    write_atomically(path, lambda file: file.write(save(head.state(), about)))


def write_trained_signals(detector: SignalDetector, path: Path = TRAINED_SIGNALS) -> None:
    """Writes the file. Raises InputError where it can't be written."""
    arrays = {_BLOCKS + name: array for name, array in upper_block_arrays(detector.encoder).items()}
    arrays |= {_HEAD + name: array for name, array in detector.head.state().items()}
    about = {"training": _training(pretrained(detector.encoder)), "sentences": str(detector.sentences)}
    data = save({name: array.astype(np.float16) for name, array in arrays.items()}, about)
    write_atomically(path, lambda file: file.write(data))


def _training(encoder: SalesEncoder) -> str:
    """All that decides what is learned, but the code."""
    sources: dict[str, Any] = {
        "encoder": encoder.identity.sha256,
        "pooling": encoder.identity.pooling,
        "sentences": file_sha256(TRAINING_SENTENCES),
        "settings": asdict(DistillationSettings()),
    }
    return json.dumps(sources, sort_keys=True)


def _part(arrays: dict[str, NDArray[np.float32]], prefix: str) -> dict[str, NDArray[np.float32]]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
