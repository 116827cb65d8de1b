"""Section 4.2: what its page shows of runs and of what was asked of them."""

from typing import Any

import pytest
from fake_runs import fake_record
from IPython.display import Markdown

from lifroles import paper
from lifroles.generalisation import collect, page, words
from lifroles.parameters import GeneralisationParameters
from lifroles.probes import record
from lifroles.probes.resolution import PROBE, key
from lifroles.prose import NBSP
from lifroles.store import Store, read


def asked(store, model, seed, accuracies):
    """Write a run of N-MNIST whose resolution probe found these accuracies by step length, 15 steps kept."""
    place = store.write(fake_record("nmnist", model, seed, "saccades", last=0.9))
    run = read(place)
    numbers = {("accuracy", key("steps", "binary", dt)): value for dt, value in accuracies.items()}
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
    assert "neither reading can be compared" in words.readings(study)
    assert words.verdicts(study).count("not yet tested") == 6
    for part in (page.propagation(study), *page.landscapes(study), *page.features(study)):
        assert isinstance(part, Markdown)
        assert "not measured" in str(part.data)


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


def test_the_claims_compare_what_was_measured(study):
    lines = words.verdicts(study).splitlines()
    assert "**held** (0.79 against 0.2," in lines[0]
    assert "not yet tested" in lines[1]


def test_the_figure_draws_what_there_is(study):
    fig: Any = page.results(study)[0]
    assert "baseline loses 21.0 points and lstm 88.0 points" in fig.caption
    assert "papermill notebooks/4_2_generalisation.ipynb" in fig.html
