"""What each part does to each measure, against the baseline: the numbers behind the map of roles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from lifroles.claims.archive import Archive
from lifroles.claims.quantities import Quantity, accuracy, combined, drop, probed, rate
from lifroles.statistics import Interval, mean_interval

CHANGES: Mapping[str, str] = MappingProxyType(
    {
        "no_leakage": "leakage removed",
        "complete_leakage": "leakage complete",
        "no_reset": "reset removed",
        "recurrent": "recurrence added",
    }
)
"""What is done to the baseline, by variant."""

TITLES: Mapping[str, str] = MappingProxyType(
    {"xor": "XOR", "shd": "SHD", "ssc": "SSC", "nmnist": "N-MNIST", "dvs_gesture": "gestures", "mnist": "MNIST"}
)
"""The benchmarks whose accuracies are shown, and their names where room is short."""


@dataclass(frozen=True)
class Measure:
    """One line of the map.

    Arguments:
        name: in a few words.
        share: whether effects are differences of accuracies; else they are relative to the baseline.
        effects: by variant, the mean over seeds with its interval; a variant that was not measured is left out.
    """

    name: str
    share: bool
    effects: Mapping[str, Interval]


def _relative(changed: Quantity, base: Quantity) -> Quantity:
    return combined(f"{changed.label}, relative to the baseline", lambda a, b: a / b - 1 if b else 0.0, changed, base)


def _quantities() -> dict[str, dict[str, Quantity]]:
    """Return every line's quantities by variant."""
    lines: dict[str, dict[str, Quantity]] = {}
    for name in TITLES:
        lines[f"accuracy: {TITLES[name]}"] = {v: accuracy(name, v) - accuracy(name, "baseline") for v in CHANGES}
    for kept, words in (("steps", "15 steps"), ("duration", "45 ms")):
        for dt in (1.0, 10.0):
            lines[f"kept at {dt:g} ms, {words}"] = {v: drop("baseline", dt, kept) - drop(v, dt, kept) for v in CHANGES}
    for name in ("xor", "nmnist"):
        lines[f"spike rate: {TITLES[name]}"] = {v: _relative(rate(name, v), rate(name, "baseline")) for v in CHANGES}
    attacks = {
        "flips, Liang et al.": {"attack": "liang"},
        "flips, along the gradient": {"attack": "gradient", "smooth": 2.0},
    }
    for words, parameters in attacks.items():
        lines[words] = {
            v: _relative(*(probed(m, "attack", "fraction", "all", **parameters) for m in (v, "baseline")))
            for v in CHANGES
        }
    return lines


def measures(archive: Archive) -> list[Measure]:
    """Return every line of the map: paired by seed, with 95 % intervals of the mean."""
    found = []
    for name, quantities in _quantities().items():
        effects = {
            v: mean_interval(list(q.values(archive).values())) for v, q in quantities.items() if q.values(archive)
        }
        share = all(q.share for q in quantities.values())
        found.append(Measure(name, share, MappingProxyType(effects)))
    return found
