"""Settings of models in a file: what a search chose, or somebody wrote; `--mode train --settings FILE` takes it.

    {"settings": {"few_shot": {"temperatures": [0.2]}}, "measured": …}

What is left out of a model's settings stays as it is by default; "measured" is for people.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from foundations.atomic_files import write_json
from foundations.errors import InputError, quoted
from model_registry import model_class
from modelling.names import MODEL_NAMES

if TYPE_CHECKING:
    from learning.tuning.search import Tuned  # which needs Optuna; reading settings does not

_SETTINGS, _MEASURED = "settings", "measured"


def write_settings(path: Path, tuned: Iterable[Tuned]) -> None:
    """Writes what a search chose and what was measured. Raises InputError where it can't."""
    found = list(tuned)
    measured = {one.name: {k: v for k, v in asdict(one).items() if k not in ("name", "settings")} for one in found}
    write_json(path, {_SETTINGS: {one.name: asdict(one.settings) for one in found}, _MEASURED: measured})


def read_settings(path: Path) -> dict[str, Any]:
    """Each model's settings, complete and checked, by its name. Raises InputError with what is wrong and would be right."""
    given = _object(_content(path), f"{str(path)!r}")
    for name in given.keys() - {_SETTINGS, _MEASURED}:
        raise InputError(f"{str(path)!r} has {quoted(name)}; there may be {_SETTINGS!r} and {_MEASURED!r}.")
    models = _object(given.get(_SETTINGS), f"{_SETTINGS!r} of {str(path)!r}")
    return {name: _settings_of(name, values, path) for name, values in models.items()}


def _content(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"Cannot read the settings {str(path)!r} ({error.strerror}).") from error
    except ValueError as error:
        raise InputError(
            f"The settings {str(path)!r} are no JSON ({error}); --mode tune writes such a file."
        ) from error


def _object(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise InputError(f"{what} is {quoted(value)}; it should be a JSON object, as --mode tune writes it.")
    return value


def _settings_of(name: str, values: Any, path: Path) -> Any:
    if name not in MODEL_NAMES:
        raise InputError(f"{str(path)!r} has settings of {quoted(name)}; the models are {', '.join(MODEL_NAMES)}.")
    defaults = model_class(name).default_settings()
    known = [field.name for field in fields(defaults)]
    for setting in _object(values, f"{name!r} in {str(path)!r}"):
        if setting not in known:
            raise InputError(f"{name!r} in {str(path)!r} has {quoted(setting)}; its settings are {', '.join(known)}.")
    whole = json.dumps(asdict(defaults) | dict(values))
    try:
        return TypeAdapter(type(defaults)).validate_json(whole, strict=True)
    except ValidationError as error:
        raise InputError(f"{name!r} in {str(path)!r}: {_sentence(error)}") from error


def _sentence(error: ValidationError) -> str:
    problem = error.errors(include_url=False)[0]
    if problem["type"] == "value_error":
        return str(problem["ctx"]["error"])
    place = ".".join(map(str, problem["loc"]))
    return f"{place} is {quoted(problem['input'])}; {problem['msg'][0].lower()}{problem['msg'][1:]}."
