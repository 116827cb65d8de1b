"""How much faster is an attack on many recordings at once? ``python -m benchmarks.attacks DIGEST``.

The attack of Liang et al. (2021) on the same recordings of N-MNIST, in one batch and one by one. Random numbers belong
to recordings, so both find the same flips, which is checked. Beside them stands what no batch makes cheaper: the matrix
product that takes a gradient back through the first layer, and the random numbers.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lifroles import attacks, paths, provenance, records
from lifroles.attacks import Outcome, Victim
from lifroles.attacks.liang import generator
from lifroles.errors import SpecError
from lifroles.networks import SpikingMLP
from lifroles.probes import samples
from lifroles.probes.attack import common, dense
from lifroles.rnn import RecurrentNetwork
from lifroles.store import Record, Store

WANTED = 20.0
"""The gain that a batch should have."""


def measure(run: Record, each: int, rounds: int, cap: int) -> dict[str, Any]:
    """Return seconds a recording and iteration, in one batch and one by one, and for the parts; all take turns.

    Arguments:
        run: a trained run on N-MNIST with its weights.
        each: recordings of every class.
        rounds: how often each way is timed; medians count.
        cap: iterations at most.
    """
    network = run.load_network()
    part = samples.part(run.spec, "Test")
    chosen = torch.tensor(common([network], part, each))
    batch = part.batch(chosen.numpy())
    x, labels, victim = dense(batch.inputs), batch.labels, Victim(network)

    def attack(at: slice) -> Outcome:
        return attacks.liang(victim, x[:, at], labels[at], samples=chosen[at], cap=cap)

    assert isinstance(network, SpikingMLP | RecurrentNetwork)  # what N-MNIST's networks are
    weight = network.input_weight
    steps_of_time, count, channels = x.shape
    slope = torch.randn(steps_of_time, count, len(weight))
    numbers = np.empty(steps_of_time * channels, np.float32)

    def draw() -> None:
        for n in chosen.tolist():
            generator(0, n, 0).random(out=numbers, dtype=np.float32)

    found: dict[str, list[float]] = {"batch": [], "one_by_one": [], "product": [], "draws": []}
    steps = 0
    for i in range(rounds + 1):
        start = time.perf_counter()
        together = attack(slice(None))
        middle = time.perf_counter()
        apart = [attack(slice(n, n + 1)) for n in range(len(chosen))]
        end = time.perf_counter()
        with torch.no_grad():
            _ = slope @ weight
        product = time.perf_counter()
        draw()
        drawn = time.perf_counter()
        steps = int(together.iterations.sum())
        if together.flips.tolist() != [int(one.flips) for one in apart]:
            raise SpecError("The batch and the single recordings were not attacked alike: do not time them.")
        if i:
            found["batch"].append((middle - start) / steps)
            found["one_by_one"].append((end - middle) / steps)
            found["product"].append((product - end) / count)
            found["draws"].append((drawn - product) / count)
    one, many = statistics.median(found["one_by_one"]), statistics.median(found["batch"])
    return {
        "run": run.spec.path,
        "recordings": len(chosen),
        "iterations": steps,
        "seconds_batch": many,
        "seconds_one_by_one": one,
        "seconds_product": statistics.median(found["product"]),
        "seconds_draws": statistics.median(found["draws"]),
        "gain": one / many,
        "rounds": rounds,
    }


def main() -> None:
    """Measure one run and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", help="digest of a run on N-MNIST in the folder of runs, or its beginning")
    parser.add_argument("--each", type=int, default=10, help="recordings of every class")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cap", type=int, default=10, help="iterations at most")
    parser.add_argument("--out", type=Path, default=paths.results_dir() / "speed" / "attack.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    runs = [r for r in Store(paths.runs_dir()).find(benchmark="nmnist") if r.spec.digest.startswith(options.run)]
    if len(runs) != 1:
        raise SystemExit(f"{len(runs)} runs on N-MNIST have a digest that begins with {options.run}: name one.")
    case = measure(runs[0], options.each, options.rounds, options.cap)
    origin = provenance.describe(threads=1, device="cpu", backend="auto")
    records.write({"wanted": WANTED, "case": case, "provenance": origin}, options.out)
    print(f"{case['recordings']} recordings in one batch: {case['gain']:.1f} times as fast as one by one")


if __name__ == "__main__":
    main()
