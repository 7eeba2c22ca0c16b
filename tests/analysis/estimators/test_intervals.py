"""Estimators against independent oracles: scipy, formulas by hand, simulated coverage."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.estimators.intervals import (
    ANYWHERE,
    MANY_SEEDS,
    SHARE,
    _tails,
    crossed_interval,
    mean_by,
    mean_interval,
    paired_difference,
    prediction_interval,
    seeds_needed,
    t_interval,
    wilson,
)
from analysis.estimators.outcomes import binned, budget, divergence_edge, scored, summary
from analysis.estimators.skew import reach, tail


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


def test_mean_interval_is_students_lengthened_on_the_side_of_the_tail() -> None:
    values = np.array([0.84, 0.85, 0.85, 0.86, 0.80, 0.83])  # a tail to the left
    for level in (0.9, 0.95):
        found, student = mean_interval([*values, np.nan], level), t_interval(values, level)
        assert found[:3] == student[:3]
        se = student.sd / math.sqrt(6)
        assert found.high == pytest.approx(student.high)
        down = reach(level, 5, tail(-stats.skew(values, bias=False), 6))
        assert found.low == pytest.approx(student.mean - down * se)
        assert found.low < student.low
        turned = mean_interval(1 - values, level)
        assert (turned.low, turned.high) == pytest.approx((1 - found.high, 1 - found.low))


def test_mean_interval_of_a_symmetric_sample_is_students() -> None:
    values = [0.80, 0.82, 0.84, 0.86, 0.88]
    assert mean_interval(values)[:] == pytest.approx(t_interval(values)[:])


@given(st.lists(st.floats(0, 1), min_size=4, max_size=12), st.floats(0.5, 0.99))
@settings(deadline=None)
def test_mean_interval_is_never_shorter_than_students_nor_leaves_what_is_possible(
    values: list[float], level: float
) -> None:
    free, cut, student = (
        mean_interval(values, level),
        mean_interval(values, level, SHARE),
        t_interval(values, level),
    )
    close = 1e-9
    assert free.low <= student.low + close
    assert free.high >= student.high - close
    assert free.high - free.low <= 2 * (student.high - student.low) + close
    assert (cut.low, cut.high) == (max(free.low, 0.0), min(free.high, 1.0))
    assert cut.low <= cut.mean + close
    assert cut.mean <= cut.high + close


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_few_values_have_a_mean_and_no_interval(n: int) -> None:
    found = mean_interval([*[0.8, 0.9, 0.7][:n], np.nan])
    assert found.n == n
    assert np.isnan([found.low, found.high]).all()
    assert np.isnan(found.mean) == (n == 0)
    if n:
        crossed = crossed_interval(np.eye(3)[:n])
        assert crossed.mean == pytest.approx(1 / 3)
        assert np.isnan([crossed.low, crossed.high]).all()


def correctness(rng: np.random.Generator, seeds: int, images: int, sd: float) -> np.ndarray:
    """(seeds, images) of 0 and 1, true mean 0.892: four images of five are easy, one is hard; the
    true accuracies of the seeds differ by ``sd`` and seeds differ on hard images alone."""
    hard = rng.random(images) < 0.2
    easy = np.where(hard, rng.uniform(0.15, 0.85, images), 0.99)
    seed = rng.normal(0, sd / 0.2, (seeds, 1))
    return np.asarray(rng.random((seeds, images), dtype=np.float32) < easy + seed * hard)


@pytest.mark.parametrize("seeds", [5, 10])
def test_crossed_interval_covers_the_population_of_seeds_and_images(seeds: int) -> None:
    rng = np.random.default_rng(seeds)
    truth, crossed, alone = 0.2 * 0.5 + 0.8 * 0.99, 0, 0
    for _ in range(2000):
        found = crossed_interval(correctness(rng, seeds, 2000, 0.005))
        crossed += found.low < truth < found.high
        half = stats.t.ppf(0.975, seeds - 1) * found.seed_se
        alone += abs(found.mean - truth) < half
    assert 0.93 < crossed / 2000 < 0.985  # 2,000 draws: a true 95 % gives less once in 10,000
    assert alone / 2000 < 0.91  # seeds alone: as if these 2,000 images were all there are


def test_crossed_interval_by_least_squares() -> None:
    x = np.random.default_rng(6).integers(-1, 2, (4, 7)).astype(float)
    x[:, 3] = -1  # an image apart
    seeds, images = x.shape
    one = np.kron(np.eye(seeds), np.ones((images, 1)))
    other = np.kron(np.ones((seeds, 1)), np.eye(images))

    def rest(*columns: np.ndarray) -> float:
        design = np.hstack([np.ones((x.size, 1)), *columns])
        fit = design @ np.linalg.lstsq(design, x.ravel(), rcond=None)[0]
        return float(((x.ravel() - fit) ** 2).sum())

    ms_rest = rest(one, other) / 18
    ms_seeds, ms_images = (rest(other) - rest(one, other)) / 3, (rest(one) - rest(one, other)) / 6
    assert ms_images > ms_rest
    variance = (ms_seeds + ms_images - ms_rest) / x.size
    df = (variance * x.size) ** 2 / (ms_seeds**2 / 3 + ms_images**2 / 6 + ms_rest**2 / 18)
    found = crossed_interval(x, 0.9, ANYWHERE)
    assert (found.n, found.mean, found.df) == (4, pytest.approx(x.mean()), pytest.approx(df))
    se = math.sqrt(variance)
    down, up = (reach(0.9, df, each) * se for each in _tails(x.mean(axis=1), found.seed_se, se))
    assert (found.low, found.high) == pytest.approx((x.mean() - down, x.mean() + up))
    bounds = crossed_interval(x, 0.9)
    assert (bounds.low, bounds.high) == (max(found.low, 0), min(found.high, 1))
    assert found.seed_se**2 == pytest.approx(ms_seeds / x.size)
    assert found.image_se**2 == pytest.approx((ms_images - ms_rest) / x.size)
    assert found.seed_se == pytest.approx(found.sd / 2)
    assert found.sd == pytest.approx(x.mean(axis=1).std(ddof=1))


def test_more_seeds_do_not_remove_the_image_part() -> None:
    images = np.random.default_rng(7).integers(0, 2, 50)
    expected = t_interval(images)
    for seeds in (4, 20):
        found = crossed_interval(np.tile(images, (seeds, 1)))
        assert (found.seed_se, found.image_se) == pytest.approx((0, expected.sd / math.sqrt(50)))
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_crossed_interval_without_an_image_effect_is_students_over_seeds() -> None:
    x = np.array([[1, 0, 1, 0], [0, 1, 0, 1], [1, 1, 1, 0], [0, 1, 0, 1]])  # images differ little
    found, expected = crossed_interval(x), mean_interval(x.mean(axis=1), within=SHARE)
    assert found[:5] == pytest.approx(expected)
    assert (found.image_se, found.df) == (0, 3)


def test_crossed_interval_of_no_variation_is_a_point() -> None:
    found = crossed_interval(np.zeros((4, 5)))
    assert found == (4, 0, 0, 0, 0, 0, 0, 3)


def test_one_seed_knows_the_image_part_alone() -> None:
    x = np.array([[1, 0, 1, 1]])
    found, none = crossed_interval(x), crossed_interval(np.zeros((0, 4)))
    assert (found.n, found.mean) == (1, 0.75)
    assert found.image_se == pytest.approx(t_interval(x).sd / 2)
    assert np.isnan([found.sd, found.low, found.high, found.seed_se, found.df]).all()
    assert none.n == 0
    assert np.isnan(none[1:]).all()


@pytest.mark.parametrize("shape", [(4,), (3, 1), (2, 2, 2)])
def test_crossed_interval_refuses_other_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="correct must be") as error:
        crossed_interval(np.zeros(shape))
    assert str(error.value) == f"correct must be seeds x at least 2 images, not of shape {shape}"


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


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (0.5, 10), (2.5, 3), (10, 10), (50, 200)])
def test_wilson_solves_its_equation(hits: float, n: int) -> None:
    z = stats.norm.ppf(0.975)
    low, high = wilson(hits, n)
    assert low == 0 if hits == 0 else 0 < low < hits / n
    assert high == 1 if hits == n else hits / n < high < 1
    for bound in {low, high} - {0.0, 1.0}:
        assert abs(hits / n - bound) == pytest.approx(z * math.sqrt(bound * (1 - bound) / n))


@pytest.mark.parametrize("hits", [0, 3, 10])
def test_wilson_of_whole_numbers_is_scipys(hits: int) -> None:
    expected = stats.binomtest(hits, 10).proportion_ci(0.9, method="wilson")
    assert wilson(hits, 10, 0.9) == pytest.approx(tuple(expected))


def test_wilson_of_nothing_and_of_nonsense() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    for bad in (-0.5, 3.5, math.nan):
        with pytest.raises(ValueError, match="successes") as error:
            wilson(bad, 3)
        assert str(error.value) == f"successes must be between 0 and 3, not {bad!r}"


def test_wilson_of_arrays_is_that_of_each() -> None:
    hits, n = np.array([0, 1, 2.5, 4, 0]), np.array([5, 5, 4, 4, 0])
    low, high = wilson(hits, n, 0.9)
    each = [wilson(a, b, 0.9) for a, b in zip(hits, n, strict=True)]
    assert list(zip(low, high, strict=True)) == each


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


def test_seeds_needed_for_a_tiny_difference_is_a_number() -> None:
    z = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    assert seeds_needed(1e-13, 0.007) == pytest.approx((z * 0.007 / 1e-13) ** 2)
    step = z / math.sqrt(MANY_SEEDS)  # at the border both ways agree to about two seeds
    assert abs(seeds_needed(step * 1.0000001, 1) - seeds_needed(step * 0.9999999, 1)) <= 3


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
    expected = mean_interval((a - b)[:5])  # the last seed of b stalled
    assert (found.n, found.mean) == (5, pytest.approx(expected.mean))
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert paired_difference(trials, "a", "nothing", "x").n == 0


def test_mean_by_is_the_interval_of_each_group() -> None:
    values = [0.1, 0.5, 0.3, 0.2, 0.9]
    trials = frame(family=["a", "b", "a", "a", "a"], x=values)
    found = mean_by(trials, ["family"], "x", within=SHARE).set_index("family")
    expected = mean_interval([0.1, 0.3, 0.2, 0.9], within=SHARE)
    assert found.loc["a"].tolist() == list(expected)
    assert expected.low == 0
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
        slot=range(6),
        family=["a"] * 6,
        state=["complete", "stalled", "diverged", "pruned", "failed", "running"],
        epochs=[10.0] * 6,
        epochs_trained=[10.0, 10.0, 2.0, 4.0, 3.0, 5.0],
        epochs_restored=[0.0] * 6,
    )
    row = budget(trials).iloc[0]
    assert row["asked"] == 40
    assert row["asked"] == row["trained"] + row["saved_by_pruning"] + row["unspent_by_divergence"]
    assert (row["saved_by_pruning"], row["unspent_by_divergence"], row["lost"]) == (6, 8, 3)


def test_what_a_checkpoint_restored_is_not_lost() -> None:
    """Attempts at one slot: 5 epochs; 4 of them and 3 more; these 7 and the last 3."""
    trials = frame(
        slot=[0.0] * 3,
        family=["a"] * 3,
        state=["interrupted", "interrupted", "complete"],
        epochs=[10.0] * 3,
        epochs_trained=[5.0, 7.0, 10.0],
        epochs_restored=[0.0, 4.0, 7.0],
    )
    row = budget(trials).iloc[0]
    assert (row["asked"], row["trained"], row["lost"]) == (10, 10, 1)
    assert budget(trials.iloc[:1])["lost"].tolist() == [0]  # the next attempt goes on from there
    assert budget(trials.iloc[:2])["lost"].tolist() == [1]
