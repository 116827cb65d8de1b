"""The groups: each runs, checks and measures one part, and returns it as the record holds it."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from benchmarks.kernels import floor, inside, measure
from benchmarks.kernels.candidates import (
    LAYER_CANDIDATES,
    NETWORK_CANDIDATES,
    OTHER_GRADIENT,
    OURS,
    Inputs,
    LayerPass,
    Training,
)
from benchmarks.kernels.workloads import MOST, NETWORKS, Layer, Network, layers, shrunk
from lifroles import backends
from lifroles.errors import LifrolesError

SAME = 1e-4
"""Share of the neuron steps at which a candidate's spikes may differ. The libraries add in different orders; where a
potential comes within a rounding of the threshold, one fires and the other does not, and what follows differs until
the next reset."""
SAME_RECURRENT = 2e-2
"""The same where spikes come back to all neurons of the layer, so that one of them changes what the others do."""
SAME_GRADIENT = 2e-2
"""Relative difference, in the norm, of gradients that are meant to be the same."""

Say = Callable[[str], None]


class BenchmarkError(LifrolesError):
    """A candidate does not compute what the others do."""


def _compare(
    title: str, name: str, ours: tuple[list[Tensor], Tensor], theirs: tuple[list[Tensor], Tensor], share: float
):
    """Return how far a candidate's spikes and gradient are from ours.

    Raises:
        BenchmarkError: farther than rounding explains.
    """
    differing = sum(int((a != b).sum()) for a, b in zip(ours[0], theirs[0], strict=True))
    of = sum(a.numel() for a in ours[0])
    gradient = float((ours[1] - theirs[1]).norm() / ours[1].norm())
    meant = name not in OTHER_GRADIENT
    if differing > share * of:
        raise BenchmarkError(f"{title}: {name} spikes otherwise at {differing:,} of {of:,} neuron steps.")
    if meant and not gradient < SAME_GRADIENT:
        raise BenchmarkError(f"{title}: the gradient of {name} differs by {gradient:.2g}.")
    return {"differing": differing, "of": of, "gradient": float(f"{gradient:.1e}"), "same gradient": meant}


def _check(work: Network, built: dict[str, Training]) -> tuple[dict[str, Any], list[float]]:
    """Return every candidate's comparison with ours, and the spikes that each of our layers fires."""
    ours = built[OURS].check()
    share = SAME_RECURRENT if work.recurrent else SAME
    checks = {name: _compare(work.words, name, ours, one.check(), share) for name, one in built.items() if name != OURS}
    return checks, [float(o.sum()) for o in ours[0]]


def network(work: Network, count: int, rates: floor.Rates, say: Say, *, training: bool, memory: bool) -> dict[str, Any]:
    """Measure one network, training or inference."""
    inputs = Inputs(work)
    built = {name: Training(work, name, inputs) for name in NETWORK_CANDIDATES}
    checks, spikes = _check(work, built)
    gc.collect()
    seconds = measure.rounds({name: one.train if training else one.infer for name, one in built.items()}, count)
    passes = floor.network_passes(work, spikes, inputs.events.entries, training=training)
    rows = work.steps * work.batch
    widths = work.sizes[1:]
    found: dict[str, Any] = {
        "name": work.name,
        "title": work.words,
        "mode": "training" if training else "inference",
        "T": work.steps,
        "B": work.batch,
        "sizes": list(work.sizes),
        "recurrent": work.recurrent,
        "density": round(inputs.events.density, 5),
        "rates": [round(n / (rows * width), 4) for n, width in zip(spikes, widths, strict=False)],
        "floor": floor.summary(passes, rates),
        "candidates": {},
    }
    sizes = {name: one.input_bytes for name, one in built.items()}
    del built, inputs
    gc.collect()
    for name, values in seconds.items():
        found["candidates"][name] = {**measure.summary(values), "input bytes": sizes[name], **checks.get(name, {})}
    if memory:
        for name in seconds:
            asked = ["--child", "memory", work.name, name, found["mode"], str(work.steps), str(work.batch)]
            found["candidates"][name]["peak bytes"] = measure.child(asked)["peak bytes"]
    _table(say, found)
    return found


def _table(say: Say, found: dict[str, Any]) -> None:
    floor_ms = 1e3 * found["floor"]["seconds"]
    ours = found["candidates"][OURS]["median"]
    say(f"\n{found['title']}, {found['mode']}; spikes per step {found['rates']}; floor {floor_ms:.1f} ms")
    say(f"{'':26}{'ms':>10}{'× ours':>9}{'MB':>9}{'input':>8}{'differ':>9}{'gradient':>10}")
    for name, one in found["candidates"].items():
        peak = f"{one['peak bytes'] / 1e6:9.0f}" if "peak bytes" in one else f"{'':9}"
        gradient = f"{one['gradient']:10.0e}" if "gradient" in one else ""
        times = f"{1e3 * one['median']:10.2f}{one['median'] / ours:9.2f}"
        say(f"{name:26}{times}{peak}{one['input bytes'] / 1e6:8.0f}{one.get('differing', 0):9,}{gradient}")


def find(name: str) -> Network:
    """Return a network by name."""
    return next(work for group in NETWORKS.values() for work in group if work.name == name)


def networks(group: str, count: int, rates: floor.Rates, quick: bool, say: Say) -> list[dict[str, Any]]:
    """Measure one training step of every network of a group."""
    works = [shrunk(work) if quick else work for work in NETWORKS[group]]
    return [network(work, count, rates, say, training=True, memory=True) for work in works]


def inference(count: int, rates: floor.Rates, quick: bool, say: Say) -> list[dict[str, Any]]:
    """Measure the forward pass of every network."""
    works = [shrunk(work) if quick else work for group in NETWORKS.values() for work in group]
    return [network(work, count, rates, say, training=False, memory=False) for work in works]


def layer(work: Layer, count: int, rates: floor.Rates) -> dict[str, Any]:
    """Measure one layer, forward and backward."""
    x, gradient = work.inputs()
    built = {name: LayerPass(work, name, x, gradient) for name in LAYER_CANDIDATES}
    answers: dict[str, tuple[Tensor, Tensor]] = {}
    checks: dict[str, Any] = {}
    for name, one in built.items():
        one.train()
        assert one.x.grad is not None
        scale = float(one.x.detach().flatten()[0] / x.flatten()[0])
        answer = one.run().detach().clone(), one.x.grad * scale
        one.x.grad = None
        answers.setdefault(OURS, answer)
        if name != OURS:
            ours, theirs = ([answers[OURS][0]], answers[OURS][1]), ([answer[0]], answer[1])
            checks[name] = _compare(f"T {work.steps}, B {work.batch}, N {work.neurons}", name, ours, theirs, SAME)
    rate = float(answers[OURS][0].mean())
    answers.clear()
    gc.collect()
    seconds = measure.rounds({name: one.train for name, one in built.items()}, count)
    return {
        "series": work.series,
        "T": work.steps,
        "B": work.batch,
        "N": work.neurons,
        "rate": round(rate, 4),
        "floor": floor.summary(floor.layer_passes(work, training=True), rates),
        "candidates": {name: {**measure.summary(values), **checks.get(name, {})} for name, values in seconds.items()},
    }


def neurons(count: int, rates: floor.Rates, quick: bool, say: Say) -> dict[str, Any]:
    """Measure layers on their own over all sizes, and the memory of one of them."""
    every, left_out = layers(quick)
    found = []
    say(f"\n{'forward and backward, ms':28}{'floor':>9}" + "".join(f"{name:>24}" for name in LAYER_CANDIDATES))
    for work in every:
        one = layer(work, count, rates)
        found.append(one)
        cells = "".join(f"{1e3 * one['candidates'][name]['median']:24.3f}" for name in LAYER_CANDIDATES)
        say(f"T {work.steps:<5} B {work.batch:<7} N {work.neurons:<7}{1e3 * one['floor']['seconds']:9.3f}{cells}")
    # The largest layer of at least 64 steps shows the memory best.
    largest = max((work for work in every if work.steps >= 64), key=lambda work: (work.size, work.steps))
    memory = {
        name: measure.child(["--child", "layer", name, *map(str, (largest.steps, largest.batch, largest.neurons))])
        for name in LAYER_CANDIDATES
    }
    peaks = ", ".join(f"{name} {one['peak bytes'] / 1e6:.0f} MB" for name, one in memory.items())
    say(f"peak memory at T {largest.steps}, B {largest.batch}, N {largest.neurons}: {peaks}")
    return {
        "layers": found,
        "left out": [{"series": w.series, "T": w.steps, "B": w.batch, "N": w.neurons} for w in left_out],
        "most": MOST,
        "memory": {
            "T": largest.steps,
            "B": largest.batch,
            "N": largest.neurons,
            "peak bytes": {name: one["peak bytes"] for name, one in memory.items()},
        },
    }


VARIANT_SHAPES = (("XOR", (50, 500, 16), True), ("MNIST", (10, 512, 512), False))
"""Layers of this book's first benchmarks: name, [T, B, N], and whether the leak is learned."""


def variants(count: int, quick: bool, say: Say) -> list[dict[str, Any]]:
    """Measure every variant's layer against the reference backend, forward and backward."""
    found = []
    say(f"\n{'layer, forward and backward':44}{'reference ms':>14}{'cpu ms':>10}{'ratio':>8}")
    for title, shape, learnt in VARIANT_SHAPES[: 1 if quick else 2]:
        for recurrent in (False, True):
            for reset in ("hard", "none"):
                calls, spikes = {}, {}
                for name in ("reference", "cpu"):
                    calls[name] = _variant(name, shape, learnt, reset, recurrent, spikes)
                seconds = measure.rounds(calls, count)
                differing = float((spikes["reference"] != spikes["cpu"]).float().mean())
                if differing > (SAME_RECURRENT if recurrent else 0):
                    raise BenchmarkError(f"{title}, reset {reset}, recurrent {recurrent}: the spikes differ.")
                times = {name: measure.summary(values) for name, values in seconds.items()}
                found.append({"title": title, "shape": list(shape), "reset": reset, "recurrent": recurrent, **times})
                ms = [1e3 * times[name]["median"] for name in ("reference", "cpu")]
                label = f"{title} {list(shape)} {reset}{' recurrent' if recurrent else ''}"
                say(f"{label:44}{ms[0]:14.2f}{ms[1]:10.2f}{ms[0] / ms[1]:8.1f}")
    return found


def _variant(
    name: str, shape: tuple[int, int, int], learnt: bool, reset: str, recurrent: bool, spikes: dict[str, Tensor]
) -> Callable[[], None]:
    from spikingjelly.activation_based import surrogate

    torch.manual_seed(0)
    features = shape[-1]
    x = (torch.rand(shape) * 0.5 - 0.05).requires_grad_()
    k = (torch.rand(features) * 0.5 + 0.45).requires_grad_() if learnt else 0.3
    weight = (torch.randn(features, features) * 0.3 / features**0.5).requires_grad_() if recurrent else None
    zero, gradient, fire = torch.zeros(shape[1:]), torch.randn(shape), surrogate.Rect(alpha=2.0)
    run = backends.select(name)[1].run

    def call() -> None:
        x.grad = None
        o, *_ = run(x, zero, zero, k_tau=k, reset=reset, u_th=0.3, fire=fire, recurrent_weight=weight)
        o.backward(gradient)
        spikes[name] = o.detach()

    return call


def startup(count: int, say: Say) -> dict[str, Any]:
    """Measure imports and the first step, each in processes of their own."""
    found = {"imports": measure.imports(count), "first step": measure.first_steps(["--child", "first"], count)}
    for part, rows in found.items():
        for name, one in rows.items():
            say(f"{part}: {name:28}{one['median']:8.2f} s")
    return found


def from_inside(count: int, quick: bool, say: Say) -> dict[str, Any]:
    """Measure where our own step's time goes, and the density up to which sums over events are the faster way."""
    works = [shrunk(work) if quick else work for group in NETWORKS.values() for work in group]
    profiles, densities = [], []
    for work in works:
        profiles.append(inside.profile(work, count))
        say(f"\n{work.words}: {1e3 * profiles[-1]['total']:.1f} ms")
        for name, seconds in profiles[-1]["parts"].items():
            say(f"{1e3 * seconds:8.2f} ms  {name}")
    for work in (works[0], works[-1]):
        densities.append(inside.density(work, count))
        say(f"\n{densities[-1]['title']}")
        for one in densities[-1]["densities"]:
            say(f"{one['density']:8}" + "".join(f"  {k} {1e3 * one[k]['median']:.2f} ms" for k in ("events", "matrix")))
    return {"profiles": profiles, "densities": densities}


def in_child(arguments: Sequence[str]) -> dict[str, Any]:
    """Measure one thing in this process, which was started for it alone."""
    kind, *rest = arguments
    if kind == "memory":
        name, candidate, mode, steps, batch = rest
        work = find(name)
        full = Network(**{**work.__dict__, "steps": int(steps), "batch": int(batch)})
        one = Training(full, candidate, Inputs(full))
        # A tiny step brings what is needed once, whatever the size: compiled code, Adam's moments, library state.
        tiny = Network(**{**work.__dict__, "steps": 15, "batch": 2})
        whole, one.input, one.labels, one.net.work = one.input, Inputs(tiny).form(candidate), tiny.labels(), tiny
        one.train()
        one.input, one.labels, one.net.work = whole, full.labels(), full
        gc.collect()
        call = one.train if mode == "training" else one.infer
        return {"peak bytes": measure.peak_of(call)}
    if kind == "layer":
        candidate, steps, batch, features = rest[0], *map(int, rest[1:])
        tiny = Layer("B", 4, 2, features)
        LayerPass(tiny, candidate, *tiny.inputs()).train()
        work = Layer("B", steps, batch, features)
        one = LayerPass(work, candidate, *work.inputs())
        gc.collect()
        return {"peak bytes": measure.peak_of(one.train)}
    if kind == "first":
        work = shrunk(NETWORKS["a"][0])
        one = Training(work, OURS, Inputs(work))
        start = time.perf_counter()
        one.train()
        return {"first step": time.perf_counter() - start}
    raise BenchmarkError(f"there is nothing called {kind!r} to measure.")
