"""Intervals for bounded means: they hold where most values are 0."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from analysis.estimators.bounded import bounded_interval
from analysis.estimators.intervals import mean_interval

MOST = 0.05
Draw = tuple[str, float]


def drawn(size: str, positive: float, shape: tuple[int, int], seed: int) -> np.ndarray:
    """Regrets in [0, MOST], that share of them above 0; of orders: means over eight of them."""
    rng = np.random.default_rng(seed)
    if size == "orders":
        return MOST * rng.binomial(8, rng.beta(positive, 3, shape)) / 8
    sizes = {"most": np.ones(shape), "any": rng.random(shape), "small": rng.beta(0.5, 4, shape)}
    return MOST * np.where(rng.random(shape) < positive, sizes[size], 0.0)


@pytest.mark.parametrize("size", ["most", "any", "small", "orders"])
@pytest.mark.parametrize("positive", [0.03, 0.1, 0.3])
@pytest.mark.parametrize("n", [4, 6])
def test_it_covers_where_most_are_0(size: str, positive: float, n: int) -> None:
    truth = float(drawn(size, positive, (100_000, n), 0).mean())
    found = [bounded_interval(each, MOST) for each in drawn(size, positive, (300, n), 1)]
    hits = sum(each.low <= truth <= each.high for each in found)
    assert hits >= stats.binom.ppf(0.001, len(found), 0.93)
    assert all(0 <= each.low <= each.mean <= each.high <= MOST for each in found)
    assert all(each.low < each.high for each in found)


def test_it_is_that_of_a_mean_where_few_values_lie_on_a_bound() -> None:
    values = [0.0, 0.01, 0.012, 0.02, 0.03]
    assert bounded_interval(values, MOST) == mean_interval(values, within=(0.0, MOST))


def test_it_is_the_exact_one_of_a_share_where_all_do() -> None:
    for successes in range(7):
        values = [MOST] * successes + [0.0] * (6 - successes)
        exact = stats.binomtest(successes, 6).proportion_ci(method="exact")
        found = bounded_interval(values, MOST)
        assert (found.low, found.high) == pytest.approx((MOST * exact.low, MOST * exact.high))


def test_equal_values_are_no_certainty() -> None:
    found = bounded_interval([0.02] * 6, MOST)
    assert found.low < 0.02 < found.high


def test_what_it_takes() -> None:
    assert np.isnan(bounded_interval([0.0, 0.0, 0.0], MOST).high)
    assert bounded_interval([0.0] * 5, 0.0)[3:] == (0, 0)
    assert bounded_interval([], MOST).n == 0
    for wrong in (-0.01, 0.06):
        with pytest.raises(ValueError, match=r"values must be in \[0, 0.05\]"):
            bounded_interval([0.0, wrong], MOST)
