"""The command line: one sentence for every mistake, clean output without a terminal."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest

from lifroles import cli
from lifroles.store import Store, read

SMALL = ["--epochs", "1", "--set", "iterations=2", "--set", "batch_size=20", "--set", "test_samples=50"]


@pytest.fixture
def lifroles(tmp_path, monkeypatch, capsys):
    """Call the command line in this process, as the console script does, and return status and output."""
    monkeypatch.setenv("LIFROLES_RUNS", str(tmp_path / "runs"))

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lifroles", *arguments])
        status = 0
        try:
            cli.main()
        except SystemExit as stop:
            status = int(stop.code or 0)
        return status, *capsys.readouterr()

    return call


def test_help_names_the_commands(lifroles):
    done = subprocess.run([sys.executable, "-m", "lifroles.cli", "--help"], capture_output=True, text=True, check=True)
    for command in ("train", "runs", "book"):
        assert command in done.stdout


def test_help_imports_nothing_heavy():
    code = (
        "import sys, lifroles.cli; print([m for m in ('torch', 'matplotlib', 'umap', 'papermill') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_training_stores_and_lists_and_shows_and_is_not_repeated(lifroles, tmp_path):
    status, out, err = lifroles("train", "xor", "-v", "baseline", "-v", "no_reset", "--seeds", "0-1", *SMALL)
    assert (status, err) == (0, "")
    assert [line.split("/seed")[0] for line in out.splitlines()] == ["xor/baseline", "xor/no_reset"] * 2
    assert len(list((tmp_path / "runs").glob("xor/*/*/DONE"))) == 4

    _, again, _ = lifroles("train", "xor", "-v", "no_reset", *SMALL)
    assert "(in store)" in again

    _, listed, _ = lifroles("runs", "--benchmark", "xor", "--variant", "no_reset")
    rows = [line.split("\t") for line in listed.splitlines()]
    assert rows[0][:3] == ["benchmark", "variant", "seed"]
    mine = [row for row in rows[1:] if "iterations=2" in row[4]]
    assert [row[1:3] for row in mine] == [["no_reset", "0"], ["no_reset", "1"]]

    _, text, _ = lifroles("runs", "show", mine[0][-1])
    shown = json.loads(text)
    assert shown["spec"]["variant"]["reset"] == "none"
    assert len(shown["history"]["test_accuracy"]) == 1
    assert lifroles("runs", "verify")[0] == 0


def test_finished_runs_are_archived_once(lifroles, tmp_path, monkeypatch):
    monkeypatch.setattr("lifroles.paths.results_dir", lambda: tmp_path / "results")
    lifroles("train", "xor", *SMALL)
    assert lifroles("runs", "archive")[1] == "1 runs archived, 0 were there\n"
    assert lifroles("runs", "archive")[1] == "0 runs archived, 1 were there\n"
    here, there = (sorted(p.read_bytes() for p in (tmp_path / d).rglob("*.json")) for d in ("runs", "results"))
    assert here == there

    # another processor's run of the same spec
    (place,) = (path.parent for path in (tmp_path / "results").rglob("record.json"))
    known = read(place)
    shutil.rmtree(place)
    history = {**known.history, "train_loss": [loss + 1 for loss in known.history["train_loss"]]}
    Store(tmp_path / "results").write(replace(known, history=history))
    said = "0 runs archived, 1 were there, 1 of them different: they"
    assert lifroles("runs", "archive")[1] == f"{said} are as they were, and --replace would replace them\n"
    assert read(place).history == history
    assert lifroles("runs", "archive", "--replace")[1] == f"{said} were replaced\n"
    assert read(place).history == known.history


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["train", "xr"], "benchmark is 'xr': give one of xor"),
        (["train", "xor", "-v", "base"], "variant is 'base': give one of baseline"),
        (["train", "xor", "--set", "Tee=3"], "xor has no protocol field 'Tee': it has T"),
        (["train", "xor", "--set", "T"], "--set is 'T': give NAME=VALUE"),
        (["train", "xor", "--set", "T=60", "--set", "T=70"], "--set gives T twice"),
        (["train", "xor", "--set", "T=sixty"], "T is 'sixty'"),
        (["train", "xor", "--seeds", "a"], "--seeds is 'a': give numbers and ranges"),
        (["train", "xor", "--seeds", "3-1"], "--seeds is '3-1': a range runs from the lower"),
        (["train", "mnist", "--source", "imagenet"], "mnist: source 'imagenet' is not one of mnist-5k, official"),
        (["runs", "show", "zzz"], "0 runs have a digest that begins with 'zzz'"),
        (["runs", "archive", "zzz"], "There is no finished run zzz"),
    ],
)
def test_a_mistake_is_one_sentence_and_status_2(lifroles, arguments, sentence):
    status, out, err = lifroles(*arguments)
    assert status == 2
    assert err.startswith(f"lifroles: {sentence}")
    assert err.count("\n") == 1 and out == ""


def test_a_damaged_run_is_named_by_verify(lifroles, tmp_path):
    lifroles("train", "xor", *SMALL)
    (record,) = (tmp_path / "runs").glob("xor/*/*/record.json")
    record.write_text(record.read_text().replace("completed", "perfected"))
    status, _, err = lifroles("runs", "verify")
    assert status == 2 and "record.json is not what its run wrote" in err
