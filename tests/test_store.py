"""Run directories are whole or absent, and damage is named."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from lifroles.errors import StoreError
from lifroles.spec import RunSpec
from lifroles.store import DONE, FILES, Record, Store, read


def record(variant="baseline", seed=0, **changes):
    history = {
        "train_loss": [2.0, 1.0],
        "train_accuracy": [0.5, 0.6],
        "test_loss": [2.5, 1.5],
        "test_accuracy": [0.5, 0.55],
        "spike_rate": {"hidden1": [0.1, 0.2]},
    }
    final = {"last_accuracy": 0.55, "best_accuracy": 0.55, "best_epoch": 2}
    return Record(RunSpec.of("xor", variant, seed, **changes), "completed", None, history, final, {"commit": "abc"})


def files(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def test_what_is_written_is_read_again(tmp_path):
    one = record()
    place = Store(tmp_path).write(one)
    assert place == tmp_path / one.spec.path
    assert {path.name for path in place.iterdir()} == {*FILES, DONE}
    again = read(place)
    assert replace(again, path=None) == one
    assert again.epochs == 2


def test_runs_are_found_by_what_they_are(tmp_path):
    store = Store(tmp_path)
    for one in (record(), record(seed=1), record("no_reset"), record(T=100)):
        store.write(one)

    def found(**wanted):
        return [(r.variant_name, r.seed, r.spec.changes()) for r in store.find(**wanted)]

    assert len(found()) == 4
    assert found(variant="no_reset") == [("no_reset", 0, {})]
    assert found(seed=1) == [("baseline", 1, {})]
    assert found(T=100) == [("baseline", 0, {"T": 100})]
    assert found(T=50, variant=["baseline", "no_reset"], seed=[0]) == [("baseline", 0, {}), ("no_reset", 0, {})]
    assert found(benchmark="mnist") == found(colour="red") == []
    assert store.get(record(seed=1).spec) == read(tmp_path / record(seed=1).spec.path)
    assert store.get(record(seed=2).spec) is None


def test_a_run_in_two_stores_counts_once_and_the_first_store_is_written_to(tmp_path):
    here, archive = tmp_path / "runs", tmp_path / "results"
    Store(archive).write(record())
    both = Store(here, archive)
    assert both.get(record().spec) is not None
    Store(here).write(record())
    assert len(both.all()) == 1
    both.write(record(seed=5))
    assert len(Store(archive).all()) == 1


def test_a_run_that_is_there_is_never_overwritten(tmp_path):
    store = Store(tmp_path)
    place = store.write(record())
    before = {path.name: path.read_bytes() for path in place.iterdir()}
    store.write(replace(record(), final={"last_accuracy": 0.99}))
    assert {path.name: path.read_bytes() for path in place.iterdir()} == before


@pytest.mark.parametrize("name", FILES)
def test_a_changed_file_is_named(tmp_path, name):
    place = Store(tmp_path).write(record())
    content = (place / name).read_text()
    (place / name).write_text(content.replace("0", "1", 1) if "0" in content else content + " ")
    with pytest.raises(StoreError, match=rf"{name} is not what its run wrote: restore it"):
        Store(tmp_path).all()


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(tmp_path, name):
    place = Store(tmp_path).write(record())
    (place / name).unlink()
    with pytest.raises(StoreError, match=rf"{place.name}.*{name}"):
        Store(tmp_path).all()


def test_a_run_under_another_runs_name_is_refused(tmp_path):
    store = Store(tmp_path)
    place = store.write(record())
    os.rename(place, place.with_name(Path(record(seed=1).spec.path).name))
    with pytest.raises(StoreError, match="is not the one its name says"):
        store.all()


def test_a_folder_without_the_done_marker_is_no_run(tmp_path):
    store = Store(tmp_path)
    place = store.write(record())
    (place / DONE).unlink()
    assert store.all() == [] and store.get(record().spec) is None


def test_a_write_that_fails_half_way_leaves_nothing(tmp_path, monkeypatch):
    calls = []

    def full_disk(descriptor):
        calls.append(descriptor)
        if len(calls) == 3:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(StoreError, match=r"cannot be written to .* \(No space left on device\): free or unlock"):
        Store(tmp_path).write(record())
    assert files(tmp_path) == set()
    monkeypatch.undo()
    Store(tmp_path).write(record())
    assert len(Store(tmp_path).all()) == 1


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    blocked = tmp_path / "runs"
    blocked.write_text("a file where the folder should be")
    with pytest.raises(StoreError, match=r"written to .*runs/xor/baseline.* \(Not a directory\): free"):
        Store(blocked).write(record())


def test_two_processes_that_finish_the_same_run_leave_one_copy(tmp_path, monkeypatch):
    """The other process moves its copy into place between our check and our rename."""
    store = Store(tmp_path)
    real_rename = os.rename

    def rename_after_the_other(source, target):
        monkeypatch.setattr(os, "rename", real_rename)
        Store(tmp_path).write(record())
        real_rename(source, target)

    monkeypatch.setattr(os, "rename", rename_after_the_other)
    place = store.write(record())
    assert read(place).spec == record().spec
    assert [path.name for path in place.parent.iterdir()] == [place.name]


def test_numbers_are_stored_exactly_and_never_as_nan(tmp_path):
    third = replace(record(), final={"last_accuracy": 1 / 3})
    place = Store(tmp_path).write(third)
    assert read(place).final["last_accuracy"] == 1 / 3
    with pytest.raises(ValueError, match="Out of range"):
        Store(tmp_path).write(replace(record(seed=1), final={"last_accuracy": float("nan")}))
    assert files(tmp_path) == {f"{third.spec.path}/{name}" for name in (*FILES, DONE)}
    json.loads((place / "record.json").read_text())
