"""Our own step from inside: where its time goes, and from which density on a matrix product is faster."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch.nn import functional as F

from benchmarks.kernels import measure
from benchmarks.kernels.candidates import OURS, Inputs, Training
from benchmarks.kernels.workloads import Network
from lifroles.backends import _loops, _products, _rows, _sums
from lifroles.backends._lanes import WIDTH, spread, store
from lifroles.backends._layout import as_blocks, ranges
from lifroles.compiled import compiled, share
from lifroles.sparse import SparseSequence

PARTS = {
    "hidden layer forward: weighted sums of events, neurons": [(_rows, "forward"), (_rows, "forward_recurrent")],
    "hidden layer backward, what comes from the class layer in it, and its weights' gradients": [
        (_rows, "backward"),
        (_rows, "backward_recurrent"),
    ],
    "sorting the events by channel": [(_rows, "by_channel")],
    "class layer forward: weighted sums of spikes": [(_sums, "spikes_product")],
    "class layer's weights' gradients": [(_sums, "spikes_product_backward")],
    "class units forward and backward": [(_loops, "forward"), (_loops, "backward")],
    "weights to blocks and back": [(_rows, "pack"), (_rows, "unpack")],
}
"""Compiled loops by what they do in a network on events."""
LOSS, ADAM = "loss forward (torch)", "Adam (torch)"
REST = "the rest: torch's part of the backward pass, Python, memory, threads that wait"


@contextmanager
def _timed(seconds: dict[str, list[float]]) -> Generator[None]:
    """Note how long every call of the compiled loops takes, on whichever thread."""

    def wrapped(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> None:
            start = time.perf_counter()
            function(*arguments)
            seconds[name].append(time.perf_counter() - start)

        return call

    patches = [
        mock.patch.object(module, function, wrapped(name, getattr(module, function)))
        for name, functions in PARTS.items()
        for module, function in functions
    ]
    for patch in patches:
        patch.start()
    try:
        yield
    finally:
        for patch in patches:
            patch.stop()


def profile(work: Network, count: int) -> dict[str, Any]:
    """Return the median time of our training step, and of its parts; those on several threads by their number."""
    one = Training(work, OURS, Inputs(work))
    one.train()
    totals: list[float] = []
    parts: dict[str, list[float]] = {name: [] for name in (*PARTS, LOSS, ADAM)}
    seconds: dict[str, list[float]] = {name: [] for name in PARTS}
    with _timed(seconds):
        for _ in range(count + 1):
            for found in seconds.values():
                found.clear()
            start = time.perf_counter()
            output = one.net(one.input)
            forward = time.perf_counter()
            loss = work.loss(output, one.labels)
            parts[LOSS].append(time.perf_counter() - forward)
            one.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            backward = time.perf_counter()
            one.optimiser.step()
            parts[ADAM].append(time.perf_counter() - backward)
            totals.append(time.perf_counter() - start)
            for name, found in seconds.items():
                parts[name].append(sum(found) / torch.get_num_threads())
    # The first has met cold caches.
    medians = {name: statistics.median(values[1:]) for name, values in parts.items()}
    total = statistics.median(totals[1:])
    medians[REST] = max(total - sum(medians.values()), 0.0)
    return {
        "name": work.name,
        "title": work.words,
        "total": float(f"{total:.4g}"),
        "reads": float(f"{reads(work, count):.3g}"),
        "parts": {name: float(f"{value:.3g}") for name, value in medians.items()},
    }


@compiled
def _sum(indices: Any, packed: Any, out: Any, zero: Any, inputs: int, block: int, begin: int, end: int) -> None:
    nothing = spread(zero)
    store(
        out, block * WIDTH, _rows.gather(nothing, nothing, packed, block * inputs * WIDTH, indices, out[:0], begin, end)
    )


def reads(work: Network, count: int) -> float:
    """Return the least time of a step's sums over the input: a row of weights is read for every event, twice.

    Once forward, and once for the weights' gradient, which reads a row of slopes instead. One sum for each block of
    neurons over all events, so that nothing is written, no row of input ends, and nothing waits for a neuron.
    """
    events, (inputs, neurons) = Inputs(work).events, work.sizes[:2]
    packed = as_blocks(torch.randn(neurons, inputs))
    blocks = -(-neurons // WIDTH)
    out = np.zeros(blocks * WIDTH, np.float32)
    tasks = [(block, low, high) for block in range(blocks) for low, high in ranges(events.entries, 8)]

    def read() -> None:
        share(lambda *task: _sum(events.indices, packed, out, np.float32(0), inputs, *task), tasks)

    return 2 * statistics.median(measure.rounds({"reads": read}, count)["reads"])


DENSITIES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3)


def density(work: Network, count: int) -> dict[str, Any]:
    """Return the time of the first layer's weighted sums and their weights' gradient by density, in both ways."""
    steps, batch, (inputs, neurons) = work.steps, min(work.batch, 64), work.sizes[:2]
    weight = torch.randn(neurons, inputs, requires_grad=True)
    gradient = torch.randn(steps, batch, neurons)
    found = []
    for part in DENSITIES:
        generator = torch.Generator().manual_seed(5)
        dense = (torch.rand(steps, batch, inputs, generator=generator) < part).float()
        events = SparseSequence.from_dense(dense)
        calls = {
            "events": lambda events=events: _products.product(events, weight, None).backward(gradient),
            "matrix": lambda dense=dense: F.linear(dense, weight).backward(gradient),
        }
        times = measure.rounds(calls, count)
        found.append({"density": part, **{name: measure.summary(values) for name, values in times.items()}})
    return {"title": f"{inputs} inputs, {neurons} neurons, {steps * batch:,} rows", "densities": found}
