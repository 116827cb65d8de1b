"""Spiking Speech Commands (Table 1): 35 spoken words, with a validation set of its own.

The published set needs a download; ``speech`` are synthetic voices through the same model of the inner ear.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from lifroles.benchmarks import words
from lifroles.benchmarks.base import Benchmark, Facts, sourced
from lifroles.benchmarks.recordings import EventData, Part
from lifroles.benchmarks.words import SCRIPT, WordsProtocol
from lifroles.cache import Progress
from lifroles.data import registry
from lifroles.data.standin import made
from lifroles.data.words import COMMANDS
from lifroles.networks import SpikingMLP
from lifroles.variant import Leak, Variant

CLASSES = len(COMMANDS)
SIZES = {"train": 75466, "valid": 9981, "test": 20382}


class SscProtocol(WordsProtocol):
    """Tables 4 and 5, temporal; the rest from the scripts of Zheng et al. 2024, where SSC differs from SHD in three."""

    hidden: int = sourced(200, "hidden neurons", "Table 4", ge=1)
    readout: Literal["softmax_sum", "mean_membrane", "rate"] = sourced(
        "mean_membrane",
        "the class scores. mean_membrane: the readout's potentials, averaged over the steps from readout_from on; "
        "softmax_sum: their softmax, summed over the same steps; rate: the spike rates of a class layer that fires, "
        "over all steps",
        SCRIPT,
    )
    readout_from: int = sourced(0, "first step (from 0) of the readout's sum or mean", SCRIPT, ge=0)
    lr_leak: float = sourced(1e-2, "learning rate of the learnable leaks", SCRIPT, gt=0)
    valid_samples: int | None = sourced(None, "validation words, the first ones (None: all)", "the set itself", ge=1)


class Ssc(Benchmark):
    """The benchmark: 700 inputs, 200 LIF neurons, 35 leaky integrators (Table 4)."""

    name: ClassVar[str] = "ssc"
    title: ClassVar[str] = "SSC"
    chance: ClassVar[float] = 1 / CLASSES
    normal_leak: ClassVar[Leak] = "learnable"
    sources: ClassVar[tuple[str, ...]] = ("speech", "official", "local")
    default_source: ClassVar[str] = "speech"
    protocol: ClassVar[type[SscProtocol]] = SscProtocol
    groups: ClassVar[tuple[str, ...]] = COMMANDS
    facts: ClassVar[Facts] = Facts(
        kind="temporal",
        place="Table 1",
        samples=SIZES,
        size="700 channels",
        origin="many speakers' own microphones",
        form="spike times",
        corrected="Table 1 says microphone array: many people recorded the words, under uncontrolled conditions.",
    )

    def sizes(self, protocol: SscProtocol) -> tuple[int, ...]:
        return (words.CHANNELS, protocol.hidden, CLASSES)

    def load(self, protocol: SscProtocol, source: str, progress: Progress | None = None) -> EventData:
        found = words.locate(registry.get("ssc"), source, SIZES, CLASSES, lambda: speech(protocol, progress))
        sets = {
            split: words.prepare_words(f"ssc-{split}", protocol, one, CLASSES, progress) for split, one in found.items()
        }
        groups = words.word_groups(found["train"], CLASSES, COMMANDS)
        train, valid, test = (
            Part.of(sets[split], getattr(protocol, f"{split}_samples"), f"{split}_samples", groups=groups)
            for split in ("train", "valid", "test")
        )
        return EventData(
            train,
            test,
            valid,
            batch_size=protocol.batch_size,
            test_batch_size=256,
        )

    def network(self, protocol: SscProtocol, variant: Variant, backend: str) -> SpikingMLP:
        return words.network(protocol, self.sizes(protocol), variant, backend)

    def parameters(self, protocol: SscProtocol, network: nn.Module) -> list[Any]:
        return words.parameters(protocol, network)

    def loss(self, protocol: SscProtocol, output: Tensor, labels: Tensor) -> Tensor:
        return words.loss(protocol, output, labels)

    def correct(self, protocol: SscProtocol, output: Tensor, labels: Tensor) -> Tensor:
        return words.correct(protocol, output, labels)


def speech(protocol: SscProtocol, progress: Progress | None = None) -> tuple[Path, str]:
    """Return the folder and digest of the stand-in: synthetic voices saying the commands."""
    from lifroles.standins import speech as generator  # slow to import, and needed for this source only
    from lifroles.standins import spikefile

    sizes = {
        "train": protocol.train_samples or SIZES["train"],
        "valid": protocol.valid_samples or SIZES["valid"],
        "test": protocol.test_samples or SIZES["test"],
    }

    def make(folder: Path) -> None:
        train, valid, test = (folder / f"ssc_{split}.h5" for split in SIZES)
        generator.write(
            train,
            test,
            path_valid=valid,
            words="commands",
            train=sizes["train"],
            valid=sizes["valid"],
            test=sizes["test"],
            progress=progress,
        )

    return made("speech-commands", {"version": spikefile.VERSION, **sizes}, make)
