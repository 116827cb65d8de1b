"""The benchmarks of Table 6, and POKER-DVS, by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from lifroles.benchmarks.base import (
    Batch,
    Benchmark,
    Data,
    Model,
    Network,
    Protocol,
    build,
    resolve_variant,
    variant_name,
)
from lifroles.benchmarks.cifar10 import Cifar10
from lifroles.benchmarks.gesture import Gesture
from lifroles.benchmarks.mnist import Mnist
from lifroles.benchmarks.nmnist import Nmnist
from lifroles.benchmarks.poker import Poker
from lifroles.benchmarks.shd import Shd
from lifroles.benchmarks.ssc import Ssc
from lifroles.benchmarks.xor import Xor
from lifroles.errors import SpecError

BENCHMARKS: Mapping[str, Benchmark] = MappingProxyType(
    {benchmark.name: benchmark for benchmark in (Xor(), Shd(), Ssc(), Nmnist(), Gesture(), Mnist(), Cifar10(), Poker())}
)


def get(name: str) -> Benchmark:
    """Return the benchmark of this name.

    Raises:
        SpecError: there is none.
    """
    if name not in BENCHMARKS:
        raise SpecError(f"benchmark is {name!r}: give one of {', '.join(BENCHMARKS)}.")
    return BENCHMARKS[name]


__all__ = [
    "BENCHMARKS",
    "Batch",
    "Benchmark",
    "Data",
    "Model",
    "Network",
    "Protocol",
    "build",
    "get",
    "resolve_variant",
    "variant_name",
]
