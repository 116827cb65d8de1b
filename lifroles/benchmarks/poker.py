"""POKER-DVS: the pips of playing cards before an event camera, 35 × 35 pixels, four classes, 48 + 20 recordings.

It is not in the paper. It is the smallest complete set of real events there is, and its numbers are all choices.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal

from lifroles import cache
from lifroles.benchmarks.base import Facts, sourced
from lifroles.benchmarks.rates import RateBenchmark, RateProtocol
from lifroles.benchmarks.recordings import EventData, Part
from lifroles.data import identity, registry
from lifroles.data import poker as files
from lifroles.data.identity import Identity
from lifroles.events import Binning, pooled_channel, whole_steps
from lifroles.variant import NORMAL_LEAK, Leak

CHOICE = "choice: the paper does not have this set"
CHANNELS = 2 * files.SIDE**2


class PokerProtocol(RateProtocol):
    """All choices, near to N-MNIST's."""

    words: ClassVar[Mapping[str, str]] = {
        "table4": CHOICE,
        "table5": f"{CHOICE}; as Table 5, spatio-temporal",
        "code": CHOICE,
        "data": CHOICE,
        "samples": "recordings",
    }

    dt: float = sourced(1.0, "length of a step, ms", f"{CHOICE}; recordings last 5 to 30 ms", ge=0.001)
    T: int | None = sourced(20, "time steps; None: as many as fit into duration", CHOICE, ge=1)
    duration: float = sourced(20.0, "beginning of each recording that is used, ms, where T does not say", CHOICE, gt=0)
    values: Literal["binary", "counts"] = sourced(
        "binary", "what a step of a pixel and polarity holds: whether there was an event, or how many", CHOICE
    )
    hidden: int = sourced(128, "hidden neurons", CHOICE, ge=1)
    epochs: int = sourced(50, "epochs", CHOICE, ge=1)
    batch_size: int = sourced(8, "recordings a batch", CHOICE, ge=1)
    lr: float = sourced(1e-3, "learning rate of Adam", CHOICE, gt=0)

    @property
    def steps(self) -> int:
        """The number of time steps."""
        return whole_steps(self.duration, self.dt) if self.T is None else self.T


class Poker(RateBenchmark):
    """The benchmark: 2450 inputs, 128 and 4 LIF neurons, the class read from the output's spike rates."""

    name: ClassVar[str] = "poker"
    title: ClassVar[str] = "POKER-DVS"
    chance: ClassVar[float] = 1 / len(files.NAMES)
    normal_leak: ClassVar[Leak] = NORMAL_LEAK
    sources: ClassVar[tuple[str, ...]] = ("official",)
    default_source: ClassVar[str] = "official"
    protocol: ClassVar[type[PokerProtocol]] = PokerProtocol
    groups: ClassVar[tuple[str, ...]] = files.NAMES
    facts: ClassVar[Facts] = Facts(
        kind="spatio-temporal",
        place="not in the paper",
        samples={"train": 48, "test": 20},
        size="35 × 35 pixels, two polarities",
        origin="playing cards before an event camera",
        form="events",
        corrected="The paper does not have this set.",
    )

    def sizes(self, protocol: PokerProtocol) -> tuple[int, ...]:
        return (CHANNELS, protocol.hidden, len(files.NAMES))

    def load(self, protocol: PokerProtocol, source: str, progress: cache.Progress | None = None) -> EventData:
        dataset = registry.get("poker")
        train, test = (
            prepare(protocol, identity.identify_archive(dataset, dataset.path(), f"pips_{split}.tar.gz"), split)
            for split in ("train", "test")
        )
        return EventData(
            Part.of(train, protocol.train_samples, "train_samples"),
            Part.of(test, protocol.test_samples, "test_samples"),
            batch_size=protocol.batch_size,
            test_batch_size=20,
        )


def prepare(protocol: PokerProtocol, found: Identity, split: str) -> cache.Prepared:
    """Return a split's recordings in steps, from the cache if they are there.

    Raises:
        DataError: a recording is damaged.
    """
    binning = Binning(protocol.steps, CHANNELS, dt=protocol.dt, counts=protocol.values == "counts")

    def recordings() -> Iterator[cache.Recording]:
        for pip in files.read_pips(found.path, trusted=True):
            events = pip.events
            yield cache.Recording(events.t, pooled_channel(events.x, events.y, events.p, files.SIDE), pip.label)

    return cache.prepare(f"poker-{split}", {"source": found.digest}, binning, recordings)
