"""Estimators against independent oracles: scipy, statsmodels-free formulas, simulated coverage."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.statistics import (
    binned,
    budget,
    divergence_edge,
    mean_by,
    paired_difference,
    prediction_interval,
    scored,
    seeds_needed,
    summary,
    t_interval,
    wilson,
)


def within_binomial_error(hits: int, n: int, share: float) -> bool:
    """Whether a simulation agrees with a probability, at five standard errors."""
    return abs(hits / n - share) < 5 * math.sqrt(share * (1 - share) / n)


@pytest.mark.parametrize("level", [0.9, 0.95])
def test_t_interval_is_scipys(level: float) -> None:
    values = np.random.default_rng(0).normal(3, 2, 7)
    found = t_interval([*values, np.nan], level)
    expected = stats.ttest_1samp(values, 0).confidence_interval(level)
    assert (found.n, found.sd) == (7, pytest.approx(values.std(ddof=1)))
    assert (found.low, found.high) == pytest.approx(tuple(expected))


def test_t_interval_of_one_value_and_of_none() -> None:
    one, none = t_interval([2.0]), t_interval([])
    assert (one.n, one.mean) == (1, 2.0)
    assert none.n == 0
    assert np.isnan([one.sd, one.low, one.high, none.mean, none.low]).all()


def test_t_interval_covers_at_five_seeds() -> None:
    samples = np.random.default_rng(1).normal(0, 1, (2000, 5))
    hits = sum(low < 0 < high for _, _, _, low, high in map(t_interval, samples))
    assert within_binomial_error(hits, len(samples), 0.95)


@pytest.mark.parametrize(("k", "n"), [(1, 4), (3, 4), (10, 5)])
def test_prediction_interval_covers_the_mean_of_new_runs(k: int, n: int) -> None:
    rng = np.random.default_rng(2)
    old, new = rng.normal(0.9, 0.01, (4000, n)), rng.normal(0.9, 0.01, (4000, k)).mean(axis=1)
    hits = 0
    for mean, sd, value in zip(old.mean(axis=1), old.std(axis=1, ddof=1), new, strict=True):
        low, high = prediction_interval(mean, sd, n, k)
        hits += low < value < high
    assert within_binomial_error(hits, 4000, 0.95)


@pytest.mark.parametrize(("n", "k"), [(1, 3), (4, 0)])
def test_prediction_interval_needs_runs(n: int, k: int) -> None:
    with pytest.raises(ValueError, match="a prediction needs") as error:
        prediction_interval(0.9, 0.01, n, k)
    assert str(error.value) == f"a prediction needs n >= 2 old and k >= 1 new runs, not {n} and {k}"


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (3, 10), (10, 10), (50, 200)])
def test_wilson_solves_its_equation(hits: int, n: int) -> None:
    z = stats.norm.ppf(0.975)
    for bound in wilson(hits, n):
        if 0 < bound < 1:
            assert abs(hits / n - bound) == pytest.approx(z * math.sqrt(bound * (1 - bound) / n))
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("points", "seeds"), [(0.3, 45), (0.5, 18), (1.0, 7)])
def test_seeds_needed_for_a_paired_t_test(points: float, seeds: int) -> None:
    assert abs(seeds_needed(points, 0.7) - seeds) <= 1


def test_seeds_needed_gives_the_power_by_simulation() -> None:
    n = seeds_needed(0.5, 0.7)
    samples = np.random.default_rng(3).normal(0.5, 0.7, (20_000, n))
    error = 5 * math.sqrt(0.8 * 0.2 / len(samples))
    power = [
        (stats.ttest_1samp(samples[:, :size], 0, axis=1).pvalue < 0.05).mean()
        for size in (n, n - 1)
    ]
    assert power[0] > 0.8 - error
    assert power[1] < 0.8 + error


@pytest.mark.parametrize("bad", [(0.0, 1.0), (1.0, 0.0), (math.nan, 1.0)])
def test_seeds_needed_refuses(bad: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="difference and sd must be above 0"):
        seeds_needed(*bad)


def frame(**columns: list[object]) -> pd.DataFrame:
    return pd.DataFrame(columns)


def test_paired_difference_uses_common_seeds_alone() -> None:
    rng = np.random.default_rng(4)
    a, b = rng.normal(0, 1, 6), rng.normal(0, 1, 6)
    trials = frame(
        family=["a"] * 6 + ["b"] * 6 + ["a", "b", "a"],
        seed=[*range(6), *range(6), 6, 7, 0],
        state=["complete"] * 11 + ["stalled", "complete", "complete", "failed"],
        x=[*a, *b, 100.0, -100.0, 50.0],
    )
    found = paired_difference(trials, "a", "b", "x")
    expected = stats.ttest_rel(a, b).confidence_interval(0.95)
    assert (found.n, found.mean) == (6, pytest.approx((a - b).mean()))
    assert (found.low, found.high) == pytest.approx(tuple(expected))
    assert paired_difference(trials, "a", "nothing", "x").n == 0


def test_mean_by_is_t_interval_of_each_group() -> None:
    trials = frame(family=["a", "b", "a"], x=[1.0, 5.0, 3.0])
    found = mean_by(trials, ["family"], "x").set_index("family")
    assert found.loc["a", ["n", "mean"]].tolist() == [2, 2.0]
    assert found.loc["a", "low"] == pytest.approx(t_interval([1.0, 3.0]).low)
    assert found.loc["b", "n"] == 1


STATES = ["complete", "complete", "diverged", "pruned", "failed", "stalled", "interrupted"]
VALUES = [0.8, 0.9, 0.1, 0.95, np.nan, 0.1, np.nan]
TRIALS = frame(
    family=["a"] * 7, trial=list(range(7)), state=STATES, value=VALUES, base_lr=[0.1] * 7
)


def test_summary_counts_each_outcome_and_judges_complete_trials_alone() -> None:
    row = summary(TRIALS).iloc[0]
    assert row[["n", "complete", "diverged", "stalled", "pruned", "failed"]].tolist() == [
        6, 2, 1, 1, 1, 1,
    ]  # fmt: skip
    assert (row["best"], row["best_trial"], row["median"]) == (0.9, 1, pytest.approx(0.85))
    assert row["diverged_share"] == pytest.approx(1 / 5)
    assert (row["diverged_low"], row["diverged_high"]) == wilson(1, 5)


def test_summary_without_a_complete_trial() -> None:
    row = summary(TRIALS[TRIALS["state"] == "failed"]).iloc[0]
    assert row[["best", "median", "diverged_share"]].isna().all()
    assert row["best_trial"] is pd.NA
    assert summary(TRIALS[:0]).empty


def test_scored_gives_an_accuracy_to_complete_trials_alone() -> None:
    found = scored(TRIALS)["accuracy"]
    assert found[:2].tolist() == [0.8, 0.9]
    assert found[2:].isna().all()


@pytest.mark.parametrize(
    ("states", "rates", "expected"),
    [
        (["complete", "diverged"], [0.1, 1.0], (0.1, 0, 1.0, 1)),
        (["diverged", "stalled", "complete"], [0.5, 2.0, 0.1], (2.0, 1, 0.5, 0)),
        (["complete", "pruned"], [0.1, 9.0], (0.1, 0, math.nan, None)),
        (["diverged"], [3.0], (math.nan, None, 3.0, 0)),
        ([], [], (math.nan, None, math.nan, None)),
    ],
)
def test_divergence_edge(
    states: list[str], rates: list[float], expected: tuple[float | None, ...]
) -> None:
    trials = frame(trial=list(range(len(rates))), state=list(states), base_lr=list(rates))
    assert list(divergence_edge(trials)) == pytest.approx(list(expected), nan_ok=True)


def test_bins_hold_their_lower_bound_and_the_last_one_both() -> None:
    trials = frame(
        trial=[0, 1, 2, 3, 4],
        state=["complete"] * 5,
        value=[0.1, 0.2, 0.3, 0.4, 0.5],
        x=[0.0, 1.0, 1.5, 2.0, 9.0],
    )
    found = binned(trials, "x", [0.0, 1.0, 2.0])
    assert found["n"].tolist() == [1, 3]
    assert found["best"].tolist() == [0.1, 0.4]
    assert found["mean"].tolist() == pytest.approx([0.1, 0.3])
    assert found[["low_edge", "high_edge"]].to_numpy().tolist() == [[0.0, 1.0], [1.0, 2.0]]


def test_the_budget_adds_up() -> None:
    trials = frame(
        family=["a"] * 6,
        state=["complete", "stalled", "diverged", "pruned", "failed", "running"],
        epochs=[10.0] * 6,
        epochs_trained=[10.0, 10.0, 2.0, 4.0, 3.0, 5.0],
    )
    row = budget(trials).iloc[0]
    assert row["asked"] == 40
    assert row["asked"] == row["trained"] + row["saved_by_pruning"] + row["unspent_by_divergence"]
    assert (row["saved_by_pruning"], row["unspent_by_divergence"], row["lost"]) == (6, 8, 3)
