"""Block dynamical isometry, measured: does the gradient keep its norm from block to block (Zheng et al. 2021)?

A block takes the spikes of the block before to its own. With J its Jacobian, built with the surrogate gradient that
training uses, and tr the trace divided by the number of rows, the network has block dynamical isometry where
``tr(J Jᵀ)`` is near 1 and ``tr((J Jᵀ)²) - tr(J Jᵀ)²`` near 0 in every block: the squared singular values of J are then
near 1, and a gradient comes out of a block as long as it went in. J is of all time steps of a batch at once: through
the neurons' memory, and through the statistics of the normalisation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from lifroles.benchmarks import Batch, Network
from lifroles.probes.record import Findings, Probe, ProbeParameters
from lifroles.resnet import SpikingResNet
from lifroles.spec import RunSpec


class IsometryParameters(ProbeParameters):
    """On how many images, and how precisely."""

    samples: int = Field(16, description="test images, the first ones, as one batch", ge=2)
    vectors: int = Field(2, description="random vectors behind each trace", ge=1)
    seed: int = Field(0, description="of the vectors", ge=0)


@dataclass(frozen=True)
class _Block:
    """Spikes into and out of a block, in one graph."""

    before: Tensor
    after: Tensor


def first(spec: RunSpec, samples: int) -> Batch[Tensor]:
    """Return the first held-out images of a run's data as one batch."""
    batch = next(spec.task.load(spec.protocol, spec.source).test_batches())
    return Batch(batch.inputs[:, :samples], batch.labels[:samples], batch.groups[:samples])


def measure(spec: RunSpec, network: Network, p: IsometryParameters) -> Findings:
    """Return the isometry of a trained network, with statistics of the batch as in training."""
    # Its neurons as plain torch: the fused kernels have no derivative of their derivative.
    plain = spec.network("reference")
    plain.load_state_dict(network.state_dict())
    assert isinstance(plain, SpikingResNet)
    return Findings(isometry(spec, plain, first(spec, p.samples), p))


def isometry(
    spec: RunSpec, network: SpikingResNet, batch: Batch[Tensor], p: IsometryParameters
) -> Mapping[tuple[str, str], float]:
    """Return what a network does to gradients, by (metric, key).

    Keys are ``block1``, ``block2``, ... ``isometry``: tr(J Jᵀ) of the block. ``spread``: tr((J Jᵀ)²) - tr(J Jᵀ)².
    ``gradient``: the norm of the loss's gradient at the spikes that enter the block; key ``head``: at those that leave
    the last one. ``rate``: spikes per neuron and step, by layer.

    Arguments:
        spec: of the loss.
        network: on the ``reference`` backend; it is left in training mode, its running statistics moved.
        batch: images ``[T, B, N]`` and labels.
        p: vectors and seed; ``samples`` is not looked at.
    """
    blocks: list[_Block] = []

    def keep(_: Any, inputs: tuple[Any, ...], spikes: list[Tensor]) -> None:
        blocks.append(_Block(inputs[0], spikes[-1]))

    hooks = [block.register_forward_hook(keep) for block in network.blocks]
    network.train()
    try:
        activity = network(batch.inputs)
    finally:
        for hook in hooks:
            hook.remove()
    loss = spec.task.loss(spec.protocol, activity.output, batch.labels)
    ends = [*(block.before for block in blocks), blocks[-1].after]
    names = [f"block{i}" for i in range(1, len(ends))]
    found = {("rate", layer): rate for layer, rate in activity.rates().items()}
    gradients = torch.autograd.grad(loss, ends, retain_graph=True)
    for name, gradient in zip([*names, "head"], gradients, strict=True):
        found["gradient", name] = float(gradient.double().norm())
    generator = torch.Generator().manual_seed(p.seed)
    for name, block in zip(names, blocks, strict=True):
        first, second = traces(block.after, block.before, p.vectors, generator)
        found["isometry", name] = first
        found["spread", name] = second - first**2
    return found


def traces(after: Tensor, before: Tensor, vectors: int, generator: torch.Generator) -> tuple[float, float]:
    """Return tr(J Jᵀ) and tr((J Jᵀ)²) of J = ∂after/∂before, each divided by the entries of ``after``.

    For standard normal w, E |Jᵀ w|² is the first trace and E |J Jᵀ w|² the second (Hutchinson).
    """
    first, second = 0.0, 0.0
    for _ in range(vectors):
        w = torch.randn(after.shape, generator=generator, dtype=after.dtype).requires_grad_()
        # J v is the derivative of <Jᵀ w, v> by w.
        (back,) = torch.autograd.grad(after, before, w, retain_graph=True, create_graph=True)
        (forth,) = torch.autograd.grad(back, w, back.detach(), retain_graph=True)
        first += float(back.detach().double().square().sum()) / after.numel() / vectors
        second += float(forth.double().square().sum()) / after.numel() / vectors
    return first, second


def covers(spec: RunSpec) -> bool:
    """Return whether a run's network has blocks."""
    return str(getattr(spec.protocol, "network", "")).startswith("resnet")


PROBE = Probe(
    name="isometry",
    version=1,
    question="Does the gradient keep its norm from block to block of a residual network?",
    parameters=IsometryParameters,
    measure=measure,
    covers=covers,
)
