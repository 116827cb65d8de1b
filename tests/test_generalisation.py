"""Section 4.2: what its page shows of runs and of what was asked of them."""

# What a part of a page shows is one of several kinds, and a test knows which.
# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false, reportOperatorIssue=false
# pyright: reportOptionalOperand=false, reportPossiblyUnboundVariable=false

import base64
import json
import re
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
from fake_runs import fake_record
from IPython.display import Markdown

from lifroles import paper
from lifroles.figures import generalisation as figures
from lifroles.generalisation import collect, findings, page, verdicts, words
from lifroles.generalisation.explorer import explorer
from lifroles.generalisation.study import TRAINED
from lifroles.parameters import GeneralisationParameters
from lifroles.probes import features, landscape, record
from lifroles.probes.resolution import PROBE, key
from lifroles.prose import NBSP
from lifroles.store import Store, read
from lifroles.study import SCALES

SCALE = SCALES["archive"]["nmnist"]


def asked(store, model, seed, accuracies, away=0.2):
    """Write a run of N-MNIST whose resolution probe found these accuracies by step length, and less with 45 ms kept."""
    place = store.write(fake_record("nmnist", model, seed, "saccades", last=0.9, **SCALE.changes))
    run = read(place)
    numbers = {
        ("accuracy", key(kept, "binary", dt)): value - shift * (dt != TRAINED)
        for kept, shift in (("steps", 0.0), ("duration", away))
        for dt, value in accuracies.items()
    }
    record.write(place, record.ProbeSpec.of(PROBE, run.spec), record.Findings(numbers), {})


@pytest.fixture
def study(tmp_path):
    store = Store(tmp_path)
    asked(store, "baseline", 0, {1: 0.8, 3: 0.9, 10: 0.85})
    asked(store, "baseline", 1, {1: 0.6, 3: 0.92, 10: 0.91})
    asked(store, "lstm", 0, {1: 0.3, 3: 0.98, 10: 0.1})
    return collect(GeneralisationParameters(), store=store)


def test_table_7_as_printed():
    assert paper.TABLE7["lstm"][10].value == pytest.approx(0.0984)
    assert paper.TABLE7["baseline"][3].value == pytest.approx(0.9476)
    assert [len(row) for row in paper.TABLE7.values()] == [5] * 10


def test_an_empty_archive_is_said_plainly_and_the_papers_numbers_stay(tmp_path):
    study = collect(GeneralisationParameters(), store=Store(tmp_path))
    assert "trained: none yet" in words.scale_note(study)
    assert words.table7(study, "steps").rows[0][1] == f"not run · 90.82{NBSP}%"
    assert "neither reading can be compared" in findings.readings(study)
    summary, table, _ = page.claims(study)
    assert f"{len(table.rows)} cannot be tested" in summary.data
    assert {row[2] for row in table.rows} == {"not testable here"}
    assert not any(table.notes)
    for part in (*page.propagation(study), *page.landscapes(study), *page.features(study)):
        assert isinstance(part, Markdown)
        assert "not measured" in str(part.data)


def test_a_reading_that_only_one_kind_of_network_speaks_for_stays_open(tmp_path):
    store = Store(tmp_path)
    theirs = {model: {dt: paper.TABLE7[model][dt].value for dt in (1, 3, 10)} for model in ("baseline", "lstm")}
    asked(store, "baseline", 0, theirs["baseline"])
    said = findings.readings(collect(GeneralisationParameters(), store=store))
    assert "the spiking networks by 0.0 points and 20.0 points. So the first is probably" in said
    # The LSTM is nearer to the paper with 45 ms kept.
    asked(store, "lstm", 0, {dt: value + 0.2 * (dt != TRAINED) for dt, value in theirs["lstm"].items()})
    said = findings.readings(collect(GeneralisationParameters(), store=store))
    assert "the networks without spikes by 20.0 points and 0.0 points. The two kinds of networks speak for" in said


def test_what_no_claim_says_of_leakage_is_said(tmp_path):
    store = Store(tmp_path)
    for seed in range(3):
        asked(store, "baseline", seed, {1: 0.8, 3: 0.9, 10: 0.6})
        asked(store, "no_leakage", seed, {1: 0.5, 3: 0.9, 10: 0.8 + 0.01 * seed})
    said = findings.beyond(collect(GeneralisationParameters(), store=store))
    assert said.count("a network without leakage loses *less* than the baseline, by 21.0 points") == 2
    assert "rank correlation" not in said
    assert findings.beyond(collect(GeneralisationParameters(), store=Store(tmp_path / "none"))) == ""


def landscape_asked(run, size, pairs, loss):
    line = np.linspace(-1, 1, size)
    a, b = np.meshgrid(line, line, indexing="ij")
    grid = np.stack([loss + a**2 + 2 * b**2 + pair for pair in range(pairs)]).astype(np.float32)
    numbers = {("rise", f"seed=0/radius={radius:g}"): radius for radius in (0.25, 0.5, 1.0)} | {
        ("loss", "centre"): loss
    }
    spec = record.ProbeSpec.of(landscape.PROBE, run.spec, grid=size, grids=pairs)
    record.write(run.path, spec, record.Findings(numbers, {"grid": grid, "line": line}), {})


def test_fig_6_is_of_the_finest_grid_and_other_pairs_and_models_stand_below_it(study, tmp_path):
    store = Store(tmp_path)
    asked(store, "no_reset", 0, {3: 0.9})
    runs = {(r.variant_name, r.seed): r for r in collect(study.parameters, store=store).records}
    landscape_asked(runs["baseline", 0], 3, 1, 0.5)
    landscape_asked(runs["baseline", 1], 5, 2, 0.01)
    landscape_asked(runs["lstm", 0], 5, 1, 0.02)
    landscape_asked(runs["no_reset", 0], 5, 1, 0.03)
    study = collect(study.parameters, store=store)
    shown, others = figures.planes(study)
    assert [(p.model, p.seed, p.pair) for p in shown] == [("baseline", 1, 1), ("no_reset", 0, 1), ("lstm", 0, 1)]
    assert [(p.model, p.seed, p.pair) for p in others] == [("baseline", 1, 2)]
    assert "baseline from 0.01 to 3" in words.landscapes_caption(shown)
    main, rest, *_ = page.landscapes(study)
    found = re.search(r'download="landscape_fig_6.csv" href="data:text/csv;charset=utf-8,([^"]*)"', main.html)
    lines = unquote(found[1]) if found else ""
    assert lines.splitlines()[0] == "model,seed,pair,direction 1," + ",".join(
        f"direction 2: {at}" for at in ("-1", "-0.5", "0", "0.5", "1")
    )
    assert lines.splitlines()[1] == "baseline,1,1,-1,3.01,1.51,1.01,1.51,3.01"
    assert "5×5 points; seeds 0 and 1" in main.caption and "seed1-" in main.html and "seed1-" in rest.html
    assert runs["baseline", 0].spec.digest not in main.html


def test_fig_7_moves_in_the_frame_of_one_map(study):
    run = study.records[0]
    x = np.arange(20.0).reshape(10, 2)
    arrays = {"tsne": x, "umap": x, "umap_10": 2 * x}
    arrays |= {"labels": np.arange(10), "predictions": np.zeros(10), "samples": np.arange(10)}
    numbers = {("knn", "dt=10"): 0.5}
    spec = record.ProbeSpec.of(features.PROBE, run.spec, moved=[10.0])
    record.write(run.path, spec, record.Findings(numbers, arrays), {})
    shown = explorer(collect(study.parameters, store=Store(run.path.parents[2])))
    found = re.search(r'<script type="application/json">(.*)</script>', str(shown.data))
    assert found
    layouts = json.loads(found[1])["models"]["Baseline"]["layouts"]
    assert set(layouts) == {"tsne", "umap", "umap_10"}
    tsne, umap, moved = (
        np.frombuffer(base64.b64decode(layouts[name]), "<u2").reshape(10, 2).astype(int) for name in layouts
    )
    # x from left to right, y from the bottom up, and one unit for both
    assert (tsne[0] == [0, 4095]).all()
    assert (tsne[-1] == [4095, 0]).all()
    # the map at 3 ms and that at 10 ms span the frame together, y from 1 to 38
    assert umap[0, 1] == 4095
    assert moved[-1, 1] == 0
    assert abs(umap[0, 1] - umap[-1, 1] - 4095 * 18 / 37) <= 1


def test_each_cell_has_our_mean_and_the_papers_number(study):
    rows = {row[0]: row for row in words.table7(study, "steps").rows}
    assert rows["Baseline"][1] == f"70.0{NBSP}% · 90.82{NBSP}%"
    assert rows["Baseline"][2].startswith("not measured · ")
    assert rows["LSTM"][5] == f"10.0{NBSP}% · 9.84{NBSP}%"
    assert rows["GRU"][1].startswith("not run · ")


def test_changes_are_paired_by_seed(study):
    change = study.row("baseline").change(1)
    assert change.n == 2
    assert change.mean == pytest.approx((-0.1 - 0.32) / 2)
    assert study.row("lstm").change(10).mean == pytest.approx(-0.88)


def claim(name):
    return next(one for one in verdicts.of_section("section 4.2", "Table 7") if one.name == name)


def outcome(evidence, name="recurrence-generalises-worse"):
    return verdicts.outcomes([claim(name)], evidence)[0]


def test_a_claim_is_undecided_until_there_are_three_seeds_and_says_which_way_it_goes(tmp_path):
    store = Store(tmp_path)
    for seed in range(3):
        asked(store, "baseline", seed, {1: 0.8, 3: 0.9, 10: 0.85})
        asked(store, "recurrent", seed, {1: 0.5 + seed / 100, 3: 0.9, 10: 0.4 + seed / 100})
        study = collect(GeneralisationParameters(), store=store)
        found = verdicts.word(outcome(study))
        assert found == (f"holds so far, undecided with {seed + 1} seed{'s' * seed}" if seed < 2 else "reproduced")
    table = verdicts.table([outcome(study)])
    assert table.rows[0][2] == "reproduced"
    (note,) = table.notes
    assert "accuracy lost at 1 ms, with recurrence" in note


def test_both_readings_of_table_7_are_judged(tmp_path):
    store = Store(tmp_path)
    for seed in range(3):
        asked(store, "baseline", seed, {1: 0.8, 3: 0.9, 10: 0.85}, away=0.1)
        asked(store, "recurrent", seed, {1: 0.5, 3: 0.9, 10: 0.4}, away=-0.4 if seed else -0.41)
    study = collect(GeneralisationParameters(), store=store)
    assert study.row("recurrent").accuracies(10, "duration")[1] == pytest.approx(0.8)
    assert verdicts.word(outcome(study)) == "reproduced"
    assert verdicts.word(outcome(study, "recurrence-generalises-worse-duration")) == "not reproduced: contradicted"


def test_runs_of_another_scale_are_not_shown(tmp_path):
    store = Store(tmp_path)
    store.write(fake_record("nmnist", "baseline", 0, "saccades", last=0.9))
    store.write(fake_record("nmnist", "baseline", 1, "saccades", last=0.9, epochs=2))
    assert not collect(GeneralisationParameters(), store=store).records
    asked(store, "baseline", 1, {3: 0.9})
    study = collect(GeneralisationParameters(), store=store)
    assert [record.seed for record in study.records] == [1]
    assert "epochs 30 instead of 100" in words.scale_note(study)


def test_the_figure_draws_what_there_is(study):
    fig: Any = page.results(study)[0]
    assert "baseline loses 21.0 points at its worst step length and LSTM 88.0 points" in fig.caption
    assert study.reading == "steps"
    assert "triangles, pale: with 45 ms kept" in fig.caption
    assert "papermill notebooks/4_2_generalisation.ipynb" in fig.html
