"""What the two channels of a recording say of each other: one voice each, or the same twice; and which of them spoke a word.

Where each side has a channel of its own, some of it is heard in the other's: headsets leak. So nothing is heard where the other
channel is clearly louder, and a word counts only in the channel that is louder while it is said. Where both talk at once, the
quieter one's words are lost.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from conversations.hearing.decoding import RATE, Samples

SAME = 0.95  # correlation from which two channels are one recording; a leak of -12 dB both ways makes 0.47
SILENT = 1e-4  # root mean square, of full scale 1: what a channel without a microphone has at most
_BLOCK_SECONDS, _LOOKED_BACK_SECONDS, _STEP_SECONDS = 300, 30, 0.1
_FRAME, _AROUND = RATE // 50, 15  # samples whose loudness is compared, and frames: 20 ms, and 0.3 s around each
_CLEARLY = 4.0  # times the power, 6 dB: from there on it is the other side that is heard
_PIECE = 1 << 20  # samples that are turned into floats at once

Mono = NDArray[np.float32]  # (samples,), from -1 to 1


def separate_channels(samples: Samples) -> list[int]:
    """The channels that are to be heard one by one; one only where there is one, both are the same or one is silent."""
    if samples.shape[1] == 1:
        return [0]
    left, right, both = _products(samples)
    limit = SILENT**2
    if min(left, right) < limit:
        return [0 if left >= right else 1]
    return [0] if abs(both) / np.sqrt(left * right) >= SAME else [0, 1]


def channel(samples: Samples, number: int, start: int = 0, end: int | None = None) -> Mono:
    """One channel between two samples, as Whisper wants it."""
    return samples[start:end, number].astype(np.float32) / np.float32(32768)


def own_sound(samples: Samples, number: int, start: int, end: int) -> Mono:
    """As `channel`, silent where the other channel is clearly louder: what leaks from there is not heard at all."""
    power = samples[start:end].astype(np.float32) ** 2
    frames = -(-len(power) // _FRAME)
    power = np.pad(power, ((0, frames * _FRAME - len(power)), (0, 0))).reshape(frames, _FRAME, 2).sum(axis=1)
    around = np.stack([np.convolve(power[:, side], np.ones(_AROUND, np.float32), "same")[:frames] for side in (0, 1)])
    foreign = np.repeat(around[1 - number] > _CLEARLY * around[number], _FRAME)[: end - start]
    sound = channel(samples, number, start, end)
    sound[foreign] = 0.0
    return sound


def is_louder(samples: Samples, number: int, start: float, end: float) -> bool:
    """Whether a channel is at least as loud as the other one between two moments in seconds."""
    first = int(start * RATE)
    said = samples[first : max(first + 1, int(end * RATE))].astype(np.float64)
    loudness = (said**2).sum(axis=0)
    return bool(loudness[number] >= loudness[1 - number])


def blocks(samples: Samples) -> Iterator[tuple[int, int]]:
    """Where to cut a long recording: pieces of at most 5 minutes, each ended at the quietest moment of its last 30 seconds."""
    start, longest = 0, _BLOCK_SECONDS * RATE
    while len(samples) - start > longest:
        end = _quietest(samples, start + longest - _LOOKED_BACK_SECONDS * RATE, start + longest)
        yield start, end
        start = end
    yield start, len(samples)


def _quietest(samples: Samples, start: int, end: int) -> int:
    step = int(_STEP_SECONDS * RATE)
    loudness = (samples[start:end].astype(np.float32) ** 2).sum(axis=1).reshape(-1, step).sum(axis=1)
    return start + int(loudness.argmin()) * step + step // 2


def _products(samples: Samples) -> tuple[float, float, float]:
    """The mean squares of both channels, and the mean of their product; in pieces, as floats take twice the room."""
    total = np.zeros((2, 2))
    for start in range(0, len(samples), _PIECE):
        piece = samples[start : start + _PIECE].astype(np.float64) / 32768
        total += piece.T @ piece
    total /= max(1, len(samples))
    return float(total[0, 0]), float(total[1, 1]), float(total[0, 1])
