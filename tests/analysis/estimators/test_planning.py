"""How many seeds: against simulations of the tests that they are meant for."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.estimators.comparison import DELTA
from analysis.estimators.intervals import seeds_needed
from analysis.estimators.planning import further_seeds, likely_range

SD = 0.007  # of a paired difference on this task


@pytest.mark.parametrize(
    ("difference", "seeds"), [(0.0, 48), (0.003, 45), (-0.003, 45), (0.005, 18), (0.01, 7)]
)
def test_further_seeds_of_this_task(difference: float, seeds: int) -> None:
    found = further_seeds(0, SD, difference)
    assert found is not None
    assert abs(found - seeds) <= 1
    assert further_seeds(5, SD, difference) == max(found - 5, 1)
    assert further_seeds(100, SD, difference) == 1


def test_small_differences_take_the_nearer_of_the_two_verdicts() -> None:
    sizes = np.linspace(0, 0.006, 25)
    needed = [further_seeds(0, SD, size) for size in sizes]
    assert max(n for n in needed if n) < 150  # though equivalence recedes as it nears delta
    for size, n in zip(sizes[1:], needed[1:], strict=True):
        assert n is not None
        assert n <= seeds_needed(size, SD)
        if size >= DELTA:
            assert n == seeds_needed(size, SD)
    assert needed[4] == further_seeds(0, SD, -0.001)
    assert needed[0] == further_seeds(0, SD, 1e-18)
    assert needed[14] != further_seeds(0, SD, sizes[14], level=0.99)


@pytest.mark.parametrize("difference", [0.0, 0.001])
def test_further_seeds_give_the_power_of_equivalence_by_simulation(difference: float) -> None:
    n = further_seeds(0, SD, difference)
    assert n is not None
    power = []
    for size in (n, n - 3):
        x = np.random.default_rng(2).normal(difference, SD, (20_000, size))
        half = stats.t.ppf(0.95, size - 1) * x.std(axis=1, ddof=1) / math.sqrt(size)
        power.append((abs(x.mean(axis=1)) + half <= DELTA).mean())
    error = 5 * math.sqrt(0.8 * 0.2 / 20_000)
    assert power[0] > 0.8 - error
    assert power[1] < 0.8 + error
    assert power[1] < power[0]


@pytest.mark.parametrize(
    ("difference", "image_se"), [(0.0, 0.001), (0.0, 0.0008), (0.01, 0.003), (0.005, 0.001)]
)
def test_the_image_part_costs_seeds(difference: float, image_se: float) -> None:
    n, free = further_seeds(0, SD, difference, image_se=image_se), further_seeds(0, SD, difference)
    assert n is not None
    assert free is not None
    assert n > free
    rng = np.random.default_rng(13)  # crossed intervals of which the image part is well known
    mean = rng.normal(difference, math.hypot(SD / math.sqrt(n), image_se), 20_000)
    seeds = SD**2 / n * rng.chisquare(n - 1, 20_000) / (n - 1)
    variance = seeds + image_se**2
    df = variance**2 / (seeds**2 / (n - 1))
    if difference:
        resolved = abs(mean) > stats.t.ppf(0.975, df) * np.sqrt(variance)
    else:
        resolved = abs(mean) + stats.t.ppf(0.95, df) * np.sqrt(variance) <= DELTA
    assert resolved.mean() == pytest.approx(0.8, abs=0.04)


@pytest.mark.parametrize("image_se", [0.001, 0.00105])
def test_equivalence_may_need_more_images_instead_of_seeds(image_se: float) -> None:
    power = 2 * stats.norm.cdf(DELTA / image_se - stats.norm.ppf(0.95)) - 1  # of endless seeds
    assert (further_seeds(5, SD, 0.0, image_se=image_se) is None) == (power < 0.8)


@pytest.mark.parametrize("image_se", [0.0035, 0.0036])
def test_a_difference_may_need_more_images_instead_of_seeds(image_se: float) -> None:
    power = stats.norm.sf(stats.norm.ppf(0.975) - 0.01 / image_se)
    assert (further_seeds(5, SD, 0.01, image_se=image_se) is None) == (power < 0.8)


@given(st.integers(4, 60), st.integers(1, 500))
@settings(deadline=None)
def test_the_likely_range_holds_the_estimate_and_narrows_with_the_level(n: int, more: int) -> None:
    (few, many), (least, most) = likely_range(n, more), likely_range(n, more, level=0.95)
    assert 1 <= least <= few <= more <= many <= most


def test_the_likely_range_narrows_with_the_seeds_that_are_known() -> None:
    total = 100
    widths = [np.ptp(likely_range(n, total - n)) for n in (5, 10, 20, 40)]
    assert widths == sorted(widths, reverse=True)


@pytest.mark.parametrize("n", [5, 12])
def test_the_likely_range_covers_what_the_true_spread_needs(n: int) -> None:
    rng = np.random.default_rng(3)
    difference = 0.002  # far more seeds than were seen
    truth = seeds_needed(difference, SD) - n
    within = 0
    for sd in SD * np.sqrt(rng.chisquare(n - 1, 1000) / (n - 1)):
        few, many = likely_range(n, max(seeds_needed(difference, sd) - n, 1))
        within += few <= truth <= many
    assert within / 1000 == pytest.approx(0.8, abs=0.065)  # five standard errors
