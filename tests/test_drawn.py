"""What a figure shows can be read back from it as numbers."""

from __future__ import annotations

import csv
import io

import numpy as np
from matplotlib.figure import Figure

from lifroles.figures import show
from lifroles.figures.drawn import COLUMNS, drawn


def _rows(fig: Figure) -> list[dict[str, str]]:
    download = drawn(fig, "x")
    assert download is not None
    return list(csv.DictReader(io.StringIO(download.csv())))


def test_lines_marks_strokes_and_bars_are_rows():
    fig = Figure()
    left, right = fig.subplots(1, 2)
    left.set_title("left\npanel")
    left.plot([0, 1], [0.5, np.nan], label="u(t)")
    left.scatter([2.0], [3.0])
    right.vlines([4.0], 0, 1)
    right.bar([10.0], [7.0], width=2)
    assert [tuple(row.values()) for row in _rows(fig)] == [
        ("1: left panel", "u(t)", "0.0", "0.5", ""),
        ("1: left panel", "u(t)", "1.0", "", ""),
        ("1: left panel", "marks 1", "2.0", "3.0", ""),
        ("2", "marks 1", "4.0", "0.0", ""),
        ("2", "marks 1", "4.0", "1.0", ""),
        ("2", "bar 1", "10.0", "7.0", ""),
    ]


def test_a_picture_is_its_entries_but_for_the_commonest():
    fig = Figure()
    grey, colour = fig.subplots(1, 2)
    grey.imshow(np.eye(3)[:, :2])
    grey.axis("off")
    picture = np.ones((2, 2, 3))
    picture[1, 0] = (1, 0, 0)
    colour.imshow(picture)
    assert [tuple(row.values())[1:] for row in _rows(fig)] == [
        ("picture 1", "0", "0", "1.0"),
        ("picture 1", "1", "1", "1.0"),
        ("picture 1", "0", "1", "#ff0000"),
    ]


def test_a_drawing_offers_no_file():
    fig = Figure()
    ax = fig.subplots()
    ax.axis("off")
    ax.plot([0, 1], [0, 1])
    assert drawn(fig, "x") is None
    assert "download" not in show(fig, "Boxes", command="x").html


def test_a_figure_without_a_file_of_its_own_offers_what_it_shows():
    fig = Figure()
    fig.subplots().plot([0, 1], [2, 3])
    html = show(fig, "A line", command="papermill notebooks/page.ipynb page.ipynb").html
    assert 'download="page_' in html
    assert ",".join(COLUMNS) in html
