"""Questions asked of a trained run: one module a question, each a pure function of the run and its parameters."""

from __future__ import annotations

import time
from pathlib import Path

import torch

from lifroles import provenance
from lifroles.additions import Named
from lifroles.errors import StoreError
from lifroles.probes import (
    attack,
    attack_steps,
    corruption,
    curvature,
    features,
    gradients,
    images,
    isometry,
    landscape,
    rates,
    resolution,
    transfer,
)
from lifroles.probes.record import Findings, Parts, Probe, ProbeRecord, ProbeSpec, choose, find, read, write
from lifroles.store import Record

PROBES: Named[Probe] = Named(
    "probe",
    {
        one.PROBE.name: one.PROBE
        for one in (
            resolution,
            gradients,
            landscape,
            curvature,
            features,
            attack,
            attack_steps,
            transfer,
            corruption,
            images,
            rates,
            isometry,
        )
    },
)


def get(name: str) -> Probe:
    """Return the probe of this name.

    Raises:
        SpecError: there is none.
    """
    return PROBES.find(name)


def register(probe: Probe) -> None:
    """Let runs be asked a probe of your own, by its name.

    Raises:
        SpecError: the name is taken by one of the package's, or is no name for a folder.
    """
    PROBES.add(probe.name, probe)


def ask(probe: Probe, run: Record, **changes: object) -> ProbeRecord:
    """Return a probe's record of a run: from beside the run, else measured now and written there.

    A probe that measures in parts goes on where it was interrupted.

    Arguments:
        probe: the question.
        run: a run that was read from a store, with its weights if the record is not yet there.
        changes: parameters that are not the probe's own.

    Raises:
        SpecError: a parameter cannot be, or the probe does not cover this run.
        StoreError: the run has no weights, or the record cannot be written.
        DataError: data that the probe needs are missing.
    """
    spec = ProbeSpec.of(probe, run.spec, **changes)
    if run.path is None:
        raise StoreError(f"The run {run.spec.path} lies in no store: train it with `{run.spec.command()}`.")
    if (run.path / spec.path / "DONE").is_file():
        return read(run.path / spec.path)
    network = run.load_network()
    origin = provenance.describe(threads=torch.get_num_threads(), device="cpu", backend="auto")
    weights = run.final.get("weights_sha256")
    parts = Parts((run.path / spec.path).with_name(f".{Path(spec.path).name}.{str(weights)[:12]}.parts"))
    start = time.perf_counter()
    found = probe.measure(run.spec, network, choose(probe, changes), *([parts] if probe.in_parts else []))
    origin["wall_seconds"] = round(time.perf_counter() - start, 3)
    origin["weights_sha256"] = weights
    if parts.left:
        origin["parts_before"] = parts.left  # whose time is not in wall_seconds
    record = write(run.path, spec, found, origin)
    parts.clear()
    return record


__all__ = [
    "PROBES",
    "Findings",
    "Parts",
    "Probe",
    "ProbeRecord",
    "ProbeSpec",
    "ask",
    "choose",
    "find",
    "get",
    "read",
    "register",
    "write",
]
