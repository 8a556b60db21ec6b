"""What a recording is, by its first bytes: its name for people, and how its container is read.

The way of reading is named, never guessed from the content: a demuxer that guesses may take a text for a list of other files.
"""

from __future__ import annotations

from typing import NamedTuple


class Container(NamedTuple):
    """A kind of file that holds sound."""

    title: str  # "MP3", for messages
    demuxer: str  # FFmpeg's name of what reads it


_MP3, _AAC, _OGG = Container("MP3", "mp3"), Container("AAC", "aac"), Container("Ogg", "ogg")
_MP4 = Container("MP4 or M4A", "mov")
_BEGINNINGS: tuple[tuple[bytes, Container], ...] = (
    (b"ID3\x02", _MP3),
    (b"ID3\x03", _MP3),
    (b"ID3\x04", _MP3),
    (b"\xff\xfb", _MP3),
    (b"\xff\xf3", _MP3),
    (b"\xff\xf2", _MP3),
    (b"\xff\xf1", _AAC),
    (b"\xff\xf9", _AAC),
    (b"OggS", _OGG),
    (b"fLaC", Container("FLAC", "flac")),
    (b"#!AMR", Container("AMR", "amr")),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", Container("WMA or WMV", "asf")),
    (b"\x1a\x45\xdf\xa3", Container("WebM or Matroska", "matroska")),
)
_RIFF = {b"WAVE": Container("WAV", "wav"), b"AVI ": Container("AVI", "avi")}
_PICTURE_BRANDS = (b"heic", b"heix", b"mif1", b"avif")


def container_of(data: bytes) -> Container | None:
    """The container of these bytes, of which the first twelve are enough; None for anything that is no recording."""
    if data.startswith(b"RIFF"):
        return _RIFF.get(data[8:12])
    if data[4:8] == b"ftyp":
        return None if data[8:12] in _PICTURE_BRANDS else _MP4
    return next((container for beginning, container in _BEGINNINGS if data.startswith(beginning)), None)
