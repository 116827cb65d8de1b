"""What SHD and SSC share: spoken words as spikes of 700 channels, and a network of one hidden layer to tell them apart.

The paper's own numbers are those of Tables 4 and 5. What it leaves out (dt, T, binning, readout, loss) is taken from
the scripts of Zheng et al. 2024, whose first author is the second author here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from lifroles import cache
from lifroles.benchmarks.base import Protocol, sourced
from lifroles.benchmarks.recordings import leaks_apart
from lifroles.data import identity
from lifroles.data import words as files
from lifroles.data.identity import Identity
from lifroles.data.registry import DataSet
from lifroles.events import Binning, whole_steps
from lifroles.networks import SpikingMLP
from lifroles.variant import Variant

SCRIPT = "script of Zheng et al. 2024"
CHANNELS = 700


class WordsProtocol(Protocol):
    """Tables 4 and 5, temporal; the rest from reference [23]'s authors."""

    dt: float = sourced(1.0, "length of a step, ms", SCRIPT, ge=0.001)
    T: int | None = sourced(None, "time steps; None: as many as fit into duration", SCRIPT, ge=1)
    duration: float = sourced(
        1000.0, "beginning of each word that is used, ms, where T does not say; later spikes are dropped", SCRIPT, gt=0
    )
    edge: Literal["right", "left"] = sourced(
        "right",
        "which end a step includes. right: step i holds (i-1) dt < t <= i dt, and step 0 t <= 0; "
        "left: i dt <= t < (i+1) dt, as the text of Zheng et al. has it",
        SCRIPT,
    )
    units: Literal["script", "all"] = sourced(
        "script", "input channels. script: in reverse order and without channel 0; all: as recorded", SCRIPT
    )
    values: Literal["binary", "counts"] = sourced(
        "binary", "what a step of a channel holds: whether there was a spike, or how many", SCRIPT
    )
    hidden: int = sourced(64, "hidden neurons", "Table 4", ge=1)
    u_th: float = sourced(0.5, "firing threshold", "Table 5, temporal", gt=0)
    width: float = sourced(
        0.5,
        "half width of the surrogate's rectangle",
        "Table 5, temporal; choice: the half",
        gt=0,
    )
    surrogate: Literal["rectangle"] = sourced(
        "rectangle", "shape of the surrogate gradient", "choice: the paper does not say; ref. [23] has a multi-Gaussian"
    )
    leak_init_low: float = sourced(0.0, "a learnable leak starts at sigmoid(U(low, high)): low", SCRIPT)
    leak_init_high: float = sourced(4.0, "a learnable leak starts at sigmoid(U(low, high)): high", SCRIPT)
    bias: bool = sourced(True, "biases in the weighted sums", SCRIPT)
    readout: Literal["softmax_sum", "mean_membrane", "rate"] = sourced(
        "softmax_sum",
        "the class scores. softmax_sum: softmax of the readout's potentials, summed over the steps from readout_from "
        "on; mean_membrane: the potentials' mean over the same steps; rate: the spike rates of a class layer that "
        "fires, over all steps",
        SCRIPT,
    )
    readout_from: int = sourced(11, "first step (from 0) of the readout's sum or mean", SCRIPT, ge=0)
    readout_leak: Literal["variant", "learnable"] = sourced(
        "variant",
        "the leakage of a readout that does not fire: the variant's own, or always learnable",
        "choice: section 3.1 names all layers",
    )
    epochs: int = sourced(100, "epochs", "Table 5, temporal", ge=1)
    batch_size: int = sourced(512, "words a batch", "Table 5, temporal", ge=1)
    lr: float = sourced(1e-2, "learning rate of Adam", "Table 5, temporal", gt=0)
    lr_leak: float = sourced(2e-2, "learning rate of the learnable leaks", SCRIPT, gt=0)
    lr_step: int = sourced(20, "epochs between two steps of StepLR", "Table 5, temporal", ge=1)
    lr_gamma: float = sourced(0.5, "factor of StepLR", "Table 5, temporal", gt=0)
    clip_norm: float | None = sourced(
        None, "largest norm of the gradient, above which it is scaled down (None: none)", SCRIPT, gt=0
    )
    train_samples: int | None = sourced(None, "training words, the first ones (None: all)", "Table 1", ge=1)
    test_samples: int | None = sourced(None, "test words, the first ones (None: all)", "Table 1", ge=1)

    @property
    def steps(self) -> int:
        """The number of time steps."""
        return whole_steps(self.duration, self.dt) if self.T is None else self.T

    @model_validator(mode="after")
    def _fits(self) -> WordsProtocol:
        if self.readout != "rate" and self.readout_from >= self.steps:
            raise ValueError(
                f"readout_from is {self.readout_from}: the last of the {self.steps} steps is {self.steps - 1}"
            )
        if self.leak_init_low > self.leak_init_high:
            raise ValueError("leak_init_low is above leak_init_high")
        return self


def prepare_words(
    name: str, protocol: WordsProtocol, found: Identity, classes: int, progress: cache.Progress | None = None
) -> cache.Prepared:
    """Return an HDF5 file's words in steps, from the cache if they are there.

    Raises:
        DataError: the file is damaged.
    """
    binning = Binning(protocol.steps, CHANNELS, dt=protocol.dt, edge=protocol.edge, counts=protocol.values == "counts")
    key = {"source": found.digest, "units": protocol.units}
    words = files.open_words(found.path, classes)

    def recordings() -> Iterator[cache.Recording]:
        for spikes in files.read_words(words, CHANNELS, trusted=found.source == "official"):
            t, unit = spikes.t, spikes.unit.astype(np.int32)
            if protocol.units == "script":
                kept = unit > 0
                t, unit = t[kept], CHANNELS - unit[kept]
            yield cache.Recording(t, unit, spikes.label, {"speaker": spikes.speaker})

    return cache.prepare(name, key, binning, recordings, len(words.labels), progress)


def word_groups(found: Identity, classes: int, names: tuple[str, ...]) -> np.ndarray[Any, Any]:
    """Return which of ``names`` each label of a file is, whatever its order; a word that is none keeps its label."""
    own = files.open_words(found.path, classes).words
    known = {name: i for i, name in enumerate(names)}
    words = [known.get(word.lower(), label) for label, word in enumerate(own)]
    return np.array([*words, *range(len(words), classes)], np.int64)


def locate(
    dataset: DataSet, source: str, splits: Iterable[str], classes: int, make: Callable[[], tuple[Path, str]]
) -> dict[str, Identity]:
    """Return the file of every split: the stand-in's where ``source`` is ``speech``, else the data folder's.

    Arguments:
        make: returns the stand-in's folder and digest.

    Raises:
        DataError: a file is missing, or is another source than the one asked for.
    """
    names = {split: f"{dataset.name}_{split}.h5" for split in splits}
    if source == "speech":
        folder, digest = make()
        return {split: Identity(folder / name, source, digest) for split, name in names.items()}
    return {
        split: identity.demand(identity.identify_words(dataset, dataset.path(), name, classes), source)
        for split, name in names.items()
    }


def network(protocol: WordsProtocol, sizes: tuple[int, ...], variant: Variant, backend: str) -> SpikingMLP:
    """Return Table 4's network; the class layer integrates without firing unless the readout is its rate."""
    return SpikingMLP(
        sizes,
        variant,
        u_th=protocol.u_th,
        width=protocol.width,
        readout="rate" if protocol.readout == "rate" else "integrator",
        readout_leak="learnable" if protocol.readout_leak == "learnable" else None,
        bias=protocol.bias,
        leak_init=(protocol.leak_init_low, protocol.leak_init_high),
        backend=backend,
    )


def scores(protocol: WordsProtocol, output: Tensor) -> Tensor:
    """Return the class scores ``[B, C]`` of what the network gives (see the field ``readout``)."""
    if protocol.readout == "rate":
        return output
    asked = output[protocol.readout_from :]
    return asked.softmax(-1).sum(0) if protocol.readout == "softmax_sum" else asked.mean(0)


def loss(protocol: WordsProtocol, output: Tensor, labels: Tensor) -> Tensor:
    """Return the cross-entropy of the scores' softmax (for ``softmax_sum`` it acts twice, as in the script)."""
    return F.cross_entropy(scores(protocol, output), labels)


def correct(protocol: WordsProtocol, output: Tensor, labels: Tensor) -> Tensor:
    """Return 1 where the class with the highest score is right, ``[B]``."""
    return (scores(protocol, output).argmax(-1) == labels).float()


def parameters(protocol: WordsProtocol, network: nn.Module) -> list[Any]:
    """Return Adam's groups: the leaks have their own learning rate."""
    return leaks_apart(network, protocol.lr_leak)
