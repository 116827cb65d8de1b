"""The floor: what any implementation has to compute and to move, at the rates that this machine reaches.

Counted are the operations and the bytes of the passes one after the other, and a pass takes at least the longer of the
time for its operations at the measured matrix rate and the time for its bytes at the measured bandwidth. It is a floor
and not an estimate: caches, index arithmetic, latency and the order of the steps come on top. One thing can go below
it: writing past the cache, where the triad that the bandwidth is measured with fetches the lines that it overwrites,
which STREAM does not count.

What is counted
- *Operations.* An entry of the input that is not zero costs one multiply-add (2 operations) for every neuron that it
  leads to, forward and again for the weights' gradient; an addition takes the slot of a multiply-add. Spikes that go to
  the next layer or come back to their own are counted as the entries that they are, at the rate measured on this
  network. The gradient that goes back through a layer's weights is a full matrix product. A neuron step costs 6
  operations forward (leak, input, threshold, reset) and 10 backward.
- *Bytes.* Every number that is used in a later pass, float32, is written once and read once: u of every neuron step (8
  bytes). So is every bit: spikes that the next layer or the recurrence reads are written once and read forward and for
  the weights' gradient (3 bits). A layer on its own, and a network's last one, give them as numbers. The currents and
  their gradients are not counted: a fused kernel keeps them in cache. The entries of a sparse input are 2 bytes each
  with 8 a row, read forward and backward. Adam reads weight, gradient and two moments, and writes all but the gradient;
  that is written by the backward pass: 32 bytes a weight.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from benchmarks.kernels.workloads import Layer, Network

FORWARD, BACKWARD = 6, 10
"""Operations of a neuron step."""
FLOAT = 4
BIT = 1 / 8
"""Bytes of a spike that is passed on to the next layer or comes back to its own."""


@dataclass(frozen=True)
class Rates:
    """What the machine reaches: operations a second in a matrix product, bytes a second in a triad, float32."""

    operations: float
    bytes: float


def measure(repeats: int = 7, n: int = 3072, m: int = 48_000_000) -> Rates:
    """Return the rates: the best of a few, because a floor must not be too high.

    Arguments:
        repeats: how many of each.
        n: the product is of two n × n matrices.
        m: the triad a = b + s · c is on arrays of m numbers, far larger than the caches; its bytes are counted as
            STREAM counts them, two read and one written.
    """
    a, b = torch.randn(n, n), torch.randn(n, n)
    out = torch.empty(n, n)
    product = _best(lambda: torch.mm(a, b, out=out), repeats)
    x, y = torch.ones(m), torch.ones(m)
    z = torch.empty(m)
    triad = _best(lambda: torch.add(x, y, alpha=0.5, out=z), repeats)
    return Rates(2 * n**3 / product, 3 * FLOAT * m / triad)


def _best(call: Any, repeats: int) -> float:
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times[1:])


@dataclass(frozen=True)
class Pass:
    """One pass over the data: its operations and bytes."""

    name: str
    operations: float
    bytes: float

    def seconds(self, rates: Rates) -> float:
        """Return the time below which it cannot be."""
        return max(self.operations / rates.operations, self.bytes / rates.bytes)


def network_passes(work: Network, spikes: Sequence[float], entries: int, *, training: bool) -> list[Pass]:
    """Return the passes of one step.

    Arguments:
        work: the network.
        spikes: how many spikes each spiking layer fires in all, ``T · B · N`` times its rate.
        entries: how many entries of the input are not zero.
        training: whether backward and Adam are among them, or forward alone.
    """
    rows = work.steps * work.batch
    sizes = work.sizes
    last = len(sizes) - 2
    forward, backward = [], []
    for layer, (n_in, n_out) in enumerate(itertools.pairwise(sizes)):
        arriving = entries if layer == 0 else spikes[layer - 1]
        reads = 2 * entries + 8 * rows if layer == 0 else BIT * rows * n_in
        fires = layer < last or work.readout == "rate"
        # What the layer leaves for later: its potentials for the backward pass, and spikes (or what stands for them).
        spike = BIT if layer < last else FLOAT
        writes = rows * n_out * ((FLOAT if training and fires else 0) + spike)
        operations = 2.0 * arriving * n_out + FORWARD * rows * n_out
        if work.recurrent and layer < last:
            operations += 2.0 * spikes[layer] * n_out
        forward.append(Pass(f"layer {layer + 1} forward", operations, reads + writes))
        if not training:
            continue
        operations = 2.0 * arriving * n_out + BACKWARD * rows * n_out
        reads += FLOAT * rows * n_out  # u, or the potentials of the readout
        if layer > 0:
            operations += 2.0 * rows * n_in * n_out
        if work.recurrent and layer < last:
            operations += 2.0 * spikes[layer] * n_out + 2.0 * rows * n_out * n_out
            reads += BIT * rows * n_out
        backward.append(Pass(f"layer {layer + 1} backward", operations, reads))
    passes = forward + backward[::-1]
    if training:
        weights = sum((a + 1) * b for a, b in itertools.pairwise(sizes))
        weights += sum(n * n for n in sizes[1:-1]) if work.recurrent else 0
        passes.append(Pass("Adam", 12.0 * weights, 32.0 * weights))
    return passes


def layer_passes(work: Layer, *, training: bool) -> list[Pass]:
    """Return the passes of a layer on its own: x read, o written, and for training u written and read, the gradient of
    o read and that of x written."""
    size = work.size
    forward = Pass("forward", FORWARD * size, FLOAT * size * (3 if training else 2))
    return [forward, Pass("backward", BACKWARD * size, 3 * FLOAT * size)] if training else [forward]


def summary(passes: Sequence[Pass], rates: Rates) -> dict[str, float]:
    """Return operations, bytes and the floor in seconds, as the record holds them."""
    return {
        "operations": sum(p.operations for p in passes),
        "bytes": sum(p.bytes for p in passes),
        "seconds": sum(p.seconds(rates) for p in passes),
    }
