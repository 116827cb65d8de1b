"""Does what fools one network fool others? A check on hidden gradients: it needs none of the network that is attacked.

A network whose own gradient is masked may look robust against the attacks that follow it, and still be fooled by what
was made against another one. As many flips in random places are the control: what they do is no transfer.
"""

from __future__ import annotations

import re
from typing import Literal

import numpy as np
import torch
from pydantic import Field

from lifroles import attacks, paths
from lifroles.attacks import Victim
from lifroles.attacks.prefix import flipped, random_order
from lifroles.benchmarks import Network
from lifroles.errors import LifrolesError
from lifroles.probes import samples
from lifroles.probes.attack import dense, first_right
from lifroles.probes.record import Findings, Probe, ProbeParameters
from lifroles.spec import RunSpec
from lifroles.store import Store
from lifroles.variant import TABLE6_VARIANTS


class TransferParameters(ProbeParameters):
    """Which networks meet what was made against this one, and how it was made.

    Among the others is the network itself: what fools it fools it again, which is the table's diagonal.
    """

    others: tuple[str, ...] = Field(
        TABLE6_VARIANTS,
        description="models, whose runs differ from this one in nothing else, or digests of runs of the same "
        "benchmark; their weights lie in the folder of runs",
    )
    attack: Literal["liang", "gradient"] = Field("liang", description="see the probe attack")
    smooth: float | None = Field(None, description="steepness of a smooth surrogate in the attack's gradient", gt=0)
    each: int = Field(30, description="recordings of every class that this network gets right, the first ones", ge=1)
    seed: int = Field(0, description="of the random numbers", ge=0)


_DIGEST = re.compile("[0-9a-f]{12}")


def beside(spec: RunSpec, model: str) -> RunSpec:
    """Return the run of another model that differs from this one in nothing else.

    Raises:
        SpecError: there is no such model of this benchmark.
    """
    return RunSpec.of(spec.benchmark, model, spec.seed, spec.source, **spec.protocol.model_dump())


def needs(spec: RunSpec, p: TransferParameters) -> tuple[RunSpec, ...]:
    """Return the runs that ``others`` names by their models."""
    return tuple(beside(spec, name) for name in p.others if not _DIGEST.fullmatch(name))


def networks(spec: RunSpec, others: tuple[str, ...]) -> dict[str, Network]:
    """Return the trained networks of runs by digest.

    Raises:
        LifrolesError: one is not in the folder of runs, or of another benchmark.
        SpecError: one is neither a digest nor a model.
        StoreError: one has no weights.
    """
    known = {run.spec.digest: run for run in Store(paths.runs_dir()).find(benchmark=spec.benchmark)}
    digests = {name: name if _DIGEST.fullmatch(name) else beside(spec, name).digest for name in others}
    for name, digest in digests.items():
        if digest not in known:
            named = f"others names {name}: no run of {spec.benchmark} in {paths.runs_dir()} has "
            if name == digest:
                raise LifrolesError(f"{named}this digest.")
            raise LifrolesError(f"{named}the digest {digest}: train it with `{beside(spec, name).command()}`.")
    return {digest: known[digest].load_network() for digest in digests.values()}


def measure(spec: RunSpec, network: Network, p: TransferParameters) -> Findings:
    """Return how many recordings that fool this network fool each of the others.

    By the other's digest, on the recordings that fooled this one and that the other gets right without the attack:
    ``samples``, ``fooled``, and ``chance``: the share fooled by as many flips in random places. ``flips`` (key
    ``all``): their mean number.
    """
    others = {digest: Victim(one) for digest, one in networks(spec, p.others).items()}
    part = samples.part(spec, "Test")
    chosen = np.sort(np.concatenate(first_right([network], part, p.each)))
    victim = Victim(network, smooth=p.smooth)
    counts = {digest: np.zeros(3) for digest in others}
    flips: list[torch.Tensor] = []
    for batch, low in zip(samples.batches(part, chosen, size=100)(), range(0, len(chosen), 100), strict=True):
        x, labels, names = dense(batch.inputs), batch.labels, torch.from_numpy(chosen[low : low + 100])
        if p.attack == "liang":
            done = attacks.liang(victim, x, labels, seed=p.seed, samples=names)
        else:
            done = attacks.by_gradient(victim, x, labels)
        won = done.success
        x, labels, changed = x[:, won], labels[won], done.adversarial[:, won]
        flips.append(done.flips[won])
        order = random_order(len(labels), x.shape[0] * x.shape[2], p.seed, names[won])
        chance = flipped(x, order, flips[-1])
        for digest, other in others.items():
            classes, unique = other.predict(x)
            good = (classes == labels) & unique
            hits = [good, good & other.fooled(changed, labels), good & other.fooled(chance, labels)]
            counts[digest] += [float(one.sum()) for one in hits]
    numbers: dict[tuple[str, str], float] = {("samples", "all"): float(sum(map(len, flips)))}
    if numbers["samples", "all"]:
        numbers["flips", "all"] = float(torch.cat(flips).double().mean())
    for digest, (good, fooled, chance) in counts.items():
        numbers["samples", digest] = float(good)
        if good:
            numbers["fooled", digest] = float(fooled / good)
            numbers["chance", digest] = float(chance / good)
    return Findings(numbers)


PROBE = Probe(
    name="transfer",
    version=1,
    question="Does what fools this network on N-MNIST fool others?",
    parameters=TransferParameters,
    measure=measure,
    covers=samples.is_nmnist,
    asked=(),
    needs=needs,
)
