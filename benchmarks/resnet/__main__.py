"""Measure and write the record: ``python -m benchmarks.resnet [--only steps,memory] [--quick]``."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

GROUPS = {
    "steps": "a training step: forward, backward, Adam",
    "narrow": "the same at an eighth of the channels, as in the archived runs",
    "inference": "a forward pass in evaluation",
    "memory": "peak memory of a training step",
    "inside": "which part of our step is convolution, and the rate of a matrix product",
    "precision": "a convolution in float32 and in bfloat16",
    "epoch": "accuracy after one epoch from the same weights",
}


def _arguments(values: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.resnet",
        description="Measure a spiking ResNet-18 against SpikingJelly's own.",
        epilog="groups: " + "; ".join(f"{key}: {text}" for key, text in GROUPS.items()),
    )
    parser.add_argument("--only", default=",".join(GROUPS), help="groups to measure, such as steps,memory")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that everything runs; no record")
    parser.add_argument("--rounds", type=int, default=5, help="samples of each candidate (default 5)")
    parser.add_argument("--threads", type=int, default=2, help="threads of torch and of the kernels (default 2)")
    parser.add_argument(
        "--batch",
        type=int,
        default=16,
        help="images of a step at the published width, a quarter of those of a narrow network (default 16)",
    )
    parser.add_argument("--source", default="jpeg", help="images of the group epoch (default jpeg)")
    parser.add_argument("--out", type=Path, help="the record (default results/speed/resnet.json)")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args(values)
    arguments.only = [key for key in arguments.only.split(",") if key]
    for key in arguments.only:
        if key not in GROUPS:
            parser.error(f"there is no group {key!r}: give some of {', '.join(GROUPS)}")
    if min(arguments.threads, arguments.rounds, arguments.batch) < 1:
        parser.error("threads, rounds and batch are numbers of at least 1")
    return arguments


def main(values: Sequence[str] | None = None) -> int:
    """Run what is asked for; return the exit status."""
    arguments = _arguments(values)
    # The libraries read these when they are first imported.
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[variable] = str(arguments.threads)
    import torch

    from benchmarks.resnet import run
    from benchmarks.resnet.candidates import Size
    from lifroles.errors import LifrolesError

    torch.set_num_threads(arguments.threads)
    try:
        if arguments.child:
            name, batch, channels = arguments.child
            print(json.dumps({"peak": run.peak(name, Size(int(batch), float(channels)))}))
        else:
            _all(arguments)
    except LifrolesError as error:
        print(f"lifroles: {error}", file=sys.stderr)
        return 2
    return 0


def _all(arguments: argparse.Namespace) -> None:
    from benchmarks.kernels import measure
    from benchmarks.resnet import run
    from benchmarks.resnet.candidates import Size, T
    from lifroles import provenance, records
    from lifroles.speed import resnet

    quick = arguments.quick
    size = Size(4, 0.125) if quick else Size(arguments.batch, 1.0)
    rounds = 1 if quick else arguments.rounds
    measure.options = ["--threads", str(arguments.threads)]
    place = arguments.out or (None if quick else resnet.path())
    record: dict[str, Any] = {"groups": {}}
    if place is not None and place.is_file():
        record = records.read(place, resnet.COMMAND)
    for key in arguments.only:
        own = Size(4 * arguments.batch, 0.125) if key == "narrow" and not quick else size
        origin = provenance.describe(threads=arguments.threads, device="cpu", backend="auto")
        origin |= {"rounds": rounds, "load": round(os.getloadavg()[0], 1)}
        if key in ("steps", "narrow"):
            found: Any = {"check": run.check(Size(4, 0.125)), "candidates": run.steps(own, rounds)}
        elif key == "inference":
            found = run.inference(size, rounds)
        elif key == "memory":
            found = run.memory(size)
        elif key == "inside":
            found = run.inside(size, rounds)
        elif key == "precision":
            found = run.precision(size, rounds)
        else:
            samples, seeds = ((100, 100), 1) if quick else ((1000, 1000), 2)
            found = run.epoch(0.125, samples, seeds, arguments.source)
        print(key, json.dumps(found), flush=True)
        sizes = {"batch": own.batch, "channels": own.channels, "T": T}
        record["groups"][key] = {"what": GROUPS[key], "provenance": origin, "size": sizes, "found": found}
        if place is not None:
            # After every group: an interrupted run keeps what it has measured.
            records.write(record, place)


if __name__ == "__main__":
    sys.exit(main())
