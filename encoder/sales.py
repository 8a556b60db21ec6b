"""The sales encoders: the bundled and the multilingual one, with upper blocks that were tuned on written sales conversations.

`sales_encoder.safetensors` and `multilingual_encoder.safetensors` hold the tuned blocks as float16 and, beside them, which
weights they belong on. They are made by `python -m knowledge.tuning` and `python -m knowledge.multilingual` and come with the
program, so that no user has to tune them. Everything else, the vocabulary and the lower blocks, is the packages'. What goes
into the tuned blocks is added to what comes out of them (`Pooling.SKIP`): they know about deals, and what is below them knows
about everything else, which conversations of another kind need (docs/accuracy.md).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from encoder.multilingual.conversion import PACKED_SHA256
from encoder.source import BUNDLED_SHA256, LoadedEncoder, load_encoder
from encoder.text_encoder import BUNDLED, MULTILINGUAL, SALES, Pooling
from encoder.tuned_blocks import with_tuned_blocks

SALES_WEIGHTS = Path(__file__).with_name("sales_encoder.safetensors")  # on weights with BUNDLED_SHA256
MULTILINGUAL_WEIGHTS = Path(__file__).with_name("multilingual_encoder.safetensors")  # on those with PACKED_SHA256


def untuned_sales(base: str = BUNDLED) -> LoadedEncoder:
    """What tuning starts from: the bundled encoder, or another, pooled as the sales encoder is. Raises as `load_encoder`."""
    loaded = load_encoder(base)
    return replace(loaded, identity=replace(loaded.identity, pooling=Pooling.SKIP.value))


def load_sales(path: Path = SALES_WEIGHTS) -> LoadedEncoder:
    """The bundled encoder with the tuned blocks of `path`. Raises InputError where the file is missing or damaged."""
    return with_tuned_blocks(untuned_sales(), path, BUNDLED_SHA256, SALES)


def load_multilingual(path: Path = MULTILINGUAL_WEIGHTS) -> LoadedEncoder:
    """The multilingual encoder with the tuned blocks of `path`. Raises InputError also where its package is missing."""
    return with_tuned_blocks(untuned_sales(MULTILINGUAL), path, PACKED_SHA256, MULTILINGUAL)
