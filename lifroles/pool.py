"""Commands side by side on one machine, each in a process of its own with its own processor or GPU."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import IO, Any

_PR_SET_PDEATHSIG = 1
_POLL_SECONDS = 0.05
_PATIENCE_SECONDS = 20.0  # for a run that is asked to stop, until it is killed


@dataclass(frozen=True)
class Ended:
    """A command that is over: its name, exit status, the last line that it printed, and the seconds that it took.

    ``stopped`` says that it did not end by itself.
    """

    name: str
    status: int
    line: str
    seconds: float
    stopped: bool = False


@dataclass
class _Job:
    name: str
    slot: int
    process: subprocess.Popen[bytes]
    output: IO[bytes]
    start: float

    def ended(self, stopped: bool = False) -> Ended:
        self.output.seek(0)
        lines = self.output.read().decode(errors="replace").strip().splitlines()
        self.output.close()
        seconds = time.monotonic() - self.start
        return Ended(self.name, self.process.returncode, lines[-1] if lines else "", seconds, stopped)


class Stopped(Exception):
    """Somebody asked this process to stop."""


def cores() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0))


def run(
    commands: Iterable[tuple[str, Sequence[str]]],
    slots: int,
    ended: Callable[[Ended], None],
    *,
    started: Callable[[str], None] = lambda name: None,
    deadline: float | None = None,
    environment: Callable[[int], Mapping[str, str]] = lambda slot: {},
) -> bool:
    """Run commands, ``slots`` at a time, in order; return whether all were started and ended by themselves.

    However this ends, no process is left behind: a command that runs when the deadline comes, or when this process is
    told to stop, is told to stop too. If this process is killed, the kernel tells them.

    Arguments:
        commands: name and arguments of each; ``lifroles`` stands for this very package's command line.
        slots: how many run at once.
        ended: called with each command that is over.
        started: called with the name of each command that starts.
        deadline: on the clock of ``time.monotonic``; nothing starts after it.
        environment: the variables of each slot beside this process's own.

    Raises:
        Stopped: this process was told to stop (SIGTERM).
        KeyboardInterrupt: likewise, by a person.
    """
    queue = iter(commands)
    running: list[_Job] = []
    with _stoppable():
        try:
            more = True
            while more or running:
                if deadline is not None and time.monotonic() >= deadline:
                    return not running and next(queue, None) is None
                while more and len(running) < slots:
                    following = next(queue, None)
                    if following is None:
                        more = False
                        break
                    slot = min(set(range(slots)) - {job.slot for job in running})
                    running.append(_start(*following, slot, environment(slot)))
                    started(following[0])
                for job in [job for job in running if job.process.poll() is not None]:
                    running.remove(job)
                    ended(job.ended())
                time.sleep(_POLL_SECONDS)
            return True
        finally:
            for job in _stop(running):
                ended(job.ended(stopped=True))


def _start(name: str, arguments: Sequence[str], slot: int, environment: Mapping[str, str]) -> _Job:
    command = list(arguments)
    if command[0] == "lifroles":
        command[:1] = [sys.executable, "-m", "lifroles.cli"]
    output = tempfile.TemporaryFile()  # noqa: SIM115 - closed once the command is over
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env={**os.environ, **environment},
        preexec_fn=end_with_parent,
    )
    return _Job(name, slot, process, output, time.monotonic())


def end_with_parent(how: signal.Signals = signal.SIGTERM) -> None:
    """Let the system end this process when the one that started it is over, however that ended (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, how)


def _stop(jobs: Sequence[_Job]) -> Sequence[_Job]:
    for job in jobs:
        job.process.terminate()
    patience = time.monotonic() + _PATIENCE_SECONDS
    for job in jobs:
        try:
            job.process.wait(max(0.0, patience - time.monotonic()))
        except subprocess.TimeoutExpired:
            job.process.kill()
            job.process.wait()
    return jobs


@contextmanager
def _stoppable() -> Generator[None]:
    """Let SIGTERM end this process as Ctrl-C does, so that what it started is stopped first."""

    def stop(number: int, frame: FrameType | None) -> Any:
        raise Stopped

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
