"""The workflow on a real SLURM cluster of two nodes, one of which fails while it works."""

import os
import shutil

import pytest
from node_failure import SLURM, Work, cluster, crash_while_training, jobs

from lifroles import study
from lifroles.variant import TABLE6_VARIANTS


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


@pytest.mark.slow
def test_a_node_that_fails_changes_no_number(slurm, tmp_path):
    """Two runs of the study that `python tests/node_failure.py` does whole."""
    specs = [s for s in study.get("table6").specs("smoke") if s.benchmark == "xor"]
    names = [s.path for s in specs if s.variant_name in TABLE6_VARIANTS[:2]]
    assert len(names) == 2
    there, here = Work(tmp_path / "cluster", names), Work(tmp_path / "local", names)
    process = there.start(*SLURM)
    try:
        lost = crash_while_training(there, "node1", 300)
        output, _ = process.communicate(timeout=400)
    finally:
        process.kill()
    assert process.returncode == 0, output
    # SLURM noticed, and the other node did the work again.
    known = jobs()
    assert (known[lost]["Restarts"], known[lost]["NodeList"]) == ("1", "node2")
    assert {job["JobState"] for job in known.values()} == {"COMPLETED"} and len(known) == 2

    process = here.start("--cores", "2")
    output, _ = process.communicate(timeout=400)
    assert process.returncode == 0, output
    assert there.outcome() == here.outcome()
