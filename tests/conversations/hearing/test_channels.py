"""Which channel spoke: the same twice or one voice each, what leaks, whose a word is, where a long recording is cut."""

from __future__ import annotations

import numpy as np
import pytest

from conversations.hearing.channels import blocks, channel, is_louder, own_sound, separate_channels
from conversations.hearing.decoding import RATE, Samples


def sound(*parts: tuple[float, int, int]) -> Samples:
    """Two channels of square waves: for each part its seconds, and the loudness of both."""
    pieces = []
    for seconds, left, right in parts:
        signs = np.where(np.arange(int(seconds * RATE)) // 40 % 2, 1, -1)[:, None]
        pieces.append((signs * np.array([left, right])).astype(np.int16))
    return np.concatenate(pieces)


def test_a_word_is_of_the_louder_channel() -> None:
    """Left 1000 and right 100 for a second, then left 100 and right 2000: powers 10^6 : 10^4, then 10^4 : 4 * 10^6."""
    samples = sound((1, 1000, 100), (1, 100, 2000))
    assert is_louder(samples, 0, 0.2, 0.6) and not is_louder(samples, 1, 0.2, 0.6)
    assert is_louder(samples, 1, 1.1, 1.9) and not is_louder(samples, 0, 1.1, 1.9)
    # From 0.5 to 1.5 s: left (10^6 + 10^4) / 2 = 505,000, right (10^4 + 4 * 10^6) / 2 = 2,005,000.
    assert is_louder(samples, 1, 0.5, 1.5)
    assert is_louder(samples, 0, 5.0, 6.0), "behind the end nothing is louder"


def test_what_leaks_is_not_heard_and_all_else_is() -> None:
    """A leak of -20 dB is a hundredth of the power, far below the quarter (6 dB) up to which a channel is heard."""
    samples = sound((1, 1000, 100), (1, 100, 1000), (1, 1000, 600), (1, 0, 0))
    left, right = (own_sound(samples, number, 0, len(samples)) for number in (0, 1))
    around = int(0.2 * RATE)  # the loudness is that of 0.3 s
    assert not right[: RATE - around].any() and not left[RATE + around : 2 * RATE - around].any()
    assert (left[: RATE - around] == channel(samples, 0)[: RATE - around]).all()
    assert (right[RATE + around : 2 * RATE - around] == channel(samples, 1)[RATE + around : 2 * RATE - around]).all()
    both = slice(2 * RATE + around, 3 * RATE - around)  # 360,000 is more than a quarter of 1,000,000: both talk
    assert left[both].all() and right[both].all()


def test_a_part_is_heard_as_the_whole_is() -> None:
    samples = sound((1, 1000, 100), (1, 100, 1000))
    whole, part = own_sound(samples, 0, 0, len(samples)), own_sound(samples, 0, 100, 1000)
    assert (part == whole[100:1000]).all() and len(own_sound(samples, 0, 0, 321)) == 321


def test_two_channels_that_are_the_same_are_one() -> None:
    noise = np.random.default_rng(0).normal(0, 1000, (2 * RATE, 2))
    one, other = noise.T

    def both(left: np.ndarray, right: np.ndarray) -> list[int]:
        return separate_channels(np.stack([left, right], axis=1).astype(np.int16))

    assert both(one, one) == both(one, 0.3 * one) == both(one, -one) == [0]
    assert both(one, 0.99 * one + 0.05 * other) == [0]
    # Each leaks into the other by 1/4 (-12 dB): correlation 2 * 1/4 / (1 + 1/16) = 0.47.
    assert both(one + other / 4, other + one / 4) == both(one, other) == [0, 1]


def test_a_silent_channel_is_none() -> None:
    """0.0001 of full scale are 3.3 of 32768."""
    assert separate_channels(sound((1, 1000, 3))) == [0]
    assert separate_channels(sound((1, 0, 1000))) == [1]
    assert separate_channels(sound((1, 0, 0))) == [0]
    assert separate_channels(sound((1, 1000, 100))[:, :1]) == [0]


def test_a_short_recording_is_one_piece_and_a_long_one_is_cut_where_it_is_quiet() -> None:
    assert list(blocks(sound((2, 1, 1)))) == [(0, 2 * RATE)]
    quiet = 285  # seconds: within the last 30 of the first 5 minutes
    samples = np.full((700 * RATE, 1), 500, np.int16)
    samples[quiet * RATE : (quiet + 1) * RATE] = 1
    found = list(blocks(samples))
    assert [end for _, end in found[:-1]] == [start for start, _ in found[1:]]
    assert found[0][0] == 0 and found[-1][1] == len(samples)
    assert found[0][1] / RATE == pytest.approx(quiet + 0.05)
    assert all(end - start <= 300 * RATE for start, end in found)
