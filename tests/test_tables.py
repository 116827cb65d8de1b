"""Tables: accessible, escaped, complete."""

import pytest
from bs4 import BeautifulSoup

from lifroles.benchmarks import BENCHMARKS
from lifroles.errors import SpecError
from lifroles.tables import Table, protocol_table


def test_headings_have_a_scope_and_the_table_a_caption():
    page = BeautifulSoup(Table("Cap", ("Name", "Value"), [("a", "1"), ("b", "2")])._repr_html_(), "html.parser")
    assert page.caption is not None
    assert page.caption.get_text() == "Cap"
    assert [th.get_text() for th in page.find_all("th", scope="col")] == ["Name", "Value"]
    assert [th.get_text() for th in page.find_all("th", scope="row")] == ["a", "b"]
    assert [td.get_text() for td in page.find_all("td")] == ["1", "2"]
    region = page.find("div", role="region")
    assert region is not None
    assert region["tabindex"] == "0"


def test_text_is_escaped_everywhere():
    evil = '<script>"&'
    html = Table(evil, (evil,), [(evil,)])._repr_html_()
    assert "<script>" not in html
    page = BeautifulSoup(html, "html.parser")
    assert {tag.get_text() for tag in page.find_all(["caption", "th"])} == {evil}
    region = page.find("div", role="region")
    assert region is not None
    assert region["aria-label"] == evil


def test_a_row_of_the_wrong_length_is_refused():
    with pytest.raises(SpecError, match="has 1 cells for 2"):
        Table("Cap", ("a", "b"), [("only",)])


def test_a_note_stands_below_its_row_across_all_columns():
    table = Table("Cap", ("Name", "Value"), [("a", "1"), ("b", "2")], ["why <a>", ""])
    page = BeautifulSoup(table._repr_html_(), "html.parser")
    body = page.find("tbody")
    assert body is not None
    rows = body.find_all("tr")
    assert [row.get("class") for row in rows] == [None, ["note"], None]
    (note,) = rows[1].find_all("td")
    assert (note.get_text(), note["colspan"]) == ("why <a>", "2")
    assert repr(table).splitlines()[2:] == ["a\t1\twhy <a>", "b\t2"]
    with pytest.raises(SpecError, match="has 1 notes for 2 rows"):
        Table("Cap", ("Name", "Value"), [("a", "1"), ("b", "2")], ["only"])


@pytest.mark.parametrize("name", BENCHMARKS)
def test_the_protocol_table_names_every_choice_with_its_source(name):
    protocol = BENCHMARKS[name].protocol()
    table = protocol_table("Protocol", protocol)
    names = [row[1] for row in table.rows]
    assert sorted(names) == sorted(type(protocol).model_fields)
    own = [name for name in names if name in type(protocol).__annotations__]
    assert names[: len(own)] == own  # then what other benchmarks have as well
    assert all(row[0] and row[3] and "{" not in row[0] + row[3] for row in table.rows)


def test_a_choice_without_a_value_means_what_its_description_says():
    rows = {row[1]: row for row in protocol_table("Protocol", BENCHMARKS["shd"].protocol()).rows}
    assert rows["clip_norm"][2] == rows["train_samples"][2] == "None"
    assert "None: none" in rows["clip_norm"][0]
    assert "None: all" in rows["train_samples"][0]
