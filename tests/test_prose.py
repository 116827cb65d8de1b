"""Numbers and lists as words."""

from lifroles import prose
from lifroles.statistics import Interval

_ = prose.NBSP


def test_shares_and_differences():
    assert prose.percent(0.775) == f"77.5{_}%"
    assert prose.percent(0.5, 0) == f"50{_}%"
    assert prose.points(-0.0254) == "2.5 points"
    assert prose.signed_points(-0.0254) == "−2.5"
    assert prose.signed_points(0.0254) == "+2.5"


def test_counts_and_lists():
    assert [prose.counted(n, "run") for n in (0, 1, 2, 1200)] == ["0 runs", "1 run", "2 runs", "1,200 runs"]
    assert prose.counted(2, "entry", "entries") == "2 entries"
    assert [prose.listed(words) for words in ([], ["a"], "ab", "abc")] == ["", "a", "a and b", "a, b and c"]


def test_intervals_say_their_n():
    assert prose.interval(Interval(0.7, 0.6, 0.8, 5)) == f"70.0{_}% (60.0 to 80.0, n{_}={_}5)"
    assert prose.interval(Interval(0.7, None, None, 1)) == f"70.0{_}% (n{_}={_}1)"
