"""DVS128 Gesture (Table 3): hand and arm gestures before an event camera of 128 × 128 pixels, 11 classes.

Table 3 says 1,342 samples; but for one, the published accuracies are multiples of 1/288, the test set of the usual
split into 1,176 and 288. ``official`` are the camera's own files so cut (to be put into place by hand), ``tonic`` the
1,077 and 264 recordings that tonic distributes, ``gestures`` a rendered figure before a simulated camera.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import ClassVar, Literal

from lifroles import cache
from lifroles.benchmarks.base import Facts, sourced
from lifroles.benchmarks.rates import LINEAGE, RateBenchmark, RateProtocol
from lifroles.benchmarks.recordings import EventData, Part
from lifroles.data import gestures as files
from lifroles.data import identity, registry
from lifroles.data.identity import Identity
from lifroles.data.standin import made
from lifroles.events import Binning, pooled_channel
from lifroles.variant import NORMAL_LEAK, Leak

FACTOR = 4
CHANNELS = 2 * (files.SIDE // FACTOR) ** 2
SIZES = {"train": 1176, "test": 288}


class GestureProtocol(RateProtocol):
    """Tables 4 and 5, spatio-temporal; frames as in reference [29], whose accuracies the paper's resemble."""

    words: ClassVar[Mapping[str, str]] = {
        "table4": "Table 4",
        "table5": "Table 5, spatio-temporal",
        "code": LINEAGE,
        "data": "Table 3",
        "samples": "recordings",
    }

    T: int = sourced(20, "frames of each recording", "ref. [28]; the paper does not say", ge=1)
    split: Literal["number", "time"] = sourced(
        "number", "frames hold equally many events, or equally long times", "ref. [29]"
    )
    pooling: Literal["max", "mean", "sum"] = sourced(
        "max",
        "how 4 × 4 pixels become one. max: 1 where any of them had an event; mean, sum: of their events' counts",
        "choice: Table 4 says downsampling",
    )
    hidden: int = sourced(512, "neurons of each of the two hidden layers", "Table 4", ge=1)

    @property
    def steps(self) -> int:
        """The number of time steps."""
        return self.T


class Gesture(RateBenchmark):
    """The benchmark: 2048 inputs, 512, 512 and 11 LIF neurons (Table 4), the class read from the output's rates."""

    name: ClassVar[str] = "dvs_gesture"
    title: ClassVar[str] = "DVS128 Gesture"
    chance: ClassVar[float] = 1 / len(files.NAMES)
    normal_leak: ClassVar[Leak] = NORMAL_LEAK
    sources: ClassVar[tuple[str, ...]] = ("gestures", "official", "tonic", "local")
    default_source: ClassVar[str] = "gestures"
    protocol: ClassVar[type[GestureProtocol]] = GestureProtocol
    groups: ClassVar[tuple[str, ...]] = files.NAMES
    facts: ClassVar[Facts] = Facts(
        kind="spatio-temporal",
        place="Table 3",
        samples=SIZES,
        size="128 × 128 pixels, two polarities",
        origin="hand and arm gestures before an event camera",
        form="events",
        corrected="Table 3 says 1,342 samples: four of the five accuracies of Table 6 are multiples of 1/288, the test "
        "set of the usual split.",
    )

    def sizes(self, protocol: GestureProtocol) -> tuple[int, ...]:
        return (CHANNELS, protocol.hidden, protocol.hidden, len(files.NAMES))

    def load(self, protocol: GestureProtocol, source: str, progress: cache.Progress | None = None) -> EventData:
        found = {split: locate(protocol, source, split, progress) for split in SIZES}
        train, test = (prepare(protocol, one, split, progress) for split, one in found.items())
        scale = 1 / FACTOR**2 if protocol.pooling == "mean" else 1.0
        return EventData(
            Part.of(train, protocol.train_samples, "train_samples", scale=scale),
            Part.of(test, protocol.test_samples, "test_samples", scale=scale),
            batch_size=protocol.batch_size,
            test_batch_size=288,
        )


def locate(protocol: GestureProtocol, source: str, split: str, progress: cache.Progress | None = None) -> Identity:
    """Return where a split's recordings are and what they are.

    Raises:
        DataError: they are missing, or another source than the one asked for.
    """
    dataset = registry.get("dvs_gesture")
    if source == "gestures":
        folder, digest = gestures(protocol, progress)
        return Identity(folder / f"{split}.zip", source, digest)
    return identity.demand(identity.identify_gestures(dataset, dataset.path(), split), source)


def prepare(
    protocol: GestureProtocol, found: Identity, split: str, progress: cache.Progress | None = None
) -> cache.Prepared:
    """Return a split's recordings in frames, from the cache if they are there.

    Raises:
        DataError: a recording is damaged.
    """
    binning = Binning(protocol.T, CHANNELS, protocol.split, counts=protocol.pooling != "max")
    trusted = found.source in ("official", "tonic")

    def recordings() -> Iterator[cache.Recording]:
        for gesture in files.read(found.path, split, trusted):
            events = gesture.events
            channel = pooled_channel(events.x, events.y, events.p, files.SIDE, FACTOR)
            yield cache.Recording(events.t, channel, gesture.label, {"user": gesture.user})

    return cache.prepare(
        f"dvs_gesture-{split}", {"source": found.digest, "split": split}, binning, recordings, SIZES[split], progress
    )


def gestures(protocol: GestureProtocol, progress: cache.Progress | None = None) -> tuple[Path, str]:
    """Return the folder and digest of the stand-in."""
    from lifroles.standins import gestures as generator

    sizes = {split: getattr(protocol, f"{split}_samples") or size for split, size in SIZES.items()}
    arguments = {"camera": asdict(generator.CAMERA), **sizes}

    def make(folder: Path) -> None:
        generator.write(folder, progress=progress, **sizes)

    return made("gestures", {"version": generator.VERSION, **arguments}, make)
