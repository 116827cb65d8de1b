"""What the claims' tests compare, written once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lifroles.benchmarks import get
from lifroles.claims.quantities import Quantity, accuracy, drop, mean, named, probed, spread
from lifroles.claims.verdict import Test
from lifroles.prose import listed, percent
from lifroles.variant import TABLE6_VARIANTS

AWAY = (1.0, 10.0)
"""The step lengths of Table 7 that are farthest from the trained one, ms."""

NEAR_CHANCE = 0.03
"""Up to three points above chance count as guessing: the paper's 5.96 % of SHD lies within one point."""


def above(left: Quantity, right: Quantity, margin: float = 0.0) -> Test:
    """Return the test that ``left`` is larger, seed by seed, by more than ``margin``."""
    return Test(left - right, "above", margin)


def more_accurate(benchmark: str, better: str, worse: str) -> Test:
    """Return the test that one model is more accurate than another."""
    return above(accuracy(benchmark, better), accuracy(benchmark, worse))


def guesses(benchmark: str, model: str) -> Test:
    """Return the test that a model's accuracy is near chance."""
    return Test(accuracy(benchmark, model), "below", get(benchmark).chance + NEAR_CHANCE)


def influence(*benchmarks: str) -> Quantity:
    """Return the mean distance of Table 6's variants from the baseline, mean of several benchmarks."""
    return mean(
        f"influence on {listed(get(name).title for name in benchmarks)}",
        [spread(b, TABLE6_VARIANTS) for b in benchmarks],
    )


def changes(benchmark: str, model: str) -> Quantity:
    """Return how far a model's accuracy lies from the baseline's."""
    return abs(accuracy(benchmark, model) - accuracy(benchmark, "baseline"))


def worse_away(model: str, than: str, kept: str, dts: Sequence[float] = AWAY) -> list[Test]:
    """Return the tests that a model loses more than another at other step lengths.

    Arguments:
        kept: what stays as trained, ``"steps"`` or ``"duration"``.
    """
    return [above(drop(model, dt, kept), drop(than, dt, kept)) for dt in dts]


def rise(model: str) -> Quantity:
    """Return the mean rise of the loss at half the filter-normalised distance, over the probe's own directions."""
    return probed(model, "landscape", "rise", [f"seed={seed}/radius=0.5" for seed in range(3)])


def gain(model: str) -> Quantity:
    """Return the mean gain of an error from a step to the next."""
    return probed(model, "gradients", "gain", [f"t={t}" for t in range(1, 15)])


def lost_to_noise(model: str, share: float) -> Quantity:
    """Return the accuracy that additional events cost, in this share of the empty entries."""
    clean, noisy = (probed(model, "corruption", "accuracy", key) for key in ("none/0", f"noise/{share:g}"))
    return replace(clean - noisy, label=f"accuracy lost to {percent(share, 0)} noise, {named(model)}")


def perturbation(model: str) -> Quantity:
    """Return the share of input entries that Liang et al.'s attack flips to fool a network.

    The mean over the attack's seeds and the recordings that all networks get right (:mod:`.attacked`).
    """
    found = probed(model, "attack", "fraction", "all", attack="liang")
    return replace(found, label=f"input entries flipped, {named(model)}", share=True)
