"""Measure, print the tables, and write the record: ``python -m benchmarks.kernels [--only a,b] [--quick]``."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

GROUPS = {
    "a": "one training step of the SHD network, feed-forward and recurrent",
    "b": "one training step of the N-MNIST network, 15 and 100 steps",
    "c": "a layer of neurons on its own over all sizes",
    "d": "inference of the networks of a and b",
    "e": "every variant's layer against the reference backend",
    "f": "imports and the first step",
    "g": "our own step from inside: where its time goes, and events against a matrix product by density",
}
PEERS = ("spikingjelly", "snntorch", "norse", "numba")


def _arguments(values: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.kernels",
        description="Measure the kernels against SpikingJelly, snnTorch, Norse and plain torch.",
        epilog="groups: " + "; ".join(f"{key}: {text}" for key, text in GROUPS.items()),
    )
    parser.add_argument("--only", default=",".join(GROUPS), help="groups to measure, such as a,c (default: all)")
    parser.add_argument("--quick", action="store_true", help="small sizes and few rounds, to see that everything runs")
    parser.add_argument(
        "--rounds", type=int, default=9, help="samples of each candidate (default 9; at least 7 counts)"
    )
    parser.add_argument("--threads", type=int, default=2, help="threads of torch and of the kernels (default 2)")
    parser.add_argument(
        "--keep-memory", action="store_true",
        help="let the C library keep freed memory, for all candidates; recorded beside the default",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, help="the record (default results/speed/kernels.json; none with --quick)")
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args(values)
    arguments.only = [key for key in arguments.only.split(",") if key]
    for key in arguments.only:
        if key not in GROUPS:
            parser.error(f"there is no group {key!r}: give some of {', '.join(GROUPS)}")
    if arguments.threads < 1 or arguments.rounds < 1:
        parser.error("threads and rounds are numbers of at least 1")
    return arguments


def _provenance(arguments: argparse.Namespace) -> dict[str, Any]:
    from lifroles import provenance

    found = provenance.describe(threads=arguments.threads, device="cpu", backend="auto")
    found["versions"] |= {name: version(name) for name in PEERS}
    return found | {"rounds": arguments.rounds, "quick": arguments.quick, "load": round(os.getloadavg()[0], 1)}


def main(values: Sequence[str] | None = None) -> int:
    """Run what is asked for; return the exit status."""
    arguments = _arguments(values)
    # The libraries read these when they are first imported.
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[variable] = str(arguments.threads)
    if arguments.quick:
        arguments.rounds = min(arguments.rounds, 3)
    from lifroles.errors import LifrolesError

    try:
        return _child(arguments) if arguments.child else _all(arguments)
    except LifrolesError as error:
        print(f"lifroles: {error}", file=sys.stderr)
        return 2


def _child(arguments: argparse.Namespace) -> int:
    import torch

    from benchmarks.kernels import measure, run

    torch.set_num_threads(arguments.threads)
    if arguments.keep_memory:
        measure.keep_memory()
    print(json.dumps(run.in_child(arguments.child)))
    return 0


def _all(arguments: argparse.Namespace) -> int:
    import torch

    from benchmarks.kernels import floor, measure, run
    from lifroles import records, speed

    torch.set_num_threads(arguments.threads)
    measure.options = ["--threads", str(arguments.threads)]
    if arguments.keep_memory:
        measure.keep_memory()
        measure.options.append("--keep-memory")
    place = arguments.out or (None if arguments.quick else speed.path())
    record = records.read(place, speed.COMMAND) if place is not None and place.is_file() else {"groups": {}}

    def say(line: str) -> None:
        print(line, flush=True)

    rates = floor.measure()
    say(f"{torch.__version__=}, {arguments.threads} threads: {rates.operations / 1e9:.0f} GFLOP/s, "
        f"{rates.bytes / 1e9:.1f} GB/s")  # fmt: skip
    for key in arguments.only:
        say(f"\n{key}. {GROUPS[key]}")
        origin = _provenance(arguments)
        if key in run.NETWORKS:
            found: Any = run.networks(key, arguments.rounds, rates, arguments.quick, say)
        elif key == "c":
            found = run.neurons(arguments.rounds, rates, arguments.quick, say)
        elif key == "d":
            found = run.inference(arguments.rounds, rates, arguments.quick, say)
        elif key == "e":
            found = run.variants(arguments.rounds, arguments.quick, say)
        elif key == "g":
            found = run.from_inside(arguments.rounds, arguments.quick, say)
        else:
            found = run.startup(min(arguments.rounds, 3), say)
        name = key + " kept" * arguments.keep_memory
        machine = {"operations a second": rates.operations, "bytes a second": rates.bytes}
        record["groups"][name] = {"what": GROUPS[key], "provenance": origin, "rates": machine, "found": found}
        record["groups"] = dict(sorted(record["groups"].items()))
        if place is not None:
            # After every group: an interrupted run keeps what it has measured.
            records.write(record, place)
    return 0


if __name__ == "__main__":
    sys.exit(main())
