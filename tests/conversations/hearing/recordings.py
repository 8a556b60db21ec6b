"""Recordings that tests make, and whether there is what hears them."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import numpy as np
import pytest

from conversations.hearing.weights import HOW_TO_INSTALL, missing_packages

SAMPLE = Path(__file__).parents[2] / "data" / "call.ogg"  # four turns of benchmarks.hearing's "renewal", -20 dB leak
SAID = (
    ("seller", "Good morning, this is Laura from Brightwater. Did the figures that I sent you make sense?"),
    ("customer", "Hello Laura. They did, and my boss has read them too. He was surprised how much we lose every week."),
    ("seller", "What would change for your team if that loss went away?"),
    ("customer", "We could stop working on Saturdays. The people in the warehouse ask me about it all the time."),
)

needs_packages = pytest.mark.skipif(bool(missing_packages()), reason=HOW_TO_INSTALL)


def wav(samples: np.ndarray, rate: int = 8000) -> bytes:
    """16 bits a sample, shape (n,) or (n, channels)."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(samples.astype("<i2").tobytes())
    return file.getvalue()


def silence(seconds: float) -> bytes:
    """A recording with nothing but a hiss."""
    return wav(np.random.default_rng(0).normal(0, 30, int(8000 * seconds)))
