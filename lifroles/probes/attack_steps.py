"""Fig. 8 on a real recording: what the attack does to one input, iteration by iteration."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from lifroles import attacks
from lifroles.attacks import Victim
from lifroles.benchmarks import Network
from lifroles.benchmarks.nmnist import SIDE
from lifroles.errors import LifrolesError
from lifroles.probes import samples
from lifroles.probes.attack import dense, right
from lifroles.probes.record import Findings, Probe, ProbeParameters
from lifroles.spec import RunSpec

Array = np.ndarray[Any, Any]

AMONG = 500
"""Recordings that are looked at for one that the network gets right."""


class AttackStepsParameters(ProbeParameters):
    """Which recording is attacked."""

    sample: int | None = Field(
        None, description="position in the test set; None: the first one that the network gets right", ge=0
    )
    seed: int = Field(0, description="of the attack's random numbers", ge=0)
    cap: int = Field(40, description="iterations that are shown at most", ge=1)


def pixels(x: Tensor) -> Array:
    """Return a sum over steps and polarities of ``[T, N]``, by row and column of the camera ``[34, 34]``."""
    return x.double().view(x.shape[0], -1, SIDE, SIDE).sum((0, 1)).numpy()


def measure(spec: RunSpec, network: Network, p: AttackStepsParameters) -> Findings:
    """Return the attack of Liang et al. (2021) on one recording, before it and after each of its I iterations.

    ``samples`` (1), ``success``, ``sample``, ``label`` and ``predicted`` (key ``all``); ``flips`` (``iteration=1``,
    ...). Of a network that gets nothing right ``samples`` is 0, and that is all. Arrays: ``events``
    ``[I + 1, 2, 34, 34]``, counts over all steps by polarity; ``inserted`` and ``deleted``, counts of what differs from
    the recording, and ``gradient``, the sum of absolute values with the largest 1, ``[I + 1, 34, 34]``; ``scores``
    ``[I + 1, 10]``.

    Raises:
        LifrolesError: the network is wrong on the recording that was given, or there is no such recording.
    """
    part = samples.part(spec, "Test")
    if p.sample is None:
        positions = samples.first(part, AMONG)
        good = positions[right(network, part, positions)]
        if not len(good):
            return Findings({("samples", "all"): 0.0})
        sample = int(good[0])
    else:
        sample = p.sample
        if sample >= len(part.samples):
            raise LifrolesError(f"sample is {sample}: the test set has {len(part.samples)} recordings.")
        if not right(network, part, np.array([sample])).all():
            raise LifrolesError(f"{spec.path} is wrong on recording {sample}: attack what it gets right.")
    batch = part.batch(np.array([sample]))
    x, names = dense(batch.inputs), torch.tensor([sample])
    victim = Victim(network)
    states = [x]
    numbers: dict[tuple[str, str], float] = {("samples", "all"): 1.0, ("success", "all"): 0.0}
    # An attack's random numbers depend on sample and iteration alone, so that one more iteration goes on where the
    # last attack stopped.
    for iteration in range(1, p.cap + 1):
        done = attacks.liang(victim, x, batch.labels, seed=p.seed, samples=names, cap=iteration)
        states.append(done.adversarial)
        numbers["flips", f"iteration={iteration}"] = float(done.flips)
        if bool(done.success):
            numbers["success", "all"] = 1.0
            break
    scores = torch.cat([victim.scores(state) for state in states])
    slopes = [pixels(victim.gradient(state, batch.labels)[:, 0].abs()) for state in states]
    numbers |= {
        ("sample", "all"): float(sample),
        ("label", "all"): float(batch.labels),
        ("predicted", "all"): float(scores[-1].argmax()),
    }
    counts = {
        "events": np.stack([state[:, 0].view(len(x), -1, SIDE, SIDE).sum(0).numpy() for state in states]),
        "inserted": np.stack([pixels(state[:, 0] > x[:, 0]) for state in states]),
        "deleted": np.stack([pixels(state[:, 0] < x[:, 0]) for state in states]),
    }
    arrays: dict[str, Array] = {name: count.astype(np.uint8) for name, count in counts.items()}
    arrays["gradient"] = np.stack([slope / max(float(slope.max()), 1e-30) for slope in slopes]).astype(np.float16)
    arrays["scores"] = scores.numpy().astype(np.float32)
    return Findings(numbers, arrays)


PROBE = Probe(
    name="attack_steps",
    version=1,
    question="What does the attack do to one N-MNIST recording, iteration by iteration (Fig. 8)?",
    parameters=AttackStepsParameters,
    measure=measure,
    covers=samples.is_nmnist,
)
