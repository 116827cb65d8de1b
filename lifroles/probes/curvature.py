"""How sharp is the minimum: the largest eigenvalue of the loss's Hessian at the trained weights, by power iteration.

Where the loss has a gradient, as in an LSTM, this is its curvature. A spiking network's loss has none: here is the rate
at which its surrogate gradient changes, the curvature that training sees, which need not be that of the loss.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from pydantic import Field
from torch import Tensor

from lifroles.benchmarks import Network
from lifroles.probes import samples
from lifroles.probes.record import Findings, Probe, ProbeParameters
from lifroles.spec import RunSpec


class CurvatureParameters(ProbeParameters):
    """On how many recordings, and how far the iteration goes."""

    samples: int = Field(500, description="training recordings, the first ones", ge=1)
    iterations: int = Field(20, description="of the power iteration", ge=1)
    step: float = Field(1e-2, description="half the distance of the two gradients whose difference is taken", gt=0)
    seed: int = Field(0, description="of the first direction", ge=0)


def largest(gradient: Callable[[Tensor], Tensor], start: Tensor, iterations: int, step: float) -> list[float]:
    """Return the estimates of the largest eigenvalue (by absolute value), one an iteration.

    Arguments:
        gradient: the gradient at the minimum plus an offset ``[P]``.
        start: the first direction ``[P]``, of any length.
        iterations: how many.
        step: a product with the Hessian is the difference of the gradients at plus and minus this, over twice of it.
    """
    found = []
    direction = start / start.norm()
    for _ in range(iterations):
        product = (gradient(step * direction) - gradient(-step * direction)) / (2 * step)
        found.append(float(direction @ product))
        size = product.norm()
        if size == 0:
            break
        direction = product / size
    return found


def measure(spec: RunSpec, network: Network, p: CurvatureParameters) -> Findings:
    """Return ``eigenvalue`` (key ``largest``), and the estimates on the way (``iteration=1``, ...)."""
    moved = copy.deepcopy(network)
    weights = list(moved.parameters())
    at = torch.nn.utils.parameters_to_vector(weights).detach().clone()
    part = samples.part(spec, "Train")
    (batch,) = samples.batches(part, samples.first(part, p.samples), size=p.samples)()

    def gradient(offset: Tensor) -> Tensor:
        torch.nn.utils.vector_to_parameters(at + offset, weights)
        loss = spec.task.loss(spec.protocol, moved(batch.inputs).output, batch.labels)
        return torch.cat([one.flatten() for one in torch.autograd.grad(loss, weights)])

    start = torch.randn(at.shape, generator=torch.Generator().manual_seed(p.seed)).to(at)
    found = largest(gradient, start, p.iterations, p.step)
    numbers = {("eigenvalue", f"iteration={i}"): value for i, value in enumerate(found, 1)}
    return Findings({("eigenvalue", "largest"): found[-1], **numbers})


PROBE = Probe(
    name="curvature",
    version=1,
    question="How sharp is the minimum of the loss on N-MNIST (Fig. 6)?",
    parameters=CurvatureParameters,
    measure=measure,
    covers=samples.is_nmnist,
)
