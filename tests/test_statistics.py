"""Intervals, differences and corrections, against values worked out by hand."""

import math

import pytest

from lifroles.errors import LifrolesError
from lifroles.statistics import StatisticsError, difference_error, holm, mean_interval, paired_difference


def test_three_values_by_hand():
    # Mean 2, standard deviation 1, t(0.975, 2) = 4.302653 (tables): half width 4.302653 / sqrt(3) = 2.484138.
    found = mean_interval([1.0, 2.0, 3.0])
    assert (found.mean, found.n, found.level) == (2.0, 3, 0.95)
    assert found.low == pytest.approx(2 - 2.484138, abs=1e-5)
    assert found.high == pytest.approx(2 + 2.484138, abs=1e-5)


def test_three_values_at_another_level():
    # Mean 0.7, standard error 0.1 / sqrt(3), t(0.95, 2) = 2.919986.
    found = mean_interval([0.6, 0.7, 0.8], level=0.9)
    assert found.low == pytest.approx(0.7 - 0.1685854, abs=1e-6)
    assert found.high == pytest.approx(0.7 + 0.1685854, abs=1e-6)


@pytest.mark.parametrize("values", [[0.775], [0.675, 0.875]])
def test_one_or_two_values_have_a_mean_and_no_interval(values):
    found = mean_interval(values)
    assert (found.mean, found.low, found.high, found.n) == (pytest.approx(0.775), None, None, len(values))
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


def test_a_difference_is_taken_seed_by_seed():
    found = paired_difference({0: 0.5, 1: 0.6, 2: 0.9, 7: 0.1}, {0: 0.6, 1: 0.8, 2: 1.2, 8: 0.9})
    assert found is not None
    # Differences 0.1, 0.2, 0.3: mean 0.2, deviation 0.1, so d_z = 2 and t = 2 sqrt(3) = 3.4641, p(2) = 0.074180.
    assert found.n == 3
    assert found.mean == pytest.approx(0.2)
    assert found.effect == pytest.approx(2.0)
    assert found.p == pytest.approx(0.0741799, abs=1e-6)
    # Of the eight signs, only all plus and all minus bring the sum to 0.6.
    assert found.p_exact == pytest.approx(2 / 8)
    # Of the 27 resamples, one is all 0.1: the ends of the 95 % interval are the extreme values themselves.
    assert (found.low, found.high) == (pytest.approx(0.1), pytest.approx(0.3))


def test_the_exact_test_counts_signs():
    # Sums of ±1 ±2 ±3 ±4: at least 8 from zero are ±10 (1 each) and ±8 (1 each), so 4 of 16.
    found = paired_difference(dict.fromkeys(range(4), 0.0), {0: -1.0, 1: 2.0, 2: 3.0, 3: 4.0})
    assert found is not None
    assert found.p_exact == pytest.approx(4 / 16)


def test_the_bootstrap_interval_of_two_seeds_is_the_two_differences():
    found = paired_difference({0: 0.5, 1: 0.5}, {0: 0.6, 1: 0.9})
    assert found is not None
    assert (found.low, found.high) == (pytest.approx(0.1), pytest.approx(0.4))


def test_the_bootstrap_interval_of_many_seeds_is_near_the_normal_one():
    values = {i: (1.0 if i % 2 else -1.0) for i in range(400)}
    found = paired_difference(dict.fromkeys(values, 0.0), values)
    assert found is not None
    # Deviation 1.00125 of 400: standard error 0.0500, 1.96 of it 0.098.
    assert found.low == pytest.approx(-0.098, abs=0.006)
    assert found.high == pytest.approx(0.098, abs=0.006)


def test_little_data_claim_little():
    assert paired_difference({0: 0.5}, {1: 0.5}) is None
    one = paired_difference({0: 0.5, 1: 0.1}, {0: 0.7})
    assert one is not None
    assert (one.n, one.low, one.high, one.effect, one.p, one.p_exact) == (1, None, None, None, None, None)
    same = paired_difference({0: 0.5, 1: 0.25}, {0: 0.75, 1: 0.5})
    assert same is not None
    assert (same.effect, same.p, same.p_exact) == (None, None, 0.5)
    none = paired_difference({0: 0.5, 1: 0.25}, {0: 0.5, 1: 0.25})
    assert none is not None
    assert (none.mean, none.p_exact) == (0.0, 1.0)


def test_holms_correction_by_hand():
    # Sorted 0.01, 0.02, 0.03, 0.5 times 4, 3, 2, 1: 0.04, 0.06, 0.06, 0.5; the third may not fall below the second.
    assert holm([0.03, 0.01, 0.5, 0.02]) == pytest.approx([0.06, 0.04, 0.5, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_the_error_of_two_accuracies_by_hand():
    # 0.5 and 0.5 of 288: sqrt(0.5 / 288) = 0.041667.
    assert difference_error(0.5, 0.5, 288) == pytest.approx(0.0416667, abs=1e-7)
    # DVS128 Gesture of Table 6: 0.8681 and 0.8750 are two samples of 288 apart, and the error is 0.0279.
    assert difference_error(0.8681, 0.8750, 288) == pytest.approx(0.02788, abs=1e-5)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: holm([0.1, 1.5]), "p-values is 1.5"),
        (lambda: difference_error(1.2, 0.5, 10), "accuracy is 1.2"),
        (lambda: difference_error(0.2, 0.5, 0), "samples is 0"),
        (lambda: paired_difference({0: math.nan, 1: 1.0}, {0: 1.0, 1: 1.0}), "nan"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_sentence(call, says):
    with pytest.raises(StatisticsError, match=says) as error:
        call()
    assert str(error.value).endswith(".")
