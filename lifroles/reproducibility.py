"""What was done to the runs, and what was left of them: the records behind the appendix on reproducibility."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from lifroles import benchmarks, prose, records
from lifroles.claims.quantities import MODEL_LABELS
from lifroles.figures import Display, card
from lifroles.paths import results_dir
from lifroles.prose import counted, listed
from lifroles.tables import Table

COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "kills": "python tests/kill_runs.py --kills 500",
        "node_failure": "python tests/node_failure.py",
        "same_book": "python tests/same_book.py",
        "side_by_side": "python -m benchmarks.workflow local",
        "slurm_jobs": "python -m benchmarks.workflow slurm",
        "stacked": "python -m benchmarks.stacked",
        "twice": "git worktree add before 97fa763 && python -m benchmarks.twice before/results",
    }
)
"""What makes each record, by its name in ``results/reproducibility/``."""

_WRITES = {
    "os.mkdir": "making a folder",
    "os.chmod": "setting a folder's permissions",
    "open": "opening a file to write",
    "write": "half way through writing a file",
    "fsync": "forcing a file or folder to the disk",
    "os.rename": "moving a folder into place",
    "os.remove": "removing a file",
    "os.rmdir": "removing a folder",
}


def read(name: str) -> dict[str, Any]:
    """Return one of the records of :data:`COMMANDS`.

    Raises:
        StoreError: it was never made, or is damaged; the message says what makes it.
    """
    return records.read(results_dir() / "reproducibility" / f"{name}.json", COMMANDS[name])


def everything() -> dict[str, dict[str, Any]]:
    """Return every record by its name."""
    return {name: read(name) for name in COMMANDS}


def kills_words(record: Mapping[str, Any]) -> str:
    """Return the finding of the kill test in a sentence or two."""
    lost, differing = record["lost"], record["differing"]
    found = (
        "none was lost, and none differed in a single bit from the one that nobody interrupted"
        if not (lost or differing)
        else f"{counted(lost, 'run')} lost, {differing} different from the one that nobody interrupted"
    )
    runs = listed(f"{run['path'].rsplit('/', 1)[0]} ({counted(run['epochs'], 'epoch')})" for run in record["runs"])
    return (
        f"{counted(record['kills'], 'kill')} by SIGKILL, {record['at_writes']} of them while a run was writing and "
        f"{record['at_random']} at random moments, in {counted(record['compared'], 'run')} that were started "
        f"again until they ended: {found}. The runs: {runs}."
    )


def kills_table(record: Mapping[str, Any]) -> Table:
    """Return at what each kill struck."""
    rows = [(_WRITES[kind], str(number)) for kind, number in record["writes"].items()]
    rows.append(("any moment, at random", str(record["at_random"])))
    return Table("Where the runs were killed, and how often", ("Just before, or in", "Kills"), rows)


def node_failure_words(record: Mapping[str, Any]) -> str:
    """Return what a node's failure did to the study."""
    work = f"{counted(record['runs'], 'run')} and {counted(record['probes'], 'probe')} of {listed(record['targets'])}"
    differing = record["differing"]
    found = (
        "no record and no weight differs in a single bit from the same study without a cluster"
        if not differing
        else f"{len(differing)} of them differ from the same study without a cluster, {differing[0]} for one"
    )
    return (
        f"At toy scale {work} went through SLURM {record['provenance']['slurm']} on two nodes, each as a job of its "
        "own, and one node was ended while it trained. The other node did what was left, with the run that had been "
        f"lost, and {found}."
    )


def same_book_words(record: Mapping[str, Any]) -> str:
    """Return how the book from a failing cluster compares with the book from one machine."""
    work = f"{counted(record['runs'], 'run')}, {counted(record['probes'], 'probe')} and the book"
    pages, steps = record["differing_pages"], record["differing"]
    found = (
        f"the same bits in every record and weight, and the same words and numbers in {record['tables']} tables on "
        f"{counted(record['pages'], 'page')}"
        if not (pages or steps)
        else f"{counted(len(steps), 'record')} and {counted(len(pages), 'page')} that differ, "
        f"{listed([*steps, *pages][:3])} among them"
    )
    return (
        f"The whole study at toy scale, {work}, was made twice: by `snakemake smoke` through SLURM "
        f"{record['provenance']['slurm']} on two nodes, of which one was ended while it trained, and by "
        f"`make book PROFILE=smoke` on one machine, each from nothing. They ended in {found}."
    )


def side_by_side_table(record: Mapping[str, Any]) -> Table:
    """Return how much faster the same runs are with all processors than one after the other on one."""
    cores = record["provenance"]["cores"]
    rows = []
    for workload in dict.fromkeys(s["workload"] for s in record["settings"]):
        seconds = {(s["jobs"], s["threads"]): s["seconds"] for s in record["settings"] if s["workload"] == workload}
        faster = [f"{seconds[1, 1] / seconds[setting]:.2f} times" for setting in ((cores, 1), (1, cores))]
        rows.append((workload, *faster))
    return Table(
        f"How much faster {cores} processors are than one, for the same runs",
        ("Runs of", f"{cores} runs at a time, one thread each", f"one run at a time, {cores} threads"),
        rows,
    )


def slurm_jobs_words(record: Mapping[str, Any]) -> str:
    """Return what SLURM costs."""
    return (
        f"As a job of SLURM {record['release'].split()[-1]} a run takes {record['added_seconds_per_job']:.1f} s "
        f"longer than without: {counted(record['runs'], 'run')}, one at a time, took {record['slurm_seconds']:.0f} s "
        f"in place of {record['local_seconds']:.0f} s. It is the time to submit it, to start Snakemake once more on "
        "the node, and to notice the end."
    )


def stacked_words(record: Mapping[str, Any]) -> str:
    """Return what stacking seeds would gain."""
    wanted = record["wanted"]
    enough = sum(case["gain"] >= wanted for case in record["cases"])
    parts = listed(
        f"{case['gain']:.2f} times as fast for {case['seeds']} seeds of {case['run'].rsplit('/', 1)[0]}"
        for case in record["cases"]
    )
    return (
        f"Seeds that are trained at once, as one batch through stacked weights, could at most be {parts}: that is the "
        "time of so many training steps over the time of one step on a batch so many times as large, the least that "
        f"a stacked step has to compute. The goal was {wanted:.1f} times; {enough} of these {len(record['cases'])} "
        "bounds reach it, before what stacking itself costs. It is not built: seeds run side by side, each in a "
        "process of its own."
    )


def twice_words(record: Mapping[str, Any]) -> str:
    """Return how far apart runs of one specification end on two processors, beside what a seed changes."""
    runs = record["runs"]
    apart = [abs(a - b) for a, b in (run["last"] for run in runs)]
    shift = statistics.fmean(b - a for a, b in (run["last"] for run in runs))
    pairs = dict.fromkeys(tuple(run["processors"]) for run in runs)
    same = sum(run["same_epochs"] == run["epochs"] for run in runs)
    curves = f"{same} of the curves are the same" if same else "no curve is the same"
    seeds = _between_seeds(runs)
    beside = f" Between two seeds of one model they differ by {prose.points(seeds, 2)} on average." if seeds else ""
    return (
        f"{counted(len(runs), 'run')} of {listed(dict.fromkeys(_of(run)[0] for run in runs))} were "
        f"trained twice, by earlier and by later code: on {listed(f'{a} and then on {b}' for a, b in pairs)}. To the "
        f"bit, {curves}. The accuracies after the last epoch differ by {prose.points(statistics.fmean(apart), 2)} "
        f"on average and by {prose.points(max(apart), 2)} at most; their mean moved by {prose.points(shift, 2)}."
        f"{beside} The archive holds the second runs."
    )


def _of(run: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return a run's benchmark and model by their names in the paper, and its seed."""
    benchmark, model, place = run["path"].split("/")
    return benchmarks.get(benchmark).title, MODEL_LABELS.get(model, model), place.split("-")[0].removeprefix("seed")


def _between_seeds(runs: Sequence[Mapping[str, Any]]) -> float | None:
    """Return the mean difference in the last epoch's accuracy between two seeds of a model, second runs alone."""
    models: dict[str, list[float]] = {}
    for run in runs:
        models.setdefault(run["path"].rsplit("/", 1)[0], []).append(run["last"][1])
    pairs = [abs(a - b) for found in models.values() for a, b in itertools.combinations(found, 2)]
    return statistics.fmean(pairs) if pairs else None


def twice_table(record: Mapping[str, Any]) -> Table:
    """Return both accuracies of every run."""
    rows = [
        (
            *_of(run)[1:],
            *(prose.percent(value, 2) for value in run["last"]),
            prose.signed_points(run["last"][1] - run["last"][0], 2),
            f"{100 * run['most']:.2f}",
        )
        for run in record["runs"]
    ]
    columns = ("Model", "Seed", "First run", "Second run", "Difference, points", "Largest in any epoch, points")
    return Table("The same run on two processors: accuracy after the last epoch", columns, rows)


def made(found: Mapping[str, Mapping[str, Any]], name: str) -> Display:
    """Return the provenance card of one record's table."""
    origin = found[name]["provenance"]
    behind = f"From results/reproducibility/{name}.json: {_machine(origin)}, commit {_commit(origin)}."
    return card(COMMANDS[name], [], name, behind)


def _machine(origin: Mapping[str, Any]) -> str:
    machine = f"{origin['processor']}, Python {origin['versions']['python']}, PyTorch {origin['versions']['torch']}"
    first = int(origin.get("priority", "nice 0").split()[-1]) < 0
    return f"{machine}, before all other work on it" if first else machine


def _commit(origin: Mapping[str, Any]) -> str:
    return (origin.get("commit") or "unknown")[:8]


def origins(found: Mapping[str, Mapping[str, Any]]) -> Table:
    """Return what made each record, where and from which code."""
    rows = [
        (COMMANDS[name], _machine(record["provenance"]), _commit(record["provenance"]))
        for name, record in found.items()
    ]
    return Table("What makes these numbers again, and what made them here", ("Command", "Machine", "Commit"), rows)
