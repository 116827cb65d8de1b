"""Kill training runs with SIGKILL, at every write and at random moments, and compare what they end as.

`python tests/kill_runs.py --kills 300` does as many kills as asked for and writes `results/reproducibility/kills.json`;
the test suite does a few of each kind. A run is started in a process of its own, killed, and started again until it
ends by itself. Then its record and its weights have to be those of a run that nobody interrupted, byte for byte, and
nothing else may be left of it.
"""

from __future__ import annotations

import argparse
import builtins
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from lifroles import folders, provenance, records, training
from lifroles.paths import results_dir
from lifroles.spec import RunSpec
from lifroles.store import FILES, WEIGHTS, Store

XOR: dict[str, Any] = {"epochs": 3, "iterations": 6, "batch_size": 40, "test_samples": 100}
MNIST: dict[str, Any] = {"epochs": 2, "train_samples": 300, "test_samples": 100, "hidden": 64, "batch_size": 100}
SPECS = (
    RunSpec.of("xor", "baseline", 0, None, **XOR),
    RunSpec.of("xor", "no_leakage_no_reset_recurrent", 1, None, **XOR),
    RunSpec.of("mnist", "recurrent", 0, None, **MNIST, coding="bernoulli"),
)
"""Learnable leaks, recurrent weights, and a sampler that shuffles and draws spikes."""

_WRITES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod"}
_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class _Points:
    """Counts this process's writes below a folder, and kills it just before one of them, or half way through it."""

    def __init__(self, root: Path, kill_at: int | None) -> None:
        self.root = str(root)
        self.kill_at = kill_at
        self.seen: list[str] = []

    def reach(self, what: str, before_death: Callable[[], None] = lambda: None) -> None:
        self.seen.append(what)
        if len(self.seen) == self.kill_at:
            before_death()
            os.kill(os.getpid(), signal.SIGKILL)

    def arm(self) -> None:
        """Watch from here to the end of the process."""
        inside = self.root

        def audit(event: str, arguments: tuple[Any, ...]) -> None:
            path = arguments[0] if arguments else None
            if not isinstance(path, str | os.PathLike):
                return
            # A tree is removed relative to its folder, which is open: then the name alone is known.
            relative = event in ("os.remove", "os.rmdir") and arguments[1] not in (-1, None)
            if not relative and not os.fspath(path).startswith(inside):
                return
            if event in _WRITES or (event == "open" and arguments[2] & _WRITE_FLAGS):
                self.reach(event)

        sys.addaudithook(audit)
        sync = os.fsync

        def fsync(handle: int) -> None:
            self.reach("fsync")
            sync(handle)

        os.fsync = fsync
        folders.__dict__["open"] = self._open

    def _open(self, path: Path, mode: str) -> Any:
        file = builtins.open(path, mode)  # noqa: SIM115 - the caller closes it
        write = file.write

        def half(data: bytes) -> None:
            write(data[: len(data) // 2])
            file.flush()

        class File:
            """The file, whose writes are points too: one that is reached tears."""

            __enter__ = lambda own: own  # noqa: E731
            __exit__ = lambda own, *_: file.close()  # noqa: E731
            flush, fileno = file.flush, file.fileno

            @staticmethod
            def write(data: bytes) -> int:
                self.reach("write", lambda: half(data))
                return write(data)

        return File()


def _start(spec: RunSpec, root: Path, kill_at: int | None = None, report: Path | None = None) -> int:
    """Start a run in a process of its own and return its id; it dies at its `kill_at`-th write."""
    process = os.fork()
    if process:
        return process
    status = 1
    try:
        points = _Points(root, kill_at)
        points.arm()
        training.run(spec, Store(root))
        if report is not None:
            report.write_text("\n".join(points.seen))
        status = 0
    finally:
        os._exit(status)


def _wait(process: int) -> bool:
    """Wait for a process; tell whether it was killed."""
    status = os.waitpid(process, 0)[1]
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return True
    if status != 0:
        raise AssertionError(f"the run ended with {status}, and nobody had killed it")
    return False


def _outcome(spec: RunSpec, root: Path) -> dict[str, bytes]:
    """Return what must not depend on interruptions, after comparing each file with its hash."""
    contents = folders.read(root / spec.path)
    assert set(contents) == {*FILES, WEIGHTS}, sorted(contents)
    left = sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file())
    assert left == sorted(f"{spec.path}/{name}" for name in (*contents, folders.DONE)), left
    return {name: data for name, data in contents.items() if name != "provenance.json"}


@dataclass
class Tally:
    """What was done and found: kills of each kind, runs that were compared, and those that were lost or differed."""

    at_writes: int = 0
    at_random: int = 0
    compared: int = 0
    lost: int = 0
    differing: int = 0
    resumed: int = 0
    writes: Counter[str] = field(default_factory=Counter)

    @property
    def kills(self) -> int:
        return self.at_writes + self.at_random


class Victim:
    """One run, its uninterrupted outcome, and how to kill it.

    Arguments:
        spec: the run.
        folder: a scratch folder.
    """

    def __init__(self, spec: RunSpec, folder: Path) -> None:
        self.spec = spec
        self.folder = folder
        report = folder / "points"
        start = time.monotonic()
        assert not _wait(_start(spec, folder / "whole", report=report))
        self.seconds = time.monotonic() - start
        self.points = report.read_text().split("\n")
        self.expected = _outcome(spec, folder / "whole")

    def _ends_well(self, root: Path, tally: Tally) -> None:
        """Start the run until nothing kills it, and compare."""
        assert not _wait(_start(self.spec, root))
        tally.compared += 1
        try:
            tally.differing += _outcome(self.spec, root) != self.expected
        except Exception as error:
            print(f"{self.spec.path}: {error}", file=sys.stderr)
            tally.lost += 1
        record = Store(root).get(self.spec)
        tally.resumed += len(record.provenance.get("resumed", [])) if record else 0
        shutil.rmtree(root)

    def kill_at_write(self, point: int, tally: Tally) -> None:
        """Kill the run at one of its writes (from 1), and start it again."""
        root = self.folder / "killed"
        if _wait(_start(self.spec, root, point)):
            tally.at_writes += 1
            tally.writes[self.points[point - 1]] += 1
        self._ends_well(root, tally)

    def kill_at_random(self, rng: random.Random, most: int, tally: Tally) -> None:
        """Kill the run up to `most` times at any moment of it, starting it again each time."""
        root = self.folder / "killed"
        for _ in range(most):
            process = _start(self.spec, root)
            time.sleep(rng.uniform(0, self.seconds))
            os.kill(process, signal.SIGKILL)
            tally.at_random += _wait(process)
        self._ends_well(root, tally)


def warm_up() -> None:
    """Compile the kernels in this process, so that those that are forked from it have them."""
    torch.set_num_threads(1)
    for spec in SPECS:
        training.train(spec, epochs=1)


def main() -> None:
    """Kill as many times as asked for, and record what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--kills",
        type=int,
        default=300,
        help="at least so many: three in four at writes, at every one of them if that is enough; the rest at random",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the random moments")
    parser.add_argument("--out", type=Path, default=results_dir() / "reproducibility" / "kills.json")
    options = parser.parse_args()
    warm_up()
    start = time.monotonic()
    rng = random.Random(options.seed)
    tally = Tally()
    with tempfile.TemporaryDirectory() as scratch:
        victims = [Victim(spec, Path(scratch) / str(i)) for i, spec in enumerate(_made(scratch))]
        points = [(victim, point) for victim in victims for point in range(1, len(victim.points) + 1)]
        wanted = options.kills * 3 // 4
        for victim, point in points if wanted >= len(points) else rng.sample(points, wanted):
            victim.kill_at_write(point, tally)
        while tally.kills < options.kills:
            rng.choice(victims).kill_at_random(rng, rng.randint(1, 8), tally)
    found = {
        "kills": tally.kills,
        "at_writes": tally.at_writes,
        "at_random": tally.at_random,
        "writes": dict(sorted(tally.writes.items())),
        "compared": tally.compared,
        "resumed": tally.resumed,
        "lost": tally.lost,
        "differing": tally.differing,
        "runs": [{"path": v.spec.path, "writes": len(v.points), "epochs": v.spec.protocol.epochs} for v in victims],  # pyright: ignore[reportAttributeAccessIssue]
        "seconds": round(time.monotonic() - start, 1),
        "provenance": provenance.describe(threads=1, device="cpu", backend="cpu"),
    }
    records.write(found, options.out)
    print({k: v for k, v in found.items() if k not in ("provenance", "runs")})
    if tally.lost or tally.differing:
        sys.exit(1)


def _made(scratch: str) -> tuple[RunSpec, ...]:
    for i in range(len(SPECS)):
        (Path(scratch) / str(i)).mkdir()
    return SPECS


if __name__ == "__main__":
    main()
