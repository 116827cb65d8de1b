"""Fig. 6: the loss around trained weights, in filter-normalised directions (Li et al. 2018).

A direction is drawn from a Gaussian, and each row of it (the weights into one neuron, or into one gate of a cell) is
scaled to the norm of the trained row; biases and learnable leaks stay. A point of the plane is the trained weights plus
a times one direction plus b times another.
"""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from lifroles.benchmarks import Network
from lifroles.probes import samples
from lifroles.probes.record import Findings, Probe, ProbeParameters
from lifroles.rnn import RecurrentNetwork
from lifroles.spec import RunSpec

Array = np.ndarray[Any, Any]
Direction = dict[str, Tensor]

RADII = (0.25, 0.5, 1.0)

CHUNK = 500
"""Recordings that every point of the plane sees before the next ones come: enough for two threads to share."""


class LandscapeParameters(ProbeParameters):
    """Which points around the trained weights, and on how many recordings."""

    seeds: tuple[int, ...] = Field((0, 1, 2), description="of the pairs of directions")
    grids: int = Field(1, description="for how many of these pairs the whole grid is measured", ge=0)
    grid: int = Field(51, description="points of the grid along each direction, from -1 to 1", ge=2)
    radii: tuple[float, ...] = Field(RADII, description="distances from the trained weights")
    angles: int = Field(16, description="points on the circle of each radius", ge=1)
    samples: int = Field(1000, description="training recordings, the first ones", ge=1)


def direction(network: Network, seed: int, which: int) -> Direction:
    """Return a filter-normalised direction by parameter name; parameters of one dimension are not in it.

    Arguments:
        network: the trained network.
        seed: of the pair of directions.
        which: 0 or 1, the direction of the pair.
    """
    generator = torch.Generator().manual_seed(2 * seed + which)
    drawn = {}
    for name, weight in network.named_parameters():
        if weight.dim() > 1:
            noise = torch.randn(weight.shape, generator=generator).to(weight)
            drawn[name] = noise * (weight.detach().norm(dim=1) / noise.norm(dim=1)).unsqueeze(1)
    return drawn


def circle(radii: tuple[float, ...], angles: int) -> Array:
    """Return the points ``[radii · angles, 2]`` on circles around the trained weights."""
    turn = 2 * math.pi * np.arange(angles) / angles
    return np.concatenate([r * np.stack([np.cos(turn), np.sin(turn)], 1) for r in radii])


def square(points: int) -> Array:
    """Return the points ``[points², 2]`` of the grid on [-1, 1]², the second coordinate running fastest."""
    line = np.linspace(-1, 1, points)
    return np.stack(np.meshgrid(line, line, indexing="ij"), -1).reshape(-1, 2)


@torch.no_grad()
def losses(spec: RunSpec, network: Network, pair: tuple[Direction, Direction], points: Array, parts: Any) -> Array:
    """Return the mean loss at each point ``[P]`` of the plane that a pair of directions spans.

    The first layer's current is linear in its weights, so it is summed over the events three times for all points
    together: for the trained weights and for each direction.

    Arguments:
        spec: the run.
        network: the trained network; it is left as it is.
        pair: the directions.
        points: coordinates ``[P, 2]``.
        parts: what yields the batches.
    """
    moved: Any = copy.deepcopy(network)
    weights = dict(moved.named_parameters())
    start = {name: weight.detach().clone() for name, weight in weights.items()}
    first = "cell.weight_ih_l0" if isinstance(network, RecurrentNetwork) else "linears.0.weight"
    biases = [w for name, w in weights.items() if w.dim() == 1 and name.startswith(first.split(".weight")[0])]
    total, count = np.zeros(len(points)), 0
    for batch in parts():
        base = moved.current(batch.inputs)
        slopes = []
        for bias in biases:
            bias.zero_()
        for one in pair:
            weights[first].copy_(one[first])
            slopes.append(moved.current(batch.inputs))
        for name, weight in weights.items():
            weight.copy_(start[name])
        row, current, along = torch.empty_like(base), torch.empty_like(base), math.nan
        for i, (a, b) in enumerate(points.tolist()):
            if a != along:  # the points of a grid's row share it
                torch.add(base, slopes[0], alpha=a, out=row)
                along = a
            for name in pair[0]:
                if name != first:
                    torch.add(start[name], pair[0][name], alpha=a, out=weights[name].data).add_(pair[1][name], alpha=b)
            torch.add(row, slopes[1], alpha=b, out=current)
            output = moved.from_current(current).output
            total[i] += float(spec.task.loss(spec.protocol, output, batch.labels)) * len(batch.labels)
        for name, weight in weights.items():
            weight.copy_(start[name])
        count += len(batch.labels)
    return total / count


def ascent(spec: RunSpec, network: Network, parts: Any) -> Direction:
    """Return the steepest direction of the loss, each row scaled to the norm of the trained row.

    For spiking networks it follows the surrogate gradient, which is not the gradient of the loss that is measured.
    """
    moved: Any = copy.deepcopy(network)
    for batch in parts():
        loss = spec.task.loss(spec.protocol, moved(batch.inputs).output, batch.labels)
        (loss * len(batch.labels)).backward()
    found = {}
    for name, weight in moved.named_parameters():
        if weight.dim() > 1:
            gradient = torch.zeros_like(weight) if weight.grad is None else weight.grad
            scale = weight.detach().norm(dim=1) / gradient.norm(dim=1).clamp(min=torch.finfo(weight.dtype).tiny)
            found[name] = gradient * scale.unsqueeze(1)
    return found


def measure(spec: RunSpec, network: Network, p: LandscapeParameters) -> Findings:
    """Return the loss at the trained weights and how much it rises around them.

    ``loss`` (key ``centre``); ``rise`` (``seed=0/radius=0.25``, ...): mean over a circle, less the loss at the centre;
    ``worst`` (``radius=0.25``, ...): the rise one step up the gradient, every row by that share of its norm. Arrays:
    ``grid`` ``[grids, n, n]``, the loss itself, and ``line`` ``[n]``, the coordinates.
    """
    part = samples.part(spec, "Train")
    parts = samples.batches(part, samples.first(part, p.samples), size=CHUNK)
    ring, plane = circle(p.radii, p.angles), square(p.grid)
    numbers: dict[tuple[str, str], float] = {}
    surfaces = []
    centre = math.nan
    for index, seed in enumerate(p.seeds):
        pair = (direction(network, seed, 0), direction(network, seed, 1))
        points = np.concatenate([np.zeros((1, 2)), ring, plane if index < p.grids else plane[:0]])
        found = losses(spec, network, pair, points, parts)
        centre = float(found[0])
        around = found[1 : 1 + len(ring)].reshape(len(p.radii), p.angles).mean(1)
        for radius, loss in zip(p.radii, around, strict=True):
            numbers["rise", f"seed={seed}/radius={radius:g}"] = float(loss) - centre
        if index < p.grids:
            surfaces.append(found[1 + len(ring) :].reshape(p.grid, p.grid))
    up = ascent(spec, network, parts)
    still = {name: torch.zeros_like(rows) for name, rows in up.items()}
    steps = np.array([[0.0, 0.0], *([radius, 0.0] for radius in p.radii)])
    found = losses(spec, network, (up, still), steps, parts)
    for radius, loss in zip(p.radii, found[1:], strict=True):
        numbers["worst", f"radius={radius:g}"] = float(loss - found[0])
    numbers["loss", "centre"] = centre if p.seeds else float(found[0])
    arrays = {"grid": np.stack(surfaces).astype(np.float32), "line": np.linspace(-1, 1, p.grid)} if surfaces else {}
    return Findings(numbers, arrays)


PROBE = Probe(
    name="landscape",
    version=1,
    question="How does the loss on N-MNIST rise around the trained weights (Fig. 6)?",
    parameters=LandscapeParameters,
    measure=measure,
    covers=samples.is_nmnist,
)
