"""What the paper says: its bibliographic data and the numbers it reports, each typed once, with its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from lifroles.errors import SpecError
from lifroles.variant import PAPER_VARIANTS

TITLE = "Understanding the Functional Roles of Modelling Components in Spiking Neural Networks"
AUTHORS = (
    "Huifeng Yin",
    "Hanle Zheng",
    "Jiayi Mao",
    "Siyuan Ding",
    "Xing Liu",
    "Mingkun Xu",
    "Yifan Hu",
    "Jing Pei",
    "Lei Deng",
)
JOURNAL = "Neuromorphic Computing and Engineering"
YEAR = 2024
VOLUME = "4"
ARTICLE = "034009"
DOI = "10.1088/2634-4386/ad6cef"
ARXIV = "2403.16674"


@dataclass(frozen=True, slots=True)
class Reported:
    """A number of the paper: ``value`` in [0, 1], ``text`` as it is printed, and its ``place`` in the paper."""

    value: float
    text: str
    place: str


TABLE6_BENCHMARKS = ("xor", "shd", "ssc", "nmnist", "dvs_gesture", "mnist", "cifar10")

# One line a variant, one column a benchmark of TABLE6_BENCHMARKS, in per cent as printed.
_TABLE6 = {
    "baseline": "77.50 78.58 60.70 94.76 86.81 95.22 92.25",
    "no_leakage": "50.30 66.12 44.44 95.18 87.50 96.12 92.67",
    "complete_leakage": "50.50 5.96 3.22 95.03 86.11 94.17 92.28",
    "no_reset": "96.10 78.89 60.70 96.18 87.84 94.85 93.29",
    "recurrent": "98.90 80.43 66.53 96.21 89.93 96.98 –",
}


def _read(text: str, place: str = "Table 6") -> Reported | None:
    return None if text == "–" else Reported(round(float(text) / 100, 6), f"{text}\N{NO-BREAK SPACE}%", place)


TABLE6: Mapping[str, Mapping[str, Reported | None]] = MappingProxyType(
    {
        variant: MappingProxyType(dict(zip(TABLE6_BENCHMARKS, map(_read, line.split()), strict=True)))
        for variant, line in _TABLE6.items()
    }
)
"""Test accuracy by variant, then benchmark; ``None`` where the paper prints a dash."""


TABLE7_DTS = (1, 2, 3, 5, 10)
"""The step lengths of Table 7 in ms; networks are trained at 3."""

# One line a model, one column a step length, in per cent as printed.
_TABLE7 = {
    "baseline": "90.82 94.14 94.76 94.80 94.63",
    "no_leakage": "88.70 94.49 95.18 95.26 95.07",
    "complete_leakage": "90.98 94.57 95.03 95.12 95.14",
    "no_reset": "93.90 95.83 96.18 96.30 96.12",
    "recurrent": "75.51 93.72 96.21 94.00 80.41",
    "no_leakage_recurrent": "59.14 93.48 96.48 92.57 70.11",
    "no_leakage_no_reset_recurrent": "36.92 89.16 93.40 90.91 74.01",
    "lstm": "31.62 90.52 97.84 63.10 9.84",
    "gru": "23.25 77.69 96.88 81.83 45.20",
    "rnn": "17.68 18.28 93.84 37.58 19.92",
}

TABLE7: Mapping[str, Mapping[int, Reported]] = MappingProxyType(
    {
        model: MappingProxyType(
            {
                dt: found
                for dt, text in zip(TABLE7_DTS, line.split(), strict=True)
                if (found := _read(text, "Table 7")) is not None
            }
        )
        for model, line in _TABLE7.items()
    }
)
"""Test accuracy on N-MNIST by model, then step length in ms; every model was trained at 3 ms."""


def accuracy(benchmark: str, variant: str) -> Reported | None:
    """Return the accuracy that Table 6 reports, or ``None`` where it reports none.

    It has none for the two combinations of Table 7 and for recurrence on CIFAR10.

    Raises:
        SpecError: the benchmark or the variant is not one of the paper's.
    """
    if benchmark not in TABLE6_BENCHMARKS:
        raise SpecError(f"benchmark is {benchmark!r}: Table 6 has {', '.join(TABLE6_BENCHMARKS)}.")
    if variant not in PAPER_VARIANTS:
        raise SpecError(f"variant is {variant!r}: give one of {', '.join(PAPER_VARIANTS)}.")
    return TABLE6[variant][benchmark] if variant in TABLE6 else None


def difference(benchmark: str, variant: str) -> float:
    """Return by how much a variant's accuracy exceeds the baseline's in Table 6, as a share.

    Raises:
        SpecError: Table 6 does not have both.
    """
    other, baseline = accuracy(benchmark, variant), accuracy(benchmark, "baseline")
    if other is None or baseline is None:
        raise SpecError(f"Table 6 has no {variant!r} on {benchmark!r}.")
    return other.value - baseline.value


def drop(model: str, dt: int) -> float:
    """Return how much less accurate a model of Table 7 is at another step length (ms) than at 3 ms, as a share."""
    return TABLE7[model][3].value - TABLE7[model][dt].value
