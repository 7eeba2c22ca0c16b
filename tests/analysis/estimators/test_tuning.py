"""Tuning curves against brute force and opda; bands against simulated distributions."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from opda.nonparametric import EmpiricalDistribution
from scipy import stats

from analysis.estimators.tuning import _generator, tuning_band, tuning_curve, tuning_curves


def test_the_point_curve_is_brute_force_over_subsets() -> None:
    values = np.random.default_rng(0).uniform(0.5, 0.9, 8)
    values[3] = values[5]
    found = tuning_curve(values, 8)
    for k, median, mean in found.itertuples(index=False):
        best = [max(each) for each in itertools.combinations(values, k)]
        assert median == np.quantile(best, 0.5, method="inverted_cdf")
        assert mean == pytest.approx(np.mean(best))


def test_the_mean_is_opdas_unbiased_curve_for_large_n_too() -> None:
    values = np.random.default_rng(1).uniform(0.5, 0.9, 300)
    expected = EmpiricalDistribution(values).u_tuning_curve(np.arange(1, 301))
    found = tuning_curve(values, 300)
    np.testing.assert_allclose(found["mean"], expected)
    assert found["median"].is_monotonic_increasing
    big = tuning_curve(np.arange(2000.0), 1000)  # binomials that overflow
    np.testing.assert_allclose(big["mean"], big["k"] * 2001 / (big["k"] + 1) - 1)


@pytest.mark.parametrize(
    ("values", "most", "message"),
    [
        ([0.5, np.nan], 1, "the values of a tuning curve must be finite"),
        ([0.5, 0.6], 3, "the best of k trials needs k from 1 to 2, not 3"),
        ([0.5, 0.6], 0, "the best of k trials needs k from 1 to 2, not 0"),
    ],
)
def test_what_a_tuning_curve_refuses(values: list[float], most: int, message: str) -> None:
    with pytest.raises(ValueError, match=r"tuning curve|best of k") as error:
        tuning_curve(values, most)
    assert str(error.value) == message


def holds(values: npt.NDArray[np.float64], truth: stats.rv_continuous, floor: float) -> bool:
    """Whether the band has every median: that of the best of k is the quantile 2^(-1/k)."""
    band = tuning_band(values, 0.95, floor, 1.0)
    medians = np.maximum(truth.ppf(0.5 ** (1 / band["k"])), floor)
    return bool(((band["low"] <= medians) & (medians <= band["high"])).all())


@pytest.mark.parametrize(("n", "floor"), [(16, 0.1), (24, 0.1), (24, 0.8)])
def test_the_band_covers_all_medians_at_once(n: int, floor: float) -> None:
    # Scores beta(8, 2), worse ones than the floor tied at it as diverged trials are. The band holds
    # for the whole distribution, so that it covers the few k shown here more often than 95 %.
    rng, truth, draws = np.random.default_rng(2), stats.beta(8, 2), 150
    samples = np.maximum(truth.rvs((draws, n), random_state=rng), floor)
    hits = sum(holds(each, truth, floor) for each in samples)
    assert hits >= stats.binom.ppf(0.001, draws, 0.95)


def test_the_band_covers_the_whole_distribution_at_its_level() -> None:
    # What makes it simultaneous, and no wider than need be: at the level, not above it.
    rng, draws, n = np.random.default_rng(3), 200, 16
    generator = _generator(n, 0.8)
    hits = 0
    for _ in range(draws):
        values = rng.uniform(0, 1, n)
        lower, _, upper = EmpiricalDistribution.confidence_bands(
            values, 0.8, 0.0, 1.0, generator=generator, method="ld_equal_tailed", n_jobs=1
        )
        at = np.sort(values)
        hits += bool((lower.cdf(at) <= at).all() and (at <= upper.cdf(at - 1e-12)).all())
    assert abs(hits / draws - 0.8) < 4 * np.sqrt(0.8 * 0.2 / draws)


@pytest.mark.parametrize(("n", "most"), [(1, 1), (7, 1), (16, 2), (31, 3)])
def test_the_band_stops_at_an_eighth_and_holds_the_point_curve(n: int, most: int) -> None:
    values = np.random.default_rng(4).uniform(0.5, 0.9, n)
    band = tuning_band(values, 0.9, 0.1, 1.0)
    point = tuning_curve(values, most)
    assert band["k"].tolist() == list(range(1, most + 1))
    assert (band["low"] <= point["median"]).all()
    assert (point["median"] <= band["high"]).all()
    assert band["low"].min() >= 0.1
    assert band["high"].max() <= 1.0


def test_the_band_depends_on_its_arguments_alone() -> None:
    values = np.random.default_rng(5).uniform(0.5, 0.9, 16)
    first = tuning_band(values, 0.95, 0.1, 1.0)
    tuning_band(values[:9], 0.95, 0.1, 1.0)
    tuning_band(values, 0.9, 0.1, 1.0)
    pd.testing.assert_frame_equal(tuning_band(values, 0.95, 0.1, 1.0), first)
    narrow = tuning_band(values, 0.5, 0.1, 1.0)
    assert (narrow["low"] >= first["low"]).all()
    assert (narrow["high"] <= first["high"]).all()


def bank() -> pd.DataFrame:
    """Two families of 16 trials; in b one diverged and one stalled."""
    rng = np.random.default_rng(6)
    trials = pd.DataFrame(
        {
            "family": ["a", "b"] * 16,
            "state": "complete",
            "value": rng.uniform(0.6, 0.9, 32),
            "baseline": False,
        }
    )
    trials.loc[1, ["state", "value"]] = ["diverged", 0.3]
    trials.loc[3, ["state", "value"]] = ["stalled", 0.15]
    return trials


def test_curves_of_a_bank_carry_their_bands() -> None:
    trials = bank()
    found = tuning_curves(trials, True, 0.1)
    assert found["family"].unique().tolist() == ["a", "b"]
    assert found.columns.tolist() == ["family", "k", "n", "median", "low", "high", "banded"]
    values = trials.loc[trials["family"] == "b", "value"].replace(0.3, 0.1)
    own = found[found["family"] == "b"].reset_index(drop=True)
    assert (own["n"] == 16).all()
    assert own["median"].tolist() == tuning_curve(values, 16)["median"].tolist()
    assert own["banded"].tolist() == [True] * 2 + [False] * 14
    band = tuning_band(values, 0.95, 0.1, 1.0)
    pd.testing.assert_frame_equal(own.loc[:1, ["low", "high"]], band[["low", "high"]])
    assert own.loc[2:, ["low", "high"]].isna().all(axis=None)


def test_no_band_where_none_is_valid() -> None:
    trials = bank()
    assert not tuning_curves(trials, False, 0.1)["banded"].any()
    for column, value in (("state", "pruned"), ("baseline", True)):
        changed = trials.copy()
        changed.loc[0, column] = value
        banded = tuning_curves(changed, True, 0.1).groupby("family")["banded"].sum()
        assert banded.tolist() == [0, 2]
    assert tuning_curves(trials[:0], True, 0.1).empty


def test_a_pruned_trial_is_never_what_a_search_returns_and_a_failed_one_is_none() -> None:
    trials = bank()[["family", "state", "value", "baseline"]]
    own = trials[trials["family"] == "a"].copy()
    own.iloc[0, 1:3] = ["pruned", 0.99]
    own.iloc[1, 1:3] = ["failed", np.nan]
    found = tuning_curves(own, False, 0.1)
    values = [0.1, *own["value"].iloc[2:]]
    assert (found["n"] == 15).all()
    assert found["median"].tolist() == tuning_curve(values, 15)["median"].tolist()
