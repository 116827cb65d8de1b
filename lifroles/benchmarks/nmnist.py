"""N-MNIST (Table 3): handwritten digits before a moving event camera, 34 × 34 pixels and two polarities.

The published set needs a download. ``subset`` are 1,060 of its recordings; ``saccades`` and ``saccades-5k`` are a
simulated camera moved before MNIST's images, all 70,000 or the 5,000 that need no download. Records say which it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import ClassVar, Literal

from lifroles import cache
from lifroles.baselines import BASELINES, Baseline
from lifroles.benchmarks.base import Facts, sourced
from lifroles.benchmarks.rates import LINEAGE, RateBenchmark, RateProtocol
from lifroles.benchmarks.recordings import EventData, Part
from lifroles.data import digits as files
from lifroles.data import identity, registry
from lifroles.data.identity import Identity
from lifroles.data.standin import made
from lifroles.events import Binning, pooled_channel, whole_steps
from lifroles.variant import NORMAL_LEAK, Leak

SIDE = 34
CHANNELS = 2 * SIDE * SIDE
STANDINS: Mapping[str, Literal["official", "mnist-5k"]] = {"saccades": "official", "saccades-5k": "mnist-5k"}


class NmnistProtocol(RateProtocol):
    """Tables 4 and 5, spatio-temporal; T, loss and readout from the code that the paper's authors build on."""

    words: ClassVar[Mapping[str, str]] = {
        "table4": "Table 4",
        "table5": "Table 5, spatio-temporal",
        "code": LINEAGE,
        "data": "Table 3",
        "samples": "recordings",
    }

    dt: float = sourced(3.0, "length of a step, ms", "section 4.2.1", ge=0.001)
    T: int | None = sourced(
        15,
        "time steps, from the recording's beginning, whatever dt is; None: as many as fit into duration",
        LINEAGE,
        ge=1,
    )
    duration: float = sourced(
        45.0, "beginning of each recording that is used, ms, where T does not say", "choice: 15 steps of 3 ms", gt=0
    )
    values: Literal["binary", "counts"] = sourced(
        "binary",
        "what a step of a pixel and polarity holds: whether there was an event, or how many",
        "choice: as in code of the same group",
    )

    @property
    def steps(self) -> int:
        """The number of time steps."""
        return whole_steps(self.duration, self.dt) if self.T is None else self.T


class Nmnist(RateBenchmark):
    """The benchmark: 2312 inputs, 512 and 10 LIF neurons (Table 4), the class read from the output's spike rates."""

    name: ClassVar[str] = "nmnist"
    title: ClassVar[str] = "N-MNIST"
    chance: ClassVar[float] = 0.1
    normal_leak: ClassVar[Leak] = NORMAL_LEAK
    sources: ClassVar[tuple[str, ...]] = ("saccades-5k", "saccades", "subset", "official", "local")
    default_source: ClassVar[str] = "saccades-5k"
    protocol: ClassVar[type[NmnistProtocol]] = NmnistProtocol
    groups: ClassVar[tuple[str, ...]] = tuple(map(str, range(10)))
    facts: ClassVar[Facts] = Facts(
        kind="spatio-temporal",
        place="Table 3",
        samples={"train": 60000, "test": 10000},
        size="34 × 34 pixels, two polarities",
        origin="MNIST before a moving event camera",
        form="events",
    )

    baselines: ClassVar[Mapping[str, Baseline]] = BASELINES

    def sizes(self, protocol: NmnistProtocol) -> tuple[int, ...]:
        return (CHANNELS, protocol.hidden, 10)

    def load(self, protocol: NmnistProtocol, source: str, progress: cache.Progress | None = None) -> EventData:
        found = {split: locate(protocol, source, split, progress) for split in ("Train", "Test")}
        train, test = (prepare(protocol, one, split, progress) for split, one in found.items())
        return EventData(
            Part.of(train, protocol.train_samples, "train_samples"),
            Part.of(test, protocol.test_samples, "test_samples"),
            batch_size=protocol.batch_size,
            test_batch_size=1000,
        )


def locate(protocol: NmnistProtocol, source: str, split: str, progress: cache.Progress | None = None) -> Identity:
    """Return where a split's recordings are and what they are.

    Raises:
        DataError: they are missing, or another source than the one asked for.
    """
    if source in STANDINS:
        folder, digest = saccades(protocol, STANDINS[source], progress)
        return Identity(folder / f"{split.lower()}.zip", source, digest)
    dataset = registry.get("nmnist")
    return identity.demand(identity.identify_digits(dataset, dataset.path(), split), source)


def prepare(
    protocol: NmnistProtocol, found: Identity, split: str, progress: cache.Progress | None = None
) -> cache.Prepared:
    """Return a split's recordings in steps, in MNIST's order, from the cache if they are there.

    Raises:
        DataError: a recording is damaged.
    """
    binning = Binning(protocol.steps, CHANNELS, dt=protocol.dt, counts=protocol.values == "counts")
    digits = files.list_digits(found.path, split)

    def recordings() -> Iterator[cache.Recording]:
        for digit, events in files.read_digits(digits, trusted=found.source == "official"):
            channel = pooled_channel(events.x, events.y, events.p, SIDE)
            yield cache.Recording(events.t, channel, digit.label, {"index": digit.index})

    return cache.prepare(
        f"nmnist-{split.lower()}", {"source": found.digest}, binning, recordings, len(digits), progress
    )


def saccades(
    protocol: NmnistProtocol, images: Literal["official", "mnist-5k"], progress: cache.Progress | None = None
) -> tuple[Path, str]:
    """Return the folder and digest of the stand-in, made from these images of MNIST."""
    from lifroles.standins import saccades as generator

    train, test = protocol.train_samples, protocol.test_samples
    arguments = {"train": train, "test": test, "camera": asdict(generator.CAMERA), "scene": asdict(generator.SCENE)}

    def make(folder: Path) -> None:
        generator.write(folder, source=images, train=train, test=test, progress=progress)

    return made(f"saccades-{images}", {"version": generator.VERSION, **arguments}, make)
