"""Two voices on one channel: the grouping by hand-worked vectors, the mel bands by single tones."""

from __future__ import annotations

import numpy as np
import pytest

from conversations.hearing.decoding import RATE
from conversations.hearing.voices import LEAST_SECONDS, ONE_VOICE, mel_bands, two_groups


def rows(*degrees: float) -> np.ndarray:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_sentences_with_alike_vectors_are_one_voice() -> None:
    """0 and 10 degrees on one side, 80 and 90 on the other: the centres are 80 degrees apart, cosine 0.17."""
    assert two_groups(rows(0, 80, 10, 90), np.ones(4)) == [0, 1, 0, 1]
    assert two_groups(rows(85, 0, 80), np.ones(3)) == [0, 1, 0], "whoever speaks first is 0"


def test_voices_that_are_nearly_the_same_are_one() -> None:
    """20 degrees apart have a cosine of 0.94, 40 degrees one of 0.77; from ONE_VOICE on it is one voice."""
    assert np.cos(np.radians(40)) < ONE_VOICE < np.cos(np.radians(20))
    assert two_groups(rows(0, 20, 0, 20), np.ones(4)) == [0, 0, 0, 0]
    assert two_groups(rows(0, 40, 0, 40), np.ones(4)) == [0, 1, 0, 1]


def test_short_sentences_follow_and_decide_nothing() -> None:
    lengths = np.array([2.0, LEAST_SECONDS / 2, 2.0, LEAST_SECONDS / 2])
    assert two_groups(rows(0, 90, 5, 80), lengths) == [0, 0, 0, 0], "only short ones sound otherwise"
    assert two_groups(rows(0, 20, 90, 70), lengths) == [0, 0, 1, 1]
    assert two_groups(rows(0, 90), np.array([0.1, 0.1])) == [0, 0]


@pytest.mark.parametrize("hertz", [300.0, 1000.0, 3000.0])
def test_a_tone_is_in_its_band(hertz: float) -> None:
    """Slaney's mel scale: 3 mel for each 200 Hz up to 1000 Hz, then 27 for each factor of 6.4; 40 bands up to 8000 Hz."""
    mel = 3 * hertz / 200 if hertz < 1000 else 15 + 27 * np.log(hertz / 1000) / np.log(6.4)
    highest = 15 + 27 * np.log(8) / np.log(6.4)
    expected = mel / highest * 41 - 1  # bands have their middles at 1 … 40 of 41 steps
    tone = np.sin(2 * np.pi * hertz * np.arange(RATE) / RATE).astype(np.float32)
    bands = mel_bands(tone)
    assert bands.shape == (101, 40)
    assert abs(bands[50].argmax() - expected) <= 1
