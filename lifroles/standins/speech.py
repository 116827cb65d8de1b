"""Spoken words made offline: the stand-in for SHD (digits) and SSC (commands).

eSpeak NG, a formant synthesiser, speaks the words; :mod:`lifroles.standins.cochlea`, the model that made the real
sets, hears them. A speaker is one of eSpeak NG's voice variants with a pitch, a speaking rate, an English accent and a
length of the vocal tract of their own; between two utterances all of these vary a little, and so do the intonation,
the silence before and after the word, the microphone's colour and the noise behind the voice. Speakers of the test
(and of the validation) set have voice variants that no speaker of the training set has.

Every utterance depends on the seed, the split and its number only: a small set is the beginning of a large one.

It is no recording of people. Its words are spoken more evenly than those of SHD, and nothing in them lies above
11 kHz; results on it carry the source's name, ``speech``, never that of SHD or SSC.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import struct
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from lifroles.data.words import COMMANDS, DIGITS
from lifroles.errors import DataError, SpecError
from lifroles.standins import spikefile
from lifroles.standins.cochlea import fft
from lifroles.standins.spikefile import Plan, Sound

Array = np.ndarray[Any, Any]
Words = Literal["digits", "commands"]
Split = Literal["train", "valid", "test"]

VOCABULARY: dict[Words, tuple[str, ...]] = {"digits": DIGITS, "commands": COMMANDS}

RATES: dict[Words, int] = {"digits": 48_000, "commands": 16_000}
"""Sample rates of the audio behind the real sets: Heidelberg Digits and Speech Commands."""

VOICES = (
    "Alex", "Alicia", "Andrea", "Andy", "Annie", "Denis", "Diogo", "Gene", "Henrique", "Hugo",
    "Jacky", "Lee", "Mario", "Michael", "Mike", "Nguyen", "Reed", "Storm", "adam", "anika",
    "antonio", "aunty", "belinda", "boris", "caleb", "david", "ed", "edward", "f1", "f2",
    "f3", "f4", "f5", "grandma", "grandpa", "gustave", "ian", "iven", "john", "kaukovalta",
    "klatt", "klatt3", "linda", "m1", "m2", "m3", "m4", "m5", "m6", "m7",
    "m8", "marcelo", "max", "michel", "miguel", "norbert", "pablo", "paul", "pedro", "quincy",
    "rob", "sandro", "shelby", "steph", "travis", "victor", "zac",
)  # fmt: skip
"""Variants of eSpeak NG 1.52 that sound like different people: no robots, no whisper, one of each family."""

ACCENTS = ("en", "en-us", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-029", "en-us-nyc")

_SPLITS: dict[Split, int] = {"train": 0, "valid": 1, "test": 2}
_PERSON, _UTTERANCE, _SPIKES = 0, 1, 2
_PERSONS_A_VOICE = 3
_CLIP = 1.0  # seconds of a command's recording


@dataclass(frozen=True, slots=True)
class Person:
    """A speaker. ``pitch``, 0 to 99, ``rate`` in words a minute: eSpeak NG's; ``tract`` 1.1: a tract 10 % longer."""

    number: int
    voice: str
    accent: str
    pitch: float
    rate: float
    tract: float


@dataclass(frozen=True, slots=True)
class Utterance:
    """One word spoken once: what eSpeak NG is asked for, and what is done to its sound.

    Arguments:
        label: number of the word.
        person: who speaks.
        text, voice, rate, pitch, range: what eSpeak NG is told.
        tract: factor by which the sound is stretched, formants and all.
        before, after: seconds of silence; of a command ``after`` fills one second up.
        tilt: colour of the microphone in dB an octave.
        low_cut: below this frequency (Hz) it hears less and less, by 12 dB an octave.
        noise: level of the noise under that of the voice, in dB.
        seed: of eSpeak NG's breath and of the noise.
    """

    label: int
    person: Person
    text: str
    voice: str
    rate: int
    pitch: int
    range: int
    tract: float
    before: float
    after: float
    tilt: float
    low_cut: float
    noise: float
    seed: int


def _rng(seed: int, *key: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def voices(split: Split) -> tuple[str, ...]:
    """Return the voice variants of a split: of every ten, seven train, one validates and two test."""
    of = {3: "valid", 5: "test", 9: "test"}
    return tuple(voice for i, voice in enumerate(VOICES) if of.get(i % 10, "train") == split)


@lru_cache
def persons(split: Split, seed: int = 0) -> tuple[Person, ...]:
    """Return the speakers of a split, three a voice, numbered on from those of the splits before it."""
    first = sum(_PERSONS_A_VOICE * len(voices(other)) for other in _SPLITS if _SPLITS[other] < _SPLITS[split])
    result = []
    for k in range(_PERSONS_A_VOICE * len(voices(split))):
        rng = _rng(seed, _PERSON, _SPLITS[split], k)
        result.append(
            Person(
                number=first + k,
                voice=voices(split)[k % len(voices(split))],
                accent=str(rng.choice(ACCENTS)),
                pitch=float(rng.uniform(25, 75)),
                rate=float(rng.uniform(95, 150)),
                tract=float(rng.uniform(0.88, 1.14)),
            )
        )
    return tuple(result)


def utterance(words: Words, split: Split, index: int, seed: int = 0) -> Utterance:
    """Return what is said in a sample. Labels take turns, so that any beginning of a set has all classes alike."""
    vocabulary = VOCABULARY[words]
    rng = _rng(seed, _UTTERANCE, _SPLITS[split], list(VOCABULARY).index(words), index)
    label = index % len(vocabulary)
    everyone = persons(split, seed)
    person = everyone[int(rng.integers(len(everyone)))]
    language = "de" if words == "digits" and label >= 10 else person.accent
    return Utterance(
        label=label,
        person=person,
        text=vocabulary[label] + str(rng.choice(["", "?", "!"])),
        voice=f"{language}+{person.voice}",
        # A command is called out, faster than a digit is dictated: all but a few fit into their second.
        rate=round(person.rate * float(rng.lognormal(0, 0.1)) * (1.0 if words == "digits" else 1.25)),
        pitch=round(float(np.clip(person.pitch + rng.normal(0, 6), 0, 99))),
        range=round(float(rng.uniform(20, 80))),
        tract=person.tract * float(rng.lognormal(0, 0.015)),
        before=float(rng.uniform(0.02, 0.16)) if words == "digits" else float(rng.beta(2, 2)),
        after=float(rng.uniform(0.02, 0.16)),
        tilt=float(rng.normal(0, 1.5)),
        low_cut=float(rng.uniform(100, 250)),
        noise=float(rng.uniform(20, 45)),
        seed=int(rng.integers(2**31)),
    )


def _library() -> tuple[str, str]:
    """Return where eSpeak NG's library and data lie.

    Raises:
        DataError: it is not installed.
    """
    mend = "install it with pip install 'lifroles[standins]'"
    if importlib.util.find_spec("espeakng_loader") is None:
        raise DataError(f"the speech stand-in needs eSpeak NG (the package espeakng-loader): {mend}.")
    import espeakng_loader

    library = Path(espeakng_loader.get_library_path())
    data = Path(str(espeakng_loader.__file__)).parent / "espeak-ng-data"
    if not (library.is_file() and data.is_dir()):
        raise DataError(f"{library.parent} lacks eSpeak NG's library or data: {mend} --force-reinstall.")
    return str(library), str(data)


def _version() -> str:
    try:
        return importlib.metadata.version("espeakng-loader")
    except importlib.metadata.PackageNotFoundError:
        return "none"


def speak(utterances: Sequence[Utterance]) -> list[tuple[Array, int]]:
    """Return eSpeak NG's samples of each, float64, and their rate.

    Raises:
        DataError: eSpeak NG is missing, or does not speak one of them.
    """
    lines = [
        json.dumps({key: getattr(u, key) for key in ("text", "voice", "rate", "pitch", "range", "seed")})
        for u in utterances
    ]
    script = Path(__file__).with_name("_espeak.py")
    # A process that imports nothing but the standard library: its forks are cheap.
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(script), *_library()],
        input="\n".join(lines).encode(),
        capture_output=True,
        check=False,
    )
    spoken: list[tuple[Array, int]] = []
    at = 0
    for u in utterances:
        rate, size = struct.unpack_from("<II", done.stdout, at) if at + 8 <= len(done.stdout) else (0, 0)
        samples = np.frombuffer(done.stdout, "<i2", size, at + 8) if rate else np.zeros(0, np.int16)
        if not samples.any():
            said = done.stderr.decode(errors="replace").strip().splitlines()
            raise DataError(
                f"eSpeak NG did not speak {u.text!r} with the voice {u.voice} ({said[-1] if said else 'no message'}): "
                "install espeakng-loader again."
            )
        spoken.append((samples / 32768, rate))
        at += 8 + 2 * size
    return spoken


def recorded(u: Utterance, spoken: Array, rate: int, words: Words) -> Array:
    """Return the recording of an utterance at the rate of the real set's audio (``RATES``), float64.

    Arguments:
        u: how it is recorded.
        spoken: eSpeak NG's samples.
        rate: of these, in Hz.
    """
    out = RATES[words]
    loud = np.flatnonzero(np.abs(spoken) > 0.005)
    word = spoken[loud[0] : loud[-1] + 1]
    # Stretching and changing the rate are one: a spectrum of n samples is read as one of m. Zeros keep the end of the
    # word, which the FFT takes to be followed by its beginning, away from it.
    n = fft().next_fast_len(len(word) + rate // 20, real=True)
    m = round(n * u.tract * out / rate)
    spectrum = np.fft.rfft(word, n)
    # The microphone, at the frequencies that are to be heard.
    frequency = np.arange(len(spectrum)) * out / m
    octaves = np.log2(np.maximum(frequency, 100.0) / 1000.0)
    ratio = (frequency / u.low_cut) ** 2
    spectrum *= 10 ** (u.tilt * octaves / 20) * ratio / (1 + ratio)
    word = np.fft.irfft(spectrum[: m // 2 + 1], m)[: round(len(word) * m / n)]
    if words == "commands":
        length = round(_CLIP * out)
        word = word[:length]
        before = round(u.before * (length - len(word)))
    else:
        before = round(u.before * out)
        length = before + len(word) + round(u.after * out)
    sound = np.zeros(length)
    sound[before : before + len(word)] = word
    level = np.sqrt(np.mean(word**2)) * 10 ** (-u.noise / 20)
    return sound + level * np.random.default_rng(u.seed).standard_normal(length)


def sounds(words: Words, split: Split, seed: int, start: int, stop: int) -> list[Sound]:
    """Return the samples ``start`` to before ``stop`` of a split as sound.

    Raises:
        DataError: eSpeak NG is missing or fails.
    """
    said = [utterance(words, split, i, seed) for i in range(start, stop)]
    result = []
    for i, u, (samples, rate) in zip(range(start, stop), said, speak(said), strict=True):
        key = np.random.SeedSequence(seed, spawn_key=(_SPIKES, _SPLITS[split], i))
        result.append(Sound(recorded(u, samples, rate, words), RATES[words], int(key.generate_state(1, np.uint64)[0])))
    return result


def plan(words: Words, split: Split, samples: int, seed: int = 0) -> Plan:
    """Return what a file of so many samples of a split holds."""
    said = [utterance(words, split, i, seed) for i in range(samples)]
    everyone = [person for other in _SPLITS for person in persons(other, seed)]
    columns = [name for name in asdict(everyone[0]) if name != "number"]
    return Plan(
        labels=[u.label for u in said],
        speakers=[u.person.number for u in said],
        keys=VOCABULARY[words],
        recipe={"source": "speech stand-in", "words": words, "split": split, "seed": seed, "espeakng": _version()},
        sounds=partial(sounds, words, split, seed),
        speaker_info={name: [getattr(person, name) for person in everyone] for name in columns},
    )


def write(
    path_train: Path,
    path_test: Path,
    *,
    words: Words,
    train: int,
    test: int,
    seed: int = 0,
    path_valid: Path | None = None,
    valid: int = 0,
    progress: Callable[[int, int], None] | None = None,
    workers: int | None = None,
) -> None:
    """Write the stand-in for SHD (``digits``) or SSC (``commands``) in SHD's own HDF5 layout.

    Files that are there already and hold just this are left as they are; what a killed process left is used.

    Arguments:
        path_train, path_test: the files.
        words: which vocabulary.
        train, test: samples of each. SHD has 8,156 and 2,264, SSC 75,466 and 20,382 (and 9,981 for validation).
        seed: of everything.
        path_valid, valid: a file for validation, with voices of its own.
        progress: called with the samples that are ready and their number.
        workers: threads; all processors if not given.

    Raises:
        SpecError: ``words`` is not one of the two.
        DataError: eSpeak NG is missing or fails, or a file cannot be written.
    """
    if words not in VOCABULARY:
        raise SpecError(f"words is {words!r}: give one of {', '.join(VOCABULARY)}.")
    _library()
    files: list[tuple[Split, Path, int]] = [("train", path_train, train), ("test", path_test, test)]
    if path_valid is not None:
        files.insert(1, ("valid", path_valid, valid))
    total, done = sum(samples for _, _, samples in files), 0

    def told(more: int) -> None:
        nonlocal done
        done += more
        if progress is not None:
            progress(done, total)

    for split, path, samples in files:
        spikefile.make(path, plan(words, split, samples, seed), progress=told, workers=workers)
