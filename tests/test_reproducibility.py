"""The appendix on reproducibility says what its records say."""

import dataclasses

import pytest
from fake_runs import fake_record

from benchmarks import twice as benchmark
from lifroles import reproducibility as page
from lifroles.errors import StoreError
from lifroles.prose import NBSP
from lifroles.store import Store

KILLS = {
    "kills": 12,
    "at_writes": 9,
    "at_random": 3,
    "writes": {"open": 4, "os.rename": 5},
    "compared": 10,
    "lost": 0,
    "differing": 0,
    "runs": [{"path": "xor/baseline/seed0-0123", "writes": 9, "epochs": 3}],
}
FAILURE = {
    "targets": ["table6", "table7"],
    "runs": 39,
    "probes": 10,
    "differing": [],
    "provenance": {"slurm": "22.05.8"},
}


def plain(text: str) -> str:
    return text.replace(NBSP, " ")


def test_every_record_is_there_and_can_be_said():
    found = page.everything()
    assert page.kills_words(found["kills"])
    assert sum(int(row[1]) for row in page.kills_table(found["kills"]).rows) == found["kills"]["kills"]
    assert page.node_failure_words(found["node_failure"])
    assert page.same_book_words(found["same_book"])
    assert page.side_by_side_table(found["side_by_side"]).rows
    assert page.slurm_jobs_words(found["slurm_jobs"])
    assert page.stacked_words(found["stacked"])
    assert page.twice_words(found["twice"])
    assert len(page.twice_table(found["twice"]).rows) == len(found["twice"]["runs"])
    assert [row[0] for row in page.origins(found).rows] == [page.COMMANDS[name] for name in found]


def test_no_record_of_a_changed_tree_is_shown():
    for record in page.everything().values():
        assert record["provenance"]["dirty"] is False


def test_a_record_that_is_missing_names_what_makes_it(monkeypatch, tmp_path):
    monkeypatch.setattr(page, "results_dir", lambda: tmp_path)
    with pytest.raises(StoreError, match=r"make it again: python tests/kill_runs\.py"):
        page.read("kills")


def test_a_lost_run_is_not_passed_over():
    text = plain(page.kills_words(KILLS))
    assert "9 of them while a run was writing and 3 at random moments" in text and "none was lost" in text
    bad = plain(page.kills_words({**KILLS, "lost": 2, "differing": 1}))
    assert "2 runs lost, 1 different" in bad and "none was lost" not in bad


def test_a_run_that_differs_after_a_node_failed_is_named():
    text = plain(page.node_failure_words(FAILURE))
    assert "39 runs and 10 probes of table6 and table7" in text
    assert "no record and no weight differs" in text
    bad = page.node_failure_words({**FAILURE, "differing": ["xor/baseline/seed0-0123"]})
    assert "1 of them differ" in bad and "xor/baseline/seed0-0123" in bad and "no record" not in bad


def test_a_page_that_differs_after_a_node_failed_is_named():
    same = {"runs": 40, "probes": 50, "pages": 30, "tables": 90, "differing": [], "differing_pages": []}
    same["provenance"] = {"slurm": "22.05.8"}
    text = plain(page.same_book_words(same))
    assert "40 runs, 50 probes and the book" in text
    assert "same words and numbers in 90 tables on 30 pages" in text
    bad = plain(page.same_book_words({**same, "differing_pages": ["book/notebooks/4_1_accuracy.html"]}))
    assert "0 records and 1 page that differ" in bad and "4_1_accuracy" in bad and "same bits" not in bad


def test_the_same_run_on_two_processors_stands_beside_what_a_seed_changes(tmp_path):
    def folder(name, processor, *last):
        store = Store(tmp_path / name)
        for seed, value in enumerate(last):
            run = fake_record("xor", "baseline", seed, last=value)
            store.write(dataclasses.replace(run, provenance={**run.provenance, "processor": processor}))
        return store

    before, after = folder("before", "Abacus", 0.90, 0.92), folder("after", "Slide rule", 0.91, 0.88)
    runs = benchmark.twice(before, after)
    assert [run["last"] for run in runs] == [[0.90, 0.91], [0.92, 0.88]]
    assert benchmark.twice(before, folder("third", "Abacus", 0.5)) == [], "on the same processor"
    text = plain(page.twice_words({"runs": runs}))
    assert "2 runs of Delayed spiking XOR were trained twice" in text and "on Abacus and then on Slide rule" in text
    assert "no curve is the same" in text
    assert "differ by 2.50 points on average and by 4.00 points at most; their mean moved by 1.50 points" in text
    assert "Between two seeds of one model they differ by 3.00 points on average" in text
    rows = [plain(" ".join(row)) for row in page.twice_table({"runs": runs}).rows]
    assert rows[0].startswith("Baseline 0 90.00 % 91.00 % +1.00 ")
    assert rows[1].startswith("Baseline 1 92.00 % 88.00 % −4.00 ")


def test_processors_are_compared_by_the_same_runs():
    settings = [
        {"workload": "small network", "runs": 4, "jobs": jobs, "threads": threads, "seconds": seconds}
        for jobs, threads, seconds in ((1, 1, 60.0), (2, 1, 30.0), (1, 2, 75.0))
    ]
    table = page.side_by_side_table({"settings": settings, "provenance": {"cores": 2}})
    assert table.rows == [("small network", "2.00 times", "0.80 times")]


def test_a_bound_that_reaches_the_goal_is_counted():
    cases = [{"run": "xor/baseline/seed0-01", "seeds": 5, "gain": gain} for gain in (1.31, 1.1)]
    text = page.stacked_words({"wanted": 1.3, "cases": cases})
    assert "1.31 times as fast for 5 seeds of xor/baseline" in text
    assert "1 of these 2 bounds reach it" in text
