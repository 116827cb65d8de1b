"""Run what a table, a figure or the book still lacks: first say what, how long and what not, then do it."""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lifroles import paths, pool, records, study
from lifroles.durations import Durations, Expectation
from lifroles.errors import SpecError, StoreError
from lifroles.folders import DONE
from lifroles.prose import counted, listed
from lifroles.spec import RunSpec
from lifroles.store import Store
from lifroles.study import Profile, Question

Say = Callable[[str], None]

_BUDGET = re.compile(r"(?:(?P<h>\d+)h)?(?:(?P<m>\d+)m(?:in)?)?(?:(?P<s>\d+)s)?")


@dataclass(frozen=True)
class Step:
    """A run that is missing, and how long it is expected to take."""

    spec: RunSpec
    expected: Expectation


@dataclass(frozen=True)
class Plan:
    """What a target lacks, and how much of it fits.

    Arguments:
        target: its name in :data:`study.TARGETS`.
        profile: the scale.
        stored: how many of its runs need not be trained.
        steps: runs to be started, in order; those of unknown length last.
        left_out: runs for which the budget has no room.
        questions: probes that are missing, of runs that are stored or to be started.
        jobs: how many run at once.
        seconds: when the last run of known length is expected to be over.
        budget: the seconds that were granted, or ``None``.
    """

    target: str
    profile: Profile
    stored: int
    steps: tuple[Step, ...]
    left_out: tuple[Step, ...]
    questions: tuple[Question, ...]
    jobs: int
    seconds: float
    budget: float | None

    @property
    def book(self) -> bool:
        """Whether the book is built at the end: only from all of its runs, since it would train what is missing."""
        return study.get(self.target).book and not self.left_out


def parse_budget(text: str) -> float:
    """Return ``"90s"``, ``"30m"`` or ``"1h30m"`` as seconds.

    Raises:
        SpecError: it is no such time.
    """
    found = _BUDGET.fullmatch(text.strip())
    parts = {k: int(v) for k, v in found.groupdict().items() if v} if found else {}
    seconds = float(parts.get("h", 0) * 3600 + parts.get("m", 0) * 60 + parts.get("s", 0))
    if seconds <= 0:
        raise SpecError(f"--budget is {text!r}: give a time such as 90s, 30m or 1h30m.")
    return seconds


def stores() -> Store:
    """Return what decides whether a run is missing: the folder of runs, and the archive."""
    return Store(paths.runs_dir(), paths.results_dir())


def plan(
    target: str,
    profile: str | None = None,
    budget: float | None = None,
    jobs: int | None = None,
    store: Store | None = None,
) -> Plan:
    """Return what is to be done for a target.

    A run counts as stored if its weights are, since the pages of a trained network need them; the archive has none.

    Arguments:
        target: its name.
        profile: one of :func:`study.profiles`; the target's own where ``None``.
        budget: seconds of wall time. Runs are taken in order while they fit.
        jobs: runs at once; as many as there are processors where ``None``.
        store: where to look.

    Raises:
        SpecError: there is no such target or profile.
        StoreError: a stored run is damaged.
    """
    scale = study.profile_of(target, profile)
    store = store or stores()
    specs = study.get(target).specs(scale)
    missing = [spec for spec in specs if store.get(spec, weights=True) is None]
    durations = Durations(store.all() if missing else [])
    steps = [Step(spec, durations.expect(spec)) for spec in missing]
    jobs = jobs or pool.cores()
    chosen, left_out, seconds = _fit(steps, budget, jobs)
    later = {step.spec.digest for step in left_out}
    asked = study.get(target).questions(scale)
    questions = tuple(q for q in asked if not later & {spec.digest for spec in q.needs} and not answered(q, store))
    return Plan(target, scale, len(specs) - len(missing), chosen, left_out, questions, jobs, seconds, budget)


def answered(question: Question, store: Store) -> bool:
    """Whether a probe's record is stored beside its run; nothing is asked of a run that failed."""
    run = store.get(question.run, weights=True)
    if run is None or run.path is None:
        return False
    return run.status != "completed" or (run.path / question.spec.path / DONE).is_file()


def _fit(steps: Sequence[Step], budget: float | None, jobs: int) -> tuple[tuple[Step, ...], tuple[Step, ...], float]:
    """Give each run to the processor that is free first; return what fits, what does not, and the last one's end."""
    free = [0.0] * jobs
    chosen: list[Step] = []
    left_out: list[Step] = []
    for step in steps:
        if step.expected.seconds is None:
            continue
        slot = min(range(jobs), key=free.__getitem__)
        if budget is not None and free[slot] + step.expected.seconds > budget:
            left_out.append(step)
            continue
        free[slot] += step.expected.seconds
        chosen.append(step)
    # They may take any time: they come last, and are stopped when the budget is used up.
    chosen += [step for step in steps if step.expected.seconds is None]
    return tuple(chosen), tuple(left_out), max(free)


def duration(seconds: float) -> str:
    """Return a time as a person says it: ``"40 s"``, ``"12 min"``, ``"3 h 20 min"``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def describe(p: Plan) -> list[str]:
    """Return a plan in lines: what is there, what would run and how long, what would be left out."""
    target = study.get(p.target)
    lines = [f"{p.target}: {target.title} (profile {p.profile})"]
    missing = len(p.steps) + len(p.left_out)
    there = f"{counted(p.stored, 'run')} stored, {missing} missing" if p.stored or missing else "nothing to train"
    lines.append(f"  {there}")
    lines += _groups("to run", p.steps)
    if p.steps:
        unknown = sum(step.expected.seconds is None for step in p.steps)
        known = len(p.steps) - unknown
        words = f"{duration(p.seconds)} for {counted(known, 'run')}, {p.jobs} at a time with one thread each"
        if unknown:
            words = (f"{words}; " if known else "") + f"no time is known for {counted(unknown, 'run')}"
        lines.append(f"  expected: {words}")
    if p.questions:
        names = listed(dict.fromkeys(q.spec.probe for q in p.questions))
        lines.append(f"  then {counted(len(p.questions), 'probe')} of the trained networks ({names})")
    if p.left_out and p.budget is not None:
        lines += _groups(f"left out under a budget of {duration(p.budget)}", p.left_out)
    if target.book:
        lines.append("  then the book" if p.book else "  the book is left out: it needs all of its runs")
    return lines


def _groups(title: str, steps: Sequence[Step]) -> list[str]:
    """Return a line for each benchmark and source: how many runs, how long one of them takes, and from what."""
    groups: dict[tuple[str, str], list[Step]] = {}
    for step in steps:
        groups.setdefault((step.spec.benchmark, step.spec.source), []).append(step)
    lines = [f"  {title}:"] if groups else []
    for (benchmark, source), found in groups.items():
        known = [s.expected for s in found if s.expected.seconds is not None]
        if known:
            times = [e.seconds for e in known if e.seconds is not None]
            low, high = duration(min(times)), duration(max(times))
            each = low if low == high else f"{low} to {high}"
            words = f"{each} each, told from {listed(dict.fromkeys(e.basis for e in known))}"
        else:
            words = found[0].expected.basis
        lines.append(f"    {benchmark} ({source}): {counted(len(found), 'run')}, {words}")
    return lines


def execute(p: Plan, say: Say = print, device: str = "cpu") -> bool:
    """Do what a plan says; return whether nothing of it is missing afterwards.

    What is interrupted goes on from its last whole epoch when it is asked for again.

    Arguments:
        p: the plan.
        say: told what happens, line by line.
        device: where runs compute. On ``cuda`` every one of the ``jobs`` has a GPU of its own.

    Raises:
        pool.Stopped: this process was told to stop; its runs have been.
    """
    deadline = None if p.budget is None else time.monotonic() + p.budget
    specs = {step.spec.path: step.spec for step in p.steps}
    failures: list[str] = []

    def ended(end: pool.Ended) -> None:
        if end.stopped:
            say(f"{end.name}  stopped after {duration(end.seconds)}")
        elif end.status == 0 or (end.name in specs and _recorded(specs[end.name])):
            say(end.line)
        else:
            failures.append(end.name)
            say(f"{end.name}  did not end well (status {end.status}): {end.line}")

    def environment(slot: int) -> Mapping[str, str]:
        own = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        return {**own, "CUDA_VISIBLE_DEVICES": str(slot)} if device == "cuda" else own

    def all_of(commands: Iterable[tuple[str, Sequence[str]]]) -> bool:
        return pool.run(commands, p.jobs, ended, deadline=deadline, environment=environment) and not failures

    _remember(p, device)
    data = [(f"data of {s.benchmark} ({s.source})", prepare_command(s)) for s in study.preparations(specs.values())]
    done = all_of(data) and all_of((path, train_command(spec, device)) for path, spec in specs.items())
    done = done and all_of((q.path, probe_command(q)) for q in p.questions if not answered(q, stores()))
    if done and p.book:
        done = all_of([("book", ["lifroles", "book", "--quiet", "--profile", p.profile])])
    if done and not p.left_out:
        _state().unlink(missing_ok=True)
    return done and not p.left_out


def _recorded(spec: RunSpec) -> bool:
    """Whether a run that ended with another status than 0 left a record that says why: that is a result, too."""
    return stores().get(spec, weights=True) is not None


def train_command(spec: RunSpec, device: str = "cpu") -> list[str]:
    """Return the command line that trains a run, with one thread."""
    return [*shlex.split(spec.command()), "--quiet", *(["--device", device] if device != "cpu" else [])]


def probe_command(question: Question) -> list[str]:
    """Return the command line that asks a probe of a run."""
    command = ["lifroles", "probe", question.spec.probe, question.run.digest]
    for name, value in question.changes.items():
        command += ["--set", f"{name}={value}"]
    return command


def prepare_command(spec: RunSpec) -> list[str]:
    """Return the command line that makes a run's data ready."""
    command = ["lifroles", "data", "prepare", spec.benchmark, "--source", spec.source, "--quiet"]
    for name, value in spec.changes().items():
        command += ["--set", f"{name}={value}"]
    return command


def _state() -> Path:
    return paths.runs_dir() / ".reproduce.json"


def _remember(p: Plan, device: str) -> None:
    request = {"target": p.target, "profile": p.profile, "budget": p.budget, "jobs": p.jobs, "device": device}
    records.write(request, _state())


def interrupted() -> Mapping[str, Any]:
    """Return the last request that did not come to its end: target, profile, budget, jobs and device.

    Raises:
        StoreError: there is none.
    """
    try:
        return json.loads(_state().read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise StoreError(
            "There is nothing to resume in this folder of runs: name a target, such as `lifroles reproduce table6`."
        ) from error
