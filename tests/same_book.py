"""Make the book at toy scale twice, through a SLURM cluster whose node fails and on one machine, and compare the two.

`python tests/same_book.py` lets Snakemake's target `smoke` run on `tools/slurm-test-cluster.sh`'s cluster of two nodes
of one processor, one of which crashes, and then `lifroles book --profile smoke`, as `make book` does.
Both train everything anew. It compares the runs, the probes and the tables of all pages, and writes
`results/reproducibility/same_book.json`. The checkout's own book is the smoke book afterwards.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup
from node_failure import CLUSTER, ROOT, SLURM, SNAKEMAKE, Work, cluster, crash_while_training

from lifroles import provenance, records, study
from lifroles.paths import results_dir

TARGET = "smoke"
OUTAGE = 120
"""Seconds for which a node is gone."""


def start(command: list[str], runs: Path) -> subprocess.Popen[str]:
    """Start a command in the checkout, with the runs in a folder of their own."""
    runs.mkdir(parents=True)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "LIFROLES_RUNS": str(runs), "PATH": path}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def finish(process: subprocess.Popen[str]) -> None:
    """Wait for a command, and end with what it said if it failed."""
    output, _ = process.communicate()
    if process.returncode != 0:
        sys.exit(output)


def tables(html: Path) -> dict[str, list[str]]:
    """Return the text of every table of the built book, by page."""
    found = {}
    for path in sorted(html.rglob("*.html")):
        page = BeautifulSoup(path.read_text("utf-8"), "html.parser")
        found[path.relative_to(html).as_posix()] = [t.get_text(" ", strip=True) for t in page.find_all("table")]
    return found


def main() -> None:
    """Make both books, compare them, and write down how they differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=results_dir() / "reproducibility" / "same_book.json")
    options = parser.parse_args()
    target = study.get(TARGET)
    runs = [spec.path for spec in target.specs("smoke")]
    probes = [question.path for question in target.questions("smoke")]
    names = list(dict.fromkeys([*runs, *probes]))
    origin = provenance.describe(threads=1, device="cpu", backend="auto")
    html = ROOT / "_build" / "html"
    if not CLUSTER.is_file():
        sys.exit(f"{CLUSTER} is not there: run this in a checkout of the project.")
    cluster("stop")
    if (started := cluster("start", "2")).returncode != 0:
        sys.exit(started.stderr.strip())
    release = subprocess.run(["sbatch", "--version"], capture_output=True, text=True, check=True).stdout.split()
    with tempfile.TemporaryDirectory() as scratch:
        there, here = (Work(Path(scratch, name), names) for name in ("cluster", "local"))
        lifroles = str(Path(sys.executable).parent / "lifroles")
        finish(start([lifroles, "book", "--profile", "smoke", "--force", "--quiet"], here.runs))
        other = tables(html)
        shutil.rmtree(html)
        shutil.rmtree(ROOT / "book" / "notebooks")
        try:
            process = start([*SNAKEMAKE, *SLURM, TARGET], there.runs)
            crash_while_training(there, "node1", 600)
            time.sleep(OUTAGE)
            assert cluster("revive", "node1").returncode == 0
            finish(process)
        finally:
            cluster("stop")
        one = tables(html)
        left, right = there.outcome(), here.outcome()
    found: dict[str, Any] = {
        "runs": len(set(runs)),
        "probes": len(set(probes)),
        "differing": [name for name in names if not left[name] or left[name] != right[name]],
        "pages": len(one),
        "tables": sum(map(len, one.values())),
        "differing_pages": [page for page in sorted(one.keys() | other.keys()) if one.get(page) != other.get(page)],
        "provenance": {**origin, "slurm": release[-1], "snakemake": version("snakemake")},
    }
    records.write(found, options.out)
    print({name: value for name, value in found.items() if name != "provenance"})
    for page in found["differing_pages"]:
        for a, b in zip(one.get(page, []), other.get(page, []), strict=False):
            if a != b:
                print(page, a, b, sep="\n  ")
    if found["differing"] or found["differing_pages"]:
        sys.exit(1)


if __name__ == "__main__":
    main()
