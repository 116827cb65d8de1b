"""Fig. 4: how often does every neuron fire, and how many synaptic operations does a sample cost?

Operations are counted as NeuroBench does (Yik et al. 2025): one for every input that is not zero and every weight that
is not zero. It is an accumulate where the input is a spike, and a multiply-accumulate where it is any other number.
Biases and what happens inside a neuron do not count.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from lifroles.benchmarks import Network
from lifroles.networks import SpikingMLP
from lifroles.neuron import VariantLIF
from lifroles.probes.record import Findings, Probe, ProbeParameters
from lifroles.sparse import SparseSequence
from lifroles.spec import RunSpec
from lifroles.variant import Variant

Array = np.ndarray[Any, Any]


class RatesParameters(ProbeParameters):
    """Nothing to choose: all of the run's own test samples."""


def _events(x: Tensor | SparseSequence) -> tuple[Array, bool]:
    """Return how many entries of each channel of ``[T, B, N]`` are not zero, ``[N]``, and whether all are spikes."""
    if isinstance(x, SparseSequence):
        return np.bincount(x.indices, minlength=x.shape[2]), x.values is None or bool((x.values == 1).all())
    some = x[:1] if x.stride(0) == 0 else x  # direct coding repeats one image at every step
    counts = (some != 0).sum((0, 1)).numpy() * (x.shape[0] // some.shape[0])
    return counts, bool(((some == 0) | (some == 1)).all())


def _fan_out(weight: Tensor) -> Array:
    """Return how many weights ``[to, from]`` of each sending neuron are not zero, ``[from]``."""
    return (weight.detach() != 0).sum(0).double().numpy()


@torch.no_grad()
def measure(spec: RunSpec, network: Network, p: RatesParameters) -> Findings:
    """Return rates and operations, over all test samples.

    Keys are the layers (``hidden1``, ..., ``output``). ``rate``: spikes per neuron and step; ``silent``: share of the
    neurons that never fire; ``accumulates`` and ``multiplies``: operations a sample through the weights into a layer;
    ``recurrent``: accumulates a sample through the weights of a layer onto itself; ``dense``: operations if every input
    and weight counted, zero or not. ``steps`` and ``samples`` (key ``test``). Arrays: ``rate_<layer>`` ``[N]``.
    """
    assert isinstance(network, SpikingMLP)
    names = network.layer_names()
    counts = {name: np.zeros(node.features) for name, node in _firing(network)}
    last = {name: np.zeros(node.features) for name, node in _firing(network)}
    channels = np.zeros(spec.task.sizes(spec.protocol)[0])
    samples, steps, spikes_in = 0, 0, True
    for batch in spec.task.load(spec.protocol, spec.source).test_batches():
        events, binary = _events(batch.inputs)
        channels += events
        spikes_in = spikes_in and binary
        samples += len(batch.labels)
        steps = batch.inputs.shape[0]
        for name, spikes in network(batch.inputs).spikes.items():
            counts[name] += spikes.sum((0, 1), dtype=torch.float64).numpy()
            last[name] += spikes[-1].sum(0, dtype=torch.float64).numpy()
    numbers: dict[tuple[str, str], float] = {("samples", "test"): samples, ("steps", "test"): steps}
    senders = [channels, *(counts[name] for name in names[:-1])]
    for name, linear, sender in zip(names, network.linears, senders, strict=True):
        weight: Any = linear.weight
        operations = float(sender @ _fan_out(weight)) / samples
        multiply = name == names[0] and not spikes_in
        numbers["accumulates", name] = 0.0 if multiply else operations
        numbers["multiplies", name] = operations if multiply else 0.0
        numbers["dense", name] = float(steps * weight.numel())
    for name, node in _firing(network):
        numbers["rate", name] = float(counts[name].mean()) / (samples * steps)
        numbers["silent", name] = float((counts[name] == 0).mean())
        if node.recurrent_weight is not None:
            # The spikes of the last step return to nobody.
            numbers["recurrent", name] = float((counts[name] - last[name]) @ _fan_out(node.recurrent_weight)) / samples
            numbers["dense", name] += float((steps - 1) * node.recurrent_weight.numel())
    rates = {f"rate_{name}": (found / (samples * steps)).astype(np.float32) for name, found in counts.items()}
    return Findings(numbers, rates)


def _firing(network: SpikingMLP) -> list[tuple[str, VariantLIF]]:
    """Return name and neurons of every layer that fires."""
    layers = zip(network.layer_names(), network.nodes, strict=True)
    return [(name, node) for name, node in layers if isinstance(node, VariantLIF)]


def _covers(spec: RunSpec) -> bool:
    """Return whether a run's network is fully connected and fires: CIFAR10's residual network convolves."""
    return isinstance(spec.variant, Variant) and getattr(spec.protocol, "network", "mlp") == "mlp"


PROBE = Probe(
    name="rates",
    version=1,
    question="How often does every neuron fire, and how many synaptic operations does a sample cost (Fig. 4)?",
    parameters=RatesParameters,
    measure=measure,
    covers=_covers,
)
