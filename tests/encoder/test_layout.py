"""Folders as sentence-transformers writes them: pooling, a dense layer, the window, older layouts, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from benchmarks.speed import encoder_shapes
from classification_head_model import ClassificationHeadModel
from conversations.split import DataSplits
from encoder.layout import read_layout
from encoder.onnx_export import export_encoder
from encoder.source import load_encoder
from encoder.torch_encoder import SalesEncoder
from foundations.errors import InputError
from modelling.saved.artifact import read_manifest

TEXTS = ["customer: We have a BUDGET of $50,000.", "No.", "seller: what about 20% off?"]
TYPE = "sentence_transformers.models."


@pytest.fixture
def folder(tiny_encoder_folder: Path, tmp_path: Path) -> Path:
    """A copy of the tiny encoder's folder, to make others of."""
    return Path(shutil.copytree(tiny_encoder_folder, tmp_path / "encoder"))


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def with_pooling(folder: Path, **modes: bool) -> Path:
    write(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": 32, **modes})
    return folder


def older(folder: Path) -> Path:
    """The transformer moved to 0_Transformer, as repositories of 2020 have it, with weights as PyTorch pickled them."""
    moved = folder / "0_Transformer"
    moved.mkdir()
    for path in list(folder.iterdir()):
        if path != moved:
            path.rename(moved / path.name)
    config = json.loads((moved / "config.json").read_text(encoding="utf-8"))
    del config["model_type"]
    write(moved / "config.json", {**config, "architectures": ["DistilBertModel"]})
    torch.save(load_file(moved / "model.safetensors"), moved / "pytorch_model.bin")
    (moved / "model.safetensors").unlink()
    parts = [("0_Transformer", "Transformer"), ("1_Pooling", "Pooling")]
    write(
        folder / "modules.json", [{"idx": n, "path": path, "type": TYPE + name} for n, (path, name) in enumerate(parts)]
    )
    return with_pooling(folder, pooling_mode_mean_tokens=True, pooling_mode_cls_token=False)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_what_sentence_transformers_saves_gives_its_vectors(
    tiny_encoder_folder: Path, tmp_path: Path, pooling: str
) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer import modules

    parts = [
        modules.Transformer(str(tiny_encoder_folder), max_seq_length=40),
        modules.Pooling(32, pooling_mode=pooling),
    ]
    library = SentenceTransformer(modules=parts, device="cpu")
    library.save(str(tmp_path / "saved"))
    encoder = SalesEncoder.load(str(tmp_path / "saved"))
    assert encoder.identity.pooling == pooling
    assert encoder.max_tokens == 40
    assert encoder.notices == ()
    assert np.abs(encoder.embed_texts(TEXTS) - library.encode(TEXTS)).max() <= 1e-5


def test_the_first_token_is_not_the_mean(folder: Path, tiny_encoder: SalesEncoder) -> None:
    vectors = SalesEncoder.load(str(with_pooling(folder, pooling_mode_cls_token=True))).embed_texts(TEXTS)
    assert np.abs(vectors - tiny_encoder.embed_texts(TEXTS)).max() > 0.1
    with torch.inference_mode():
        first = tiny_encoder.model(tiny_encoder.token_ids(TEXTS[:1]))[0].numpy()
    assert np.abs(vectors[0] - first).max() <= 1e-5


def test_pooling_goes_into_onnx_the_manifest_and_the_served_model(
    folder: Path, splits: DataSplits, tmp_path: Path
) -> None:
    encoder = SalesEncoder.load(str(with_pooling(folder, pooling_mode_cls_token=True)), keep_states=True)
    exported = export_encoder(encoder, TEXTS).encoder("fp32")
    assert np.abs(exported.embed_texts(TEXTS) - encoder.embed_texts(TEXTS)).max() <= 1e-4
    model = ClassificationHeadModel(encoder)
    model.fit(splits.train, splits.validation)
    path = tmp_path / model.artifact_file
    model.save(path)
    assert read_manifest(path)["encoder"]["pooling"] == "cls"
    served = ClassificationHeadModel.load_served(path)
    assert served.encoder.identity.pooling == "cls"
    assert np.abs(served.predict_proba(splits.test) - model.predict_proba(splits.test)).max() <= 0.05
    with_pooling(folder, pooling_mode_mean_tokens=True)  # somebody edits the folder after training
    with pytest.raises(InputError, match="trained on 'cls' pooling"):
        ClassificationHeadModel.load(path)


def test_an_older_repository_gives_the_same_vectors(folder: Path, tiny_encoder: SalesEncoder) -> None:
    encoder = SalesEncoder.load(str(older(folder)))
    assert np.abs(encoder.embed_texts(TEXTS) - tiny_encoder.embed_texts(TEXTS)).max() <= 1e-6
    (folder / "modules.json").unlink()
    assert np.array_equal(SalesEncoder.load(str(folder)).embed_texts(TEXTS), encoder.embed_texts(TEXTS))


def test_a_dense_layer_is_left_out_and_said_to_be(folder: Path, tiny_encoder: SalesEncoder) -> None:
    parts = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Dense", "Dense"), ("3_Normalize", "Normalize")]
    write(
        folder / "modules.json", [{"idx": n, "path": path, "type": TYPE + name} for n, (path, name) in enumerate(parts)]
    )
    encoder = SalesEncoder.load(str(with_pooling(folder, pooling_mode_mean_tokens=True)))
    assert encoder.notices == (
        "The encoder's Dense layer (encoder/2_Dense) is left out: the models learn their own layers on its vectors.",
    )
    assert np.array_equal(encoder.embed_texts(TEXTS), SalesEncoder.load(str(folder)).embed_texts(TEXTS))
    assert np.abs(encoder.embed_texts(TEXTS) - tiny_encoder.embed_texts(TEXTS)).max() <= 1e-6


@pytest.mark.parametrize(("asked", "expected"), [(24, 24), (512, 64), (None, 64)])
def test_the_window_is_what_it_was_trained_for_and_at_most_what_it_has(
    folder: Path, asked: int | None, expected: int
) -> None:
    write(folder / "sentence_bert_config.json", {"max_seq_length": asked})
    encoder = SalesEncoder.load(str(folder))
    assert (encoder.max_tokens, encoder.window) == (expected, expected - 2)


def test_cased_or_not_is_the_tokenizer_s_own(folder: Path) -> None:
    def ids(text: str) -> list[int]:
        return load_encoder(str(folder)).tokenizer.encode(text).ids

    assert ids("BUDGET") == ids("budget"), "the tiny encoder's tokenizer is uncased"
    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    tokenizer["normalizer"]["lowercase"] = False
    write(folder / "tokenizer.json", tokenizer)
    assert ids("BUDGET") != ids("budget")
    write(folder / "sentence_bert_config.json", {"do_lower_case": True})  # said beside a cased tokenizer
    assert ids("BUDGET") == ids("budget")


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("1_Pooling/config.json", {"pooling_mode_max_tokens": True}, "pooling_mode_max_tokens"),
        (
            "1_Pooling/config.json",
            {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True},
            "pooling_mode_mean_tokens and pooling_mode_cls_token",
        ),
        ("1_Pooling/config.json", {}, "pools by nothing"),
        ("1_Pooling/config.json", [], "not an object"),
        ("modules.json", {}, "not a list"),
        ("modules.json", [{"idx": 0}], "without type or path"),
        ("modules.json", [{"path": "1_Pooling", "type": "Pooling"}], "names a pooling, but there is no"),
        ("sentence_bert_config.json", {"max_seq_length": 4}, "window of 4 tokens"),
        ("sentence_bert_config.json", {"max_seq_length": "long"}, "window of 'long' tokens"),
        ("config.json", {"model_type": "bert"}, "holds a 'bert' model"),
        ("config.json", {"architectures": ["RobertaModel"]}, "not a 'distilbert'"),
    ],
)
def test_what_cannot_be_read_as_it_was_meant_is_refused(folder: Path, file: str, content: Any, said: str) -> None:
    write(folder / file, content)
    with pytest.raises(InputError) as caught:
        load_encoder(str(folder))
    assert said in str(caught.value)


def test_pickled_weights_that_hold_code_are_refused(folder: Path) -> None:
    older(folder)
    (folder / "0_Transformer" / "pytorch_model.bin").write_bytes(b"\x80\x04cposix\nsystem\nX\x04\x00\x00\x00true\x85R.")
    with pytest.raises(InputError, match="pytorch_model.bin"):
        load_encoder(str(folder))


def test_a_plain_folder_pools_by_mean(tiny_encoder_folder: Path) -> None:
    layout = read_layout(tiny_encoder_folder)
    assert (layout.pooling, layout.max_tokens, layout.lower_case, layout.notices) == ("mean", 512, False, ())


def test_random_weights_of_another_shape_can_be_timed() -> None:
    size, encoder = encoder_shapes.served_encoder(30_522)
    assert encoder.dim == 768
    assert size > 66_000_000 * 3, "66 million weights, all but a few of 4 bytes"
    assert encoder_shapes.milliseconds_in_turns({"base": encoder}, rounds=1)["base"] > 0
