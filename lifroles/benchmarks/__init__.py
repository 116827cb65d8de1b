"""The benchmarks of Table 6, and POKER-DVS, by name."""

from __future__ import annotations

from lifroles.additions import Named
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

BENCHMARKS: Named[Benchmark] = Named(
    "benchmark",
    {
        benchmark.name: benchmark
        for benchmark in (Xor(), Shd(), Ssc(), Nmnist(), Gesture(), Mnist(), Cifar10(), Poker())
    },
)


def get(name: str) -> Benchmark:
    """Return the benchmark of this name.

    Raises:
        SpecError: there is none.
    """
    return BENCHMARKS.find(name)


def register(benchmark: Benchmark) -> None:
    """Let runs be trained on a benchmark of your own, by its name.

    Raises:
        SpecError: the name is taken by one of the package's, or is no name for a folder.
    """
    BENCHMARKS.add(benchmark.name, benchmark)


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
    "register",
    "resolve_variant",
    "variant_name",
]
