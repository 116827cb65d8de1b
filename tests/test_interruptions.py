"""A run that is killed, starved of disk or asked for twice ends as one left alone, and nothing is left over."""

import json
import os
import random
import resource
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from lifroles import folders, locks, training
from lifroles.checkpoint import Checkpoints
from lifroles.errors import StoreError
from lifroles.spec import RunSpec
from lifroles.store import WEIGHTS, Store
from lifroles.trainer import Trainer

XOR: dict[str, Any] = {"epochs": 4, "iterations": 3, "batch_size": 30, "test_samples": 60}
COMMAND = ["train", "mnist", "-v", "no_reset", "--epochs", "3"]
COMMAND += [f"--set={k}={v}" for k, v in {"train_samples": 200, "test_samples": 50, "hidden": 64}.items()]


def spec(variant="recurrent", seed=0):
    return RunSpec.of("xor", variant, seed, None, **XOR)


def start(runs: Path, **options: Any) -> "subprocess.Popen[str]":
    """Start the same small run as a command in a process of its own."""
    environment = {**os.environ, "LIFROLES_RUNS": str(runs), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "lifroles.cli", *COMMAND]
    return subprocess.Popen(command, env=environment, stdout=-1, stderr=-1, text=True, **options)


def ended(process: "subprocess.Popen[str]") -> tuple[int, str]:
    """Wait for a process; return its exit status and what it wrote to standard error, if it failed."""
    _, err = process.communicate()
    return process.returncode, err if process.returncode else ""


def outcome(root: Path) -> dict[str, bytes]:
    """Return record and weights of the only run below a folder, which has to hold nothing else."""
    (done,) = root.glob(f"*/*/*/{folders.DONE}")
    contents = folders.read(done.parent)
    assert {p for p in root.rglob("*") if p.is_file()} == {done.parent / name for name in (*contents, folders.DONE)}
    return {name: contents[name] for name in ("spec.json", "record.json", WEIGHTS)}


def test_runs_that_are_killed_end_as_if_nobody_had(tmp_path):
    """A few of the kills that `python tests/kill_runs.py` does in hundreds."""
    script = Path(__file__).with_name("kill_runs.py")
    out = tmp_path / "kills.json"
    command = [sys.executable, str(script), "--kills", "10", "--seed", str(random.randrange(10**6)), "--out", str(out)]
    done = subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(out.read_text())
    assert found["kills"] >= 10 and found["at_writes"] and found["at_random"]
    assert found["compared"] >= 5 and found["lost"] == found["differing"] == 0


class _Stop(Exception):
    pass


def interrupted(wanted: RunSpec, store: Store, after: int) -> None:
    """Start a run and stop it after so many epochs."""

    def stop(epoch, total, metrics):
        if epoch == after:
            raise _Stop

    with pytest.raises(_Stop):
        training.run(wanted, store, progress=stop)


def test_a_run_goes_on_where_it_was_and_says_so(tmp_path):
    store = Store(tmp_path)
    interrupted(spec(), store, 1)
    interrupted(spec(), store, 3)
    seen = []
    record = training.run(spec(), store, progress=lambda epoch, total, metrics: seen.append(epoch))
    assert seen == [4]
    assert [entry["after_epoch"] for entry in record.provenance["resumed"]] == [1, 3]
    whole = training.train(spec())
    assert (record.history, record.final) == (whole.history, whole.final)


def test_dropout_draws_the_same_after_an_interruption(tmp_path, monkeypatch):
    """No network here draws from torch's own generator while it trains; one that does resumes exactly all the same."""
    init = Trainer.__init__

    def with_dropout(self, *arguments):
        init(self, *arguments)
        dropout = nn.Dropout(0.5)
        self.network.register_module("dropout", dropout)
        self.network.linears[0].register_forward_hook(lambda module, inputs, output: dropout(output))

    plain = training.train(spec()).history
    monkeypatch.setattr(Trainer, "__init__", with_dropout)
    whole = training.train(spec())
    assert whole.history != plain
    interrupted(spec(), Store(tmp_path), 2)
    torch.rand(5)
    assert training.run(spec(), Store(tmp_path)).final == whole.final


@pytest.mark.parametrize("damage", ["tensors", "state", "half", "format", "data"])
def test_a_checkpoint_that_cannot_be_used_is_not(tmp_path, damage):
    interrupted(spec(), Store(tmp_path), 2)
    (place,) = tmp_path.glob("*/*/.*.work/epoch-*")
    tensors, state = place / "tensors.safetensors", place / "state.json"
    if damage == "tensors":
        tensors.write_bytes(tensors.read_bytes()[:-4] + b"\0\0\0\1")
    elif damage == "half":
        tensors.unlink()
    else:
        known = json.loads(state.read_text())
        known |= {"format": {"format": 99}, "data": {"data_sha256": "0" * 64}}.get(damage, {"groups": "?"})
        state.write_bytes(folders.dump(known))
        if damage != "state":  # as another version would have written it, with fitting hashes
            names = folders.hashes(place) | {"state.json": folders.sha256(state.read_bytes())}
            (place / folders.DONE).write_bytes(folders.dump(names))
    seen = []
    record = training.run(spec(), Store(tmp_path), progress=lambda epoch, total, metrics: seen.append(epoch))
    assert seen == [1, 2, 3, 4] and record.final == training.train(spec()).final
    assert outcome(tmp_path)


def test_the_checkpoint_before_serves_where_the_last_is_damaged(tmp_path):
    kept = Checkpoints(tmp_path)
    trainer = Trainer(spec())
    trainer.run_epoch()
    kept.save(trainer.checkpoint())
    shutil.copytree(tmp_path / "epoch-000001", tmp_path / "epoch-000002")
    (tmp_path / "epoch-000002" / "state.json").write_text("{}")
    found = kept.load()
    assert found is not None and found.epoch == 1
    trainer.run_epoch()
    kept.clear()
    kept.save(trainer.checkpoint())
    assert [p.name for p in tmp_path.iterdir()] == ["epoch-000002"]


def test_a_full_disk_ends_in_one_sentence_and_the_run_in_the_same_numbers(tmp_path):
    """A file cannot grow beyond the limit: the checkpoint does not fit."""
    whole = start(tmp_path / "whole")
    assert ended(whole) == (0, "")

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))

    starved = start(tmp_path / "starved", preexec_fn=limit)
    out, err = starved.communicate()
    assert (starved.returncode, out) == (2, "")
    assert err.startswith("lifroles: The checkpoint cannot be written to ") and "File too large" in err
    assert err.count("\n") == 1
    assert not list((tmp_path / "starved").rglob("*.part")) and Store(tmp_path / "starved").all() == []
    assert ended(start(tmp_path / "starved")) == (0, "")
    assert outcome(tmp_path / "starved") == outcome(tmp_path / "whole")


def test_a_disk_that_is_really_full(tmp_path):
    """On a small file system in memory, where this process may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("a file system in memory cannot be mounted here")
    try:
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(1_700_000))
        starved = start(disk / "runs")
        out, err = starved.communicate()
        assert (starved.returncode, out) == (2, "")
        assert "No space left on device" in err and err.count("\n") == 1
        assert Store(disk / "runs").all() == []
        ballast.unlink()
        assert ended(start(disk / "runs")) == (0, "")
        assert set(outcome(disk / "runs")) == {"spec.json", "record.json", WEIGHTS}
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_folder_that_is_read_only_is_named_before_anything_is_trained(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "train", lambda *a, **k: pytest.fail("trained, and nowhere to put it"))

    def denied(*arguments, **options):
        raise PermissionError(13, "Permission denied")

    # Root may write everywhere, so the refusal itself is what is made here.
    monkeypatch.setattr(os, "open", denied)
    with pytest.raises(StoreError, match=r"\.lock cannot be locked \(Permission denied\): free or unlock its folder"):
        training.run(spec(), Store(tmp_path))


def test_of_two_processes_asked_for_one_run_one_trains(tmp_path):
    both = [start(tmp_path) for _ in range(2)]
    outputs = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert sorted("in store" in out for out, _ in outputs) == [False, True]
    assert set(outcome(tmp_path)) == {"spec.json", "record.json", WEIGHTS}


def test_the_second_waits_says_so_and_trains_nothing(tmp_path, monkeypatch):
    store = Store(tmp_path)
    waiting, trained = threading.Event(), []
    real = training.train

    def train(*arguments, **options):
        trained.append(1)
        assert waiting.wait(60)
        return real(*arguments, **options)

    monkeypatch.setattr(training, "train", train)
    first = threading.Thread(target=training.run, args=(spec(), store))
    first.start()
    while not trained:
        pass
    record = training.run(spec(), store, waiting=waiting.set)
    first.join()
    assert trained == [1] and record.path is not None and waiting.is_set()


def test_the_lock_of_a_dead_process_blocks_nobody(tmp_path):
    lock = tmp_path / "lock"
    code = f"import os\nfrom lifroles import locks\nfrom pathlib import Path\n\
with locks.only_one(Path({str(lock)!r})):\n    os.kill(os.getpid(), 9)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == -9
    assert lock.exists() and not locks.is_held(lock)
    with locks.only_one(lock, waiting=lambda: pytest.fail("waited for the dead")):
        assert locks.is_held(lock)
    assert not lock.exists()


def test_a_folder_that_is_no_run_is_not_trained_into(tmp_path):
    store = Store(tmp_path)
    store.place(spec()).mkdir(parents=True)
    with pytest.raises(StoreError, match=r"is there without being whole: delete it and run it again"):
        training.run(spec(), store)
