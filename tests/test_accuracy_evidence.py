"""Section 4.1: Table 6 whole, differences, roles, rates and the open questions, on runs made up in a moment."""

import csv
import io
import re
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
from fake_runs import fake_record
from IPython.display import Markdown

from lifroles import overview, probes
from lifroles.accuracy import (
    activity,
    answers,
    collect,
    differences,
    matrix,
    mechanism,
    page,
    questions,
    roles,
    settings,
)
from lifroles.accuracy.settings import Outcome, Setting
from lifroles.claims.verdict import Verdict
from lifroles.figures import accuracy as figures
from lifroles.parameters import BENCHMARK_NAMES, AccuracyParameters, MechanismParameters
from lifroles.probes.record import Findings, ProbeSpec, write
from lifroles.prose import NBSP
from lifroles.statistics import Difference
from lifroles.store import Store
from lifroles.study import SCALES, Scale
from lifroles.tables import Download, Table
from lifroles.variant import TABLE6_VARIANTS

NMNIST = SCALES["archive"]["nmnist"]


def nmnist(variant, seed=0, last=0.95, **changes):
    return fake_record("nmnist", variant, seed, "saccades", last=last, **{**NMNIST.changes, **changes})


@pytest.fixture
def made(tmp_path):
    """Return what writes records into a store and collects a page from it."""

    def collected(*records, schema=AccuracyParameters, **parameters):
        store = Store(tmp_path)
        for record in records:
            store.write(record)
        return collect(schema(**parameters), store=store)

    return collected


def xor(levels, seeds=5):
    """Return XOR records: each variant's level, and a little more a seed."""
    return [fake_record("xor", v, s, last=level + 0.001 * s) for v, level in levels.items() for s in range(seeds)]


def rows(table: Table) -> dict[str, tuple[str, ...]]:
    return {row[0]: tuple(row[1:]) for row in table.rows}


def test_table_6_has_every_benchmark_and_variant_and_its_scale_beside_every_number(made):
    study = made(nmnist("baseline"), nmnist("baseline", 1, 0.97), fake_record("xor", "no_reset", last=0.9))
    table = matrix.table6(study)
    assert len(table.rows) == 2 * len(BENCHMARK_NAMES)
    found = rows(table)
    assert found["N-MNIST: paper"][0] == f"94.76{NBSP}%"
    assert found["N-MNIST: here"][0].startswith(f"96.0{NBSP}%")
    assert found["N-MNIST: here"][0].endswith("; stand-in, 30 of 100 epochs")
    assert found["N-MNIST: here"][1] == "not run"
    assert found["Delayed spiking XOR: here"][3] == f"90.0{NBSP}% (n{NBSP}={NBSP}1); length fitted to Table 6"
    assert found["CIFAR10: paper"][-1] == found["CIFAR10: here"][-1] == "–"
    notes = dict(zip(found, table.notes, strict=True))
    assert notes["N-MNIST: here"].endswith("; 30 of 100 epochs.")
    assert notes["Delayed spiking XOR: here"] == "Here: drawn data; length fitted to Table 6."
    assert "SHD, SSC" in matrix.coverage(study)
    assert "2 have a number here: 0 of the full protocol" in matrix.coverage(study)


def test_runs_of_another_scale_are_never_mixed_in(made):
    full = fake_record("nmnist", "baseline", 1, "saccades", last=0.5)
    study = made(nmnist("baseline"), full, fake_record("nmnist", "baseline", 2, "saccades-5k", last=0.5, epochs=30))
    assert [r.seed for r in study.records("nmnist")] == [0]
    assert made(scale="paper", source="saccades").records("nmnist")[0].seed == 1


def test_a_source_is_taken_by_the_benchmarks_that_have_it(made):
    study = made(fake_record("xor", "baseline"), source="official")
    assert study.scale("xor").source == "generated"
    assert study.scale("shd").source == "official"


@pytest.mark.parametrize(
    ("benchmark", "scale", "says"),
    [
        ("xor", Scale("generated", 1), "length fitted to Table 6"),
        ("mnist", Scale("official", 1), ""),
        ("nmnist", Scale("saccades", 1, {"epochs": 30}), "stand-in, 30 of 100 epochs"),
        ("shd", Scale("regenerated", 1, {"dt": 4.0}), "altered data, steps of 4 ms"),
        ("shd", Scale("official", 1, {"readout": "mean_membrane"}), "readout: mean membrane"),
        ("mnist", Scale("mnist-5k", 1, {"train_samples": 2000}), "part of the data, 2,000 train samples"),
    ],
)
def test_what_departs_from_the_paper_is_said(benchmark, scale, says):
    assert overview.departure(benchmark, scale) == says


def test_every_archived_scale_stands_in_the_set_up():
    table = overview.scale_table()
    notes = dict(zip(rows(table), table.notes, strict=True))
    assert notes["N-MNIST"].endswith("Protocol: 30 of 100 epochs.")
    assert notes["MNIST"].endswith("Protocol: the full protocol.")
    assert [table.caption for table in overview.protocols(["shd"])] == ["SHD: protocol"]


def test_pairs_are_tested_together_and_the_papers_error_stands_beside(made):
    study = made(*xor({"baseline": 0.75, "no_reset": 0.95}), nmnist("baseline"), nmnist("no_reset", last=0.96))
    pairs = {(p.first, p.second): p for p in differences.pairs(study, "xor")}
    assert len(pairs) == 10
    found = pairs["baseline", "no_reset"]
    assert found.here is not None
    assert found.here.mean == pytest.approx(0.2)
    assert found.paper == pytest.approx(0.186)
    assert found.error is None  # the paper does not say on how many sequences it tests
    assert differences.reading(found) == "no spread over seeds"
    assert differences.reading(pairs["baseline", "recurrent"]) == "not run"
    gestures = {(p.first, p.second): p for p in differences.pairs(study, "dvs_gesture")}
    leak = gestures["baseline", "no_leakage"]
    assert leak.error == pytest.approx(1.96 * 0.02788, abs=1e-4)
    assert not leak.beyond
    one = {(p.first, p.second): p for p in differences.pairs(study, "nmnist")}["baseline", "no_reset"]
    assert differences.reading(one) == "one seed: undecided"
    assert rows(differences.paper_table(study))["DVS128 Gesture"] == ("288", "0.347", "± 5.5", "0 of 10")


def test_a_difference_survives_holms_correction_or_does_not(made):
    levels = {"baseline": 0.70, "no_reset": 0.90, "recurrent": 0.71}
    shaken = [
        fake_record("xor", v, s, last=level + 0.02 * np.sin(7 * s + len(v) + level))
        for v, level in levels.items()
        for s in range(6)
    ]
    study = made(*shaken)
    pairs = {(p.first, p.second): p for p in differences.pairs(study, "xor")}
    assert differences.reading(pairs["baseline", "no_reset"]) == "survives, as in the paper"
    assert differences.reading(pairs["no_reset", "recurrent"]) == "survives, against the paper"
    assert differences.reading(pairs["baseline", "recurrent"]) == "not told apart"
    tested = [(p.here.p, p.corrected) for p in pairs.values() if p.here and p.here.p is not None]
    assert len(tested) == 3
    assert all(corrected is not None and corrected >= p for p, corrected in tested)
    text = differences.summary(study)
    assert "2 of 3 pairs survive (n = 6); of these 1 against the paper's direction" in text


@pytest.mark.parametrize(
    ("n", "t", "signs", "survives"),
    [
        (9, 0.01, 0.04, True),
        (9, 0.01, 0.2, False),
        (9, 0.2, 0.04, False),
        (8, 0.01, 0.08, True),
        (9, None, None, False),
    ],
)
def test_with_enough_seeds_a_difference_has_to_survive_both_tests(n, t, signs, survives):
    here = Difference(0.1, 0.05, 0.15, n, 1.0, t, signs)
    assert differences.Pair("xor", "baseline", "no_reset", here, t, signs, None, None).survives is survives


def test_few_seeds_say_what_they_cannot_say(made):
    study = made(*(nmnist(v, s, 0.9 + 0.001 * s * len(v)) for v in ("baseline", "recurrent") for s in range(3)))
    assert "cannot get below 0.25 with 3 seeds" in differences.summary(study)


def test_claims_are_decided_by_the_runs_of_the_page(made):
    study = made(*xor({"baseline": 0.75, "no_reset": 0.95, "complete_leakage": 0.5, "no_leakage": 0.6}, 3))
    found = {o.claim.name: o.verdict for o in roles.outcomes(study, "leakage")}
    assert found["xor-complete-leakage"] is Verdict.REPRODUCED
    assert found["shd-no-leakage"] is Verdict.NOT_TESTABLE
    assert "2 of 7 claims can be tested** on these runs: 2 reproduced" in roles.summary(study, "leakage")
    table = rows(roles.claims_table(study, "reset"))
    assert table["The reset costs much on delayed XOR."][0] == "reproduced"
    caption = roles.effects_caption(study, "leakage")
    assert "Without leakage, accuracy falls on Delayed spiking XOR (−15.0)" in caption
    few = made(variants=("baseline", "recurrent"))
    assert roles.effects_caption(few, "recurrence").startswith("With recurrence: not run.")


def with_rates(record, store, hidden, output=20.0):
    """Write a run and what the probe of its rates might have found."""
    store.write(record)
    run = store.get(record.spec)
    found = {
        ("rate", "hidden1"): float(np.mean(hidden)),
        ("silent", "hidden1"): float(np.mean(np.array(hidden) == 0)),
        ("accumulates", "hidden1"): 100.0,
        ("accumulates", "output"): output,
        ("multiplies", "hidden1"): 0.0,
        ("dense", "hidden1"): 1000.0,
        ("samples", "test"): 10.0,
        ("steps", "test"): 15.0,
    }
    spec = ProbeSpec.of(probes.get("rates"), record.spec)
    write(run.path, spec, Findings(found, {"rate_hidden1": np.array(hidden, np.float32)}), {})


def test_fig_4_is_the_distribution_over_neurons_of_every_seed(tmp_path):
    store = Store(tmp_path)
    with_rates(nmnist("baseline"), store, [0.0, 0.1, 0.1, 0.2])
    with_rates(nmnist("baseline", 1), store, [0.1, 0.1, 0.1, 0.1])
    with_rates(nmnist("no_reset"), store, [0.2, 0.4, 0.2, 0.4], output=44.0)
    study = collect(MechanismParameters(), store=store)
    found = activity.histograms(study, "nmnist", ["baseline", "no_reset", "recurrent"])
    assert list(found) == ["baseline", "no_reset"]
    assert found["baseline"].shares.shape == (2, activity.BINS)
    assert found["baseline"].shares.sum(1) == pytest.approx([1, 1])
    assert found["baseline"].silent == [0.25, 0.0]
    assert found["baseline"].edges[-1] == pytest.approx(0.4)
    caption = activity.distribution_caption(found, "N-MNIST")
    assert "fires 0.300 times a step on average and with reset 0.100, 200% more" in caption
    assert "2 (baseline) and 1 (without reset)" in caption
    cost = activity.cost(study, "nmnist", "no_reset")
    assert cost is not None
    assert (cost.operations, cost.n) == (144.0, 1)
    table = activity.cost_table(study, "nmnist")
    assert table is not None
    assert rows(table)["Without reset"][-1] == f"14.4{NBSP}%"
    assert rows(table)["With recurrence"][1] == "not measured"
    assert activity.cost_table(study, "shd") is None
    assert f"N-MNIST: without reset +20{' %'}" in activity.cost_words(study)
    shown: Any = page.distributions(study)
    assert "4_1_3_mechanism" in shown.html


def test_the_archive_is_not_asked_and_what_is_not_measured_says_so(made, monkeypatch):
    monkeypatch.setattr(probes, "ask", lambda *_, **__: pytest.fail("asked"))
    study = made(nmnist("baseline"))
    activity.ask(study)
    shown = page.distributions(study)
    assert isinstance(shown, Markdown)
    assert "not measured" in str(shown.data)
    real: Any = page.real(study)[0]
    assert "Real recordings: not measured" in str(real.data)


def test_a_deep_network_is_drawn_by_four_of_its_layers(made):
    record = fake_record("cifar10", "baseline", 0, "jpeg", **SCALES["archive"]["cifar10"].changes)
    # as the residual network names them, in the order of a sorted file
    blocks = {f"block{block}.{layer}": 0.1 * block for block in range(1, 11) for layer in (1, 2)}
    record.final["spike_rate"] = dict(sorted({**blocks, "output": 0.2, "stem": 0.3}.items()))
    study = made(record)
    titles = [ax.get_title(loc="left") for ax in figures.rates(study, "cifar10").axes]
    layers = ("stem layer", "block 6, layer 1", "block 10, layer 2", "output layer")
    assert titles == [f"CIFAR10, {layer}" for layer in layers]
    assert "first spiking layer: 0.300 to 0.300 spikes" in mechanism.rates_caption(study, "cifar10")


SETTING = Setting("a", "nmnist", "baseline", "saccades", {"lr": 1e-3}, 20)


def outcome(setting=SETTING, *values, rate=0.1):
    records = [
        fake_record(
            setting.benchmark, setting.variant, s, setting.source, last=v, rate=rate, **setting.changes, epochs=40
        )
        for s, v in enumerate(values)
    ]
    for record in records:
        record.history["test_accuracy"][setting.epochs - 1] = record.final["last_accuracy"]
    return Outcome(setting, records)


def test_a_setting_takes_the_longest_run_of_each_seed_and_cuts_it():
    short, long = (nmnist("baseline", 0, lr=1e-3, epochs=e) for e in (20, 60))
    other = [
        nmnist("baseline", 1, lr=1e-3, epochs=10),
        nmnist("baseline", 2, epochs=30),
        nmnist("no_reset", 3, lr=1e-3),
    ]
    assert SETTING.records([short, long, *other]) == [long]
    failed = replace(long, status="failed")
    assert SETTING.records([failed, short]) == [short]
    found = Outcome(SETTING, [long])
    assert found.test == [long.history["test_accuracy"][19]]


def test_complete_leakage_that_learns_is_not_lost_memory_alone():
    plain = Setting("plain", "shd", "complete_leakage", "regenerated", {}, 40)
    text = answers.leakage([outcome(plain, 0.5), outcome(replace(plain, label="softmax"), 0.06)])
    assert f"learns in 1 of 2 settings, up to 50.0{NBSP}% (plain)" in text
    assert f"reports 5.96{NBSP}%" in text
    assert "Near chance: softmax." in text
    silent = answers.leakage([outcome(plain, 0.05, rate=0.0)])
    assert "stays near chance in every setting" in silent
    assert "Hidden layer silent: plain." in silent


def test_recurrence_is_compared_with_the_baseline_that_has_the_same_settings():
    def at(variant, *values, **changes):
        return outcome(Setting(variant, "shd", variant, "regenerated", changes, 40), *values)

    plain = [at("baseline", 0.6, 0.6, 0.6), at("recurrent", 0.3, 0.3, 0.6)]
    cut = at("recurrent", 0.66, 0.67, 0.68, clip_norm=1.0)
    # better than any baseline, and not compared with one that has its gradients cut as well
    assert "these seeds do not decide it" in answers.recurrence([*plain, cut])
    assert "same settings" not in answers.recurrence([*plain, cut])
    helped = answers.recurrence([*plain, cut, at("baseline", 0.61, 0.61, 0.61, clip_norm=1.0)])
    assert "in both, recurrence makes +6.0 points (+3.5 to +8.5), 3 seeds" in helped
    assert "So recurrence that is trained well helps" in helped
    level = answers.recurrence([*plain, cut, at("baseline", 0.69, 0.68, 0.67, clip_norm=1.0)])
    assert "recurrence makes −1.0 points" in level and "helps" not in level


def test_reset_is_compared_at_every_step_length_that_has_both():
    def at(dt, variant, *values):
        return outcome(Setting("", "shd", variant, "regenerated", {} if dt == 1 else {"dt": dt}, 40), *values)

    runs = [at(1.0, "baseline", 0.5, 0.5, 0.5), at(1.0, "no_reset", 0.54, 0.55, 0.56), at(8.0, "baseline", 0.6)]
    assert "1 ms: +5.0 points (" in answers.step_length(runs)
    assert "8 ms" not in answers.step_length(runs)
    text = answers.step_length([*runs, at(8.0, "no_reset", 0.5)])
    assert "8 ms: −10.0 points, 1 seed" in text
    assert "Between 1 and 8 ms it is as the earlier work has it" in text
    assert "No step length" in answers.step_length(runs[2:])


def test_the_order_of_variants_at_two_learning_rates():
    def run(variant, value, **changes):
        return outcome(Setting("", "nmnist", variant, "saccades", changes, 20), value)

    slow = [run("baseline", 0.90), run("no_reset", 0.95)]
    text = answers.order([*slow, run("baseline", 0.98, lr=1e-3), run("no_reset", 0.97, lr=1e-3)])
    assert "The order changes, from without reset, baseline to baseline, without reset." in text
    assert "5.0 points at the paper's rate and 1.0 points" in text
    assert "Too few variants" in answers.order(slow)


def test_class_units_that_never_fire_are_counted(monkeypatch):
    setting = Setting("Baseline, learning rate 0.001", "mnist", "baseline", "official", {"lr": 1e-3}, 20)
    silent = outcome(setting, 0.8, 0.9)
    assert answers.silent_classes([silent]) == ""  # nobody asked

    class Answer:
        def array(self, name):
            assert name == "rate_output"
            return np.array([0.0, 0.1, 0.0, *[0.2] * 7])

    monkeypatch.setattr(settings, "find", lambda record, probe: [Answer()] if record.seed == 1 else [])
    text = answers.silent_classes([silent])
    assert "never fire on the test set after a run's last epoch: 2 of 10 (Baseline, learning rate 0.001)." in text
    assert "about 10 points a unit" in text


def test_batches_are_counted_in_updates_and_compared_with_the_protocols_own():
    own = Setting("batches of 1,024", "dvs_gesture", "baseline", "gestures", {}, 20)
    batches = [
        Setting(f"batches of {b}", "dvs_gesture", "baseline", "gestures", {"batch_size": b}, 20) for b in (64, 16)
    ]
    text = answers.batch_size([outcome(batches[0], 0.5), outcome(batches[1], 0.9)])
    assert f"64 (19 updates an epoch): 50.0{NBSP}%" in text
    assert "Best: batches of 16." in text and "own batch" not in text
    found = answers.batch_size([outcome(own, 0.6), outcome(batches[0], 0.75)])
    assert "Best: batches of 64. That is 15.0 points above the protocol's own batch" in found
    assert "Best" not in answers.batch_size([outcome(own, 0.6), outcome(batches[0], 0.5)])
    assert f"Within 2 points of the paper's 86.81{NBSP}% or above: batches of 16." in text


def test_every_question_says_what_was_not_run(made):
    study = made(fake_record("xor", "baseline"))
    for name, question in questions.QUESTIONS.items():
        parts: list[Any] = page.question(study, name)
        text, card = parts
        assert "No run is behind it" in card.html
        assert "Not run" in str(text.data)
        assert all(setting.label in str(text.data) for setting in question.settings)


def test_one_setting_alone_compares_nothing_and_is_said_in_words(made):
    first, *rest = questions.QUESTIONS["gesture-batch"].settings
    record = fake_record(first.benchmark, first.variant, 0, first.source, last=0.7, epochs=first.epochs)
    text, card = page.question(made(record), "gesture-batch")
    assert isinstance(text, Markdown)
    assert f"One batch size was run, 1,024 (2 updates an epoch): 70.0{NBSP}%" in str(text.data)
    assert all(setting.label in str(text.data) for setting in rest)
    assert "1 run behind it" in card.html  # pyright: ignore[reportAttributeAccessIssue]


def test_every_question_is_answered_from_its_runs(made):
    records = [
        fake_record(s.benchmark, s.variant, 0, s.source, **{**s.changes, "epochs": s.epochs})
        for question in questions.QUESTIONS.values()
        for s in question.settings
    ]
    for record in records:
        if record.spec.changes().get("valid_speakers"):
            record.history["valid_accuracy"] = [0.3] * record.epochs
    study = made(*records)
    for name in questions.QUESTIONS:
        parts: list[Any] = page.question(study, name)
        text, card, table = parts
        # A name stands in the figure on several lines: its first word is on one of them.
        assert all(s.label.split()[0] in card.html for s in questions.QUESTIONS[name].settings)
        assert "One seed a setting" in str(text.data)
        assert "Not run" not in str(text.data)
        assert all(row[1].endswith(f"(n{NBSP}={NBSP}1)") for row in table.rows)
        assert "lifroles train" in card.html
    assert "Held-out speakers, best epoch" in questions.table(study, "shd-readout").columns


def test_the_archived_runs_use_the_readout_that_held_out_speakers_were_asked_about():
    changes = [s.changes for s in questions.QUESTIONS["shd-readout"].settings]
    assert {**SCALES["archive"]["shd"].changes, "valid_speakers": 2} in [dict(c) for c in changes]


def test_every_download_reads_as_a_table(made):
    study = made(*xor({v: 0.6 for v in TABLE6_VARIANTS}, 2), nmnist("baseline"))
    shown = [*page.table6(study), *page.results(study), *page.curves(study), *page.compare(study)]
    tables = [one.download for one in shown if isinstance(one, Table) and one.download]
    assert tables[0].name == "table6"
    for one in tables:
        lines = list(csv.reader(io.StringIO(one.csv())))
        assert {len(line) for line in lines} == {len(one.columns)}
    assert 'download="accuracy_xor.csv"' in "".join(getattr(one, "html", "") for one in shown)


def test_a_download_lies_in_the_page_itself():
    link = Download("a", ("x", "y"), [("1,5", 0.25), ("ü & <b>", None)]).link()
    found = re.fullmatch(r'<a download="a.csv" href="data:text/csv;charset=utf-8,([^"<>&#\s]*)">a.csv</a>', link)
    assert found
    assert unquote(found[1]) == 'x,y\n"1,5",0.25\nü & <b>,\n'
