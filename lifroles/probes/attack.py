"""Figs. 8 and 9: how much of its input has to change before a network is wrong?

One record is one attack on one network: the paper's own, or one of the controls that tell robustness from a weak
attack. A comparison of networks is made on the recordings that all of them get right: every network is attacked on the
first ones of every class that it gets right itself, and the arrays tell which recordings two networks share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from lifroles import attacks
from lifroles.attacks import Outcome, Victim
from lifroles.attacks.victim import network_hash
from lifroles.benchmarks import Network
from lifroles.benchmarks.recordings import Part
from lifroles.errors import LifrolesError
from lifroles.probes import samples
from lifroles.probes.record import Findings, Parts, Probe, ProbeParameters
from lifroles.spec import RunSpec

Array = np.ndarray[Any, Any]
Attack = Literal["liang", "gradient", "chance", "black_box"]


ATTACKS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "liang": {},
        "gradient": {"attack": "gradient"},
        "smooth": {"attack": "gradient", "smooth": 2.0},
        "chance": {"attack": "chance"},
        "fine": {"scale": 0.1},
        "threshold": {"penultimate_threshold": 1.0},
        "wide": {"attack": "gradient", "width": 0.5},
        "black_box": {"attack": "black_box"},
    }
)
"""Every attack by its name on the page, as the changes of :class:`AttackParameters`. Those after ``chance`` are
variations of the others that tell whether a network is robust or its attack weak."""

MAIN, VARIATIONS = tuple(ATTACKS)[:4], tuple(ATTACKS)[4:]

TRANSFERRED = ("liang", "smooth")
"""The attacks whose recordings are given to other networks than the one that they were made against."""


class AttackParameters(ProbeParameters):
    """Which attack, on which recordings."""

    attack: Attack = Field(
        "liang",
        description="liang: the paper's, gradients turned into flips by chance; gradient: few flips at a time along "
        "the gradient; chance: the fewest flips in a random order; black_box: from another class's recording back "
        "towards the sample, by decisions alone",
    )
    samples: tuple[int, ...] | None = Field(
        None, description="positions in the test set; None: the first ones of every class that the network gets right"
    )
    each: int = Field(
        30,
        description="recordings of every class, where samples does not say: enough that about 20 of a class are left "
        "which all compared networks get right; fewer where the network gets fewer right",
        ge=1,
    )
    seed: int = Field(0, description="of the attack's random numbers", ge=0)
    cap: int = Field(200, description="liang: iterations after which a sample counts as a failure", ge=1)
    scale: float = Field(1.0, description="liang: factor of the converter's probabilities", gt=0)
    targeted: bool = Field(False, description="liang: lead to the next class, not just away from the right one")
    width: float | None = Field(None, description="half width of the surrogate in the attack's gradient", gt=0)
    smooth: float | None = Field(None, description="steepness of a smooth surrogate in the attack's gradient", gt=0)
    penultimate_threshold: float | None = Field(
        None, description="threshold of the hidden layer in the attack's gradient (Liang et al. 2021: 1)", gt=0
    )
    most: int = Field(4096, description="gradient: flips after which a sample counts as a failure", ge=1)
    queries: int = Field(1000, description="black_box: decisions asked for", ge=1)

    @model_validator(mode="after")
    def _once(self) -> AttackParameters:
        if self.samples is not None and len(set(self.samples)) < len(self.samples):
            raise ValueError("a recording comes twice: give each position once")
        return self


def right(network: nn.Module, part: Part, positions: Array) -> Array:
    """Return whether the network gives the right class, and it alone, for each recording: ``[S]``."""
    victim = Victim(network)
    found = []
    for batch in samples.batches(part, positions)():
        classes, unique = victim.predict(dense(batch.inputs))
        found.append(((classes == batch.labels) & unique).numpy())
    return np.concatenate(found) if found else np.zeros(0, bool)


def common(networks: Sequence[nn.Module], part: Part, each: int, among: int = 2000) -> tuple[int, ...]:
    """Return the positions of the first ``each`` recordings of every class that all networks get right.

    Arguments:
        among: how many recordings to look at, the first ones.

    Raises:
        LifrolesError: a class has fewer among them.
    """
    chosen = first_right(networks, part, each, among)
    if min(map(len, chosen)) < each:
        raise LifrolesError(
            f"All {len(networks)} networks are right on {min(map(len, chosen))} recordings of a class among the first "
            f"{among}, not on {each}: ask for fewer, or leave out the least accurate network."
        )
    return tuple(sorted(int(i) for i in np.concatenate(chosen)))


def first_right(networks: Sequence[nn.Module], part: Part, each: int, among: int = 2000) -> list[Array]:
    """Return for each class the first ``each`` positions that all networks get right, or those that there are."""
    positions = samples.first(part, among)
    good = np.all([right(network, part, positions) for network in networks], axis=0)
    labels = part.labels[positions]
    return [positions[good & (labels == c)][:each] for c in range(10)]


def dense(inputs: Any) -> Tensor:
    """Return a batch's inputs as a tensor ``[T, B, N]``."""
    return inputs if isinstance(inputs, Tensor) else inputs.dense()


def victims(network: nn.Module, p: AttackParameters) -> Victim:
    """Return the network as this attack sees it."""
    return Victim(network, width=p.width, smooth=p.smooth, penultimate_threshold=p.penultimate_threshold)


def run(victim: Victim, x: Tensor, labels: Tensor, names: Tensor, part: Part, p: AttackParameters) -> Outcome:
    """Attack a batch: binary input ``[T, B, N]`` of recordings ``names`` ``[B]``."""
    if p.attack == "liang":
        targets = (labels + 1) % 10 if p.targeted else None
        return attacks.liang(victim, x, labels, targets=targets, seed=p.seed, samples=names, cap=p.cap, scale=p.scale)
    if p.attack == "gradient":
        return attacks.by_gradient(victim, x, labels, most=p.most)
    if p.attack == "chance":
        return attacks.by_chance(victim, x, labels, seed=p.seed, samples=names)
    return attacks.shrink(
        victim, x, labels, _start(victim, x, labels, part), queries=p.queries, seed=p.seed, samples=names
    )


def _start(victim: Victim, x: Tensor, labels: Tensor, part: Part) -> Tensor:
    """Return for each sample the nearest recording, by flips, that the network gives another class: ``[T, B, N]``."""
    others = dense(part.batch(samples.first(part, 500)).inputs)
    classes, unique = victim.predict(others)
    flat, mine = others.transpose(0, 1).flatten(1), x.transpose(0, 1).flatten(1)
    # |a - b| of 0 and 1: a + b - 2ab
    distance = mine.sum(1)[:, None] + flat.sum(1)[None] - 2 * mine @ flat.T
    usable = (classes[None] != labels[:, None]) & unique[None]
    nearest = distance.masked_fill(~usable, float("inf")).argmin(1)
    return others[:, nearest]


PART = 100
"""Recordings that are attacked together."""


def measure(spec: RunSpec, network: Network, p: AttackParameters, parts: Parts | None = None) -> Findings:
    """Return how many samples were fooled, and at what cost, of those that were.

    ``success`` and ``vanished`` (share of iterations without a gradient), ``iterations``; means over successes of
    ``fraction`` (of entries changed, the mean squared change), ``flips``, ``l2``, ``insertions``, ``deletions``, all
    with key ``all``; ``flips`` with keys ``t=1``, ... are a step's. Arrays: ``samples``, ``labels``, ``success``,
    ``flips``, ``insertions``, ``iterations`` and ``vanished`` ``[S]``, and ``steps``, the flips by step ``[S, T]``.
    Of a network that gets nothing right, ``samples`` is 0, and that is all.

    Raises:
        LifrolesError: the network is wrong on some recording that was given.
    """
    part = samples.part(spec, "Test")
    before = network_hash(network)
    if p.samples is None:
        chosen = np.sort(np.concatenate(first_right([network], part, p.each)))
        if not len(chosen):
            return _nothing(spec.protocol.T)  # pyright: ignore[reportAttributeAccessIssue]
    else:
        chosen = np.array(p.samples)
        if chosen.size and not 0 <= chosen.min() <= chosen.max() < len(part.samples):
            raise LifrolesError(f"samples go up to {chosen.max()}: the test set has {len(part.samples)} recordings.")
        if not (good := right(network, part, chosen)).all():
            raise LifrolesError(f"{spec.path} is wrong on recording {chosen[~good][0]}: attack what it gets right.")
    victim = victims(network, p)
    parts = parts or Parts()

    def attacked(these: Array) -> Mapping[str, Array]:
        batch = part.batch(these)
        outcome = run(victim, dense(batch.inputs), batch.labels, torch.from_numpy(these), part, p)
        return {name: getattr(outcome, name).numpy() for name in KEPT}

    outcomes = []
    for low in range(0, len(chosen), PART):
        these = chosen[low : low + PART]
        outcomes.append(parts.get(f"from-{low:05d}", lambda these=these: attacked(these)))
    assert network_hash(network) == before, "an attack changed the network"
    return summary(outcomes, chosen, part.labels[chosen])


KEPT = ("success", "iterations", "vanished", "fraction", "flips", "insertions", "deletions", "flips_in_time")
"""What is kept of an :class:`~lifroles.attacks.Outcome`."""


def summary(outcomes: Sequence[Mapping[str, Array]], chosen: Array, labels: Array) -> Findings:
    """Return the numbers and arrays of :func:`measure`."""
    joined = {name: torch.from_numpy(np.concatenate([one[name] for one in outcomes])) for name in KEPT}
    in_time = joined.pop("flips_in_time")
    whole = {name: values.double() for name, values in joined.items()}
    won = whole["success"].bool()
    numbers = {
        ("success", "all"): float(won.double().mean()),
        ("samples", "all"): float(len(won)),
        ("iterations", "all"): float(whole["iterations"].mean()),
        ("vanished", "all"): float(whole["vanished"].sum() / whole["iterations"].sum().clamp(min=1)),
    }
    if won.any():
        for name in ("fraction", "flips", "insertions", "deletions"):
            numbers[name, "all"] = float(whole[name][won].mean())
        numbers["l2", "all"] = float(whole["flips"][won].sqrt().mean())
        for t, value in enumerate(in_time[won].double().mean(0), 1):
            numbers["flips", f"t={t}"] = float(value)
    arrays = {
        "samples": chosen.astype(np.int32),
        "labels": labels.astype(np.uint8),
        "success": won.numpy(),
        "steps": in_time.numpy().astype(np.int32),
    }
    for name in ("flips", "insertions", "iterations", "vanished"):
        arrays[name] = whole[name].numpy().astype(np.int32)
    return Findings(numbers, arrays)


def _nothing(steps: int) -> Findings:
    """Return what :func:`measure` says of a network that gets nothing right."""
    names = ("samples", "labels", "success", "flips", "insertions", "iterations", "vanished")
    arrays = {name: np.zeros(0, bool if name == "success" else np.int32) for name in names}
    return Findings({("samples", "all"): 0.0}, {**arrays, "steps": np.zeros((0, steps), np.int32)})


PROBE = Probe(
    name="attack",
    version=1,
    question="How many entries of an N-MNIST recording have to be flipped to fool the network (Fig. 9)?",
    parameters=AttackParameters,
    measure=measure,
    covers=samples.is_nmnist,
    asked=({}, {"attack": "gradient"}, {"attack": "chance"}),
    in_parts=True,
)
