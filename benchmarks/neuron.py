"""Time one layer's forward and backward pass: the reference against the compiled loops.

    python benchmarks/neuron.py [repeats]

Both run in turn in one process on one thread, after a check that their spikes are the same. Times are processor
time in milliseconds, the median of the repeats (default 15); the ratio is that of the medians.
"""

from __future__ import annotations

import statistics
import sys
import time

import torch
from spikingjelly.activation_based import surrogate

from lifroles import backends
from lifroles.variant import Reset

SHAPES = (("XOR", (50, 500, 16), True), ("MNIST", (10, 512, 512), False))
"""Name, [T, B, N], and whether the leak is learnable."""
NAMES = ("reference", "cpu")
SPIKES: dict[str, torch.Tensor] = {}
"""The last spikes of each."""


def once(name: str, shape: tuple[int, int, int], learnable: bool, reset: Reset, recurrent: bool) -> tuple[float, float]:
    """Return the seconds of the forward and of the backward pass; the spikes are left in `SPIKES`."""
    torch.manual_seed(0)
    features = shape[-1]
    x = (torch.rand(shape) * 0.5 - 0.05).requires_grad_()
    k = (torch.rand(features) * 0.5 + 0.45).requires_grad_() if learnable else 0.3
    weight = (torch.randn(features, features) * 0.3 / features**0.5).requires_grad_() if recurrent else None
    zero, gradient = torch.zeros(shape[1:]), torch.randn(shape)
    run = backends.select(name)[1].run
    fire = surrogate.Rect(alpha=2.0)
    start = time.process_time()
    o, *_ = run(x, zero, zero, k_tau=k, reset=reset, u_th=0.3, fire=fire, recurrent_weight=weight)
    middle = time.process_time()
    o.backward(gradient)
    end = time.process_time()
    SPIKES[name] = o.detach()
    return middle - start, end - middle


def main(repeats: int) -> None:
    """Print the table."""
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, 1 thread, median of {repeats}, ms of processor time")
    print(f"{'layer':34}{'reference':>18}{'cpu':>18}{'ratio':>8}")
    print(f"{'':34}" + f"{'forward':>9}{'backward':>9}" * len(NAMES))
    for title, shape, learnable in SHAPES:
        for recurrent in (False, True):
            for reset in ("hard", "none"):
                times: dict[str, list[tuple[float, float]]] = {name: [] for name in NAMES}
                for i in range(repeats + 1):
                    for name in NAMES:
                        seconds = once(name, shape, learnable, reset, recurrent)
                        if i:  # the first pass compiles, or loads what was compiled
                            times[name].append(seconds)
                if not torch.equal(SPIKES["reference"], SPIKES["cpu"]):
                    raise SystemExit(f"{title}, reset {reset}, recurrent {recurrent}: the spikes differ.")
                median = {
                    name: [1e3 * statistics.median(part) for part in zip(*pairs, strict=True)]
                    for name, pairs in times.items()
                }
                label = f"{title} {list(shape)} {reset}{' recurrent' if recurrent else ''}"
                cells = "".join(f"{median[name][0]:9.2f}{median[name][1]:9.2f}" for name in NAMES)
                print(f"{label:34}{cells}{sum(median['reference']) / sum(median['cpu']):8.1f}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
