"""What is computed: networks on spike trains, and layers on their own."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from lifroles.networks import Readout
from lifroles.sparse import SparseSequence

DISCARDED = 10
"""Steps before the readout of the integrator counts, as in the script that the SHD protocol follows."""

GAIN = 1.0
"""Standard deviation of a hidden neuron's current, in thresholds: it makes the hidden layers fire about as often as
trained ones do, one step in ten or so. With PyTorch's own initialisation they would hardly fire on input so sparse."""


@dataclass(frozen=True)
class Network:
    """A fully connected network and its input.

    Arguments:
        name: what it is called on the command line and in the record.
        title: the data set that it is for.
        sizes: units of every layer, input first.
        steps: time steps T.
        batch: samples B.
        density: share of the input's entries that are spikes.
        readout: see :class:`lifroles.networks.SpikingMLP`.
        recurrent: whether the hidden layers are recurrent.
        k_tau: the leak, the same in all layers.
        u_th: the threshold.
        width: half width of the surrogate's rectangle.
    """

    name: str
    title: str
    sizes: tuple[int, ...]
    steps: int
    batch: int
    density: float
    readout: Readout
    recurrent: bool
    k_tau: float
    u_th: float
    width: float

    @property
    def words(self) -> str:
        """Name and sizes, for tables."""
        sizes = "–".join(map(str, self.sizes))
        kind = ", recurrent" if self.recurrent else ""
        return f"{self.title} {sizes}{kind}, T = {self.steps}, batch {self.batch:,}"

    def events(self) -> SparseSequence:
        """Return the input: every entry a spike with the same chance, the same at every call."""
        generator = torch.Generator().manual_seed(1)
        steps, batch, channels = self.steps, self.batch, self.sizes[0]
        # Sample by sample, so that no dense sequence has to stand in memory.
        parts = []
        for _ in range(batch):
            spikes = torch.rand((steps, 1, channels), generator=generator) < self.density
            part = SparseSequence.from_dense(spikes.float())
            parts.append((part.indptr, part.indices, None))
        return SparseSequence.from_samples(steps, channels, parts)

    def labels(self) -> Tensor:
        """Return one class a sample, ``[B]``."""
        return torch.arange(self.batch) % self.sizes[-1]

    def weights(self) -> tuple[list[Tensor], list[Tensor]]:
        """Return the feed-forward weights of every layer and the recurrent ones of every hidden layer."""
        generator = torch.Generator().manual_seed(2)
        rate = self.density
        forward, across = [], []
        for n_in, n_out in itertools.pairwise(self.sizes):
            scale = GAIN * self.u_th / math.sqrt(rate * n_in)
            forward.append(scale * torch.randn((n_out, n_in), generator=generator))
            rate = 0.1
            across.append(0.3 * self.u_th / math.sqrt(rate * n_out) * torch.randn((n_out, n_out), generator=generator))
        return forward, across[:-1] if self.recurrent else []

    def loss(self, output: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of the benchmark's protocol, the same for every candidate."""
        if self.readout == "rate":
            return F.mse_loss(output, F.one_hot(labels, output.shape[-1]).to(output))
        return F.cross_entropy(output[DISCARDED:].softmax(-1).sum(0), labels)


# SHD's leak is learned, one a neuron, which no peer has; it is fixed here at about the mean that learning starts from.
_SHD = {"readout": "integrator", "k_tau": 0.8, "u_th": 0.5, "width": 0.5}
_NMNIST = {"readout": "rate", "recurrent": False, "k_tau": 0.3, "u_th": 0.3, "width": 0.25}

NETWORKS: dict[str, tuple[Network, ...]] = {
    "a": (
        Network("shd", "SHD", (700, 64, 20), 250, 512, 0.03, recurrent=False, **_SHD),
        Network("shd-recurrent", "SHD", (700, 64, 20), 250, 512, 0.03, recurrent=True, **_SHD),
    ),
    "b": (
        Network("nmnist-15", "N-MNIST", (2312, 512, 10), 15, 1024, 0.015, **_NMNIST),
        Network("nmnist-100", "N-MNIST", (2312, 512, 10), 100, 256, 0.015, **_NMNIST),
    ),
}
"""The networks by group."""


@dataclass(frozen=True)
class Layer:
    """One layer of neurons on its own: forward, and backward from a given gradient of its spikes to its input.

    ``series`` says which size changes along with it: ``"T"``, ``"B"`` or ``"N"``.
    """

    series: str
    steps: int
    batch: int
    neurons: int
    k_tau: float = 0.3
    u_th: float = 0.3
    width: float = 0.25

    @property
    def size(self) -> int:
        """T · B · N."""
        return self.steps * self.batch * self.neurons

    def inputs(self) -> tuple[Tensor, Tensor]:
        """Return the current ``[T, B, N]``, around half a threshold, and the gradient of the spikes, of one size."""
        generator = torch.Generator().manual_seed(3)
        shape = (self.steps, self.batch, self.neurons)
        x = torch.randn(shape, generator=generator).mul_(0.8 * self.u_th).add_(0.5 * self.u_th)
        return x, torch.randn(shape, generator=generator)


MOST = 70_000_000
"""Neuron steps T · B · N of the largest layer: a plain loop's graph takes about 40 bytes for each."""

_STEPS = (4, 16, 64, 256, 1024)
_NEURONS = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)


def layers(quick: bool) -> tuple[list[Layer], list[Layer]]:
    """Return the layers to run, and those that are left out because they are too large.

    T goes from 4 to 1024 and B · N from 1e3 to 1e7, by the batch at 100 neurons, and at T = 64 by the neurons too, at
    a batch of 100.
    """
    steps, sizes = ((4, 64), (1_000, 10_000)) if quick else (_STEPS, _NEURONS)
    every = [Layer("B", t, size // 100, 100) for t in steps for size in sizes]
    every += [Layer("N", 64, 100, size // 100) for size in sizes]
    return [one for one in every if one.size <= MOST], [one for one in every if one.size > MOST]


def shrunk(network: Network) -> Network:
    """Return the network on a few samples and steps, for a trial run."""
    return Network(**{**network.__dict__, "steps": min(network.steps, 15), "batch": 16})
