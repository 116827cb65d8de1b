"""The paper's numbers, as its Table 6 prints them."""

import pytest

from lifroles import paper
from lifroles.errors import SpecError
from lifroles.variant import PAPER_VARIANTS, TABLE6_VARIANTS

# Two rows and two columns read once more from the paper, against a slip in typing the table.
ROWS = {
    "baseline": [77.50, 78.58, 60.70, 94.76, 86.81, 95.22, 92.25],
    "recurrent": [98.90, 80.43, 66.53, 96.21, 89.93, 96.98, None],
}
COLUMNS = {"xor": [77.50, 50.30, 50.50, 96.10, 98.90], "mnist": [95.22, 96.12, 94.17, 94.85, 96.98]}


def percent(reported):
    return None if reported is None else pytest.approx(100 * reported.value, abs=1e-9)


@pytest.mark.parametrize("variant", ROWS)
def test_rows(variant):
    assert [percent(paper.accuracy(b, variant)) for b in paper.TABLE6_BENCHMARKS] == ROWS[variant]


@pytest.mark.parametrize("benchmark", COLUMNS)
def test_columns(benchmark):
    assert [percent(paper.accuracy(benchmark, v)) for v in TABLE6_VARIANTS] == COLUMNS[benchmark]


def test_a_number_keeps_its_printed_decimals_and_its_place():
    reported = paper.accuracy("xor", "baseline")
    assert reported is not None
    assert reported.text == "77.50\N{NO-BREAK SPACE}%"
    assert reported.place == "Table 6"
    assert reported.value == 0.775


def test_every_cell_of_the_table_is_there():
    cells = [paper.accuracy(b, v) for v in PAPER_VARIANTS for b in paper.TABLE6_BENCHMARKS]
    assert sum(cell is not None for cell in cells) == 5 * 7 - 1
    assert all(0 <= cell.value <= 1 for cell in cells if cell)


def test_unknown_names_are_refused_with_the_known_ones():
    with pytest.raises(SpecError, match="'imagenet': Table 6 has xor, shd"):
        paper.accuracy("imagenet", "baseline")
    with pytest.raises(SpecError, match="'vanilla': give one of baseline"):
        paper.accuracy("xor", "vanilla")
