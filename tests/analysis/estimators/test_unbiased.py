"""The median-unbiased mean after looks, on normal studies whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.estimators.unbiased import median_unbiased

N = np.array([5, 10, 20])
VARIANCES = 1 / N
BEYOND, INSIDE = 2.3 * np.sqrt(VARIANCES), np.array([-1.0, -1.0, -1.0])


def stopped(rng: np.random.Generator, truth: float, image_se: float = 0.0) -> float:
    """The mean at the look where a study of that true mean stops."""
    noise = np.cumsum(rng.standard_normal(20))[N - 1] / N
    means = truth + noise + image_se * rng.standard_normal()
    at = np.argmax(np.r_[abs(means[:2]) > BEYOND[:2], True])
    return float(means[at])


@pytest.mark.parametrize("image_se", [0.0, 0.15])
def test_it_is_too_high_as_often_as_too_low_where_the_mean_is_not(image_se: float) -> None:
    rng, truth, draws = np.random.default_rng(3), 0.75, 1500
    variances = VARIANCES + image_se**2
    naive = np.array([stopped(rng, truth, image_se) for _ in range(draws)])
    found = np.array([median_unbiased(x, variances, BEYOND, INSIDE) for x in naive])
    assert 0.47 < (found > truth).mean() < 0.53
    assert (naive > truth).mean() > 0.54
    assert abs(found.mean() - truth) < naive.mean() - truth


def test_it_turns_with_the_sign_and_scales_with_the_unit() -> None:
    found = median_unbiased(1.1, VARIANCES, BEYOND, INSIDE)
    assert found < 1.1
    assert median_unbiased(-1.1, VARIANCES, BEYOND, INSIDE) == pytest.approx(-found, abs=0.01)
    scaled = median_unbiased(0.011, VARIANCES * 1e-4, BEYOND * 0.01, INSIDE * 0.01)
    assert scaled == pytest.approx(found * 0.01)


def test_far_beyond_every_bound_or_with_one_look_it_is_the_mean() -> None:
    assert median_unbiased(9.0, VARIANCES, BEYOND, INSIDE) == pytest.approx(9.0, abs=0.01)
    assert median_unbiased(0.3, [0.2], [0.0], [0.0]) == 0.3
    assert median_unbiased(0.3, [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]) == 0.3
    assert np.isnan(median_unbiased(np.nan, VARIANCES, BEYOND, INSIDE))
