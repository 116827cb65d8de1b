"""Spiking Heidelberg Digits (Table 1): spoken digits in English and German, 20 classes; Table 1 says 10.

The published set needs a download. ``regenerated`` is the same audio, turned into spikes again with the same model of
the inner ear; ``speech`` are synthetic voices through that model. Neither is SHD, and records say which it was.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from torch import Tensor, nn

from lifroles.benchmarks import words
from lifroles.benchmarks.base import Benchmark, Facts, sourced
from lifroles.benchmarks.recordings import EventData, Part
from lifroles.benchmarks.words import WordsProtocol
from lifroles.cache import Progress
from lifroles.data import registry
from lifroles.data.standin import made
from lifroles.data.words import DIGITS
from lifroles.errors import DataError
from lifroles.networks import SpikingMLP
from lifroles.variant import Leak, Variant

CLASSES = len(DIGITS)
SIZES = {"train": 8156, "test": 2264}


class ShdProtocol(WordsProtocol):
    """Tables 4 and 5, temporal; the rest from the scripts of Zheng et al. 2024."""

    valid_speakers: int = sourced(
        0,
        "speakers (the highest-numbered ones) held out of training as a validation set",
        "choice: SHD has none, and the script keeps the best test epoch",
        ge=0,
    )


class Shd(Benchmark):
    """The benchmark: 700 inputs, 64 LIF neurons, 20 leaky integrators (Table 4)."""

    name: ClassVar[str] = "shd"
    title: ClassVar[str] = "SHD"
    chance: ClassVar[float] = 1 / CLASSES
    normal_leak: ClassVar[Leak] = "learnable"
    sources: ClassVar[tuple[str, ...]] = ("speech", "regenerated", "official", "local")
    default_source: ClassVar[str] = "speech"
    protocol: ClassVar[type[ShdProtocol]] = ShdProtocol
    groups: ClassVar[tuple[str, ...]] = DIGITS
    facts: ClassVar[Facts] = Facts(
        kind="temporal",
        place="Table 1",
        samples=SIZES,
        size="700 channels",
        origin="microphone array",
        form="spike times",
        corrected="Table 1 says 10 classes: the ten digits are spoken in two languages, and Table 4 has 20 outputs.",
    )

    def sizes(self, protocol: ShdProtocol) -> tuple[int, ...]:
        return (words.CHANNELS, protocol.hidden, CLASSES)

    def load(self, protocol: ShdProtocol, source: str, progress: Progress | None = None) -> EventData:
        found = words.locate(registry.get("shd"), source, SIZES, CLASSES, lambda: speech(protocol, progress))
        train, test = (
            words.prepare_words(f"shd-{split}", protocol, found[split], CLASSES, progress) for split in found
        )
        groups = words.word_groups(found["train"], CLASSES, self.groups)
        speakers = train.extra["speaker"]
        known = sorted(set(speakers.tolist()))
        if protocol.valid_speakers >= len(known):
            raise DataError(
                f"valid_speakers is {protocol.valid_speakers}, but {len(known)} speak in the training set: hold fewer "
                "out."
            )
        held = np.isin(speakers, known[len(known) - protocol.valid_speakers :])
        return EventData(
            Part.of(train, protocol.train_samples, "train_samples", among=np.flatnonzero(~held), groups=groups),
            Part.of(test, protocol.test_samples, "test_samples", groups=groups),
            Part.of(train, None, "valid", among=np.flatnonzero(held), groups=groups) if held.any() else None,
            batch_size=protocol.batch_size,
            test_batch_size=256,
        )

    def network(self, protocol: ShdProtocol, variant: Variant, backend: str) -> SpikingMLP:
        return words.network(protocol, self.sizes(protocol), variant, backend)

    def loss(self, protocol: ShdProtocol, output: Tensor, labels: Tensor) -> Tensor:
        return words.loss(protocol, output, labels)

    def correct(self, protocol: ShdProtocol, output: Tensor, labels: Tensor) -> Tensor:
        return words.correct(protocol, output, labels)

    def parameters(self, protocol: ShdProtocol, network: nn.Module) -> list[Any]:
        return words.parameters(protocol, network)


def speech(protocol: ShdProtocol, progress: Progress | None = None) -> tuple[Path, str]:
    """Return the folder and digest of the stand-in: synthetic voices saying the digits, at SHD's size or smaller."""
    from lifroles.standins import speech as generator  # slow to import, and needed for this source only
    from lifroles.standins import spikefile

    sizes = {split: getattr(protocol, f"{split}_samples") or size for split, size in SIZES.items()}

    def make(folder: Path) -> None:
        train, test = (folder / f"shd_{split}.h5" for split in SIZES)
        generator.write(train, test, words="digits", train=sizes["train"], test=sizes["test"], progress=progress)

    return made("speech-digits", {"version": spikefile.VERSION, **sizes}, make)
