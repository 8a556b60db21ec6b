"""Files of rules that are made to be edited: read, checked, and every mistake told with its rule and field."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from foundations.errors import InputError, quoted

Table = TypeVar("Table", bound=BaseModel)


def read_rule_file(path: Path, table: type[Table]) -> Table:
    """A JSON file as its model, whose field `rules` is a list.

    Raises InputError with the file, the rule (from 1) and the field that is wrong.
    """
    try:
        return table.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"Cannot read the rules {str(path)!r} ({error.strerror}).") from error
    except ValidationError as error:
        raise InputError(f"{path.name}{_sentence(error.errors()[0])}.") from error


def _sentence(problem: ErrorDetails) -> str:
    """What pydantic found wrong, with the number of its rule, as the end of a sentence."""
    kind, place, said = problem["type"], problem["loc"], problem["msg"].replace("Input", "it")
    rule = f", rule {int(place[1]) + 1}: " if len(place) > 1 else ": "
    field = ".".join(str(part) for part in place[2 if len(place) > 1 else 0 :] if part != "[key]")
    if kind == "value_error":
        return f"{rule}{problem['ctx']['error']}"
    if kind == "missing":
        return f"{rule}{field} is missing"
    return f"{rule}{field or 'it'} is {quoted(problem['input'])}; {said[0].lower()}{said[1:]}"
