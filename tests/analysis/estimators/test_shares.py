"""Shares against scipy's exact tests and simulations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.estimators.intervals import wilson
from analysis.estimators.shares import decisive, mcnemar, superiority

COUNTS = st.integers(0, 60)


def test_superiority_counts_ties_half() -> None:
    found = superiority([0.1, 0.2, -0.1, 0.0, np.nan])
    assert (found.n, found.share) == (4, 2.5 / 4)
    assert (found.low, found.high) == wilson(2.5, 4)
    nothing = superiority([np.nan])
    assert (nothing.n, nothing.low, nothing.high) == (0, 0, 1)
    assert math.isnan(nothing.share)


def test_superiority_of_several_pairs_is_that_of_each() -> None:
    x = np.random.default_rng(1).normal(size=(6, 3)).round(1)
    x[0, 1] = np.nan
    found = superiority(x, 0.9, axis=0)
    for column in range(3):
        alone = superiority(x[:, column], 0.9)
        assert [each[column] for each in found] == [float(each) for each in alone]


def test_superiority_covers_the_probability_to_win() -> None:
    truth = stats.norm.cdf(0.5)
    draws = np.random.default_rng(0).normal(0.5, 1, (2000, 30))
    found = superiority(draws)
    assert found.share.mean() == pytest.approx(truth, abs=0.01)
    assert 0.92 < ((found.low < truth) & (truth < found.high)).mean() < 0.98


@given(COUNTS, COUNTS)
@settings(deadline=None)
def test_mcnemar_is_the_exact_binomial_test(first: int, second: int) -> None:
    expected = 1.0
    if first + second:
        expected = stats.binomtest(first, first + second, 0.5).pvalue
    assert mcnemar(first, second) == pytest.approx(expected)
    assert mcnemar(first, second) == mcnemar(second, first)


@given(COUNTS, st.floats(1e-4, 0.2))
@settings(deadline=None)
def test_a_test_is_decisive_where_its_least_p_value_is_small_enough(
    alone: int, alpha: float
) -> None:
    least = mcnemar(0, alone) if alone else 1.0
    if not math.isclose(least, alpha, rel_tol=1e-6):
        assert decisive(alone, alpha) == (least <= alpha)
