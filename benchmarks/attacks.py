"""How much faster is an attack on many recordings at once? ``python -m benchmarks.attacks DIGEST``.

The attack of Liang et al. (2021) on the same recordings of N-MNIST: in one batch, one by one, and one by one as it is
written with SpikingJelly's nodes and torch's own operations. Random numbers belong to recordings, so the first two find
the same flips, which is checked; so is that the third starts from the same scores and gradients. Beside them stands
what no batch makes cheaper: the matrix product that takes a gradient back through the first layer, and the random
numbers.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.kernels.candidates import SpikingJelly
from benchmarks.trained import on_nmnist
from lifroles import attacks, paths, provenance, records
from lifroles.attacks import Outcome, Victim
from lifroles.attacks.liang import GAMMA, generator
from lifroles.errors import SpecError
from lifroles.networks import SpikingMLP
from lifroles.neuron import VariantLIF
from lifroles.probes import samples
from lifroles.probes.attack import common, dense
from lifroles.rnn import RecurrentNetwork
from lifroles.store import Record

WANTED = 20.0
"""The gain that a batch should have."""


class Loop:
    """The attack as one writes it without this package: SpikingJelly's nodes, dense input, torch's operations.

    Arguments:
        network: what it attacks; its weights are copied.

    Raises:
        SpecError: SpikingJelly's node cannot express its neuron.
    """

    def __init__(self, network: nn.Module) -> None:
        if not isinstance(network, SpikingMLP) or network.readout != "rate":
            raise SpecError("the run is no spiking network that reads out rates: name another.")
        modules: list[nn.Module] = []
        for linear, node in zip(network.linears, network.nodes, strict=True):
            assert isinstance(linear, nn.Linear) and isinstance(node, VariantLIF)
            leak, variant = node.leak, node.variant
            if not isinstance(leak, float) or leak >= 1 or variant.reset != "hard" or variant.recurrent:
                raise SpecError("SpikingJelly's LIFNode has no such neuron: name a run of the baseline.")
            modules += [linear, SpikingJelly(leak, node.v_threshold, node.width)]
        self.network = nn.Sequential(*modules).eval().requires_grad_(False)

    def scores(self, x: Tensor) -> Tensor:
        """Return the class scores ``[B, C]`` of ``[T, B, N]``."""
        return self.network(x).mean(0)

    def gradient(self, x: Tensor, labels: Tensor) -> Tensor:
        """Return the gradient of the cross-entropy by the input."""
        x = x.detach().requires_grad_()
        return torch.autograd.grad(F.cross_entropy(self.scores(x), labels), x)[0]

    def attack(self, x: Tensor, labels: Tensor, cap: int) -> int:
        """Attack one recording ``[T, 1, N]`` and return the iterations that it took."""
        for iteration in range(cap):
            gradient = self.gradient(x, labels)
            size, chance = gradient.abs(), torch.rand(x.shape)
            top = size.max()
            if top > 0:
                x = (x + gradient.sign() * (chance < size / top)).clamp(0, 1)
            else:
                x = torch.where(chance < GAMMA, 1 - x, x)
            with torch.no_grad():
                if int(self.scores(x).argmax()) != int(labels):
                    return iteration + 1
        return cap


def require_same(loop: Loop, victim: Victim, x: Tensor, labels: Tensor) -> None:
    """Check that a loop attacks the same network.

    Raises:
        SpecError: for more than a tenth of the recordings scores or gradients differ by more than rounding; that much
            is left to potentials that lie on the threshold, where another order of a sum decides.
    """
    ours, alike = victim.gradient(x, labels), 0
    with torch.no_grad():
        scores = victim.scores(x)
    for n in range(len(labels)):
        one = x[:, n : n + 1]
        with torch.no_grad():
            same = torch.allclose(loop.scores(one)[0], scores[n])
        theirs = loop.gradient(one, labels[n : n + 1])[:, 0]
        alike += same and torch.allclose(theirs, ours[:, n], rtol=1e-3, atol=1e-6 * float(ours[:, n].abs().max()))
    if alike < 0.9 * len(labels):
        raise SpecError(f"SpikingJelly's network agrees on {alike} of {len(labels)} recordings: do not time it.")


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
    loop = Loop(network)
    require_same(loop, victim, x, labels)
    weight = network.input_weight
    steps_of_time, count, channels = x.shape
    slope = torch.randn(steps_of_time, count, len(weight))
    numbers = np.empty(steps_of_time * channels, np.float32)

    def draw() -> None:
        for n in chosen.tolist():
            generator(0, n, 0).random(out=numbers, dtype=np.float32)

    found: dict[str, list[float]] = {"batch": [], "one_by_one": [], "loop": [], "product": [], "draws": []}
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
        torch.manual_seed(i)
        looped = sum(loop.attack(x[:, n : n + 1], labels[n : n + 1], cap) for n in range(len(chosen)))
        over = time.perf_counter()
        steps = int(together.iterations.sum())
        if together.flips.tolist() != [int(one.flips) for one in apart]:
            raise SpecError("The batch and the single recordings were not attacked alike: do not time them.")
        if i:
            found["batch"].append((middle - start) / steps)
            found["one_by_one"].append((end - middle) / steps)
            found["product"].append((product - end) / count)
            found["draws"].append((drawn - product) / count)
            found["loop"].append((over - drawn) / looped)
    one, many, loops = (statistics.median(found[way]) for way in ("one_by_one", "batch", "loop"))
    return {
        "run": run.spec.path,
        "recordings": len(chosen),
        "iterations": steps,
        "seconds_batch": many,
        "seconds_one_by_one": one,
        "seconds_loop": loops,
        "seconds_product": statistics.median(found["product"]),
        "seconds_draws": statistics.median(found["draws"]),
        "gain": one / many,
        "gain_loop": loops / many,
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
    case = measure(on_nmnist(options.run), options.each, options.rounds, options.cap)
    origin = provenance.describe(threads=1, device="cpu", backend="auto")
    records.write({"wanted": WANTED, "case": case, "provenance": origin}, options.out)
    print(f"{case['recordings']} recordings in one batch: {case['gain']:.1f} times as fast as one by one")


if __name__ == "__main__":
    main()
