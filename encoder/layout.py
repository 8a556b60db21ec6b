"""What lies where in an encoder's folder, and how its tokens become one vector: plain DistilBERT or
sentence-transformers.

A sentence-transformers repository says in modules.json which parts a text goes through: the transformer (in older ones in
the sub-folder 0_Transformer), pooling (mean or the first token), and sometimes a dense layer. Here the transformer and
its pooling are used; what follows them is left out with a notice, as the models learn their own layers. Reads JSON only
and needs no PyTorch; weights are `encoder.source`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from encoder.text_encoder import Pooling
from foundations.errors import InputError

CONFIG, WEIGHTS, OLD_WEIGHTS = "config.json", "model.safetensors", "pytorch_model.bin"
MODULES, SENTENCE_CONFIG, TOKENIZER_CONFIG = "modules.json", "sentence_bert_config.json", "tokenizer_config.json"
TRANSFORMER_FILES = (CONFIG, WEIGHTS, "tokenizer.json", TOKENIZER_CONFIG, "vocab.txt", SENTENCE_CONFIG)
OLD_TRANSFORMER, POOLING = "0_Transformer", "1_Pooling"
LAYOUT_FILES = (  # what is downloaded of a repository
    *TRANSFORMER_FILES,
    MODULES,
    f"{POOLING}/{CONFIG}",
    *(f"{OLD_TRANSFORMER}/{name}" for name in TRANSFORMER_FILES),
)
FOLDER_FILES = (*LAYOUT_FILES, OLD_WEIGHTS, f"{OLD_TRANSFORMER}/{OLD_WEIGHTS}")  # all that can decide what is loaded
OTHER_SOURCES = (
    "--encoder takes 'sales', 'bundled' or 'multilingual' (no download), a DistilBERT name on the Hugging Face hub such as "
    "'distilbert-base-uncased', or a folder that holds config.json, model.safetensors and the tokenizer"
)
_SUPPORTED = {"pooling_mode_mean_tokens": Pooling.MEAN, "pooling_mode_cls_token": Pooling.CLS}
_FEWEST_TOKENS = 8


@dataclass(frozen=True)
class EncoderLayout:
    """How to read one folder."""

    transformer: Path  # the folder of config.json, weights and tokenizer
    weights: Path  # the file
    pooling: Pooling
    max_tokens: int | None  # that the encoder was trained to read at once; None: as many as it has positions
    lower_case: bool  # the text is put into lower case before the tokenizer sees it
    notices: tuple[str, ...]  # what is left out, as sentences


def read_layout(folder: Path) -> EncoderLayout:
    """The layout of a folder. Raises InputError for broken JSON, and for a pooling that is neither mean nor first token."""
    parts = _modules(folder)
    transformer = folder / parts["Transformer"] if "Transformer" in parts else _transformer_folder(folder)
    sentence = _object_or_empty(transformer / SENTENCE_CONFIG)
    left_out = [name for name in parts if name not in ("Transformer", "Pooling", "Normalize")]
    pooling = folder / parts.get("Pooling", POOLING) / CONFIG
    if "Pooling" in parts and not pooling.is_file():
        raise InputError(
            f"{str(folder / MODULES)!r} names a pooling, but there is no {str(pooling)!r}; {OTHER_SOURCES}."
        )
    old_only = (transformer / OLD_WEIGHTS).is_file() and not (transformer / WEIGHTS).is_file()
    return EncoderLayout(
        transformer=transformer,
        weights=transformer / (OLD_WEIGHTS if old_only else WEIGHTS),
        pooling=_pooling(pooling) if pooling.is_file() else Pooling.MEAN,
        max_tokens=_max_tokens(transformer, sentence),
        lower_case=sentence.get("do_lower_case") is True,
        notices=tuple(_left_out(folder, name, parts[name]) for name in left_out),
    )


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object. Raises InputError where it can't be read."""
    return _parsed(path, dict)


def _parsed(path: Path, kind: Any) -> Any:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"Cannot read the encoder's {str(path)!r} ({error}); {OTHER_SOURCES}.") from error
    if not isinstance(found, kind):
        wanted = "an object" if kind is dict else "a list"
        raise InputError(f"Cannot read the encoder's {str(path)!r} (it is not {wanted}); {OTHER_SOURCES}.")
    return found


def _object_or_empty(path: Path) -> dict[str, Any]:
    return read_json(path) if path.is_file() else {}


def _transformer_folder(folder: Path) -> Path:
    older = not (folder / CONFIG).is_file() and (folder / OLD_TRANSFORMER / CONFIG).is_file()
    return folder / OLD_TRANSFORMER if older else folder


def _modules(folder: Path) -> dict[str, str]:
    """The last word of each module's type, "Pooling", and its path; {} for a folder without modules.json."""
    path = folder / MODULES
    listed = _parsed(path, list) if path.is_file() else []
    try:
        return {str(module["type"]).rsplit(".", 1)[-1]: str(module["path"]) for module in listed}
    except (KeyError, TypeError) as error:
        raise InputError(f"{str(path)!r} holds a module without type or path; {OTHER_SOURCES}.") from error


def _pooling(path: Path) -> Pooling:
    config = read_json(path)
    modes = [name for name, value in config.items() if name.startswith("pooling_mode_") and value is True]
    if not modes and isinstance(config.get("pooling_mode"), str):  # as newer releases write it
        modes = [f"pooling_mode_{config['pooling_mode']}_{'token' if config['pooling_mode'] == 'cls' else 'tokens'}"]
    if len(modes) == 1 and modes[0] in _SUPPORTED:
        return _SUPPORTED[modes[0]]
    raise InputError(
        f"{str(path)!r} pools by {' and '.join(modes) or 'nothing'}; known are {' or '.join(_SUPPORTED)}. {OTHER_SOURCES}."
    )


def _max_tokens(transformer: Path, sentence: dict[str, Any]) -> int | None:
    """From where older releases write it, else from the tokenizer's configuration, which may hold 1e30 for "any"."""
    value = sentence.get("max_seq_length")
    if value is None:
        value = _object_or_empty(transformer / TOKENIZER_CONFIG).get("model_max_length")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value < _FEWEST_TOKENS:
        raise InputError(f"{str(transformer)!r} has a window of {value!r} tokens; it must be {_FEWEST_TOKENS} or more.")
    return int(value)


def _left_out(folder: Path, name: str, path: str) -> str:
    return f"The encoder's {name} layer ({folder.name}/{path}) is left out: the models learn their own layers on its vectors."
