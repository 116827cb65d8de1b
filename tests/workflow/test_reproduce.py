"""`lifroles reproduce`: says what it will do, does what is missing, and survives being killed."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from fake_runs import fake_record

from lifroles import cli, pool, reproduce, study, training
from lifroles.errors import SpecError, StoreError
from lifroles.prose import counted
from lifroles.spec import RunSpec
from lifroles.store import Store
from lifroles.study import Scale, Target, Trained, frozen

TINY = Scale("generated", 1, frozen(epochs=4, iterations=3, batch_size=20, test_samples=50))
TARGET = Target("two variants of XOR", (Trained("xor", ("baseline", "recurrent")),))
# What the tests of killing run: the same, in a process of its own, with epochs to be killed in.
DRIVER = """
import sys
from lifroles import cli, study
from lifroles.study import Scale, Target, Trained, frozen
scale = frozen(epochs=40, iterations=4, batch_size=40, test_samples=50)
study.SCALES = {"smoke": {"xor": Scale("generated", 3, scale)}}
study.TARGETS = {"tiny": Target("three seeds of XOR", (Trained("xor", ("recurrent",)),))}
sys.argv = ["lifroles", *sys.argv[1:]]
cli.main()
"""


@pytest.fixture
def tiny(monkeypatch, tmp_path):
    """A target of two runs that take a moment, an empty archive, and a folder of runs."""
    monkeypatch.setattr(study, "SCALES", {"smoke": {"xor": TINY}, "paper": {"xor": Scale("generated", 2)}})
    monkeypatch.setattr(study, "TARGETS", {"tiny": TARGET})
    monkeypatch.setattr("lifroles.paths.results_dir", lambda: tmp_path / "results")
    monkeypatch.setenv("LIFROLES_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


@pytest.fixture
def lifroles(monkeypatch, capfd):
    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["lifroles", *arguments])
        status = 0
        try:
            cli.main()
        except SystemExit as stop:
            status = int(stop.code or 0)
        return status, *capfd.readouterr()

    return call


def finished(runs: Path) -> list[str]:
    return sorted(str(done.parent.relative_to(runs)) for done in runs.glob("xor/*/seed*/DONE"))


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("2h", 7200), ("1h30m", 5400), ("5min", 300)]
)
def test_a_budget_is_read(text, seconds):
    assert reproduce.parse_budget(text) == seconds


@pytest.mark.parametrize("text", ["", "30", "m", "0m", "-5m", "30m1h", "soon"])
def test_what_is_no_budget_is_refused(text):
    with pytest.raises(SpecError, match=r"--budget is .*give a time such as"):
        reproduce.parse_budget(text)


def archive(runs: Path, **seconds: float) -> Store:
    """An archive in which runs with another seed tell how long each variant takes."""
    store = Store(runs.parent / "results")
    for variant, wall in seconds.items():
        made = fake_record("xor", variant, 9)
        made.provenance["wall_seconds"] = wall
        store.write(made)
    return store


def test_a_plan_under_a_budget_takes_what_fits_and_names_what_does_not(tiny):
    archive(tiny, baseline=100, recurrent=400)
    whole = reproduce.plan("tiny", "paper", jobs=2)
    assert [(s.spec.variant_name, s.spec.seed) for s in whole.steps] == [
        ("baseline", 0), ("recurrent", 0), ("baseline", 1), ("recurrent", 1),
    ]  # fmt: skip
    # The first processor: 105 + 105 + 405 s.
    assert whole.seconds == pytest.approx(615)
    assert whole.left_out == ()

    part = reproduce.plan("tiny", "paper", budget=450, jobs=2)
    assert [(s.spec.variant_name, s.spec.seed) for s in part.steps] == [
        ("baseline", 0), ("recurrent", 0), ("baseline", 1),
    ]  # fmt: skip
    assert [(s.spec.variant_name, s.spec.seed) for s in part.left_out] == [("recurrent", 1)]
    text = "\n".join(reproduce.describe(part))
    assert "left out under a budget of 8 min:\n    xor (generated): 1 run, 7 min each" in text
    assert "0 runs stored, 4 missing" in text


def test_runs_that_no_record_tells_the_time_of_come_last(tiny):
    archive(tiny, baseline=100)
    fake = fake_record("xor", "baseline", 9)
    assert reproduce.plan("tiny", "paper", jobs=1).steps[0].expected.basis.startswith("recorded runs of the same model")
    plan = reproduce.plan("tiny", "paper", jobs=1, store=Store(tiny))
    assert all(step.expected.seconds is None for step in plan.steps)
    assert "no time is known for 4 runs" in "\n".join(reproduce.describe(plan))
    assert fake.spec.digest not in {s.spec.digest for s in plan.steps}


def test_the_book_is_built_only_from_all_of_its_runs(tiny, monkeypatch):
    monkeypatch.setattr(study, "TARGETS", {"book": Target("the book", TARGET.trained, book=True)})
    archive(tiny, baseline=100, recurrent=400)
    assert reproduce.plan("book", "paper").book
    part = reproduce.plan("book", "paper", budget=200)
    assert not part.book
    assert "the book is left out: it needs all of its runs" in "\n".join(reproduce.describe(part))


def test_a_dry_run_says_and_does_nothing(tiny, lifroles):
    status, out, err = lifroles("reproduce", "tiny", "--profile", "smoke", "--dry-run")
    assert (status, err) == (0, "")
    assert "tiny: two variants of XOR (profile smoke)" in out
    assert "xor (generated): 2 runs" in out
    assert not tiny.exists()


def test_what_is_missing_is_run_and_nothing_else(tiny, lifroles):
    first = study.get("tiny").specs("smoke")[0]
    status, *_ = lifroles("train", "xor", "-v", "baseline", *settings(first), "--weights")
    assert status == 0
    before = (tiny / first.path / "DONE").stat().st_mtime_ns
    status, out, _ = lifroles("reproduce", "tiny", "--profile", "smoke")
    assert status == 0
    assert "1 run stored, 1 missing" in out
    assert finished(tiny) == sorted(s.path for s in study.get("tiny").specs("smoke"))
    assert (tiny / first.path / "DONE").stat().st_mtime_ns == before
    status, out, _ = lifroles("reproduce", "tiny", "--profile", "smoke")
    assert (status, out.splitlines()[1:]) == (0, ["  2 runs stored, 0 missing"])


def settings(spec: RunSpec) -> list[str]:
    return [word for name, value in spec.changes().items() for word in ("--set", f"{name}={value}")]


def test_nothing_to_resume_is_said_in_a_sentence(tiny, lifroles):
    with pytest.raises(StoreError, match="There is nothing to resume"):
        reproduce.interrupted()
    status, out, err = lifroles("reproduce", "--resume")
    assert (status, out) == (2, "")
    assert err.startswith("lifroles: There is nothing to resume") and len(err.splitlines()) == 1
    status, _, err = lifroles("reproduce")
    assert (status, err) == (
        2,
        "lifroles: There is no target: name one of those that `lifroles study` lists, or give --resume.\n",
    )


def test_a_run_that_cannot_start_stops_the_rest_from_being_called_whole(tiny, lifroles, monkeypatch):
    monkeypatch.setattr(reproduce, "train_command", lambda spec, device: ["lifroles", "train", "nothing"])
    status, out, _ = lifroles("reproduce", "tiny", "--profile", "smoke")
    assert status == 1
    assert "did not end well (status 2): lifroles: benchmark is 'nothing'" in out
    assert reproduce.interrupted()["target"] == "tiny"


def test_on_gpus_every_job_has_one_of_its_own(tiny, monkeypatch):
    seen = []

    def fake_run(commands, slots, ended, *, deadline, environment):
        seen.append((slots, [words[-2:] for _, words in commands], [environment(i) for i in range(slots)]))
        return True

    monkeypatch.setattr(pool, "run", fake_run)
    reproduce.execute(reproduce.plan("tiny", "smoke", jobs=2), lambda line: None, "cuda")
    slots, commands, environments = next(call for call in seen if call[1])
    assert (slots, commands) == (2, [["--device", "cuda"]] * 2)
    assert [e["CUDA_VISIBLE_DEVICES"] for e in environments] == ["0", "1"]


@pytest.mark.slow
def test_after_a_kill_exactly_the_missing_work_is_done_and_the_numbers_are_the_same(tmp_path):
    runs = tmp_path / "runs"

    def start(*arguments: str) -> subprocess.Popen[str]:
        environment = {**os.environ, "LIFROLES_RUNS": str(runs)}
        command = [sys.executable, "-c", DRIVER, "reproduce", *arguments, "--jobs", "2"]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    process = start("tiny", "--profile", "smoke")
    deadline = time.monotonic() + 300
    while not finished(runs):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    process.communicate(timeout=60)
    there = finished(runs)
    assert 1 <= len(there) < 3
    times = {name: (runs / name / "DONE").stat().st_mtime_ns for name in there}

    again = start("--resume")
    out, err = again.communicate(timeout=300)
    assert again.returncode == 0, err
    assert f"{counted(len(there), 'run')} stored, {3 - len(there)} missing" in out
    assert {name: (runs / name / "DONE").stat().st_mtime_ns for name in there} == times

    # The same in peace: with one thread, as each run above had.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        quiet = Store(tmp_path / "quiet")
        for record in Store(runs).all():
            training.run(record.spec, quiet, weights=True)
    finally:
        torch.set_num_threads(threads)
    assert finished(runs) == finished(tmp_path / "quiet") and len(finished(runs)) == 3
    for name in finished(runs):
        for file in ("spec.json", "record.json", "weights.safetensors"):
            assert (runs / name / file).read_bytes() == (tmp_path / "quiet" / name / file).read_bytes()
