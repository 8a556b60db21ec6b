"""From the bytes of a recording to samples: 16 kHz, one channel or two, in memory alone.

An hour of two channels takes 230 MB, twice that for a moment. FFmpeg does the work, through PyAV; of a file with several
tracks the first with sound is taken, of more than two channels their mean.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conversations.formats.notices import notice
from conversations.hearing.containers import Container
from foundations.errors import InputError
from foundations.long_work import check_deadline

RATE = 16_000  # samples a second
LONGEST_HOURS = 3
SHORTEST_SECONDS = 0.3

Samples = NDArray[np.int16]  # (samples, channels)


def decoded(data: bytes, container: Container, path: Path) -> Samples:
    """The samples of a recording, shape (n, 1) or (n, 2). `path` names it in messages.

    Raises InputError where it is broken, has no sound, or is longer than LONGEST_HOURS; one that breaks off is read so far,
    with a notice.
    """
    blocks: list[Samples] = []
    length, broken = 0, ""
    try:
        for block in _blocks(data, container, path):
            check_deadline()
            blocks.append(block)
            length += len(block)
            if length > LONGEST_HOURS * 3600 * RATE:
                raise InputError(
                    f"{path} is a recording of more than {LONGEST_HOURS} hours, the longest that is read; cut it into its "
                    "calls."
                )
    except (OSError, ValueError) as error:  # all that PyAV raises is one or the other
        if isinstance(error, InputError):
            raise
        broken = (getattr(error, "strerror", None) or str(error)).lower()
    if length < SHORTEST_SECONDS * RATE:
        why = f"it can't be decoded ({broken})" if broken else f"it has {length / RATE:.1f} seconds of sound"
        raise InputError(f"{path} is a broken or empty {container.title} recording: {why}; export it anew.")
    if broken:
        notice(path, f"the recording breaks off after {spoken_time(length / RATE)} ({broken}); it is read so far.")
    return np.concatenate(blocks)


def spoken_time(seconds: float) -> str:
    """ "1:05" of 65, "1:01:05" of 3665."""
    hours, rest = divmod(int(seconds), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"


def _blocks(data: bytes, container: Container, path: Path) -> Iterator[Samples]:
    import av

    with av.open(io.BytesIO(data), mode="r", format=container.demuxer, metadata_errors="replace") as opened:
        if not opened.streams.audio:
            raise InputError(f"{path} is a {container.title} file without sound; give the recording itself.")
        stream = opened.streams.audio[0]
        channels = 2 if stream.channels == 2 else 1
        to_samples = av.AudioResampler(format="s16", layout="stereo" if channels == 2 else "mono", rate=RATE)
        for frame in opened.decode(stream):
            yield from _resampled(to_samples, frame, channels)
        yield from _resampled(to_samples, None, channels)


def _resampled(resampler: Any, frame: Any, channels: int) -> Iterator[Samples]:
    for ready in resampler.resample(frame):
        yield ready.to_ndarray().reshape(-1, channels)
