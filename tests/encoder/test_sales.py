"""The sales encoder's file: tuned blocks on the bundled encoder, and a way past them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from encoder.onnx_export import export_encoder
from encoder.sales import load_sales, untuned_sales
from encoder.source import BUNDLED_SHA256
from encoder.text_encoder import SALES, Pooling
from encoder.torch_encoder import SalesEncoder, TunedEncoder, run_upper_blocks, upper_block_arrays
from encoder.tuned_blocks import write_tuned_blocks
from foundations.errors import InputError

TEXTS = ["Yes.", "Who signs it at your end?", "We have no budget before the autumn, I said so twice."]


@pytest.fixture(scope="module")
def untuned() -> SalesEncoder:
    return SalesEncoder(untuned_sales())


@pytest.fixture(scope="module")
def written(untuned: SalesEncoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sales") / "sales_encoder.safetensors"
    blocks = untuned.copy_blocks(untuned.upper_blocks)
    arrays = upper_block_arrays(TunedEncoder(untuned, blocks))
    write_tuned_blocks(arrays, len(untuned.lower_blocks), BUNDLED_SHA256, path)
    return path


def test_what_the_upper_blocks_read_is_added_to_what_they_give(tiny_encoder: SalesEncoder) -> None:
    states = [torch.randn(length, tiny_encoder.dim) for length in (2, 5)]
    given = run_upper_blocks(tiny_encoder.upper_blocks, states)
    with_skip = run_upper_blocks(tiny_encoder.upper_blocks, states, Pooling.SKIP)
    read = torch.stack([state.mean(dim=0) for state in states])
    torch.testing.assert_close(with_skip, given + read)


def test_blocks_come_back_as_they_were_written(untuned: SalesEncoder, written: Path) -> None:
    loaded = SalesEncoder(load_sales(written))
    assert (loaded.identity.name, loaded.identity.pooling) == (SALES, "mean with skip")
    expected, found = untuned.embed_texts(TEXTS), loaded.embed_texts(TEXTS)
    np.testing.assert_allclose(found, expected, atol=0.01)  # float16
    assert np.abs(found - expected).max() > 0


def test_onnx_goes_past_the_blocks_as_pytorch_does(untuned: SalesEncoder) -> None:
    exported = export_encoder(untuned, TEXTS)
    expected = untuned.embed_texts(TEXTS)
    np.testing.assert_allclose(exported.encoder("fp32").embed_texts(TEXTS), expected, atol=1e-4)
    int8 = exported.encoder("int8").embed_texts(TEXTS)
    assert np.linalg.norm(int8 - expected) / np.linalg.norm(expected) < 0.1


def test_a_damaged_file_and_one_of_another_encoder_are_told(written: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(written.read_bytes()[:-10])
    with pytest.raises(InputError, match=r"damaged.safetensors' are damaged .*; restore the file"):
        load_sales(damaged)
    foreign = tmp_path / "foreign.safetensors"
    save_file({"x": np.zeros(1)}, foreign, {"base": "another"})
    with pytest.raises(
        InputError, match=r"foreign.safetensors' was tuned on weights with the SHA-256 another, not on 53aa5117"
    ):
        load_sales(foreign)
