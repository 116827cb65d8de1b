"""The groups of the comparison: each returns what the record holds of it."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.kernels import floor, measure
from benchmarks.resnet.candidates import CANDIDATES, OURS, Candidate, Size, T, make
from lifroles.errors import LifrolesError
from lifroles.spec import RunSpec

SAME = 1e-2
"""Relative difference, in the norm, of the first weights' gradients that are meant to be the same. The libraries add in
different orders, and where a potential comes within a rounding of the threshold, what follows differs."""


def images(size: Size) -> tuple[Tensor, Tensor]:
    """Return drawn images ``[B, 3, 32, 32]`` of mean 0 and deviation 1, and labels: what they show costs nothing."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(size.batch, 3, 32, 32, generator=generator), torch.randint(
        10, (size.batch,), generator=generator
    )


def check(size: Size) -> dict[str, Any]:
    """Return how far the others' rates and first gradient are from ours.

    Raises:
        LifrolesError: farther than rounding explains.
    """
    x, labels = images(size)
    found, ours = {}, None
    for name in CANDIDATES:
        one = make(name, size)
        rates = one.output(one.network, x)
        nn.functional.cross_entropy(rates, labels).backward()
        gradient = next(p.grad for p in one.network.parameters() if p.grad is not None)
        if ours is None:
            ours = rates.detach(), gradient
            continue
        # A class neuron's rate is a multiple of 1 / T: anything else is another number of spikes.
        differing = int((rates - ours[0]).abs().gt(0.5 / T).sum())
        distance = float((gradient - ours[1]).norm() / ours[1].norm())
        found[name] = {"rates that differ": differing, "of": rates.numel(), "gradient": float(f"{distance:.1e}")}
        if not distance < SAME:
            raise LifrolesError(f"{name} has another gradient than {OURS}: it differs by {distance:.2g}.")
    return found


def steps(size: Size, rounds: int) -> dict[str, Any]:
    """Return the time of a training step of every candidate, taking turns."""
    x, labels = images(size)
    built = {name: make(name, size) for name in CANDIDATES}
    calls = {name: lambda one=one: one.step(x, labels) for name, one in built.items()}
    seconds = measure.rounds(calls, rounds)  # pyright: ignore[reportArgumentType]
    return {name: measure.summary(values) for name, values in seconds.items()}


def inference(size: Size, rounds: int) -> dict[str, Any]:
    """Return the time of a forward pass in evaluation; ours has its normalisation folded into the convolutions."""
    x, _ = images(size)
    built = {name: make(name, size).evaluator() for name in CANDIDATES}
    calls = {name: lambda one=one: one(x) for name, one in built.items()}
    seconds = measure.rounds(calls, rounds)
    return {name: measure.summary(values) for name, values in seconds.items()}


def memory(size: Size) -> dict[str, int]:
    """Return the peak memory of a training step of every candidate, each in a process of its own."""
    return {
        name: measure.child(["--child", name, str(size.batch), str(size.channels)], module="benchmarks.resnet")["peak"]
        for name in CANDIDATES
    }


def peak(name: str, size: Size) -> int:
    """Return the peak memory of a candidate's training step in this process."""
    x, labels = images(size)
    one = make(name, size)
    return measure.peak_of(lambda: one.step(x, labels))  # pyright: ignore[reportArgumentType]


_CONVOLUTION = ("aten::mkldnn_convolution", "aten::_slow_conv2d_forward", "aten::convolution_backward")
_NORMALISATION = ("aten::native_batch_norm", "aten::native_batch_norm_backward")


def inside(size: Size, rounds: int) -> dict[str, Any]:
    """Return which part of our training step is convolution, its operations, and the rate of a matrix product."""
    x, labels = images(size)
    one = make(OURS, size)
    with FlopCounterMode(display=False) as counter:
        one.step(x, labels)
    operations = sum(n for op, n in counter.get_flop_counts()["Global"].items() if "conv" in str(op))
    rates = floor.measure(repeats=3)
    parts: dict[str, list[float]] = {"step": [], "convolution": [], "normalisation": []}
    for _ in range(rounds):
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
            start = time.perf_counter()
            one.step(x, labels)
            parts["step"].append(time.perf_counter() - start)
        spent = {event.key: event.self_cpu_time_total / 1e6 for event in profile.key_averages()}
        parts["convolution"].append(sum(spent.get(key, 0.0) for key in _CONVOLUTION))
        parts["normalisation"].append(sum(spent.get(key, 0.0) for key in _NORMALISATION))
    medians = {name: measure.summary(values)["median"] for name, values in parts.items()}
    return {"seconds": medians, "operations": operations, "product rate": rates.operations, "n": rounds}


def precision(size: Size, rounds: int) -> dict[str, Any]:
    """Return the time of one convolution of the first stage, forward and backward, in float32 and in bfloat16."""
    channels = round(64 * size.channels)
    x = torch.randn(T * size.batch, channels, 32, 32).contiguous(memory_format=torch.channels_last).requires_grad_()
    conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def run(enabled: bool) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            out = conv(x)
        out.float().sum().backward()

    calls = {"float32": lambda: run(False), "bfloat16": lambda: run(True)}
    seconds = measure.rounds(calls, rounds)
    capable = torch.backends.cpu.get_cpu_capability()
    return {"instructions": capable, **{name: measure.summary(values) for name, values in seconds.items()}}


def epoch(channels: float, samples: tuple[int, int], seeds: int, source: str) -> dict[str, Any]:
    """Return accuracy and time of one epoch of the benchmark's own batches, of every candidate, from the same weights.

    Raises:
        DataError: the images are missing or damaged.
    """
    spec = RunSpec.of(
        "cifar10", "baseline", 0, source, channels=channels, batch_size=50, lr=1e-3,
        train_samples=samples[0], test_samples=samples[1],
    )  # fmt: skip
    data = spec.task.load(spec.protocol, spec.source)
    found: dict[str, Any] = {name: {"accuracy": [], "seconds": []} for name in CANDIDATES[:2]}
    for seed in range(seeds):
        for name, values in found.items():
            one = make(name, Size(50, channels), seed)
            start = time.perf_counter()
            for batch in data.train_batches(seed, 0):
                one.step(_pictures(batch.inputs), batch.labels)
            values["seconds"].append(round(time.perf_counter() - start, 2))
            values["accuracy"].append(_accuracy(one, data))
    return {"source": source, "samples": list(samples), "channels": channels, "batch": 50, "candidates": found}


def _pictures(inputs: Tensor) -> Tensor:
    return inputs[0].unflatten(-1, (3, 32, 32))


def _accuracy(one: Candidate, data: Any) -> float:
    evaluate = one.evaluator()
    shares = [(evaluate(_pictures(batch.inputs)).argmax(-1) == batch.labels).double() for batch in data.test_batches()]
    return float(torch.cat(shares).mean())
