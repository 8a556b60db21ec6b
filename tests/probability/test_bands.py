"""Bands and the rates that were observed in them, by hand."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest

from conversations.split import DataSplits
from foundations.artifact_folder import ArtifactFolder
from model_registry import MODEL_CLASSES, load_model
from probability.bands import BAND_NAMES, Band, BandName, ConversionBands


def test_quarters_and_their_rates_by_hand() -> None:
    # 40 conversations at 0.0125, 0.0375 … 0.9875: ten in each quarter, of which 9, 6, 3 and 0 converted.
    probabilities = (np.arange(40) + 0.5) / 40
    labels = np.concatenate([[0] * 10, [1] * 3 + [0] * 7, [1] * 6 + [0] * 4, [1] * 9 + [0]])
    bands = ConversionBands.fit(probabilities, labels)
    assert bands.edges == pytest.approx((0.74375, 0.5, 0.25625))  # linear between the neighbours of each quarter
    found = [bands.band_of(probability) for probability in (0.99, 0.6, 0.4, 0.01)]
    assert [band.name for band in found] == list(BAND_NAMES)
    assert [band.observed_rate for band in found] == [0.9, 0.6, 0.3, 0.0]
    assert all(band.conversations == 10 and band.shared_by == (band.name,) for band in found)
    # Wilson for 9 of 10: (0.9 + 0.1921 ± 1.96 √(0.009 + 0.0096)) / 1.3841
    assert found[0].interval == pytest.approx((0.5958, 0.9821), abs=1e-3)


def test_a_band_begins_at_its_edge() -> None:
    bands = ConversionBands((0.7, 0.5, 0.2))
    assert [bands.band_of(p).name for p in (0.7, 0.699, 0.5, 0.2, 0.199)] == ["A", "B", "B", "C", "D"]


def _rate(band: Band) -> tuple[int, int, tuple[BandName, ...]]:
    return band.conversations, band.successful, band.shared_by


def test_a_better_band_never_promises_less() -> None:
    # C converted more often than B: both have the rate of their 20 conversations.
    bands = ConversionBands((0.75, 0.5, 0.25), conversations=(10, 10, 10, 10), successful=(9, 3, 5, 1))
    found = {name: bands.band_of(p) for name, p in zip(BAND_NAMES, (0.9, 0.6, 0.3, 0.1), strict=True)}
    assert _rate(found["B"]) == _rate(found["C"]) == (20, 8, ("B", "C"))
    assert [found[name].observed_rate for name in BAND_NAMES] == [0.9, 0.4, 0.4, 0.1]


def test_bands_of_few_conversations_share_a_rate() -> None:
    # Four each: A alone is too small, A and B together are 8, C and D likewise.
    bands = ConversionBands((0.75, 0.5, 0.25), conversations=(4, 4, 4, 4), successful=(4, 3, 1, 0))
    assert _rate(bands.band_of(0.9)) == (8, 7, ("A", "B"))
    assert _rate(bands.band_of(0.1)) == (8, 1, ("C", "D"))
    two = ConversionBands.fit([0.4, 0.6], [0, 1])
    assert {_rate(two.band_of(p)) for p in (0.0, 0.45, 0.55, 1.0)} == {(2, 1, BAND_NAMES)}


def test_equal_probabilities_and_no_data_are_told_honestly() -> None:
    same = ConversionBands.fit([0.5] * 20, [1, 0] * 10)
    assert same.band_of(0.5).name == "A"
    assert _rate(same.band_of(0.2)) == (20, 10, BAND_NAMES)  # nobody was seen in B to D
    unknown = ConversionBands().band_of(0.9)
    assert (unknown.observed_rate, unknown.interval, unknown.conversations) == (None, (0.0, 1.0), 0)


@pytest.mark.parametrize("name", MODEL_CLASSES)
def test_bands_come_with_the_artifact(trained_artifacts: ArtifactFolder, splits: DataSplits, name: str) -> None:
    model = load_model(trained_artifacts, name)
    unseen = [*splits.validation, *splits.train]  # the training ones as they are predicted while held out
    assert sum(model.bands.conversations) == len(unseen)
    assert sum(model.bands.successful) == sum(one.label for one in unseen)
    assert ConversionBands(**json.loads(json.dumps(asdict(model.bands)))).band_of(0.5) == model.bands.band_of(0.5)
