"""Commands side by side: no slot idle, nothing left behind, whatever ends them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lifroles import pool


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def wait_for(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_every_command_ends_with_its_status_and_last_line():
    ended = []
    commands = [("good", python("print('first'); print('second')")), ("bad", python("import sys; sys.exit('no data')"))]
    assert pool.run(commands, 2, ended.append)
    assert {(e.name, e.status, e.line, e.stopped) for e in ended} == {
        ("good", 0, "second", False),
        ("bad", 1, "no data", False),
    }


def test_no_more_run_at_once_than_there_are_slots_and_each_has_its_own(tmp_path):
    code = (
        "import os, pathlib, sys, time; p = pathlib.Path(sys.argv[1], os.environ['SLOT']);"
        "p.mkdir(); time.sleep(0.2); p.rmdir()"
    )
    ended = []
    commands = [(str(i), [*python(code), str(tmp_path)]) for i in range(6)]
    assert pool.run(commands, 2, ended.append, environment=lambda slot: {"SLOT": str(slot)})
    # Two in one slot at the same time would find its folder there.
    assert [e.status for e in ended] == [0] * 6


def test_at_the_deadline_nothing_starts_and_what_runs_is_stopped(tmp_path):
    ended = []
    commands = [
        ("endless", python("import time; time.sleep(600)")),
        ("never", python(f"open({str(tmp_path / 'x')!r}, 'w')")),
    ]
    assert not pool.run(commands, 1, ended.append, deadline=time.monotonic() + 0.5)
    assert [(e.name, e.stopped) for e in ended] == [("endless", True)]
    assert not (tmp_path / "x").exists()


def test_what_ends_before_the_deadline_is_whole():
    assert pool.run([("quick", python("pass"))], 1, lambda end: None, deadline=time.monotonic() + 60)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_whatever_ends_the_pool_ends_its_commands(tmp_path, how):
    child = f"import os, pathlib, time; pathlib.Path({str(tmp_path)!r}, str(os.getpid())).touch(); time.sleep(600)"
    parent = (
        # A child of a background job ignores Ctrl-C, unless it is told not to.
        "import signal, sys; from lifroles import pool; signal.signal(signal.SIGINT, signal.default_int_handler);"
        f"pool.run([('a', [sys.executable, '-c', {child!r}]), ('b', [sys.executable, '-c', {child!r}])], 2, print)"
    )
    process = subprocess.Popen(python(parent), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: len(list(tmp_path.iterdir())) == 2)
    children = [int(p.name) for p in tmp_path.iterdir()]
    assert all(map(alive, children))
    os.kill(process.pid, how)
    process.wait(60)
    wait_for(lambda: not any(map(alive, children)))


def test_a_processor_that_may_not_be_used_does_not_count():
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert pool.cores() == 1
    finally:
        os.sched_setaffinity(0, before)
