"""Which of two voices on one channel says a sentence; experimental, as voices that are alike are mixed up.

A speaker encoder (Resemblyzer's, a network of three LSTM layers on 40 mel bands, 1.6 s at a time) gives each sentence a vector;
sentences of alike vectors are one voice. At most two are told apart. Costs about a hundredth of the sound's length.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conversations.hearing.channels import Mono, channel
from conversations.hearing.decoding import RATE, Samples
from conversations.hearing.weights import voices_file

LEAST_SECONDS = 0.8  # of a sentence that decides where a voice lies; shorter ones go to the nearer voice
ONE_VOICE = 0.87  # cosine of the mean vectors of two groups from which they are the same voice
_LOUDNESS = 10 ** (-30 / 20)  # root mean square that the encoder was trained at
_MOST_GAIN = 10.0
_WINDOW, _HOP, _MELS, _TOP_HERTZ = 400, 160, 40, RATE / 2
_FRAMES, _STEP = 160, 80  # of a part of a sentence: 1.6 s and 0.8 s
_ROUNDS = 20

Vectors = NDArray[np.float32]


def can_tell_voices() -> bool:
    """Whether what that needs is installed: PyTorch, and the weights."""
    return find_spec("torch") is not None and voices_file() is not None


def voices_of(samples: Samples, number: int, sentences: Sequence[tuple[float, float]]) -> list[int]:
    """The voice of each sentence of a channel, 0 for whoever speaks first, or 1; all 0 where there is one voice.

    sentences: their start and end in seconds, in order of time, one at least. Needs `can_tell_voices`.
    """
    pieces = (channel(samples, number, int(start * RATE), int(end * RATE) + 1) for start, end in sentences)
    vectors = np.stack([_vector(piece) for piece in pieces])
    lengths = np.array([end - start for start, end in sentences])
    return two_groups(vectors, lengths)


def two_groups(vectors: Vectors, lengths: NDArray[np.float64]) -> list[int]:
    """0 or 1 for each row of length 1, 0 for that of the first; longer sentences weigh more, those under LEAST_SECONDS nothing.

    Spherical k-means from the two rows that are farthest apart; one group where their centres are alike (ONE_VOICE).
    """
    weights = np.where(lengths >= LEAST_SECONDS, lengths, 0.0)
    deciding = np.flatnonzero(weights)
    if len(deciding) < 2:
        return [0] * len(vectors)
    cosines = vectors[deciding] @ vectors[deciding].T
    pair = deciding[list(np.unravel_index(cosines.argmin(), cosines.shape))]
    centres = vectors[pair]
    for _ in range(_ROUNDS):
        nearer = (vectors @ centres.T).argmax(axis=1)
        moved = np.stack([_mean(vectors, weights * (nearer == group), centres[group]) for group in (0, 1)])
        if np.allclose(moved, centres):
            break
        centres = moved
    if float(centres[0] @ centres[1]) >= ONE_VOICE:
        return [0] * len(vectors)
    return [int(group != nearer[0]) for group in nearer]


def _mean(vectors: Vectors, weights: NDArray[np.float64], otherwise: Vectors) -> Vectors:
    total = (weights[:, None] * vectors).sum(axis=0)
    length = float(np.linalg.norm(total))
    return (total / length).astype(np.float32) if length else otherwise


def _vector(sound: Mono) -> Vectors:
    import torch

    loudness = float(np.sqrt(np.mean(sound**2))) if len(sound) else 0.0
    sound = sound * min(_LOUDNESS / max(loudness, 1e-9), _MOST_GAIN)
    bands = mel_bands(np.pad(sound, (0, max(0, _FRAMES * _HOP - len(sound)))))
    last = max(0, len(bands) - _FRAMES)
    parts = np.stack([bands[start : start + _FRAMES] for start in range(0, last + 1, _STEP)])
    with torch.inference_mode():
        found = _encoder()(torch.from_numpy(parts)).numpy().mean(axis=0)
    return found / np.linalg.norm(found)


def mel_bands(sound: Mono) -> NDArray[np.float32]:
    """The power in 40 bands every 10 ms, shape (frames, 40), in Slaney's mel scale, each band's filter of area alike."""
    padded = np.pad(sound, _WINDOW // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_WINDOW) / _WINDOW)
    power = np.abs(np.fft.rfft(frames * window, axis=1)) ** 2
    return (power @ _filters().T).astype(np.float32)


@lru_cache(maxsize=1)
def _filters() -> NDArray[np.float64]:
    """Triangles over the frequencies of a spectrum, shape (40, 201): linear up to 1000 Hz, then logarithmic."""
    knee, step = 15.0, np.log(6.4) / 27
    top = knee + np.log(_TOP_HERTZ / 1000) / step
    mels = np.linspace(0.0, top, _MELS + 2)
    edges = np.where(mels < knee, mels * 200 / 3, 1000 * np.exp(step * (mels - knee)))
    hertz = np.linspace(0.0, _TOP_HERTZ, _WINDOW // 2 + 1)
    rising = (hertz - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - hertz) / (edges[2:] - edges[1:-1])[:, None]
    return np.maximum(0.0, np.minimum(rising, falling)) * (2 / (edges[2:] - edges[:-2]))[:, None]


@lru_cache(maxsize=1)
def _encoder() -> Any:
    """The network, from mel bands (n, frames, 40) to vectors (n, 256) of length 1."""
    import torch

    path = voices_file()
    assert path is not None, "can_tell_voices comes first"
    learned = _learned(path)
    layers = torch.nn.LSTM(_MELS, 256, 3, batch_first=True)
    last = torch.nn.Linear(256, 256)
    layers.load_state_dict({name.removeprefix("lstm."): value for name, value in learned.items() if "lstm." in name})
    last.load_state_dict({name.removeprefix("linear."): value for name, value in learned.items() if "linear." in name})

    def encode(parts: torch.Tensor) -> torch.Tensor:
        _, (hidden, _) = layers(parts)
        return torch.nn.functional.normalize(torch.relu(last(hidden[-1])), dim=1)

    return encode


def _learned(path: Path) -> dict[str, Any]:
    import torch

    return dict(torch.load(path, map_location="cpu", weights_only=True)["model_state"])
