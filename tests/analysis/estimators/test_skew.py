"""The lengthened interval and its p-value: against scipy, each other, and at their limits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.estimators.skew import moments, reach, skewness, tail, tail_p

LEVELS = st.floats(0.5, 0.999)
FREEDOM = st.floats(2, 200)
TAILS = st.one_of(st.just(0.0), st.floats(1e-20, 1e-12), st.floats(1e-6, 2))


def test_moments_are_scipys_along_an_axis() -> None:
    x = np.random.default_rng(0).exponential(1, (7, 3))
    x[2, 1] = np.nan
    found = moments(x, axis=0)
    for column in range(3):
        known = x[~np.isnan(x[:, column]), column]
        expected = len(known), known.mean(), known.std(ddof=1), stats.skew(known, bias=False)
        assert [each[column] for each in found] == pytest.approx(expected)
    assert skewness(x) == pytest.approx(stats.skew(x[~np.isnan(x)], bias=False))


@pytest.mark.parametrize("values", [[], [0.3], [0.1, 0.9], [0.1] * 7, [np.nan, 0.2, 0.7]])
def test_few_or_equal_values_have_no_skewness(values: list[float]) -> None:
    assert skewness(values) == 0


def test_moments_of_few_values() -> None:
    none, one = moments([np.nan]), moments([2.0, np.nan])
    assert (none.n, one.n, one.mean) == (0, 1, 2.0)
    assert np.isnan([none.mean, none.sd, one.sd]).all()


@given(st.lists(st.floats(-100, 100), min_size=3, max_size=12), st.floats(0.1, 10))
@settings(deadline=None)
def test_skewness_turns_with_the_values_and_knows_no_scale(
    values: list[float], scale: float
) -> None:
    if np.std(values) > 1e-3:
        assert skewness(-scale * np.array(values)) == pytest.approx(-skewness(values), abs=1e-6)


def test_only_the_side_of_the_tail_moves_and_less_with_more_values() -> None:
    assert tail(-1.0, 5) == 0
    assert tail(2.0, 5) == pytest.approx(2 * tail(1.0, 5))
    assert tail(1.0, 20) == pytest.approx(tail(1.0, 5) / 2)


@given(LEVELS, FREEDOM, TAILS, TAILS)
@settings(deadline=None)
def test_reach_is_students_or_up_to_twice_as_far(
    level: float, df: float, short: float, long: float
) -> None:
    student = stats.t.ppf((1 + level) / 2, df)
    assert reach(level, df, 0.0) == pytest.approx(student)
    near, far = sorted([reach(level, df, short), reach(level, df, long)])
    assert student * (1 - 1e-9) <= near <= far <= 2 * student * (1 + 1e-9)
    assert (reach(level, df, short) <= reach(level, df, long)) or short > long


@given(LEVELS, FREEDOM, TAILS)
@settings(deadline=None)
def test_the_p_value_decides_as_the_interval_does(level: float, df: float, size: float) -> None:
    at = float(reach(level, df, size))
    assert tail_p(at, df, size) == pytest.approx((1 - level) / 2, rel=1e-6)
    assert tail_p(at * 1.01, df, size) < (1 - level) / 2 < tail_p(at * 0.99, df, size)


@given(st.floats(-20, 20), FREEDOM, TAILS)
@settings(deadline=None)
def test_a_tail_never_makes_a_p_value_smaller(statistic: float, df: float, size: float) -> None:
    plain = stats.t.sf(statistic, df)
    assert tail_p(statistic, df, 0.0) == pytest.approx(plain)
    assert tail_p(statistic, df, size) >= plain * (1 - 1e-9)
    if size < 1e-12:  # a tail that only rounding made
        assert tail_p(statistic, df, size) == pytest.approx(plain)


def test_p_values_at_the_ends() -> None:
    assert tail_p(np.inf, 4, [0.0, 0.3]).tolist() == [0, 0]
    assert tail_p(-np.inf, 4, [0.0, 0.3]).tolist() == [1, 1]
    assert np.isnan(tail_p(np.nan, 4, [0.0, 0.3])).all()
