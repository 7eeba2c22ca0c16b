"""The shortest warmup: an inferior one is seldom called good, a good one is found."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.estimators.intervals import DIFFERENCE, crossed_interval, mean_interval
from analysis.estimators.seeds import Outcomes
from analysis.estimators.shares import mcnemar
from analysis.estimators.warmups import not_inferior, shortest_at, shortest_warmup
from study.choosing import TOLERATED
from tests.analysis.estimators.grids import grid, lose

DELTA = 0.003
LENGTHS = (0.0, 0.5, 1.0, 2.0)
CELLS = pd.MultiIndex.from_product([LENGTHS, [0.2, 0.4, 0.8]], names=["warmup", "base_lr"])
PAIRS = CELLS.to_frame(index=False)


def outcomes(
    truth: tuple[float, ...],
    n: int,
    rng: np.random.Generator,
    noise: str = "normal",
    stalls: float = 0.0,
    sd: tuple[float, ...] | float = 0.001,
) -> Outcomes:
    """Scores by seed and length; without warmup that share of runs stalls."""
    shape = (n, len(truth))
    drawn = rng.standard_normal(shape)
    if noise == "skewed":  # a long tail to the left, of mean 0 and SD 1
        drawn = -(rng.lognormal(0, 0.6, shape) - np.exp(0.18)) / 0.79
    scores = 0.85 + np.array(truth) + rng.normal(0, 0.005, (n, 1)) + np.array(sd) * drawn
    untrained = np.zeros(shape, dtype=bool)
    untrained[:, 0] = rng.random(n) < stalls
    columns = list(map(float, range(len(truth))))
    accuracy = pd.DataFrame(np.where(untrained, np.nan, scores), columns=columns)
    return Outcomes(accuracy, pd.DataFrame(untrained, columns=columns))


def seldom(errors: int, draws: int) -> bool:
    """Whether that many errors may come of a rate of 5 %, with 7 % as its tolerance."""
    return errors <= stats.binom.ppf(0.999, draws, 0.07)


@pytest.mark.parametrize("n", [4, 5, 10])
@pytest.mark.parametrize("noise", ["normal", "skewed"])
@pytest.mark.parametrize("stalls", [0.0, 0.15])
def test_a_length_behind_by_delta_is_seldom_called_good(n: int, noise: str, stalls: float) -> None:
    rng, draws = np.random.default_rng(n), 250
    errors = sum(
        not_inferior(outcomes((-DELTA, 0.0), n, rng, noise, stalls), DELTA)["not_inferior"][0]
        for _ in range(draws)
    )
    assert seldom(errors, draws)


def test_the_luck_of_another_length_does_not_help() -> None:
    """The longest is truly ahead by delta, but so uneven that one just as bad often did best."""
    rng, draws = np.random.default_rng(3), 250
    errors = 0
    for _ in range(draws):
        drawn = outcomes((-DELTA, -DELTA, 0.0), 5, rng, sd=(0.0002, 0.0002, 0.02))
        errors += not_inferior(drawn, DELTA)["not_inferior"].iloc[:2].any()
    assert seldom(errors, draws)


def test_equal_lengths_are_found_equal() -> None:
    rng = np.random.default_rng(4)
    drawn = [outcomes((0.0,) * 3, 5, rng, sd=0.0005) for _ in range(50)]
    assert sum(not_inferior(each, DELTA)["not_inferior"][0] for each in drawn) >= 45


def test_lengths_are_tested_down_from_the_best_and_no_further_than_the_first_that_fails() -> None:
    scores = np.linspace(0, 0.001, 5)[:, None] + [0.80, 0.70, 0.80, 0.8005, 0.80]
    scores = scores + np.random.default_rng(5).normal(0, 1e-4, scores.shape)
    accuracy = pd.DataFrame(scores, columns=[0.0, 0.5, 1.0, 2.0, 4.0])
    found = not_inferior(Outcomes(accuracy, accuracy.isna()), DELTA)
    assert found["least"].gt(-DELTA).tolist() == [True, False, True, True, True]
    assert found["not_inferior"].tolist() == [False, False, True, True, False]


def test_it_is_a_paired_test_against_every_length_that_can_be_chosen() -> None:
    drawn = outcomes((-0.001, 0.0, 0.0), 6, np.random.default_rng(6))
    drawn.accuracy.iloc[0, 0], drawn.untrained.iloc[0, 0] = np.nan, True
    found = not_inferior(drawn, DELTA).set_index("warmup")
    lows = [mean_interval(drawn.accuracy[0.0] - drawn.accuracy[each], 0.9).low for each in (1, 2)]
    assert found.loc[0.0, "least"] == min(lows)
    best = found.index[found["behind"] == 0][0]
    expected = mean_interval(drawn.accuracy[0.0] - drawn.accuracy[best], 0.9)
    row = found.loc[0.0, ["n", "behind", "low", "high"]]
    assert tuple(row) == (5, expected.mean, expected.low, expected.high)


def test_too_many_untrained_runs_are_never_good_and_too_few_seeds_show_nothing() -> None:
    for failed, n, shown in ((1, 5, True), (2, 10, False), (1, 4, False), (0, 3, False)):
        drawn = outcomes((0.0, 0.0), n, np.random.default_rng(7), sd=1e-4)
        drawn.accuracy.iloc[:failed, 0], drawn.untrained.iloc[:failed, 0] = np.nan, True
        assert bool(not_inferior(drawn, DELTA)["not_inferior"][0]) == shown


def test_the_exact_test_says_nothing_of_what_is_tolerated() -> None:
    assert [mcnemar(k + TOLERATED, k) for k in range(20)] == pytest.approx([1.0] * 20)


def test_a_planted_threshold_comes_back() -> None:
    scores = np.repeat([0.83, 0.86, 0.88, 0.88], 3) - np.tile([0.05, 0.0, 0.05], 4)
    runs = grid(PAIRS, scores, 30, np.random.default_rng(8))
    found = shortest_warmup(runs, 0.006)
    assert found.shortest == 1.0
    assert found.level == pytest.approx(0.9)
    assert found.lengths["base_lr"].tolist() == [0.4] * 4
    assert found.lengths["standing"].tolist()[:2] == ["worse", "worse"]


def test_rates_that_cannot_be_told_apart_widen_the_tests() -> None:
    """The luckiest of k equal rates stands for its length."""
    scores = np.repeat([0.88, 0.88, 0.88, 0.88], 3) - np.tile([0.0, 0.0, 0.1], 4)
    runs = grid(PAIRS, scores, 10, np.random.default_rng(9))
    assert shortest_warmup(runs).level == pytest.approx(1 - 2 * 0.05 / 2)


def test_rates_that_other_runs_chose_cost_no_level() -> None:
    """Of equal rates the luckiest stands for its length; one that was fixed before is no luck."""
    runs = grid(PAIRS, np.full(12, 0.88), 10, np.random.default_rng(9))
    picked = shortest_warmup(runs)
    rates = picked.lengths.set_index("warmup")["base_lr"]
    kept = runs[runs["base_lr"] == runs["warmup"].map(rates)]
    wide = kept.pivot_table("value", "replicate", "warmup")
    fixed = shortest_at(Outcomes(wide, wide.isna()), rates.to_dict())
    assert picked.level > fixed.level == pytest.approx(0.9)
    pd.testing.assert_frame_equal(
        fixed.lengths.drop(columns="standing"),
        shortest_warmup(kept).lengths.drop(columns="standing"),
    )
    assert (fixed.lengths["least"] > picked.lengths["least"]).all()


def test_shared_images_widen_the_bounds_as_crossed_intervals_do() -> None:
    rng = np.random.default_rng(12)
    easy = np.clip(rng.normal(0.8, 0.3, 200), 0, 1)
    correct = {each: (rng.random((6, 200)) < easy).astype(float) for each in (0.0, 1.0)}
    correct[1.0][2] = np.nan  # did not train
    accuracy = pd.DataFrame({each: bits.mean(axis=1) for each, bits in correct.items()})
    drawn = Outcomes(accuracy, accuracy.isna())
    found = not_inferior(drawn, DELTA, correct=correct).set_index("warmup")
    both = [0, 1, 3, 4, 5]
    difference = correct[0.0][both] - correct[1.0][both]
    expected = crossed_interval(difference, 0.9, DIFFERENCE)
    assert found.loc[0.0, "least"] == expected.low
    assert found.loc[1.0, "least"] == pytest.approx(-expected.high)


def test_what_cannot_be_said_is_not() -> None:
    runs = grid(PAIRS, np.full(12, 0.88), 5, np.random.default_rng(10))
    few = shortest_warmup(runs[runs["replicate"] < 3])
    assert few.shortest is None
    assert few.best is not None
    assert set(few.lengths["standing"]) == {"best", "too few"}
    assert few.lengths[["low", "high", "least"]].isna().all(axis=None)
    assert shortest_warmup(runs[runs["warmup"] == 1.0]).shortest is None
    nothing = shortest_warmup(lose(runs, runs["value"] > 0))
    assert (nothing.shortest, nothing.best) == (None, None)
    assert (nothing.lengths["standing"] == "untrained").all()
    one = shortest_warmup(lose(runs, runs["warmup"] != 1.0))
    assert (one.shortest, one.best) == (None, 1.0)
    assert shortest_warmup(runs[:0]).lengths.empty
