"""Beside attacks, what nature does: how accurate is a network on events that are noisy, lost, late or moved?

The paper argues that leakage filters noise; this asks it directly.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from pydantic import Field

from lifroles.attacks import corruption
from lifroles.attacks.victim import packed
from lifroles.benchmarks import Network
from lifroles.probes import samples
from lifroles.probes.attack import dense
from lifroles.probes.record import Findings, Probe, ProbeParameters
from lifroles.spec import RunSpec

Kind = Literal["noise", "drop", "jitter", "shift"]


class CorruptionParameters(ProbeParameters):
    """Which corruptions, how strong, on which recordings."""

    noise: tuple[float, ...] = Field(
        (0.001, 0.003, 0.01, 0.03, 0.1), description="probability of an event at each empty entry"
    )
    drop: tuple[float, ...] = Field((0.1, 0.3, 0.5, 0.7, 0.9), description="probability that an event is lost")
    jitter: tuple[float, ...] = Field((0.5, 1.0, 2.0, 4.0), description="standard deviation in time, steps")
    shift: tuple[float, ...] = Field((1.0, 2.0, 3.0, 4.0), description="shift in one of four directions, pixels")
    samples: int = Field(1000, description="test recordings, the first ones", ge=1)
    seed: int = Field(0, description="of the random numbers", ge=0)


@torch.no_grad()
def measure(spec: RunSpec, network: Network, p: CorruptionParameters) -> Findings:
    """Return ``accuracy`` and spike ``rate.<layer>`` by kind and strength; key ``none/0``: as recorded.

    Every network meets the same corruptions: they depend on the seed, the kind, its strength and the recordings.
    """
    part = samples.part(spec, "Test")
    positions = samples.first(part, p.samples)
    wanted = [("none", 0.0), *((kind, value) for kind in corruption.KINDS for value in getattr(p, kind))]
    hits: dict[tuple[str, str], float] = {}
    for number, batch in enumerate(samples.batches(part, positions)()):
        clean = dense(batch.inputs)
        for kind, strength in wanted:
            x = clean
            if kind != "none":
                key = (corruption.KINDS.index(kind), round(1e6 * strength), number)
                rng = np.random.default_rng(np.random.SeedSequence(p.seed, spawn_key=key))
                x = corruption.corrupt(kind, clean, strength, rng)
            activity = network(packed(x))
            key = f"{kind}/{strength:g}"
            right = float(spec.task.correct(spec.protocol, activity.output, batch.labels).sum())
            hits["accuracy", key] = hits.get(("accuracy", key), 0.0) + right
            for layer, rate in activity.rates().items():
                name = (f"rate.{layer}", key)
                hits[name] = hits.get(name, 0.0) + rate * len(batch.labels)
    return Findings({name: value / len(positions) for name, value in hits.items()})


PROBE = Probe(
    name="corruption",
    version=1,
    question="How accurate is the network on N-MNIST recordings with noise, losses, jitter or shifts?",
    parameters=CorruptionParameters,
    measure=measure,
    covers=samples.is_nmnist,
)
