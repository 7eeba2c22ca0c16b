"""Holm's correction against the closed test, and against the intervals that it decides."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from analysis.estimators.multiplicity import holm


@pytest.mark.parametrize("m", [1, 2, 5])
def test_holm_is_the_closed_test_of_bonferroni(m: int) -> None:
    p = np.random.default_rng(m).uniform(0, 0.3, m)
    for i, adjusted in enumerate(holm(p).adjusted):
        groups = [
            group
            for size in range(1, m + 1)
            for group in itertools.combinations(range(m), size)
            if i in group
        ]
        assert adjusted == pytest.approx(max(min(1, len(g) * p[list(g)].min()) for g in groups))


@pytest.mark.parametrize("level", [0.9, 0.95])
def test_an_interval_at_holms_level_decides_as_the_adjusted_p_value(level: float) -> None:
    rng = np.random.default_rng(1)
    decisions = []
    for p in rng.uniform(0, 0.06, (300, 4)) * rng.integers(1, 4, (300, 4)):
        found = holm(p, level)
        rejected = found.adjusted < 1 - level
        assert ((p < 1 - found.levels) == rejected).all()
        assert (found.levels >= level - 1e-12).all()
        decisions.append(rejected.sum())
    assert set(decisions) >= {0, 1, 2, 3, 4}


def test_holm_leaves_out_what_is_no_test() -> None:
    found, alone = holm([0.03, np.nan, 0.01]), holm([0.03, 0.01])
    assert found.adjusted[[0, 2]].tolist() == alone.adjusted.tolist() == [0.03, 0.02]
    assert found.levels[[0, 2]].tolist() == alone.levels.tolist()
    assert alone.levels == pytest.approx([0.95, 0.975])
    assert np.isnan([found.adjusted[1], found.levels[1]]).all()
    assert holm([]).adjusted.tolist() == []
    assert np.isnan(holm([np.nan, np.nan]).levels).all()
    assert holm([0.6, 0.7]).adjusted.tolist() == [1, 1]


def test_the_order_of_the_tests_says_nothing() -> None:
    p = np.array([0.02, 0.3, np.nan, 0.004, 0.02])
    order = np.array([3, 1, 4, 2, 0])
    for whole, turned in zip(holm(p), holm(p[order]), strict=True):
        np.testing.assert_array_equal(turned, whole[order])


def test_each_row_is_a_family_of_its_own() -> None:
    p = np.random.default_rng(2).uniform(0, 0.1, (3, 5, 4))
    p[0, 0, 1] = p[1, 2, :] = np.nan
    found = holm(p)
    for place in np.ndindex(3, 5):
        alone = holm(p[place])
        np.testing.assert_array_equal(found.adjusted[place], alone.adjusted)
        np.testing.assert_array_equal(found.levels[place], alone.levels)
