"""Table 7: how does a network trained with one step length do on others?

The paper does not say whether the number of steps or the time that they cover stays as it was. Both are measured, and
each with three kinds of frames: ``binary`` (as trained on), ``counts`` (events of a pixel and step, which grow with the
step) and ``scaled`` (binary, multiplied so that a step holds as much as at the trained length). What ``scaled`` wins
back is the part of the loss that is input scale alone.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from lifroles.benchmarks import Network
from lifroles.benchmarks.recordings import Part
from lifroles.probes import samples
from lifroles.probes.record import Findings, Probe, ProbeParameters
from lifroles.spec import RunSpec
from lifroles.trainer import evaluate

Kept = Literal["steps", "duration"]
Frames = Literal["binary", "counts", "scaled"]


class ResolutionParameters(ProbeParameters):
    """Which step lengths, readings and frames are tested, and on which recordings."""

    dts: tuple[float, ...] = Field((1.0, 2.0, 3.0, 5.0, 10.0), description="step lengths, ms")
    kept: tuple[Kept, ...] = Field(
        ("steps", "duration"), description="what stays as trained: the number of steps T, or the time that they cover"
    )
    frames: tuple[Frames, ...] = Field(("binary", "counts", "scaled"), description="what a step holds")
    source: str | None = Field(None, description="the recordings; None: the test set of the run's own source")


def key(kept: str, frames: str, dt: float) -> str:
    """Return the key of a cell in the record: ``"steps/binary/3"``."""
    return f"{kept}/{frames}/{dt:g}"


def measure(spec: RunSpec, network: Network, p: ResolutionParameters) -> Findings:
    """Return ``accuracy``, ``loss``, spike ``rate.<layer>``, ``density`` (input per channel and step) and ``samples``.

    Keys are those of :func:`key`. ``loss`` is the run's own, on held-out recordings.
    """
    protocol: Any = spec.protocol
    trained = _density(_part(spec, p.source, "steps", protocol.dt, "binary"))
    numbers: dict[tuple[str, str], float] = {}
    for kept in p.kept:
        for dt in p.dts:
            for frames in p.frames:
                part = _part(spec, p.source, kept, dt, "counts" if frames == "counts" else "binary")
                density = _density(part)
                scale = trained / density if frames == "scaled" and density else 1.0
                found = evaluate(spec, network, part, samples.batches(part, scale=scale))  # pyright: ignore[reportArgumentType]
                cell = key(kept, frames, dt)
                numbers["accuracy", cell] = found.accuracy
                numbers["loss", cell] = found.loss
                numbers["density", cell] = density * scale
                numbers["steps", cell] = part.prepared.steps
                for layer, rate in found.rates.items():
                    numbers[f"rate.{layer}", cell] = rate
                numbers["samples", cell] = len(part.samples)
    return Findings(numbers)


def _part(spec: RunSpec, source: str | None, kept: Kept, dt: float, values: str) -> Part:
    protocol: Any = spec.protocol
    if kept == "steps":
        return samples.part(spec, "Test", source, dt=dt, T=protocol.steps, values=values)
    return samples.part(spec, "Test", source, dt=dt, T=None, duration=protocol.steps * protocol.dt, values=values)


def _density(part: Part) -> float:
    """Return the share of channels and steps that hold an event."""
    prepared = part.prepared
    sizes = prepared.lengths[part.samples]
    return float(sizes.sum()) / max(len(part.samples) * prepared.steps * prepared.channels, 1)


PROBE = Probe(
    name="resolution",
    version=1,
    question="How accurate is a network on N-MNIST with steps of another length than it was trained with (Table 7)?",
    parameters=ResolutionParameters,
    measure=measure,
    covers=samples.is_nmnist,
    asked=({}, {"source": "subset"}),
)
