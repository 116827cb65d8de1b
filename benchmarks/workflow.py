"""Measure how well many runs use one machine, and what SLURM adds to each: ``python -m benchmarks.workflow``.

The same runs one at a time, side by side with a thread each, and one at a time with all threads; then the same small
runs through the workflow without and with SLURM, which needs a cluster (``tools/slurm-test-cluster.sh start 1``). The
machine should do nothing else, or nothing that comes first. Everything is trained into a temporary folder.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lifroles import paths, pool, provenance, records, reproduce, study
from lifroles.errors import LifrolesError
from lifroles.spec import RunSpec

ROOT = Path(__file__).resolve().parents[1]
WORKLOADS = {
    "small network": ("xor", "generated", {"epochs": 4}),
    "larger network": ("mnist", "mnist-5k", {"epochs": 12}),
}
"""What is trained, in so many epochs that the start of a process counts little."""
TOY_RUNS = 6
NAMES = {"local": "side_by_side", "slurm": "slurm_jobs"}
"""The parts, and how their records are named."""
PARTS = tuple(NAMES)


def specs(workload: str, number: int) -> list[RunSpec]:
    """Return as many runs of a workload, which differ in their seeds."""
    benchmark, source, changes = WORKLOADS[workload]
    return [RunSpec.of(benchmark, "baseline", seed, source, **changes) for seed in range(number)]


def side_by_side(workload: str, jobs: int, threads: int, number: int) -> dict[str, Any]:
    """Return the seconds that the runs of a workload take, ``jobs`` at a time with ``threads`` each."""
    ended: list[pool.Ended] = []
    with tempfile.TemporaryDirectory() as runs:
        commands = [
            (s.path, [*reproduce.train_command(s), "--threads", str(threads), "--store", runs])
            for s in specs(workload, number)
        ]
        limits = {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
        start = time.monotonic()
        pool.run(commands, jobs, ended.append, environment=lambda slot: limits)
        seconds = time.monotonic() - start
    for end in ended:
        if end.status != 0:
            raise SystemExit(f"{end.name} ended with status {end.status}: {end.line}")
    return {"workload": workload, "runs": number, "jobs": jobs, "threads": threads, "seconds": round(seconds, 2)}


def through_snakemake(options: Sequence[str]) -> float:
    """Return the seconds that the workflow needs for a few toy runs, from a folder of its own."""
    wanted = [s for s in study.get("smoke").specs("smoke") if s.benchmark == "xor"][:TOY_RUNS]
    with tempfile.TemporaryDirectory(dir=ROOT) as folder:
        marks = [str(Path(folder, ".workflow", "run", spec.path)) for spec in wanted]
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "workflow" / "Snakefile"), *options]
        start = time.monotonic()
        subprocess.run(
            [*command, *marks], cwd=folder, env={**os.environ, "LIFROLES_RUNS": folder}, check=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        return time.monotonic() - start


def priority() -> str:
    """Return how this process's session ranks among others: Linux's words, such as ``"nice 0"``, empty elsewhere."""
    try:
        return " ".join(Path("/proc/self/autogroup").read_text().split()[1:])
    except OSError:
        return ""


def slurm() -> dict[str, Any]:
    """Return the seconds of the same runs without and with SLURM, one at a time, and what it adds to each."""
    polling = ["--slurm-init-seconds-before-status-checks", "1", "--seconds-between-status-checks", "1"]
    cluster = ["--profile", str(ROOT / "workflow" / "profiles" / "slurm"), "--slurm-no-account"]
    local = through_snakemake(["--cores", "1"])
    there = through_snakemake([*cluster, "--slurm-status-command", "squeue", *polling])
    release = subprocess.run(["sbatch", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    return {
        "runs": TOY_RUNS,
        "local_seconds": round(local, 2),
        "slurm_seconds": round(there, 2),
        "added_seconds_per_job": round((there - local) / TOY_RUNS, 2),
        "release": release,
    }


def every_setting(number: int) -> list[dict[str, Any]]:
    """Return :func:`side_by_side` of every workload: one run at a time, one on each processor, one on all of them."""
    cores = pool.cores()
    settings = ((1, 1), (cores, 1), (1, cores))
    return [side_by_side(workload, jobs, threads, number) for workload in WORKLOADS for jobs, threads in settings]


def main(values: Sequence[str] | None = None) -> int:
    """Measure, write a record of each part, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.workflow", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("parts", nargs="*", choices=PARTS, help="what to measure (default: both)")
    parser.add_argument("--runs", type=int, default=4, help="runs of each workload (default 4)")
    parser.add_argument(
        "--out", type=Path, default=paths.results_dir() / "reproducibility", help="folder of the records"
    )
    arguments = parser.parse_args(values)
    for part in arguments.parts or PARTS:
        if part == "slurm" and not (shutil.which("sbatch") and Path("/etc/slurm/slurm.conf").is_file()):
            print(
                "lifroles: there is no SLURM cluster: `tools/slurm-test-cluster.sh start 1` makes one.", file=sys.stderr
            )
            return 2
        origin = provenance.describe(threads=1, device="cpu", backend="auto")
        origin |= {"cores": pool.cores(), "load": round(os.getloadavg()[0], 1), "priority": priority()}
        if part == "local":
            found: dict[str, Any] = {"settings": every_setting(arguments.runs)}
        else:
            origin["snakemake"] = version("snakemake")
            found = slurm()
        try:
            records.write({**found, "provenance": origin}, arguments.out / f"{NAMES[part]}.json")
        except LifrolesError as error:
            print(f"lifroles: {error}", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
