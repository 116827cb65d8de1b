"""Eqs. (12) and (13), measured: do errors die out or pile up from step to step?

The paper explains generalisation by the product of the ∂u(t+1)/∂u(t), which leakage scales down and recurrence spreads,
and shows no data. Here are, for a trained network: the gradient that reaches the hidden state of each step, the gain of
one step and of many, all with the surrogate gradient that training used; and, without any surrogate, what becomes of a
few flipped entries of the input.

The hidden state is u of the hidden layer, c of an LSTM, h of the other cells.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from lifroles.backends import reference
from lifroles.benchmarks import Network
from lifroles.networks import SpikingMLP
from lifroles.neuron import VariantLIF
from lifroles.probes import samples
from lifroles.probes.record import Findings, Probe, ProbeParameters
from lifroles.rnn import RecurrentNetwork
from lifroles.spec import RunSpec

Layered = SpikingMLP | RecurrentNetwork
"""The networks on N-MNIST: one hidden layer, whose input current is a sum over events."""


class GradientsParameters(ProbeParameters):
    """On how many recordings, and how the input is disturbed."""

    samples: int = Field(500, description="test recordings, the first ones", ge=1)
    vectors: int = Field(4, description="random vectors behind each norm of a Jacobian", ge=1)
    flips: int = Field(10, description="entries of one input step that are flipped", ge=1)
    step: int = Field(3, description="the step whose input is disturbed, counted from 1", ge=1)
    seed: int = Field(0, description="of the vectors and flips", ge=0)


@dataclass(frozen=True)
class Trajectory:
    """A pass through a network, step by step: hidden states and outputs ``[B, H]`` of every step, and its output."""

    states: list[Tensor]
    hidden: list[Tensor]
    output: Tensor


def trajectory(network: Layered, current: Tensor) -> Trajectory:
    """Run a network from its first layer's input current ``[T, B, gates · H]``; the states are nodes of the graph."""
    if isinstance(network, RecurrentNetwork):
        held = network.states(current)
        hidden = [state[0] for state in held]
        return Trajectory([state[-1] for state in held], hidden, network.read(torch.stack(hidden)))
    node = network.nodes[0]
    assert isinstance(node, VariantLIF)
    u = o = current.new_zeros(current.shape[1:])
    states, hidden = [], []
    for x in current.unbind(0):
        u, o = reference.step(
            x,
            u,
            o,
            k_tau=node.k_tau,
            reset=node.variant.reset,
            u_th=node.v_threshold,
            fire=node.surrogate_function,
            detach_reset=node.detach_reset,
            recurrent_weight=node.recurrent_weight,
        )
        states.append(u)
        hidden.append(o)
    return Trajectory(states, hidden, network.from_hidden(torch.stack(hidden)).output)


def measure(spec: RunSpec, network: Network, p: GradientsParameters) -> Findings:
    """Return how errors travel through time, of one recording, averaged over recordings.

    ``gradient`` (key ``t=1``, ...): the norm of ∂L/∂state(t), L the loss of one recording. ``dead``: the share of
    recordings where it is zero. ``gain`` (``t=1``, ...): root mean square of the singular values of
    ∂state(t+1)/∂state(t). ``reach`` (``lag=0``, ...): the same for ∂state(T)/∂state(T-lag). ``distance`` (``lag=0``,
    ...): root mean square difference between the states of the disturbed and the undisturbed pass, so many steps after
    the disturbance. ``spikes``: the share of hidden spikes that differ. ``moved`` (``output``): the mean absolute
    difference of the output, and ``flipped`` the share of recordings whose class changes.
    """
    assert isinstance(network, Layered)
    part = samples.part(spec, "Test")
    generator = torch.Generator().manual_seed(p.seed)
    sums: dict[tuple[str, str], float] = {}
    squares: dict[tuple[str, str], float] = {}
    positions = samples.first(part, p.samples)
    for batch in samples.batches(part, positions)():
        dense = batch.inputs if isinstance(batch.inputs, Tensor) else batch.inputs.dense()
        for found, into in (
            (_backward(spec, network, dense, batch.labels, p, generator), (sums, squares)),
            (_forward(network, dense, p, generator), (sums, squares)),
        ):
            for (metric, key), value in found.items():
                root = metric in ROOTS
                held = into[1] if root else into[0]
                held[metric, key] = held.get((metric, key), 0.0) + value * len(batch.labels)
    n = len(positions)
    numbers = {k: v / n for k, v in sums.items()} | {k: math.sqrt(v / n) for k, v in squares.items()}
    return Findings(dict(sorted(numbers.items(), key=lambda item: (item[0][0], _order(item[0][1])))))


ROOTS = ("gain", "reach", "distance")
"""Metrics that are root mean squares: their squares are averaged."""


def _order(key: str) -> int:
    tail = key.partition("=")[2]
    return int(tail) if tail else 0


def _backward(
    spec: RunSpec, network: Layered, x: Tensor, labels: Tensor, p: GradientsParameters, generator: torch.Generator
) -> dict[tuple[str, str], float]:
    path = trajectory(network, network.current(x))
    # The loss is a mean over the batch: its sum gives every recording the gradient of its own loss.
    loss = spec.task.loss(spec.protocol, path.output, labels) * len(labels)
    found: dict[tuple[str, str], float] = {}
    for t, gradient in enumerate(torch.autograd.grad(loss, path.states, retain_graph=True), 1):
        norms = gradient.norm(dim=1)
        found["gradient", f"t={t}"] = float(norms.mean())
        found["dead", f"t={t}"] = float((norms == 0).double().mean())
    shape = path.states[0].shape
    for _ in range(p.vectors):
        # E |Jᵀ w|² over standard normal w is the sum of the squared singular values of J.
        w = torch.randn(shape, generator=generator, dtype=path.output.dtype)
        for t in range(1, len(path.states)):
            (back,) = torch.autograd.grad(path.states[t], path.states[t - 1], w, retain_graph=True)
            found["gain", f"t={t}"] = found.get(("gain", f"t={t}"), 0.0) + _mean_square(back) / p.vectors
        for lag, back in enumerate(torch.autograd.grad(path.states[-1], path.states, w, retain_graph=True)[::-1]):
            found["reach", f"lag={lag}"] = found.get(("reach", f"lag={lag}"), 0.0) + _mean_square(back) / p.vectors
    return found


def _mean_square(values: Tensor) -> float:
    return float(values.double().square().mean())


@torch.no_grad()
def _forward(
    network: Layered, x: Tensor, p: GradientsParameters, generator: torch.Generator
) -> dict[tuple[str, str], float]:
    at = min(p.step, len(x)) - 1
    channels = torch.rand(x.shape[1:], generator=generator).topk(p.flips).indices
    disturbed = x[at].clone()
    disturbed.scatter_(1, channels, 1 - disturbed.gather(1, channels).clamp(max=1))
    current = network.current(x)
    other = current.clone()
    other[at] += F.linear(disturbed - x[at], _input_weight(network))
    before, after = trajectory(network, current), trajectory(network, other)
    found = {}
    for lag, (one, two) in enumerate(zip(before.states[at:], after.states[at:], strict=True)):
        found["distance", f"lag={lag}"] = _mean_square(two - one)
    if not isinstance(network, RecurrentNetwork):
        for lag, (one, two) in enumerate(zip(before.hidden[at:], after.hidden[at:], strict=True)):
            found["spikes", f"lag={lag}"] = float((one != two).double().mean())
    found["moved", "output"] = float((after.output - before.output).abs().double().mean())
    found["flipped", "output"] = float((after.output.argmax(-1) != before.output.argmax(-1)).double().mean())
    return found


def _input_weight(network: Layered) -> Tensor:
    weight = network.cell.weight_ih_l0 if isinstance(network, RecurrentNetwork) else network.linears[0].weight
    assert isinstance(weight, Tensor)
    return weight


PROBE = Probe(
    name="gradients",
    version=1,
    question="How do errors grow or die from step to step on N-MNIST (Eqs. (12) and (13))?",
    parameters=GradientsParameters,
    measure=measure,
    covers=samples.is_nmnist,
)
