"""What pages have beside their text: launch buttons, version and commit, a page for each archived run, their index."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from bs4 import BeautifulSoup
from fake_runs import fake_record

from lifroles import provenance
from lifroles.figures.display import card
from lifroles.pages import curve, footer, index, launch, runs
from lifroles.paths import results_dir
from lifroles.store import Record, Store

TREE = "https://example.org/tree/main/results"


@pytest.fixture(scope="module")
def archived() -> list[Record]:
    """Every archived run."""
    return Store(results_dir()).all()


def soup(html: str) -> BeautifulSoup:
    return BeautifulSoup(html, "html.parser")


@pytest.mark.parametrize(
    ("below", "page", "leads_to"),
    [
        (".", "book/notebooks/X", "notebooks/X.ipynb"),
        ("", "book/notebooks/X", "notebooks/X.ipynb"),
        ("content", "book/notebooks/X", "notebooks/X.ipynb"),
        ("", "book/notes", "book/notes.ipynb"),
    ],
)
def test_launch_buttons_open_the_source_notebook(below: str, page: str, leads_to: str) -> None:
    app: Any = SimpleNamespace(config=SimpleNamespace(html_theme_options={"path_to_docs": below}))
    place = f"{below}/{page}.ipynb" if below else f"{page}.ipynb"
    hub = "https://mybinder.org/v2/gh/o/r/main?urlpath=lab/tree/"
    buttons = [{"url": hub + place}, {"url": f"https://colab.research.google.com/github/o/r/blob/main/{place}"}]
    context = {"header_buttons": [{"label": "other"}, {"label": "launch-buttons", "buttons": buttons}]}
    launch.point_at_source(app, page, "page.html", context, None)
    assert [button["url"] for button in buttons] == [
        hub + leads_to,
        f"https://colab.research.google.com/github/o/r/blob/main/{leads_to}",
    ]


def test_the_footer_names_version_and_commit() -> None:
    assert footer.text("0123456789abcdef", False).endswith("commit <code>0123456</code></p>")
    assert "with local changes" in footer.text("0123456789abcdef", True)
    assert "commit" not in footer.text(None, None)
    assert provenance.code()[0] == provenance.describe(threads=1, device="cpu", backend="cpu")["commit"]


def test_a_run_has_a_page_with_all_that_it_recorded(archived: list[Record]) -> None:
    run = next(r for r in archived if r.spec.benchmark == "nmnist" and r.path and any((r.path / "probes").glob("*")))
    page = soup(runs.body(run, TREE))
    text = page.get_text(" ")
    for said in (run.spec.digest, run.provenance["commit"], run.provenance["data_sha256"], run.spec.command()):
        assert said in text
    assert f"{100 * run.final['last_accuracy']:.2f}" in text
    assert len(page.select("tbody tr")) > len(type(run.spec.protocol).model_fields)
    assert page.select_one("svg[role=img]") is not None
    asked = [one.get_text().split(":")[0] for one in page.select("summary")]
    assert run.path is not None
    assert sorted(asked) == sorted(folder.name.rpartition("-")[0] for folder in (run.path / "probes").iterdir())
    assert f"{TREE}/{run.spec.path}" in [link["href"] for link in page.select("a")]


def test_every_archived_run_has_a_page_and_none_is_heavy(archived: list[Record]) -> None:
    options = {"repository_url": "https://example.org/", "repository_branch": "main"}
    config = SimpleNamespace(html_theme_options=options, lifroles_archive=str(results_dir()))
    app: Any = SimpleNamespace(config=config, confdir=Path("/"))
    pages = list(runs.collect(app))
    assert [name for name, _, _ in pages] == [f"book/runs/{record.spec.digest}" for record in archived]
    assert max(len(context["body"]) for _, context, _ in pages) < 200_000
    assert all(TREE in context["body"] for _, context, _ in pages)


def test_a_failed_run_says_why_and_shows_no_accuracy() -> None:
    made = fake_record("xor", "baseline", status="failed")
    run = replace(made, reason="the loss became NaN <in epoch 3>", path=None)
    page = soup(runs.body(run, TREE))
    text = page.get_text(" ")
    assert "failed: the loss became NaN <in epoch 3>" in text
    assert "Test accuracy" not in page.select_one("table").get_text()  # type: ignore[union-attr]


def test_the_curves_are_a_file_with_one_line_an_epoch(archived: list[Record]) -> None:
    run = next(r for r in archived if r.spec.benchmark == "nmnist")
    found = runs.history(run)
    assert len(found.rows) == run.epochs
    last = dict(zip(found.columns, found.rows[-1], strict=True))
    assert last["test_accuracy"] == run.history["test_accuracy"][-1]
    assert last["spike_rate_hidden1"] == run.history["spike_rate"]["hidden1"][-1]


def test_a_curve_stays_inside_its_drawing_and_its_labels_apart() -> None:
    drawn = soup(curve.learning([0.5, 0.71, 0.9], [0.5, 0.7, 0.9], 0.5, "What <it> shows"))
    points = [point.split(",") for line in drawn.select("polyline") for point in str(line["points"]).split()]
    assert all(0 <= float(x) <= curve.WIDTH and 0 <= float(y) <= curve.HEIGHT for x, y in points)
    assert drawn.svg is not None and drawn.svg["aria-label"] == "What <it> shows"
    ends = {
        text.get_text(): float(str(text["y"])) for text in drawn.select("text") if text.get_text() in ("train", "test")
    }
    assert abs(ends["train"] - ends["test"]) >= 14
    assert soup(curve.learning([0.5], [0.4], 0.1, "one epoch")).select("circle")


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.957, 0.961), (0.5, 0.5), (0.05, 0.54)])
def test_ticks_are_few_and_enclose_the_values(low: float, high: float) -> None:
    marks = curve.ticks(low, high)
    assert marks[0] <= low and high <= marks[-1] and 2 <= len(marks) <= 8


def test_the_index_leads_to_every_run_and_says_how_many(archived: list[Record]) -> None:
    found = index.Index(archived)
    page = soup(found._repr_html_())
    assert [a["href"] for a in page.select("tbody a")] == [f"../runs/{r.spec.digest}.html" for r in archived]
    rows = page.select("tr.lifroles-item")
    offered = {str(option["value"]) for option in page.select("select[name=variant] option")} - {""}
    assert {str(row["data-variant"]) for row in rows} == offered
    assert index.counts(found).startswith(f"{len(archived)} runs: ")
    assert len(repr(found).splitlines()) == len(archived)
    assert not soup(index.Index(archived, pages=None)._repr_html_()).select("tbody a")


def test_a_card_leads_to_the_pages_of_archived_runs_only(archived: list[Record]) -> None:
    html = card("make", [archived[0], fake_record("xor", "baseline", 987654)], "Table")._repr_html_()
    assert re.findall(r'href="\.\./runs/(\w+)\.html"', html) == [archived[0].spec.digest]
