"""N-MNIST (Table 3): handwritten digits before a moving event camera, 34 × 34 pixels and two polarities.

The published set needs a download. ``subset`` are 1,060 of its recordings; ``saccades`` and ``saccades-5k`` are a
simulated camera moved before MNIST's images, all 70,000 or the 5,000 that need no download. Records say which it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import ClassVar, Literal

from torch import Tensor

from lifroles import cache
from lifroles.benchmarks import rates
from lifroles.benchmarks.base import Benchmark, Facts, Protocol, sourced
from lifroles.benchmarks.recordings import EventData, Part
from lifroles.data import digits as files
from lifroles.data import identity, registry
from lifroles.data.identity import Identity
from lifroles.data.standin import made
from lifroles.events import Binning, pooled_channel, whole_steps
from lifroles.networks import SpikingMLP
from lifroles.variant import NORMAL_LEAK, Leak, Variant

LINEAGE = "code of He et al. 2020"
SIDE = 34
CHANNELS = 2 * SIDE * SIDE
STANDINS: Mapping[str, Literal["official", "mnist-5k"]] = {"saccades": "official", "saccades-5k": "mnist-5k"}


class NmnistProtocol(Protocol):
    """Tables 4 and 5, spatio-temporal; T, loss and readout from the code that the paper's authors build on."""

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
    hidden: int = sourced(512, "hidden neurons", "Table 4", ge=1)
    u_th: float = sourced(0.3, "firing threshold", "Table 5, spatio-temporal", gt=0)
    width: float = sourced(0.25, "half width of the surrogate's rectangle", "Table 5, spatio-temporal", gt=0)
    bias: bool = sourced(True, "biases in the weighted sums", LINEAGE)
    loss: Literal["mse", "cross_entropy"] = sourced(
        "mse", "loss on the output rates: mean squared error to one-hot, or cross-entropy", LINEAGE
    )
    epochs: int = sourced(100, "epochs", "Table 5, spatio-temporal", ge=1)
    batch_size: int = sourced(1024, "recordings a batch", "Table 5, spatio-temporal", ge=1)
    lr: float = sourced(1e-4, "learning rate of Adam", "Table 5, spatio-temporal", gt=0)
    lr_step: int = sourced(25, "epochs between two steps of StepLR", "Table 5, spatio-temporal", ge=1)
    lr_gamma: float = sourced(0.1, "factor of StepLR", "Table 5, spatio-temporal", gt=0)
    train_samples: int | None = sourced(None, "training recordings, the first ones (None: all)", "Table 3", ge=1)
    test_samples: int | None = sourced(None, "test recordings, the first ones (None: all)", "Table 3", ge=1)

    @property
    def steps(self) -> int:
        """The number of time steps."""
        return whole_steps(self.duration, self.dt) if self.T is None else self.T


class Nmnist(Benchmark):
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

    def network(self, protocol: NmnistProtocol, variant: Variant, backend: str) -> SpikingMLP:
        return SpikingMLP(
            self.sizes(protocol),
            variant,
            u_th=protocol.u_th,
            width=protocol.width,
            readout="rate",
            bias=protocol.bias,
            backend=backend,
        )

    def loss(self, protocol: NmnistProtocol, output: Tensor, labels: Tensor) -> Tensor:
        return rates.loss(protocol.loss, output, labels)

    def correct(self, protocol: NmnistProtocol, output: Tensor, labels: Tensor) -> Tensor:
        return rates.correct(output, labels)


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
