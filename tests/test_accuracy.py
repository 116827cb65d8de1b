"""Section 4.1: which runs are shown, and what is said about them."""

from dataclasses import replace

import pytest
from fake_runs import fake_record, fake_study_store
from IPython.display import Markdown

from lifroles import paper, training
from lifroles.accuracy import collect, mechanism, page, replay, words
from lifroles.accuracy import study as study_module
from lifroles.errors import StoreError
from lifroles.figures import Display
from lifroles.parameters import AccuracyParameters
from lifroles.prose import NBSP
from lifroles.spec import RunSpec
from lifroles.store import Store
from lifroles.study import DELAY_SEEDS, DELAYS, SCALES
from lifroles.variant import PAPER_VARIANTS


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return fake_study_store(tmp_path_factory.mktemp("results"), seeds=(0, 1), delays=DELAYS[:5])


@pytest.fixture(scope="module")
def study(store):
    return collect(AccuracyParameters(), store=store)


def one(root, *records, **parameters):
    """Return the study of a store with just these records."""
    store = Store(root)
    for record in records:
        store.write(record)
    return collect(AccuracyParameters(**parameters), store=store)


def test_the_archive_shows_full_runs_of_the_profiles_source_by_seed(store, study):
    cell = study.cells["xor", "no_reset"]
    assert [record.seed for record in cell.records] == [0, 1]
    assert [r.seed for r in study.cells["mnist", "baseline"].records] == [0]
    assert study.cells["mnist", "no_leakage_recurrent"].records == ()
    assert all(not r.spec.changes() for r in study.records("xor"))
    assert study.scale("mnist").source == "official"
    assert study.scale("nmnist").changes == {"epochs": 30}


def test_seeds_select_and_missing_ones_are_left_out(store):
    assert [r.seed for r in collect(AccuracyParameters(seeds=(1, 7)), store=store).records("xor")] == [1] * 7


def test_a_selection_without_runs_says_what_there_is(store):
    with pytest.raises(StoreError, match=r"no run of xor \(generated\).* with seed 9.*xor \(generated\): seeds 0, 1"):
        collect(AccuracyParameters(seeds=(9,)), store=store)
    with pytest.raises(StoreError, match=r"no run of mnist \(mnist-5k\).*mnist \(official\): seeds 0"):
        collect(AccuracyParameters(benchmarks=("mnist",), source="mnist-5k"), store=store)


def test_an_empty_archive_says_how_to_fill_it(tmp_path):
    with pytest.raises(StoreError, match="it holds none: train with the profile smoke or paper"):
        collect(AccuracyParameters(), store=Store(tmp_path))


def test_the_archive_is_never_written_to(tmp_path, monkeypatch, store):
    monkeypatch.setattr(training, "run", lambda *_, **__: pytest.fail("trained"))
    collect(AccuracyParameters(), store=store)


def test_delays_are_the_runs_of_just_these_changes_after_the_shortest(study):
    assert [d.label for d in study.delays] == [
        "T = 50",
        "T = 100",
        "T = 150",
        "T = 200",
        "T = 150, leak from U(2, 6)",
        "T = 150, threshold 0.25",
        "T = 150, no bias",
    ]
    assert [len(d.records) for d in study.delays] == [2, 1, 1, 1, 1, 1, 0]
    # The shortest delay's runs are longer: their first epochs are taken, not their last.
    shortest = study.delays[0]
    assert shortest.accuracies() == [r.history["test_accuracy"][19] for r in shortest.records]


def test_the_effect_is_paired_by_seed(tmp_path):
    made = [fake_record("xor", "baseline", s, last=v) for s, v in ((0, 0.5), (1, 0.7), (2, 0.1))]
    made += [fake_record("xor", "no_reset", s, last=v) for s, v in ((0, 0.8), (1, 0.9), (3, 0.2))]
    effect = one(tmp_path, *made).effect("xor", "no_reset")
    assert effect is not None
    assert effect.n == 2
    assert effect.mean == pytest.approx(0.25)
    assert one(tmp_path, seeds=(2, 3)).effect("xor", "no_reset") is None


def test_the_smoke_profile_trains_what_the_store_lacks_and_says_so(tmp_path, monkeypatch):
    asked = []

    def fake_run(spec, store, **_):
        asked.append(spec)
        record = fake_record(spec.benchmark, spec.variant_name, spec.seed, spec.source, **spec.changes())
        store.write(record)
        return record

    monkeypatch.setattr(training, "run", fake_run)
    said = []
    p = AccuracyParameters(profile="smoke", seeds=(4,), epochs=2, variants=("baseline", "recurrent"))
    found = collect(p, said.append, Store(tmp_path))
    own = [s for s in asked if s.benchmark == "xor" and "T" not in s.changes()]
    assert [(s.variant_name, s.seed, s.changes()) for s in own] == [
        (v, 4, {**SCALES["smoke"]["xor"].changes, "epochs": 2}) for v in ("baseline", "recurrent")
    ]
    assert {s.benchmark: s.source for s in asked} == {name: own.source for name, own in SCALES["smoke"].items()}
    assert {s.variant_name for s in asked if s.benchmark == "cifar10"} == {"baseline"}  # Table 6 has a dash there
    assert [s.changes() | {"epochs": 2} for s in asked if "T" in s.changes()] == [
        {**SCALES["smoke"]["xor"].changes, "epochs": 2, **setting} for setting in DELAYS
    ]
    assert sum("training for 2 epochs" in line for line in said) == len(asked) == 6 * 2 + 1 + len(DELAYS)
    assert len(found.records("xor")) == 2
    asked.clear()
    said.clear()
    collect(p, said.append, Store(tmp_path))
    assert not asked
    assert all("in the store" in line for line in said)
    note = words.scale_note(found)
    assert "toy scale" in note
    assert "2 of 100 epochs" in note
    assert "nothing about the paper" in words.summary(found, "xor")


def test_the_paper_profile_asks_for_the_full_protocol_and_official_data(monkeypatch, tmp_path):
    asked = []

    def fake_run(spec, store, **_):
        asked.append(spec)
        return fake_record(spec.benchmark, spec.variant_name, spec.seed, spec.source, **spec.changes())

    monkeypatch.setattr(training, "run", fake_run)
    collect(AccuracyParameters(profile="paper"), lambda _: None, Store(tmp_path))
    full = [s for s in asked if not s.changes()]
    assert {(s.benchmark, s.source) for s in full} == {
        (name, "generated" if name == "xor" else "official") for name in SCALES["paper"]
    }
    # Seven variants of XOR and MNIST, five of four others, four of CIFAR10.
    assert len(full) == 7 * (10 + 5) + 5 * (5 + 3 + 5 + 5) + 4 * 3
    assert len(asked) - len(full) == len(DELAYS) * DELAY_SEEDS


def test_progress_is_told_every_ten_epochs(monkeypatch, tmp_path):
    def fake_run(spec, store, *, progress):
        for epoch in range(1, 21):
            progress(epoch, 20, {"test_accuracy": 0.5})
        return fake_record("mnist", "baseline", 0, "mnist-5k", epochs=20)

    monkeypatch.setattr(training, "run", fake_run)
    said = []
    p = AccuracyParameters(profile="smoke", benchmarks=("mnist",), variants=("baseline",), epochs=20)
    collect(p, said.append, Store(tmp_path))
    assert said[1] == f"  epoch 10 of 20: test accuracy 50.0{NBSP}%"
    assert len(said) == 3


def test_tables_give_the_paper_and_every_number_with_its_runs(study):
    table = words.accuracy_table(study, "xor")
    assert [row[0] for row in table.rows] == list(map(words.label, PAPER_VARIANTS))
    row = table.rows[3]
    cell = study.cells["xor", "no_reset"]
    assert row[1] == f"96.10{NBSP}%"
    assert f"{100 * cell.last.mean:.1f}" in row[2]
    assert f"n{NBSP}={NBSP}2" in row[2]
    assert f"{100 * cell.best.mean:.1f}" in row[3]
    assert row[-1] == "0, 1"
    assert "(length fitted to Table 6, source generated)" in table.caption
    mnist = words.accuracy_table(study, "mnist")
    assert mnist.rows[0][-1] == "0"
    trained = [float(r.history["train_accuracy"][-1]) for r in cell.records]
    assert row[table.columns.index("Here, on the training set")] == f"{50 * sum(trained):.1f}{NBSP}%"
    fired = [r.final["spike_rate"]["hidden1"] for r in cell.records]
    assert row[table.columns.index("Spikes per hidden neuron and step")] == f"{sum(fired) / 2:.4f}"
    assert "(full protocol, source official)" in mnist.caption


def test_what_the_paper_reports_and_nobody_ran_is_shown_as_not_run(tmp_path):
    made = one(tmp_path, fake_record("xor", "baseline"), fake_record("mnist", "baseline", 0, "official"))
    rows = {row[0]: row[1:3] for row in words.accuracy_table(made, "mnist").rows}
    assert rows[words.label("no_reset")] == (f"94.85{NBSP}%", "not run")
    # the two combinations of Table 7 are no gap in a column of Table 6
    assert len(rows) == 5


def test_a_failed_run_is_shown_as_failed(tmp_path):
    made = one(
        tmp_path,
        fake_record("xor", "baseline"),
        fake_record("xor", "baseline", 1, status="failed"),
        fake_record("xor", "no_reset", status="failed"),
    )
    assert made.cells["xor", "no_reset"].records == ()
    assert "failed: the loss became nan" in words.accuracy_table(made, "xor").rows[3][2]
    assert words.accuracy_table(made, "xor").rows[0][-1] == "0; 1 run failed"
    assert {len(row) for row in words.accuracy_table(made, "xor").rows} == {8}


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ((0.951, 0.9522, 0.9534), "where ours does, inside the interval"),
        ((0.90, 0.93, 0.96), "2.2 points above, inside the interval"),
        ((0.97, 0.971, 0.972), "1.9 points below, outside the interval"),
        ((0.90, 0.94), "3.2 points above"),
        ((0.90,), "5.2 points above"),
    ],
)
def test_the_table_says_where_the_papers_number_lies(tmp_path, values, says):
    made = one(tmp_path, *(fake_record("mnist", "baseline", s, "official", last=v) for s, v in enumerate(values)))
    assert words.accuracy_table(made, "mnist").rows[0][5] == says


def test_the_papers_number_is_not_laid_beside_runs_of_another_protocol(tmp_path):
    made = one(tmp_path, fake_record("xor", "baseline", 0, last=0.775))
    table = words.accuracy_table(made, "xor")
    assert "The paper's number lies" not in table.columns
    assert {len(row) for row in table.rows} == {len(table.columns)}


def test_a_change_of_no_points_has_no_direction(tmp_path):
    levels = {"baseline": 0.9, "no_reset": 0.9004, "recurrent": 0.95}
    made = one(tmp_path, *(fake_record("mnist", v, 0, "official", last=level) for v, level in levels.items()))
    text = words.summary(made, "mnist")
    assert "goes the paper's way for 1 of 2 variants (with recurrence); no change: without reset." in text


def test_runs_that_learned_and_fell_back_to_chance_are_named(tmp_path):
    fell, kept = (fake_record("xor", "recurrent", s, last=last) for s, last in enumerate((0.5, 0.98)))
    fell = replace(fell, final={**fell.final, "best_accuracy": 0.99})
    assert "fell back to chance: with recurrence 1 of 2" in words.curves_caption(one(tmp_path, fell, kept), "xor")
    assert "chance:" not in words.curves_caption(one(tmp_path / "b", kept), "xor")


def test_the_summary_counts_intervals_and_directions(tmp_path):
    reported = {v: cells["mnist"] for v, cells in paper.TABLE6.items()}
    more = {"baseline": 0.0, "no_reset": 0.0, "recurrent": -0.1}
    levels = {v: cell.value + more[v] for v, cell in reported.items() if cell and v in more}
    records = [
        fake_record("mnist", v, s, "official", last=level + 0.002 * s + 0.001 * s * len(v) / 10)
        for v, level in levels.items()
        for s in (0, 1, 2)
    ]
    text = words.summary(one(tmp_path, *records), "mnist")
    assert "inside our 95 % interval for 2 of 3 variants" in text
    assert "goes the paper's way for 1 of 2 variants (without reset), and the other way: with recurrence" in text
    assert "leaves zero out for without reset and with recurrence" in text


def test_levels_are_not_compared_where_the_runs_are_not_the_papers(tmp_path):
    records = [fake_record("nmnist", "baseline", s, "saccades", last=0.9 + 0.01 * s, epochs=30) for s in range(3)]
    text = words.summary(one(tmp_path, *records), "nmnist")
    assert "not the paper's (stand-in, 30 of 100 epochs): directions can be compared, levels cannot" in text
    assert "inside" not in text


def test_pattern_pairs_count_the_runs_that_solve_three(study, tmp_path):
    text = mechanism.groups_caption(study)
    assert "2 of 14 runs solve exactly three of the four pattern pairs (baseline 2)" in text
    none = one(tmp_path, fake_record("xor", "no_leakage", last=0.6))
    assert "0 of 1 run solve exactly three of the four pattern pairs; 0 of 1 run solve all" in mechanism.groups_caption(
        none
    )


def test_rates_say_whether_a_layer_fires_more_without_reset(tmp_path):
    for i, (rate, says) in enumerate(
        ((0.3, "more often (0.300"), (0.1, "less often (0.100"), (0.2, "as often (0.200"))
    ):
        made = one(
            tmp_path / str(i), fake_record("xor", "baseline", rate=0.2), fake_record("xor", "no_reset", rate=rate)
        )
        assert says in mechanism.rates_caption(made, "xor")


def test_a_changed_delay_alone_has_nothing_to_be_compared_with(tmp_path):
    own = fake_record("xor", "baseline", rate=0.2)
    changed = fake_record("xor", "baseline", rate=0.05, last=0.5, epochs=20, T=150, u_th=0.25)
    text = mechanism.delay_words(one(tmp_path, own, changed))
    assert "No longer delay was run without a change; none of the changes gets above chance." in text


def test_how_often_the_layer_fires_at_a_long_delay_is_said_beside_the_shortest(tmp_path):
    own = fake_record("xor", "baseline", rate=0.2)
    long = fake_record("xor", "baseline", rate=0.002, last=0.5, epochs=20, T=100)
    changed = fake_record("xor", "baseline", rate=0.04, last=0.5, epochs=20, T=150, u_th=0.25)
    text = mechanism.delay_words(one(tmp_path, own, long, changed))
    assert "at the longer ones it fires 0.0020 to 0.0020 spikes per neuron and step" in text
    assert "where it fires 0.2000 to 0.2000 at the shortest" in text


def test_delays_say_where_the_layer_is_silent_and_what_brings_it_back(study):
    text = mechanism.delay_words(study)
    assert "**T = 100**: the hidden layer fires" in text
    assert "**T = 200**: the hidden layer is silent" in text
    assert "**T = 150, no bias**: not run." in text
    assert "(T = 150, threshold 0.25) makes the layer fire; above chance: (T = 150, threshold 0.25)." in text
    assert "silent in 3 of 7 runs" in mechanism.delay_caption(study)


def test_learned_leaks_are_compared_with_where_they_began(study):
    assert mechanism.initial_leaks(study) == (0.5, pytest.approx(0.98201379))
    leaks = [k for r in study.records("xor") for k in r.final["learned_leaks"].get("hidden1", ())]
    outside = sum(not 0.5 <= k <= 0.98201379 for k in leaks)
    assert f"{outside} of {len(leaks)} neurons left the range" in mechanism.leaks_caption(study)


def test_curves_say_how_far_best_and_last_epoch_lie_apart(tmp_path):
    record = fake_record("xor", "baseline")
    record.final.update(best_accuracy=0.9, last_accuracy=0.75)
    assert "by up to 15.0 points (baseline)" in words.curves_caption(one(tmp_path, record), "xor")


def test_a_shown_run_is_replayed_on_its_own_number_of_threads(study, monkeypatch):
    seen = []
    real = study_module.torch.get_num_threads

    def fake_replay(record, epochs=1):
        seen.append((record.spec.benchmark, epochs, real()))
        return training.Replay(record, epochs, True, 0.0, 1.0)

    monkeypatch.setattr(training, "replay", fake_replay)
    before = real()
    assert replay(study) is not None
    assert seen == [("xor", 1, 1)]
    assert real() == before


def test_a_replay_says_identical_or_by_how_much_it_differs(tmp_path):
    record = fake_record("xor", "baseline")
    same = words.replay_words(training.Replay(record, 1, True, 0.0, 5.2))
    assert "identical, bit for bit" in same
    assert record.spec.path in same
    other = words.replay_words(training.Replay(record, 1, False, 1.5e-7, 5.2))
    assert "different by at most 1.5e-07" in other
    assert "A processor <R>" in other


def test_a_real_run_replays_identically(tmp_path):
    tiny = {"epochs": 2, "iterations": 2, "batch_size": 20, "test_samples": 50, "T": 22, "hidden": 4}
    record = training.train(RunSpec.of("xor", "recurrent", 1, None, **tiny))
    assert training.replay(record).identical


def test_every_part_of_the_page_can_be_shown(study):
    parts = [*page.results(study), *page.curves(study), *page.rates(study), *page.delays(study)]
    parts += [page.groups(study), page.leaks(study), page.scale(study)]
    figures = [part for part in parts if isinstance(part, Display)]
    assert len(figures) == 2 + 2 + 2 + 1 + 1 + 1
    assert all("papermill notebooks/4_1_accuracy.ipynb" in figure.html for figure in figures)
    runs = study.cells["xor", "baseline"].records
    assert all(r.spec.path in figures[0].html for r in runs)


def test_a_page_without_xor_says_so_where_xor_would_stand(store):
    made = collect(AccuracyParameters(benchmarks=("mnist",)), store=store)
    for shown in (page.groups(made), page.leaks(made), *page.delays(made)):
        assert isinstance(shown, Markdown)
        assert "Delayed XOR is not among" in str(shown.data)
