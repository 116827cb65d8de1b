"""Let a node of a SLURM cluster fail while the study runs on it, and compare the outcome with that of one machine.

`python tests/node_failure.py` does so with Table 7 at toy scale and writes `results/reproducibility/node_failure.json`;
the test suite takes two runs. The cluster is `tools/slurm-test-cluster.sh`'s, with two nodes of one processor.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lifroles import folders, provenance, records, study
from lifroles.paths import results_dir

ROOT = Path(__file__).resolve().parents[1]
CLUSTER = ROOT / "tools" / "slurm-test-cluster.sh"
SNAKEMAKE = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "workflow" / "Snakefile")]
SLURM = ["--profile", str(ROOT / "workflow" / "profiles" / "slurm"), "--slurm-no-account"]
# A test cluster has no accounting, and its answers are wanted soon.
SLURM += ["--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "2"]
SLURM += ["--seconds-between-status-checks", "2"]

OUTCOME = ("spec.json", "record.json", "weights.safetensors", "arrays.npz")
"""What a run or a probe leaves, without its provenance, which tells of times."""


def cluster(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Ask the cluster's script for something."""
    return subprocess.run([CLUSTER, *arguments], capture_output=True, text=True, check=False)


def jobs() -> dict[str, dict[str, str]]:
    """Return what SLURM knows of every job, also of those that are over, by its number."""
    text = subprocess.run(["scontrol", "--oneliner", "show", "jobs"], capture_output=True, text=True, check=True).stdout
    found = [dict(re.findall(r"(\w+)=(\S*)", line)) for line in text.splitlines()]
    return {job["JobId"]: job for job in found if "JobId" in job}


class Work:
    """Runs and probes that Snakemake does in a folder of its own.

    Arguments:
        folder: a scratch folder.
        names: the folders of the runs and probes below a store.
    """

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self.runs = folder / "runs"
        self.names = names

    def start(self, *options: str) -> subprocess.Popen[str]:
        """Start Snakemake."""
        self.runs.mkdir(parents=True)
        marks = [self.runs / ".workflow" / ("probe" if "/probes/" in name else "run") / name for name in self.names]
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return subprocess.Popen(
            [*SNAKEMAKE, *map(str, marks), *options],
            cwd=self.runs.parent,
            env={**os.environ, "LIFROLES_RUNS": str(self.runs), "PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def outcome(self) -> dict[str, dict[str, bytes]]:
        """Return what each run and probe left, compared with its hashes."""
        return {
            name: {file: data for file, data in folders.read(self.runs / name).items() if file in OUTCOME}
            for name in self.names
        }


def crash_while_training(work: Work, node: str, seconds: float) -> str:
    """Let a node fail once a run that it trains has written something; return the job's number.

    Raises:
        AssertionError: no run began there in time, or the node did not fail.
    """
    deadline = time.monotonic() + seconds
    while True:
        assert time.monotonic() < deadline, f"no run began on {node}"
        time.sleep(0.1)
        mine = [number for number, job in jobs().items() if (job["JobState"], job.get("NodeList")) == ("RUNNING", node)]
        # A checkpoint, or the lock of a run that has none yet.
        if mine and list(work.runs.glob("*/*/.seed*")):
            break
    assert cluster("crash", node).returncode == 0
    return mine[0]


def main() -> None:
    """Run parts of the study through a failing cluster and without one, and record how they compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", default=["table7"], help="as `lifroles study` lists them")
    parser.add_argument("--out", type=Path, default=results_dir() / "reproducibility" / "node_failure.json")
    options = parser.parse_args()
    targets = [study.get(name) for name in options.targets]
    runs = list(dict.fromkeys(spec.path for target in targets for spec in target.specs("smoke")))
    probes = list(dict.fromkeys(question.path for target in targets for question in target.questions("smoke")))
    origin = provenance.describe(threads=1, device="cpu", backend="auto")
    cluster("stop")
    if (started := cluster("start", "2")).returncode != 0:
        sys.exit(started.stderr.strip())
    # Without a cluster's configuration not even this is said.
    release = subprocess.run(["sbatch", "--version"], capture_output=True, text=True, check=True).stdout.split()
    with tempfile.TemporaryDirectory() as scratch:
        there, here = (Work(Path(scratch, name), [*runs, *probes]) for name in ("cluster", "local"))
        try:
            process = there.start(*SLURM)
            crash_while_training(there, "node1", 600)
            output, _ = process.communicate()
        finally:
            cluster("stop")
        if process.returncode != 0:
            sys.exit(output)
        process = here.start("--cores", "2")
        output, _ = process.communicate()
        if process.returncode != 0:
            sys.exit(output)
        one, other = there.outcome(), here.outcome()
    found: dict[str, Any] = {
        "targets": options.targets,
        "runs": len(runs),
        "probes": len(probes),
        "differing": [name for name in one if one[name] != other[name]],
        "provenance": {**origin, "slurm": release[-1], "snakemake": version("snakemake")},
    }
    records.write(found, options.out)
    print({name: value for name, value in found.items() if name != "provenance"})
    if found["differing"]:
        sys.exit(1)


if __name__ == "__main__":
    main()
