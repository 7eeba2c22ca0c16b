"""Nominal levels of planned looks: against published bounds, the normal distribution and laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.estimators.spending import MOST_IMAGES, Look, boundaries

LOOKS = (5, 9, 14)


def correlation(information: np.ndarray) -> np.ndarray:
    both = np.minimum.outer(information, information), np.maximum.outer(information, information)
    return np.sqrt(both[0] / both[1])


def test_the_bounds_of_five_equal_looks_are_the_published_ones() -> None:
    """Two-sided 5 %, alpha t (Kim & DeMets 1987; Reboussin et al. 2000 print two decimals)."""
    spent = 0.025 * np.arange(1, 6) / 5
    found = boundaries(spent[None], np.arange(1, 6))[0]
    assert found == pytest.approx([2.58, 2.49, 2.41, 2.34, 2.28], abs=0.005)


@pytest.mark.parametrize("alpha", [0.05, 0.025, 0.001])
@pytest.mark.parametrize("images", [0.0, 1.0, MOST_IMAGES])
def test_two_looks_spend_what_the_bivariate_normal_says(alpha: float, images: float) -> None:
    n = np.array([5.0, 10.0])
    information = 1 / (1 / n + images / 10)
    bounds = boundaries(alpha * n[None] / 10, information)[0]
    oracle = stats.multivariate_normal(np.zeros(2), correlation(information))
    assert 1 - oracle.cdf(bounds) == pytest.approx(alpha, rel=1e-6)
    assert stats.norm.sf(bounds[0]) == pytest.approx(alpha / 2)


def test_three_looks_reject_by_chance_as_often_as_is_spent() -> None:
    rng, draws = np.random.default_rng(1), 1_000_000
    n = np.array(LOOKS)
    steps = rng.standard_normal((draws, 3)) * np.sqrt(np.diff(n, prepend=0))
    z = np.cumsum(steps, axis=1) / np.sqrt(n)
    levels = [float(Look(LOOKS, k).nominal(0.05)) for k in range(3)]
    above = z > stats.norm.isf(levels)
    first = [above[:, k] & ~above[:, :k].any(axis=1) for k in range(3)]
    spent = 0.05 * np.diff(n, prepend=0) / n[-1]
    for rejected, expected in zip(first, spent, strict=True):
        assert rejected.mean() == pytest.approx(expected, abs=4 * np.sqrt(expected / draws))


@given(st.floats(1e-9, 0.4), st.floats(0, 20), st.integers(0, 2))
def test_a_nominal_level_and_the_overall_one_are_each_others_inverse(
    alpha: float, images: float, place: int
) -> None:
    look = Look(LOOKS, place)
    nominal = look.nominal(alpha, images)
    assert look.overall(nominal, images) == pytest.approx(alpha, rel=1e-9)
    spent_here = alpha * (look.fraction - (LOOKS[place - 1] / LOOKS[-1] if place else 0))
    assert spent_here * (1 - 1e-3) <= nominal <= alpha * look.fraction * (1 + 1e-3)
    assert look.nominal(alpha * 1.01, images) > nominal


def test_images_leave_more_to_later_looks_and_nothing_to_the_first() -> None:
    last = [float(Look(LOOKS, 2).nominal(0.025, images)) for images in (0, 0.5, 2, 8, 1e9)]
    assert last == sorted(last)
    assert last[0] < last[-1]
    assert Look(LOOKS, 0).nominal(0.025, 3.0) == pytest.approx(0.025 * 5 / 14)
    assert Look(LOOKS, 2).nominal(0.025, np.nan) == last[0]


def test_a_single_look_changes_nothing() -> None:
    p = np.array([0.0, 1e-300, 0.013, 0.7, 1.0, np.nan])
    for found in (Look((9,), 0).nominal(p, 0.3), Look((9,), 0).overall(p)):
        np.testing.assert_array_equal(found, p)


def test_extreme_values_stay_what_they_are() -> None:
    found = Look(LOOKS, 1).overall([0.0, 1e-200, np.nan])
    assert found[0] == 0
    assert 1e-200 < found[1] < 4e-200
    assert np.isnan(found[2])
