"""Stored runs are found by any field, checked, compared, pruned and exported."""

import csv
import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from fake_runs import fake_record

from lifroles import export, folders, upkeep
from lifroles.errors import StoreError
from lifroles.store import Store, read


def store_of(root: Path, *records) -> Store:
    store = Store(root)
    for record in records:
        store.write(record)
    return store


def add_probe(run: Path, name: str = "firing", **numbers: float) -> Path:
    found = [{"metric": "rate", "key": key, "value": value} for key, value in numbers.items()]
    place = run / "probes" / f"{name}-0123456789ab"
    contents = {"spec.json": {"probe": name}, "record.json": {"numbers": found}, "provenance.json": {}}
    assert folders.write(place, {k: folders.dump(v) for k, v in contents.items()})
    return place


def rewrite(place: Path, name: str, change) -> None:
    """Change a file of a run by hand, and its hash with it."""
    known = json.loads((place / name).read_text())
    change(known)
    (place / name).write_bytes(folders.dump(known))
    hashes = folders.hashes(place) | {name: folders.sha256((place / name).read_bytes())}
    (place / folders.DONE).write_bytes(folders.dump(hashes))


def test_whole_runs_have_no_problems_and_damage_is_named(tmp_path):
    store = store_of(tmp_path, fake_record("xor", "baseline"), fake_record("xor", "no_reset"))
    place = store.place(fake_record("xor", "baseline").spec)
    probe = add_probe(place, a=1.0)
    assert upkeep.problems(store) == []
    (probe / "record.json").write_text("{}")
    (one,) = upkeep.problems(store)
    assert "probe record in" in one and "is damaged" in one
    (place / "record.json").write_text("{}")
    assert any("record.json is not what its run wrote" in problem for problem in upkeep.problems(store))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda r: r["final"].update(last_accuracy=0.999), "last or best accuracy is not the one of its curve"),
        (lambda r: r["history"]["train_loss"].pop(), "curves have different lengths"),
        (lambda r: [curve.pop() for curve in _curves(r["history"])], "epochs, and its protocol"),
    ],
)
def test_a_record_that_was_changed_with_its_hash_contradicts_itself(tmp_path, change, what):
    store = store_of(tmp_path, fake_record("xor", "baseline"))
    (place,) = store.places()
    rewrite(place, "record.json", change)
    assert any(what in problem for problem in upkeep.problems(store))


def _curves(history):
    return [v for k, v in history.items() if k != "spike_rate"] + list(history["spike_rate"].values())


def test_a_committed_record_that_was_changed_is_found(tmp_path):
    def git(*arguments):
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True)

    results = tmp_path / "results"
    assert upkeep.changed_since_committed(results) == []
    store = store_of(results, fake_record("xor", "baseline"), fake_record("xor", "no_reset"))
    kept, gone = store.places()
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "runs")
    assert upkeep.changed_since_committed(results) == []
    rewrite(kept, "provenance.json", lambda p: p.update(wall_seconds=1.0))
    assert upkeep.problems(store) == []
    edited = {kept / "provenance.json", kept / folders.DONE}
    assert set(upkeep.changed_since_committed(results)) == edited
    git("commit", "-aqm", "an edit")
    assert set(upkeep.changed_since_committed(results)) == edited
    shutil.rmtree(gone)  # a run that is withdrawn as a whole
    git("commit", "-aqm", "withdrawn")
    assert set(upkeep.changed_since_committed(results)) == edited


def test_a_run_is_replaced_as_a_whole_with_its_probes_and_is_none_that_was_changed(tmp_path):
    def git(*arguments):
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True)

    old = fake_record("xor", "baseline", last=0.8)
    archive, here = store_of(tmp_path / "results", old), Store(tmp_path / "runs")
    (place,) = archive.places()
    add_probe(place, a=1.0)
    git("init", "-q")
    git("add", "results")
    git("commit", "-q", "-m", "runs")
    mine = here.write(replace(fake_record("xor", "baseline", last=0.9), provenance={**old.provenance, "threads": 2}))
    add_probe(mine, "other", a=3.0)
    with pytest.raises(StoreError, match=r"was asked firing-0123456789ab, and the one .* was not: probe it first"):
        upkeep.supersede(read(mine), archive)
    assert read(place).final == old.final and upkeep.changed_since_committed(archive.roots[0]) == []

    add_probe(mine, a=2.0)
    assert upkeep.supersede(read(mine), archive) == place
    assert read(place).final["last_accuracy"] == 0.9
    found = {p.name: json.loads((p / "record.json").read_text())["numbers"][0]["value"] for p in place.glob("probes/*")}
    assert found == {"firing-0123456789ab": 2.0, "other-0123456789ab": 3.0}
    assert list(place.parent.iterdir()) == [place] and upkeep.problems(archive) == []
    assert upkeep.changed_since_committed(archive.roots[0]) == []
    git("add", "results")
    git("commit", "-q", "-m", "trained again")
    assert upkeep.changed_since_committed(archive.roots[0]) == []
    rewrite(place, "record.json", lambda r: r.update(reason="by hand"))
    git("commit", "-aqm", "an edit")
    assert set(upkeep.changed_since_committed(archive.roots[0])) == {place / "record.json", place / folders.DONE}


def test_a_full_disk_leaves_the_archived_run_where_it_was(tmp_path, monkeypatch):
    old = fake_record("xor", "baseline", last=0.8)
    archive, here = store_of(tmp_path / "results", old), Store(tmp_path / "runs")
    known = read(here.write(fake_record("xor", "baseline", last=0.9)))

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lifroles.folders.os.fsync", full)
    with pytest.raises(StoreError, match="No space left on device"):
        upkeep.supersede(known, archive)
    assert read(archive.place(old.spec)).final == old.final
    assert [p.name for p in archive.place(old.spec).parent.iterdir()] == [archive.place(old.spec).name]


@pytest.mark.parametrize("at", ["lifroles.store.Store.write", "lifroles.upkeep.copy_probes", None])
def test_a_replacement_that_was_killed_is_undone_or_finished(tmp_path, monkeypatch, at):
    old, new = fake_record("xor", "baseline", last=0.8), fake_record("xor", "baseline", last=0.9)
    archive, here = store_of(tmp_path / "results", old), Store(tmp_path / "runs")
    place = archive.place(old.spec)
    written = here.write(new)
    for run in (place, written):
        add_probe(run, a=1.0)
    mine = read(written)

    class Killed(BaseException):
        pass

    def killed(*_, **__):
        raise Killed

    def tidying(path, rmtree=shutil.rmtree, **options):
        # whoever is killed does not put back or clear away what lies at these two places
        if path in (place, place.with_name(f".{place.name}.before")):
            raise Killed
        rmtree(path, **options)

    with monkeypatch.context() as patch:
        patch.setattr("lifroles.upkeep.shutil.rmtree", tidying)
        if at:
            patch.setattr(at, killed)
        with pytest.raises(Killed):
            upkeep.supersede(mine, archive)
    assert place.with_name(f".{place.name}.before").is_dir()

    whole = at is None
    assert upkeep.undo_half_replaced(place) is not whole
    assert read(place).final == (new if whole else old).final
    assert [p.name for p in place.glob("probes/*")] == ["firing-0123456789ab"]
    assert list(place.parent.iterdir()) == [place] and not upkeep.undo_half_replaced(place)


def test_a_difference_is_named_by_its_field():
    a = fake_record("xor", "baseline", 0)
    b = replace(fake_record("xor", "baseline", 0, T=60), provenance={**a.provenance, "threads": 2})
    found = {name: values for name, *values in upkeep.differences(a, b)}
    assert found == {"spec.protocol.T": [50, 60], "provenance.threads": [1, 2]}
    assert upkeep.differences(a, a) == []


def test_only_what_nobody_needs_is_removable(tmp_path):
    done, failed = fake_record("xor", "baseline"), fake_record("xor", "no_reset", status="failed")
    store = store_of(tmp_path, done, failed)
    place = store.place(done.spec)
    left = {place.with_name(f".{place.name}.work"), place.with_name(f".{place.name}.lock")}
    waiting = place.with_name(".seed9-000000000000.work")
    torn = place.with_name(".seed9-000000000000.abc.part")
    for path in (*left, waiting, torn):
        path.mkdir() if path.suffix != ".lock" else path.touch()
    assert {found.path for found in upkeep.removable(tmp_path)} == {*left, torn}
    assert {f.path for f in upkeep.removable(tmp_path, unfinished=True)} == {*left, torn, waiting}
    everything = {f.path for f in upkeep.removable(tmp_path, failed=True)}
    assert everything == {*left, torn, store.place(failed.spec)}
    with store.claim(done.spec):
        assert not left & {found.path for found in upkeep.removable(tmp_path)}


def test_runs_are_found_by_the_parts_of_their_variant(tmp_path):
    records = [fake_record("xor", v) for v in ("baseline", "no_reset", "recurrent")]
    store = store_of(tmp_path, *records)
    assert [r.variant_name for r in store.find(reset="none")] == ["no_reset"]
    assert [r.variant_name for r in store.find(recurrent=True, status="completed")] == ["recurrent"]
    assert store.find(path=None) == []


def exported(tmp_path):
    records = [
        fake_record("xor", "baseline", 0, last=0.75),
        fake_record("xor", "no_reset", 1, status="failed", T=60),
        fake_record("mnist", "baseline", 0, "official"),
    ]
    store = store_of(tmp_path / "runs", *records)
    add_probe(store.place(records[0].spec), a=0.25, b=1.5)
    return store.all(), tmp_path / "export"


def table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def test_the_tables_have_a_row_a_run_and_a_row_a_number(tmp_path):
    records, folder = exported(tmp_path)
    assert export.write(records, folder) == export.Counts(runs=3, numbers=2)
    rows = table(folder / "runs.csv")
    assert [row["id"] for row in rows] == [r.spec.digest for r in records]
    one = next(row for row in rows if row["benchmark"] == "xor" and row["status"] == "completed")
    assert (one["variant"], one["seed"], one["epochs"], one["source"]) == ("baseline", "0", "100", "generated")
    assert float(one["accuracy_last"]) == 0.75 and float(one["wall_s"]) == 480.5
    failed = next(row for row in rows if row["status"] == "failed")
    assert failed["accuracy_last"] == failed["accuracy_best"] == "" and failed["reason"] == "the loss became nan"
    assert json.loads(failed["changes"]) == {"T": 60}
    probes = table(folder / "probes.csv")
    assert [(row["probe"], row["run"], row["key"], float(row["value"])) for row in probes] == [
        ("firing", one["id"], "a", 0.25),
        ("firing", one["id"], "b", 1.5),
    ]


def test_the_crate_names_every_file_and_every_reference_is_there(tmp_path):
    records, folder = exported(tmp_path)
    export.write(records, folder)
    crate = json.loads((folder / "ro-crate-metadata.json").read_text())
    graph = {entity["@id"]: entity for entity in crate["@graph"]}
    assert len(graph) == len(crate["@graph"])
    files = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()} - {"ro-crate-metadata.json"}
    assert {part["@id"] for part in graph["./"]["hasPart"]} == files
    for name in files:
        assert graph[name]["sha256"] == folders.sha256((folder / name).read_bytes())

    def references(value):
        if isinstance(value, dict):
            yield from [value["@id"]] if set(value) == {"@id"} else []
            value = list(value.values())
        if isinstance(value, list):
            for inner in value:
                yield from references(inner)

    outside = {r for entity in crate["@graph"] for r in references(entity) if r not in graph}
    assert outside == {"https://w3id.org/ro/crate/1.1", "https://snakemake.readthedocs.io"}
    main = graph[graph["./"]["mainEntity"]["@id"]]
    assert "ComputationalWorkflow" in main["@type"]
    actions = [e for e in crate["@graph"] if e["@type"] == "CreateAction"]
    assert sum(action["instrument"]["@id"] == main["@id"] for action in actions) == 1
    trainings = [a for a in actions if a["@id"].startswith("#run-")]
    assert sorted(a["actionStatus"] for a in trainings) == [
        "http://schema.org/CompletedActionStatus",
        "http://schema.org/CompletedActionStatus",
        "http://schema.org/FailedActionStatus",
    ]
    assert next(a for a in trainings if "error" in a)["error"] == "the loss became nan"
    assert str(tmp_path) not in json.dumps(crate)


def test_an_export_overwrites_nothing_and_leaves_nothing_where_it_fails(tmp_path):
    records, folder = exported(tmp_path)
    folder.mkdir()
    with pytest.raises(StoreError, match="is there already: name a folder that does not exist yet"):
        export.write(records, folder)
    folder.rmdir()
    (probe,) = (tmp_path / "runs").glob("*/*/*/probes/*/record.json")
    probe.write_text("{}")
    with pytest.raises(StoreError, match=r"probe record in .* cannot be read"):
        export.write(records, folder)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["runs"]


def test_a_record_of_a_version_that_is_not_understood_is_refused_by_its_name(tmp_path):
    record = replace(fake_record("xor", "baseline"), provenance={"versions": {"lifroles": "9.1"}})
    store = store_of(tmp_path, record)
    (place,) = store.places()
    rewrite(place, "spec.json", lambda spec: spec.update(format=2))
    with pytest.raises(StoreError, match=r"cannot be read \(format: .*written by lifroles 9\.1 and this is 0\.1\.0"):
        store.all()
    rewrite(place, "spec.json", lambda spec: spec.update(format=1, colour="red"))
    with pytest.raises(StoreError, match=r"colour.*written by lifroles 9\.1"):
        store.all()
    # Its name is the hash of a specification that had no such field yet.
    rewrite(place, "spec.json", lambda spec: (spec.pop("colour"), spec["protocol"].pop("bias")))
    place = place.rename(place.with_name("seed0-0123456789ab"))
    with pytest.raises(StoreError, match=r"says nothing of bias: it was written by lifroles 9\.1"):
        store.all()
