"""Would several seeds of one small network train faster at once? ``python -m benchmarks.stacked``.

A stacked step has to compute at least what one step computes on a batch as many times as large: the neurons' loops and
the element-wise operations are the same, and a product of stacked weights is no cheaper than one with shared weights.
What it can save is the fixed cost of a step. So n single steps over one step on n times the batch bounds the gain.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

import torch

from lifroles import provenance, records
from lifroles.paths import results_dir
from lifroles.spec import RunSpec
from lifroles.trainer import Trainer

WANTED = 1.3
"""The gain from which stacking is worth its code."""

CASES = (RunSpec.of("xor", "baseline"), RunSpec.of("xor", "recurrent"))


def _step(trainer: Trainer, batch: Any) -> None:
    spec = trainer.spec
    loss = spec.task.loss(spec.protocol, trainer.network(batch.inputs).output, batch.labels)
    loss.item()
    trainer.optimiser.zero_grad(set_to_none=True)
    loss.backward()
    trainer.optimiser.step()


def _batch(spec: RunSpec, times: int) -> Any:
    larger = RunSpec.of(spec.benchmark, spec.variant, spec.seed, batch_size=spec.protocol.batch_size * times)  # pyright: ignore[reportAttributeAccessIssue]
    return next(iter(spec.task.load(larger.protocol, spec.source).train_batches(spec.seed, 0)))


def measure(spec: RunSpec, seeds: int, rounds: int) -> dict[str, Any]:
    """Return the bound of the gain for so many seeds of a run; single and large steps take turns."""
    one, many = _batch(spec, 1), _batch(spec, seeds)
    trainers = Trainer(spec), Trainer(spec)
    found: dict[str, list[float]] = {"single": [], "large": []}
    for i in range(rounds + 3):
        for name, trainer, batch, repeats in (("single", trainers[0], one, seeds), ("large", trainers[1], many, 1)):
            start = time.perf_counter()
            for _ in range(repeats):
                _step(trainer, batch)
            if i >= 3:
                found[name].append(time.perf_counter() - start)
    single, large = (statistics.median(found[name]) for name in ("single", "large"))
    return {
        "run": spec.path,
        "seeds": seeds,
        "single_seconds": single,
        "large_seconds": large,
        "gain": single / large,
        "rounds": rounds,
    }


def main() -> None:
    """Measure every case and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--out", type=Path, default=results_dir() / "reproducibility" / "stacked.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cases = [measure(spec, seeds, options.rounds) for spec in CASES for seeds in (2, 5)]
    origin = provenance.describe(threads=1, device="cpu", backend="cpu")
    records.write({"wanted": WANTED, "cases": cases, "provenance": origin}, options.out)
    for case in cases:
        print(f"{case['run']}: {case['seeds']} seeds, at most {case['gain']:.2f} times as fast")


if __name__ == "__main__":
    main()
