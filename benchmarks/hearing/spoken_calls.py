"""Calls made of text by flite and espeak-ng, two voices each, with who said what when: what hearing is measured on.

Synthetic speech is clean and even; what people say into headsets is harder. No numbers are said, as there is more than one
right way to write them. Needs two programs: apt-get install flite espeak-ng.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

RATE = 16_000  # of flite's voices
PAUSES = (0.7, 0.3, 0.4)  # seconds between turns, in turn
HISS = 0.002  # root mean square of the noise on each channel
LOUDEST = 0.7

Sound = NDArray[np.float32]  # (samples,) or (samples, 2), from -1 to 1
_RENEWAL = (
    ("seller", "Good morning, this is Laura from Brightwater. Did the figures that I sent you make sense?"),
    ("customer", "Hello Laura. They did, and my boss has read them too. He was surprised how much we lose every week."),
    ("seller", "What would change for your team if that loss went away?"),
    ("customer", "We could stop working on Saturdays. The people in the warehouse ask me about it all the time."),
    ("seller", "Then the pilot in the spring would be early enough. Who has to agree before you can order?"),
    (
        "customer",
        "Only our head of finance. She wants to see the contract and the support terms before the end of the month.",
    ),
    ("seller", "I will send both this afternoon. Shall I come to the meeting and answer her questions?"),
    ("customer", "Yes, that would help. But I have to be honest, another vendor has offered us a lower price."),
    ("seller", "I understand. What does their offer leave out?"),
    ("customer", "Training and the connection to our accounting system. We would have to build that ourselves."),
    ("seller", "Both are in our price. Let us put the two offers next to each other when we meet."),
    ("customer", "Good idea. Talk to you on Thursday then, and thank you for your time."),
)
_COLD = (
    ("seller", "Hi, my name is Martin and I am calling from Harbour Analytics. Have I caught you at a bad moment?"),
    ("customer", "Well, I am just leaving for lunch. What is this about?"),
    ("seller", "We help shops like yours to see which customers are about to leave. How do you notice that today?"),
    ("customer", "Mostly we do not. They simply stop ordering, and then it is too late."),
    ("seller", "That is what most of our clients said at the beginning. May I show you how it works next week?"),
    (
        "customer",
        "To be frank, we have no money left for new software this year. Everything goes into the new building.",
    ),
    ("seller", "When will the next budget be planned?"),
    ("customer", "In the autumn, as far as I know. You would have to speak with my colleague in marketing."),
    ("seller", "Would you be so kind and tell me her name?"),
    ("customer", "Please send me an email first, and I will pass it on if she is interested."),
)
_GERMAN = (
    ("seller", "Guten Morgen, hier ist Petra von Hafenlicht. Haben Sie unser Angebot schon gelesen?"),
    ("customer", "Ja, gestern Abend. Der Preis ist höher, als wir gedacht haben."),
    ("seller", "Was müsste geschehen, damit sich das für Sie lohnt?"),
    ("customer", "Wir brauchen die Schulung im Preis, und mein Chef will den Vertrag vor dem Sommer sehen."),
    ("seller", "Die Schulung kann ich Ihnen schenken. Den Vertrag schicke ich noch heute."),
    ("customer", "Gut, dann sprechen wir am Freitag weiter. Vielen Dank für den Anruf."),
)
_SPANISH = (
    ("seller", "Buenos días, le llamo de la empresa Faro Azul. ¿Ha podido leer nuestra oferta?"),
    ("customer", "Sí, la leí ayer por la noche. El precio es más alto de lo que pensábamos."),
    ("seller", "¿Qué tendría que cambiar para que le interese?"),
    ("customer", "Necesitamos la formación dentro del precio, y mi jefe quiere ver el contrato antes del verano."),
    ("seller", "La formación se la puedo regalar. Le mando el contrato esta misma tarde."),
    ("customer", "Muy bien, entonces hablamos el viernes. Muchas gracias por su llamada."),
)
SCRIPTS = {  # with the voices of seller and customer; those of espeak-ng, for languages that flite has not, are robots
    "renewal": (_RENEWAL, ("rms", "slt")),
    "cold": (_COLD, ("awb", "rms")),
    "German": (_GERMAN, ("espeak-ng de+f2", "espeak-ng de+m3")),
    "Spanish": (_SPANISH, ("espeak-ng es+f2", "espeak-ng es+m3")),
}


@dataclass(frozen=True)
class Turn:
    """What was said, by whom and when, in seconds."""

    speaker: str
    text: str
    start: float
    end: float


@dataclass(frozen=True)
class SpokenCall:
    """A call: the seller on the first channel, the customer on the second."""

    turns: list[Turn]
    stereo: Sound

    @property
    def seconds(self) -> float:
        """How long it takes."""
        return len(self.stereo) / RATE

    @property
    def mono(self) -> Sound:
        """Both on one channel."""
        return self.stereo.sum(axis=1)

    def leaking(self, decibels: float) -> Sound:
        """Stereo in which each side is heard in the other's channel too, so much quieter."""
        share = 10 ** (-decibels / 20)
        return self.stereo @ np.array([[1.0, share], [share, 1.0]], np.float32)

    def said(self, speaker: str) -> str:
        """All that one of them says."""
        return " ".join(turn.text for turn in self.turns if turn.speaker == speaker)


def can_speak() -> bool:
    """Whether flite and espeak-ng are installed."""
    return all(shutil.which(program) for program in ("flite", "espeak-ng"))


def spoken_call(name: str, turns: int | None = None) -> SpokenCall:
    """One of SCRIPTS, or its first `turns` turns. Raises FileNotFoundError where its program is not installed."""
    script, voices = SCRIPTS[name]
    sides = ("seller", "customer")
    said: list[Turn] = []
    sounds: list[Sound] = []
    start = 0.5
    for number, (speaker, text) in enumerate(script[:turns]):
        sound = _spoken(text, voices[sides.index(speaker)])
        said.append(Turn(speaker, text, start, start + len(sound) / RATE))
        sounds.append(sound)
        start += len(sound) / RATE + PAUSES[number % len(PAUSES)]
    stereo = np.random.default_rng(0).normal(0, HISS, (int((start + 0.5) * RATE), 2)).astype(np.float32)
    for turn, sound in zip(said, sounds, strict=True):
        first = int(turn.start * RATE)
        stereo[first : first + len(sound), sides.index(turn.speaker)] += sound
    return SpokenCall(said, stereo)


def write_wav(path: Path, sound: Sound) -> None:
    """16 bits a sample; what is louder than 1 is cut."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1 if sound.ndim == 1 else sound.shape[1])
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes())


def word_errors(said: Sequence[str], heard: Sequence[str]) -> int:
    """The fewest words to replace, add and leave out that make one of the other (Levenshtein 1966)."""
    row = list(range(len(heard) + 1))
    for n, word in enumerate(said, start=1):
        before, row[0] = row[0], n
        for m, other in enumerate(heard, start=1):
            before, row[m] = row[m], min(row[m] + 1, row[m - 1] + 1, before + (word != other))
    return row[-1]


def plain_words(text: str) -> list[str]:
    """Words without case and punctuation."""
    return "".join(sign for sign in text.lower().replace("-", " ") if sign.isalnum() or sign.isspace()).split()


def _spoken(text: str, voice: str) -> Sound:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "said.wav"
        program, _, other = voice.partition(" ")
        command = (
            [program, "-v", other, "-w", str(path), text]
            if other
            else ["flite", "-voice", voice, "-t", text, "-o", str(path)]
        )
        subprocess.run(command, check=True, capture_output=True)
        with wave.open(str(path)) as file:
            sound = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32)
            sound = resample_poly(sound, RATE, file.getframerate()).astype(np.float32)
    return sound * (LOUDEST / np.abs(sound).max())
