"""The study as data: what belongs to what, and how long it takes."""

import dataclasses
import itertools
import re
import shlex

import pytest
from fake_runs import fake_record

from lifroles import accuracy, cli, generalisation, paper, probes, reproduce, robustness, study, training, workflow
from lifroles.durations import START_SECONDS, Durations
from lifroles.errors import SpecError
from lifroles.parameters import AccuracyParameters, GeneralisationParameters, RobustnessParameters
from lifroles.probes import ProbeSpec
from lifroles.spec import RunSpec
from lifroles.store import Store
from lifroles.variant import TABLE6_VARIANTS

PARTS = ("table6", "table7", "fig3", "fig4", "fig6", "fig7", "fig8", "fig9", "controls", "leakage", "images")


@pytest.mark.parametrize("profile", ["smoke", "paper"])
def test_the_book_target_has_the_runs_and_probes_that_the_pages_ask_for(monkeypatch, tmp_path, profile):
    runs, questions = set(), set()

    def fake_run(spec, store, **_):
        runs.add(spec.digest)
        return fake_record(spec.benchmark, spec.variant_name, spec.seed, spec.source, last=0.5, **spec.changes())

    def fake_ask(probe, run, **changes):
        questions.add(f"{run.spec.path}/{ProbeSpec.of(probe, run.spec, **changes).path}")

    monkeypatch.setattr(training, "run", fake_run)
    monkeypatch.setattr(probes, "ask", fake_ask)
    accuracy.collect(AccuracyParameters(profile=profile), lambda _: None, Store(tmp_path))
    generalisation.collect(GeneralisationParameters(profile=profile), lambda _: None, Store(tmp_path))
    robustness.collect(RobustnessParameters(profile=profile), lambda _: None, Store(tmp_path))
    book = study.get("book")
    assert runs == {spec.digest for spec in book.specs(profile)}
    # What a page asks itself is asked of trained networks in the same process: it costs no training.
    assert {question.path for question in book.questions(profile)} <= questions
    assert {question.path for question in study.get("fig9").questions(profile)} <= questions


@pytest.mark.parametrize("profile", study.SCALES)
def test_a_scale_names_nothing_that_the_protocol_has_anyway(profile):
    for name, scale in study.SCALES[profile].items():
        spec = RunSpec.of(name, "baseline", 0, scale.source, **scale.changes)
        # Pages find a run by what it changes.
        assert spec.changes() == dict(scale.changes)


def test_the_page_on_accuracy_finds_the_archived_runs_of_every_scale(tmp_path):
    store = Store(tmp_path)
    for name, scale in study.SCALES["archive"].items():
        store.write(fake_record(name, "baseline", 0, scale.source, last=0.5, **scale.changes))
    found = accuracy.collect(AccuracyParameters(), lambda _: None, store)
    assert {name for name in study.SCALES["archive"] if found.records(name)} == set(study.SCALES["archive"])


def test_the_book_of_the_archive_needs_no_run():
    assert study.get("book").specs("archive") == []
    plan = reproduce.plan("book")
    assert (plan.profile, plan.steps, plan.questions, plan.book) == ("archive", (), (), True)
    assert reproduce.describe(plan)[1:] == ["  nothing to train", "  then the book"]


def test_the_archive_has_every_run_of_the_paper_that_there_is_a_scale_for():
    def cells(profile):
        return {(s.benchmark, s.variant_name) for s in study.get(profile).specs(profile)}

    assert cells("archive") == cells("paper")
    assert {s.source for s in study.get("archive").specs("archive") if s.benchmark == "shd"} == {"regenerated"}


def test_table_6_has_every_cell_that_the_paper_prints():
    cells = {(s.benchmark, s.variant_name) for s in study.get("table6").specs("paper")}
    assert cells == {(b, v) for b in paper.TABLE6_BENCHMARKS for v in TABLE6_VARIANTS if paper.TABLE6[v][b] is not None}


def test_the_paper_profile_changes_no_protocol_and_takes_official_data():
    for name in PARTS:
        for spec in study.get(name).specs("paper"):
            assert not spec.changes()
            assert spec.source in ("official", "generated")


def test_the_whole_paper_has_every_run_and_probe_of_its_tables_and_figures_once():
    whole = [s.digest for s in study.get("paper").specs("paper")]
    asked = [q.path for q in study.get("paper").questions("paper")]
    assert len(set(whole)) == len(whole)
    assert len(set(asked)) == len(asked)
    for name in (*PARTS, "book"):
        assert {s.digest for s in study.get(name).specs("paper")} <= set(whole)
        assert {q.path for q in study.get(name).questions("paper")} <= set(asked)


def test_all_models_come_with_one_seed_before_any_comes_with_the_next():
    seeds = [s.seed for s in study.get("table6").specs("paper")]
    assert seeds == sorted(seeds)


@pytest.mark.parametrize(
    ("name", "wanted", "message"),
    [
        ("table9", None, "There is no target 'table9': give one of table6"),
        ("table6", "archiv", "profile is 'archiv': table6 has paper, smoke and archive"),
        ("smoke", "paper", "profile is 'paper': smoke has smoke"),
        ("archive", "paper", "profile is 'paper': archive has archive"),
    ],
)
def test_what_there_is_not_is_refused_in_a_sentence(name, wanted, message):
    with pytest.raises(SpecError, match=re.escape(message)):
        study.profile_of(name, wanted)


def test_every_command_of_the_definition_makes_the_run_or_probe_that_it_is_listed_under(monkeypatch, tmp_path):
    monkeypatch.setenv("LIFROLES_RUNS", str(tmp_path))
    known = workflow.definition()
    for path, run in known["runs"].items():
        words = shlex.split(run["command"])
        assert words[0] == "train"
        options = {k: v for k, v in itertools.pairwise(words) if k in ("-v", "--seeds", "--source")}
        settings = cli_settings([v for k, v in itertools.pairwise(words) if k == "--set"])
        spec = RunSpec.of(words[1], options["-v"], int(options["--seeds"]), options["--source"], **settings)
        assert (spec.path, spec.digest) == (path, run["digest"])
        assert not run["stored"]
    for path, probe in known["probes"].items():
        assert path.startswith(probe["run"] + "/probes/")
        assert probe["command"].split()[2] == known["runs"][probe["run"]]["digest"]
        assert probe["needs"][0] == probe["run"]
        assert set(probe["needs"]) <= known["runs"].keys()
        # what fools one network is given to all of the same seed
        others = {name.split("/")[1] for name in probe["needs"]}
        assert others == {probe["run"].split("/")[1], *(TABLE6_VARIANTS if "/transfer-" in path else ())}
    for target in known["targets"].values():
        for profile, names in target["runs"].items():
            assert set(names) <= known["runs"].keys()
            assert set(target["probes"][profile]) <= known["probes"].keys()
    assert {run["data"] for run in known["runs"].values()} - {None} == known["data"].keys()


def cli_settings(settings):
    from lifroles.cli_train import parse_settings

    return parse_settings(settings, "--set")


def record(variant="baseline", seconds=100.0, processor="mine", **changes):
    made = fake_record("xor", variant, **changes)
    return dataclasses.replace(made, provenance={"wall_seconds": seconds, "processor": processor})


def test_time_is_told_from_the_same_model_then_from_others_then_from_another_size():
    spec = RunSpec.of("xor", "no_reset", epochs=50)
    same = record("no_reset", 60.0, epochs=30)
    other = record("recurrent", 200.0, epochs=100)
    longer = record("baseline", 400.0, T=100, epochs=50)
    for records, seconds, words in (
        ([same, other, longer], 100.0, "of the same model"),
        ([other, longer], 100.0, "of other models"),
        ([longer], 200.0, "of another size, scaled"),
    ):
        told = Durations(records, "mine").expect(spec)
        assert told.seconds == pytest.approx(START_SECONDS + seconds)
        assert words in told.basis
    assert Durations([same], "mine").expect(RunSpec.of("mnist", "baseline")).seconds is None
    assert Durations([], "mine").expect(spec).seconds is None


def test_time_is_told_from_this_processor_where_it_is_recorded():
    spec = RunSpec.of("xor", "baseline")
    here, there = record(seconds=100.0), record(seconds=900.0, processor="another")
    assert Durations([here, there], "mine").expect(spec).seconds == pytest.approx(START_SECONDS + 100)
    told = Durations([there], "mine").expect(spec)
    assert told.seconds == pytest.approx(START_SECONDS + 900)
    assert "on another processor" in told.basis


def test_the_command_lists_the_targets(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["lifroles", "study"])
    cli.app(standalone_mode=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split("\t")[2:] == ["runs (smoke)", "runs (archive)", "runs (paper)"]
    known = {line.split("\t")[0]: line.split("\t")[2:] for line in lines[1:]}
    assert known.keys() == study.TARGETS.keys()
    for name, numbers in known.items():
        assert {p for p, n in zip(("smoke", "archive", "paper"), numbers, strict=True) if n != "–"} == {
            *study.profiles(name)
        }
