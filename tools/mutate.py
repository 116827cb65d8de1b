"""Break the neuron in one place at a time, and see whether its tests notice.

    python tools/mutate.py reference|cpu|lanes|cuda [--jobs N] [--list] [--match TEXT]... [--sample N]

`reference` breaks the definition, `cpu` the processor's loops (run as plain Python, so that nothing is compiled),
`lanes` the vectors that these are made of, and `cuda` the CUDA source (compiled for the processor by the tests' shim).
The tests are those of the equations by hand and of the conformance suite, except the random ones, and those of the
backend's own parts. Prints what survived, and the score: the share of mutants that some test noticed, of all but the
equivalent ones. tests/mutants.toml lists these, with the reason why no test can notice them, and mutants that are worth
a try although no rule makes them.

Ends with status 1 if a mutant survived, or if that file lists one that does not exist any more or that a test notices.

It is a program of our own because mutmut and Cosmic Ray change Python only, not CUDA, and start from a fresh import of
torch for each mutant or each change of the source: here one process imports everything, collects the tests once and
forks for each mutant. Only `lanes` starts afresh for each, because compiled code stays as it is: ten seconds.
"""

import argparse
import contextlib
import gc
import importlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import pytest
from mutations import Mutant, mutants

ROOT = Path(__file__).resolve().parent.parent
TESTS = ROOT / "tests"
BACKENDS = ROOT / "lifroles" / "backends"


@dataclass(frozen=True)
class Target:
    """What to break, and which tests have to notice.

    Arguments:
        files: sources in `lifroles/backends`, each before those that import from it.
        kernels: the backend of the conformance suite that runs them.
        tests: files of tests, the fastest first.
        without: parts of the names of tests that are left out.
        plain: whether Numba's loops run as Python.
        fresh: whether each mutant needs a process that has compiled nothing yet.
    """

    files: tuple[str, ...]
    kernels: str
    tests: tuple[str, ...] = ("test_neuron_equations.py", "test_conformance.py")
    without: tuple[str, ...] = ()
    plain: bool = False
    fresh: bool = False


TARGETS = {
    "reference": Target(("reference.py",), "reference"),
    "cpu": Target(
        ("_loops.py", "_rows.py", "_sums.py", "_layout.py", "_products.py", "_fused.py", "cpu.py"),
        "cpu",
        ("test_layout.py", "test_dispatch.py", *Target.tests, "test_events_kernels.py", "test_backends.py"),
        # These take long in Python, look at what is compiled, or wait for threads that no fork has.
        without=(
            "(30, 257, 33)",
            "(4, 2, 4099)",
            "(130, 3, 20)",
            "200-(4, 70",
            "64-recurrent",
            "100-recurrent",
            "100-feed-forward",
            "threads",
            "importing",
            "memory",
            "count_no_references",
            "there_is_a_pool",
        ),
        plain=True,
    ),
    "lanes": Target(("_lanes.py",), "cpu", tests=("test_lanes.py",), fresh=True),
    # float and double are one source: compiling it for one of them takes half the time.
    "cuda": Target(
        ("kernels.cu",),
        "cuda-source",
        (*Target.tests, "test_cuda.py"),
        # These run in float32 too, or take long.
        without=(
            "f32",
            "order_in_which",
            "digits_of_a_long",
            "takes_one_launch",
            "test_any_shape",
            "autocast",
            "barrier",
        ),
    ),
}

MEMORY = 4 << 30
"""Bytes that a mutant may take beyond what the process has: one that loops for ever takes all there are."""

SECONDS, TIMES = 3, 10
"""A test that computes for so many times as long as on the code as it is, and so many seconds more, loops for ever."""

PATIENCE = 5
"""Times the limit of computing after which a mutant is ended that waits for ever, and so computes nothing."""

ANY = "*"
"""In tests/mutants.toml: every mutant of a line."""

SURVIVED, NOTICED, NOT_COMPILED = "survived", "noticed", "does not compile"
CRASHED, TOO_SLOW = "crashed", "out of time"


class NotCompiled(Exception):
    """The compiler rejects a mutant, so there is nothing to test."""


@dataclass(frozen=True)
class Result:
    """What became of a mutant, and the test that noticed it or the message of what failed."""

    outcome: str
    text: str = ""


def listed(target: Target, name: str) -> list[dict[str, Any]]:
    """Return the entries of tests/mutants.toml for a target's files, `extra` or `equivalent`."""
    tables = tomllib.loads((TESTS / "mutants.toml").read_text(encoding="utf-8"))
    return [entry for entry in tables.get(name, []) if entry["file"] in target.files]


def extra(entry: dict[str, Any], source: str) -> Mutant:
    """Return a mutant that replaces one piece of text.

    Raises:
        SystemExit: the text does not stand there, or several times.
    """
    file, old, new = entry["file"], entry["old"], entry["new"]
    if source.count(old) != 1:
        raise SystemExit(f"{old!r} stands {source.count(old)} times in {file}: bring tests/mutants.toml up to date.")
    start = source.index(old)
    line = source.count("\n", 0, start) + 1
    return Mutant(file, "any", line, line, "extra", start, start + len(old), new, old, new)


def all_mutants(target: Target) -> list[Mutant]:
    """Return a target's mutants, those of the rules and then those of the list."""
    sources = {file: (BACKENDS / file).read_text(encoding="utf-8") for file in target.files}
    found = [mutant for file, source in sources.items() for mutant in mutants(file, source)]
    return found + [extra(entry, sources[entry["file"]]) for entry in listed(target, "extra")]


def is_equivalent(mutant: Mutant, entry: dict[str, Any]) -> bool:
    """Return whether an entry of the list means this mutant."""
    place = (mutant.file, mutant.function, mutant.before)
    here = place == (entry["file"], entry["function"], entry["code"])
    return here and (entry["mutants"] == [ANY] or mutant.after in entry["mutants"])


def install(target: Target, mutant: Mutant | None, folder: Path) -> None:
    """Put a mutant (`None`: what there is) in the place of the code, in this process.

    Raises:
        NotCompiled: the compiler rejects it.
    """
    first = target.files.index(mutant.file) if mutant else 0
    for file in target.files[first:]:
        source = (BACKENDS / file).read_text(encoding="utf-8")
        if mutant and mutant.file == file:
            source = mutant.apply(source)
        if file.endswith(".py"):
            module = importlib.import_module(f"lifroles.backends.{Path(file).stem}")
            try:
                code = compile(source, str(BACKENDS / file), "exec")
            except SyntaxError as error:
                raise NotCompiled(str(error)) from error
            # In place, because the tests hold the module, not what is in it.
            exec(code, module.__dict__)
        else:
            compile_cuda(source, folder)


def compile_cuda(source: str, folder: Path) -> None:
    """Compile CUDA source for the processor, as double only and in a hurry.

    Raises:
        NotCompiled: the compiler rejects it.
    """
    from lifroles.backends import cuda

    cuda_shim: Any = importlib.import_module("cuda_shim")  # of the tests
    cuda.SOURCE = folder / "kernels.cu"
    cuda.SOURCE.write_text(source, encoding="utf-8")
    tempfile.tempdir = str(folder)
    cuda_shim.OPTIONS = [options for options in cuda_shim.OPTIONS if options.real == "double"]
    cuda_shim.FLAGS = ["-O0" if flag == "-Og" else flag for flag in cuda_shim.FLAGS]
    cuda_shim.library.cache_clear()  # this process has loaded the code as it is
    try:
        cuda_shim.library()
    except RuntimeError as error:
        raise NotCompiled(str(error)) from error


def kernels_of(item: pytest.Function) -> str | None:
    """Return the backend that a test is for, if it is one of those that run on every backend."""
    parameters: dict[str, Any] = item.callspec.params if hasattr(item, "callspec") else {}
    return parameters.get("kernels")


def tracer(target: Target, lines: set[tuple[str, int]]) -> Callable[..., Any]:
    """Return a trace function that notes which lines of a target's files are run."""
    files = {str(BACKENDS / file): file for file in target.files}

    def trace(frame: FrameType, event: str, argument: Any) -> Callable[..., Any] | None:
        file = files.get(frame.f_code.co_filename)
        if file is None:
            return None
        lines.add((file, frame.f_lineno))
        return trace

    return trace


class Campaign:
    """A pytest plugin: runs the collected tests on each mutant, in a process forked for it.

    Arguments:
        target: what to break.
        chosen: the mutants.
        jobs: number of processes at a time.
        say: whether to print what became of each mutant, as soon as that is known.
    """

    def __init__(self, target: Target, chosen: Sequence[Mutant], jobs: int, say: bool = False) -> None:
        self.target, self.chosen, self.jobs, self.say = target, chosen, jobs, say
        self.results: list[Result] = []
        self.unbroken: Result | None = None
        self.failure = ""
        self.durations: dict[str, float] = {}
        self.lines: dict[pytest.Item, set[tuple[str, int]]] = {}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep the tests of this backend, except the random ones: they are slow, and differ from run to run."""
        kept = [
            item
            for item in items
            if isinstance(item, pytest.Function)
            and kernels_of(item) in (None, self.target.kernels)
            and not getattr(item.function, "is_hypothesis_test", False)
            and not any(part in item.name for part in self.target.without)
        ]
        items[:] = kept

    def sort(self, items: list[pytest.Item]) -> None:
        """Put each test with its first arguments before all with their second ones, and then the fastest first.

        Most mutants fall to one of the first tests.
        """
        rounds: Counter[str] = Counter()
        order = {}
        for item in items:
            name = item.nodeid.partition("[")[0]
            order[item] = rounds[name], self.durations[item.nodeid]
            rounds[name] += 1
        items.sort(key=order.__getitem__)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.durations[report.nodeid] = self.durations.get(report.nodeid, 0.0) + report.duration
        if report.failed and not self.failure:
            self.failure = f"{report.nodeid}\n{report.longreprtext}"

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        with tempfile.TemporaryDirectory() as folder:
            began = time.process_time()
            session.config.option.tbstyle = "native"  # pytest's own style parses whole files again
            # In this process, so that its children find everything imported and warm.
            self.unbroken = self.outcome(session.items, None, Path(folder))
            if self.unbroken.outcome == SURVIVED:
                limit = 5 + 5 * (time.process_time() - began)
                self.sort(session.items)
                # Memory that the collector has looked at is memory that a child must copy.
                gc.collect()
                gc.disable()
                gc.freeze()
                self.results = self.run(session, self.chosen, limit, Path(folder))
        return True

    def outcome(self, items: Sequence[pytest.Item], mutant: Mutant | None, folder: Path) -> Result:
        """Run tests on a mutant, in this process, until one fails; without a mutant, see which lines each test runs."""
        try:
            install(self.target, mutant, folder)
            for item, following in zip(items, [*items[1:], None], strict=True):
                if mutant is None:
                    self.lines[item] = set()
                    sys.settrace(tracer(self.target, self.lines[item]))
                else:
                    # Ends this process. A timer of the processor's time, so that a busy machine is no failure.
                    signal.setitimer(signal.ITIMER_PROF, SECONDS + TIMES * self.durations[item.nodeid])
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                sys.settrace(None)
                if self.failure:
                    return Result(NOTICED, self.failure)
        except NotCompiled as error:
            return Result(NOT_COMPILED, str(error))
        except BaseException as error:
            return Result(NOTICED, repr(error))
        return Result(SURVIVED)

    def concerned(self, items: Sequence[pytest.Item], mutant: Mutant) -> Sequence[pytest.Item]:
        """Return the tests that run the lines that a mutant changes, or all where lines are not run one by one."""
        if mutant.function == "module" or not mutant.file.endswith(".py"):
            return items
        places = {(mutant.file, line) for line in range(mutant.line, mutant.last_line + 1)}
        chosen = [item for item in items if places & self.lines[item]]
        # A default value is not in a line that is run.
        return chosen or items

    def run(self, session: pytest.Session, chosen: Sequence[Mutant], limit: float, folder: Path) -> list[Result]:
        """Run the tests on each mutant, for at most so many seconds of computing; return what became of each."""
        results: dict[int, Result] = {}
        running: dict[int, tuple[int, float]] = {}
        waiting = list(enumerate(chosen))[::-1]
        # Else the children would outlive this process.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
        try:
            while waiting or running:
                while waiting and len(running) < self.jobs:
                    number, mutant = waiting.pop()
                    own = folder / str(number)
                    own.mkdir()
                    child = os.fork()
                    if not child:
                        self.child(session, mutant, limit, own)
                    running[child] = number, time.monotonic()
                time.sleep(0.005)
                for child, (number, began) in list(running.items()):
                    done, status = os.waitpid(child, os.WNOHANG)
                    if done:
                        written = folder / str(number) / "result"
                        slow = os.WTERMSIG(status) in (signal.SIGPROF, signal.SIGXCPU)
                        ended = TOO_SLOW if slow else CRASHED
                        results[number] = (
                            Result(*json.loads(written.read_text())) if written.exists() else Result(ended)
                        )
                    elif time.monotonic() - began > PATIENCE * limit:
                        kill(child)
                        results[number] = Result(TOO_SLOW)
                    if number in results:
                        del running[child]
                        if self.say:
                            result = results[number]
                            print(
                                f"{chosen[number]}\n  = {result.outcome} {result.text.partition(chr(10))[0]} "
                                f"({time.monotonic() - began:.1f} s)",
                                flush=True,
                            )
                        shutil.rmtree(folder / str(number))
        finally:
            for child in running:
                kill(child)
        return [results[number] for number in range(len(chosen))]

    def child(self, session: pytest.Session, mutant: Mutant, limit: float, folder: Path) -> NoReturn:
        """Run the tests until one fails, say so in the file `result`, and end the process."""
        # A group of its own, to be ended with the compilers that it starts.
        os.setpgid(0, 0)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        silence = os.open(os.devnull, os.O_RDWR)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        resource.setrlimit(resource.RLIMIT_CPU, (int(limit) + 1, int(limit) + 5))
        with contextlib.suppress(OSError):  # no /proc
            used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
        result = self.outcome(self.concerned(session.items, mutant), mutant, folder)
        partial = folder / "partial"
        partial.write_text(json.dumps([result.outcome, result.text]))
        partial.replace(folder / "result")
        os._exit(0)


def kill(child: int) -> None:
    """End a child and what it started, and wait for its end."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


class Copies:
    """Runs the tests on each mutant in a copy of the package, in a process of its own that compiles everything anew."""

    LIMIT = 300
    """Seconds after which a mutant is ended that waits for ever."""

    def __init__(self, target: Target, jobs: int, say: bool) -> None:
        self.target, self.jobs, self.say = target, jobs, say

    def run(self, chosen: Sequence[Mutant | None]) -> list[Result]:
        """Return what became of each mutant (`None`: the code as it is)."""
        with ThreadPoolExecutor(self.jobs) as pool:
            return list(pool.map(self.outcome, chosen))

    def outcome(self, mutant: Mutant | None) -> Result:
        """Return what became of one."""
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder)
            for name in ("lifroles", "tests"):
                shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
            shutil.copy(ROOT / "pyproject.toml", copy)
            if mutant is not None:
                place = copy / "lifroles" / "backends" / mutant.file
                place.write_text(mutant.apply(place.read_text(encoding="utf-8")), encoding="utf-8")
            command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-o", "addopts="]
            try:
                done = subprocess.run(
                    [*command, *(f"tests/{test}" for test in self.target.tests)],
                    cwd=copy, env=os.environ | {"PYTHONPATH": folder, "NUMBA_CACHE_DIR": str(copy / "cache")},
                    capture_output=True, text=True, timeout=self.LIMIT,
                )  # fmt: skip
            except subprocess.TimeoutExpired:
                result = Result(TOO_SLOW)
            else:
                ends = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
                outcome = CRASHED if done.returncode < 0 else NOTICED if done.returncode else SURVIVED
                result = Result(outcome, ends[-1] if ends else "")
        if self.say and mutant is not None:
            print(f"{mutant}\n  = {result.outcome} {result.text} ({time.monotonic() - began:.1f} s)", flush=True)
        return result


def report(target: Target, name: str, found: Sequence[tuple[Mutant, Result]], everything: bool) -> int:
    """Print what became of the mutants; return the exit status."""
    entries = listed(target, "equivalent")
    # Where every mutant of a line is equivalent, one may still fail: plain Python is stricter (a division by 0).
    equivalent = {
        mutant
        for mutant, result in found
        for entry in entries
        if is_equivalent(mutant, entry) and (result.outcome == SURVIVED or entry["mutants"] != [ANY])
    }
    survivors = [mutant for mutant, result in found if result.outcome == SURVIVED and mutant not in equivalent]
    wrong = [mutant for mutant, result in found if result.outcome != SURVIVED and mutant in equivalent]
    stale = [
        f"{entry['file']} {entry['function']}: {code}"
        for entry in entries
        for code in entry["mutants"]
        if everything and not any(is_equivalent(mutant, {**entry, "mutants": [code]}) for mutant, _ in found)
    ]
    for title, lines in (
        ("survived", survivors),
        ("listed as equivalent, but noticed or not compiled", wrong),
        ("listed as equivalent, but there is no such mutant", stale),
    ):
        if lines:
            print(f"\n{title}:", *lines, sep="\n")
    outcomes = Counter(result.outcome for _, result in found)
    noticed = outcomes[NOTICED] + outcomes[CRASHED] + outcomes[TOO_SLOW]
    print(
        f"\n{name}: {noticed + len(survivors)} mutants, of which {noticed} were noticed ({outcomes[CRASHED]} by a "
        f"crash, {outcomes[TOO_SLOW]} by the time limit) and {len(survivors)} survived; besides, "
        f"{outcomes[SURVIVED] - len(survivors)} equivalent and {outcomes[NOT_COMPILED]} that do not compile."
    )
    if noticed + len(survivors):
        print(f"score: {100 * noticed / (noticed + len(survivors)):.1f} %")
    return 1 if survivors or wrong or stale else 0


def not_run(why: str) -> int:
    """Say that the tests fail on the code as it is; return the exit status."""
    print(f"The tests fail before anything is broken: {why}", file=sys.stderr)
    return 2


def main(arguments: Sequence[str] | None = None) -> int:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at a time")
    parser.add_argument("--list", action="store_true", help="print the mutants, run nothing")
    parser.add_argument(
        "--match",
        action="append",
        metavar="TEXT",
        help="only mutants in whose description this text stands; may be given again",
    )
    parser.add_argument("--sample", type=int, metavar="N", help="only N mutants, drawn in the same way every time")
    parser.add_argument("--verbose", action="store_true", help="print for every mutant what noticed it")
    options = parser.parse_args(arguments)

    target = TARGETS[options.target]
    chosen = [mutant for mutant in all_mutants(target) if any(text in str(mutant) for text in options.match or [""])]
    if options.sample is not None and options.sample < len(chosen):
        drawn = random.Random(0).sample(range(len(chosen)), options.sample)
        chosen = [chosen[i] for i in sorted(drawn)]
    if options.list:
        print(*chosen, sep="\n")
        return 0
    os.environ.update(OMP_NUM_THREADS="1", NUMBA_NUM_THREADS="1", NUMBA_DISABLE_JIT=str(int(target.plain)))
    sys.path.insert(0, str(TESTS))
    if target.fresh:
        copies = Copies(target, options.jobs, options.verbose)
        [unbroken] = copies.run([None])
        if unbroken.outcome != SURVIVED:
            return not_run(f"{unbroken.outcome}: {unbroken.text}")
        return report(
            target, options.target, list(zip(chosen, copies.run(chosen), strict=True)),
            everything=len(chosen) == len(all_mutants(target)),
        )  # fmt: skip
    if target.plain:
        importlib.import_module("plain_lanes").install()
    campaign = Campaign(target, chosen, options.jobs, options.verbose)
    status = pytest.main(
        ["-p", "no:terminal", "-p", "no:cacheprovider", "-s", "-o", "addopts=", f"--rootdir={ROOT}"]
        + [str(TESTS / test) for test in target.tests],
        plugins=[campaign],
    )
    if campaign.unbroken is None or campaign.unbroken.outcome != SURVIVED:
        return not_run(f"status {int(status)}\n{'' if campaign.unbroken is None else campaign.unbroken.text}")
    found = list(zip(chosen, campaign.results, strict=True))
    return report(target, options.target, found, everything=len(chosen) == len(all_mutants(target)))


if __name__ == "__main__":
    sys.exit(main())
