"""The workflow on a real SLURM cluster of two nodes, one of which fails while it works."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CLUSTER = ROOT / "tools" / "slurm-test-cluster.sh"
NAMES = ("baseline", "no_leakage", "no_reset", "recurrent")
SNAKEMAKE = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "workflow" / "Snakefile")]
SLURM = ["--profile", str(ROOT / "workflow" / "profiles" / "slurm"), "--slurm-no-account"]
# A test cluster has no accounting, and its answers are wanted soon.
SLURM += ["--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "2"]
SLURM += ["--seconds-between-status-checks", "2"]


def cluster(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([CLUSTER, *arguments], capture_output=True, text=True, check=False)


def jobs(form: str) -> list[list[str]]:
    """Return what squeue knows of every job, also of those that are over."""
    text = subprocess.run(["squeue", "-h", "-t", "all", "-o", form], capture_output=True, text=True, check=True).stdout
    return [line.split() for line in text.splitlines()]


@pytest.fixture
def slurm(require):
    """A cluster of two nodes with one processor each."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    there = all(shutil.which(name, path=path) for name in ("munged", "slurmctld", "slurmd", "sbatch"))
    require(there, "SLURM is not installed (tools/slurm-test-cluster.sh install puts Debian's here)", "slurm")
    require(os.geteuid() == 0, "SLURM's daemons need root", "slurm")
    cluster("stop")
    started = cluster("start", "2")
    if "not this script's" in started.stderr:
        require(False, started.stderr.strip(), "slurm")
    assert started.returncode == 0, started.stderr
    yield
    cluster("stop")


@pytest.fixture(scope="module")
def study() -> list[str]:
    """The names of four small runs of Table 6, at toy scale."""
    done = subprocess.run(
        [sys.executable, "-m", "lifroles.cli", "study", "--json"], capture_output=True, text=True, check=True
    )
    names = json.loads(done.stdout)["targets"]["table6"]["runs"]["smoke"]
    found = [name for name in names if name.startswith("xor/") and name.split("/")[1] in NAMES]
    assert len(found) == len(NAMES)
    return found


def start(folder: Path, names: list[str], *options: str) -> subprocess.Popen[str]:
    """Ask Snakemake for these runs in a folder of its own."""
    (folder / "runs").mkdir(parents=True)
    marks = [str(folder / "runs" / ".workflow" / "run" / name) for name in names]
    environment = {
        **os.environ,
        "LIFROLES_RUNS": str(folder / "runs"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    return subprocess.Popen(
        [*SNAKEMAKE, *marks, "--config", "profile=smoke", *options],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def files(folder: Path, names: list[str]) -> dict[str, bytes]:
    """Return what the runs wrote, without their provenance, which tells of times."""
    return {
        f"{name}/{file}": (folder / "runs" / name / file).read_bytes()
        for name in names
        for file in ("spec.json", "record.json", "weights.safetensors")
    }


@pytest.mark.slow
def test_a_node_that_fails_changes_no_number(slurm, study, tmp_path):
    there = start(tmp_path / "cluster", study, *SLURM)
    try:
        # The first job on node1 dies while it trains: once it has a checkpoint, or its lock.
        deadline = time.monotonic() + 300
        while True:
            assert time.monotonic() < deadline, "no run began on node1"
            time.sleep(0.1)
            mine = [line[0] for line in jobs("%i %t %N") if line[1:] == ["R", "node1"]]
            if mine and list((tmp_path / "cluster" / "runs").glob("xor/*/.seed0-*")):
                break
        assert cluster("crash", "node1").returncode == 0
        output, _ = there.communicate(timeout=400)
    finally:
        there.kill()
    assert there.returncode == 0, output
    # SLURM noticed, and the other node did the work again.
    known = subprocess.run(["scontrol", "show", "job", mine[0]], capture_output=True, text=True, check=True).stdout
    assert "Restarts=1" in known and "NodeList=node2" in known, known

    here = start(tmp_path / "local", study, "--cores", "2")
    output, _ = here.communicate(timeout=400)
    assert here.returncode == 0, output
    assert files(tmp_path / "cluster", study) == files(tmp_path / "local", study)
