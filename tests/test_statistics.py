"""Student t intervals, against values worked out by hand."""

import math

import pytest

from lifroles.errors import LifrolesError
from lifroles.statistics import mean_interval


def test_three_values_by_hand():
    # Mean 2, standard deviation 1, t(0.975, 2) = 4.302653 (tables): half width 4.302653 / sqrt(3) = 2.484138.
    found = mean_interval([1.0, 2.0, 3.0])
    assert (found.mean, found.n, found.level) == (2.0, 3, 0.95)
    assert found.low == pytest.approx(2 - 2.484138, abs=1e-5)
    assert found.high == pytest.approx(2 + 2.484138, abs=1e-5)


def test_two_values_at_another_level():
    # Mean 0.7, standard error 0.1, t(0.95, 1) = 6.313752.
    found = mean_interval([0.6, 0.8], level=0.9)
    assert found.low == pytest.approx(0.7 - 0.6313752, abs=1e-6)
    assert found.high == pytest.approx(0.7 + 0.6313752, abs=1e-6)


def test_one_value_has_a_mean_and_no_interval():
    found = mean_interval([0.775])
    assert (found.mean, found.low, found.high, found.n) == (0.775, None, None, 1)
    assert found.contains(0.775) is None


def test_equal_values_have_an_interval_of_no_width():
    found = mean_interval([0.5] * 4)
    assert (found.low, found.mean, found.high) == (0.5, 0.5, 0.5)


def test_contains_counts_its_ends():
    found = mean_interval([0.5] * 4)
    assert found.contains(0.5) is True
    assert found.contains(0.51) is False


@pytest.mark.parametrize(
    ("values", "level", "says"),
    [
        ([], 0.95, "no values"),
        ([0.1, math.nan], 0.95, "nan"),
        ([0.1, math.inf], 0.95, "inf"),
        ([0.1], 1.0, "level is 1.0"),
    ],
)
def test_what_cannot_be_summed_up_is_refused_in_one_sentence(values, level, says):
    with pytest.raises(LifrolesError, match=says) as error:
        mean_interval(values, level)
    assert str(error.value).endswith(".")
