"""Pairs and verdicts against closed tests, scipy and simulations with a planted truth."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.estimators.comparison import (
    DELTA,
    best_set,
    compare_pairs,
    decide,
    further_seeds,
    holm,
    superiority,
)
from analysis.estimators.intervals import crossed_interval, seeds_needed, wilson

SD = 0.007  # of a paired difference on this task


def paired_scores(
    rng: np.random.Generator, seeds: int, means: dict[str, float], sd: float = SD
) -> pd.DataFrame:
    """Seeds have a part in common; differences of two families have the given SD."""
    common = rng.normal(0, 0.01, (seeds, 1))
    own = rng.normal(list(means.values()), sd / math.sqrt(2), (seeds, len(means)))
    return pd.DataFrame(0.9 + common + own, columns=list(means))


def test_superiority_counts_ties_half() -> None:
    found = superiority([0.1, 0.2, -0.1, 0.0, np.nan])
    assert (found.n, found.share) == (4, 2.5 / 4)
    assert (found.low, found.high) == wilson(2.5, 4)
    nothing = superiority([np.nan])
    assert (nothing.n, nothing.low, nothing.high) == (0, 0, 1)
    assert math.isnan(nothing.share)


def test_superiority_covers_the_probability_to_win() -> None:
    truth = stats.norm.cdf(0.5)
    draws = np.random.default_rng(0).normal(0.5, 1, (2000, 30))
    found = [superiority(draw) for draw in draws]
    assert np.mean([share for _, share, *_ in found]) == pytest.approx(truth, abs=0.01)
    assert 0.92 < np.mean([low < truth < high for *_, low, high in found]) < 0.98


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
    assert holm([0.6, 0.7]).adjusted.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("bounds", "verdict"),
    [
        ((-0.003, 0.003, -0.004, 0.004), "equivalent"),
        ((0.001, 0.002, 0.0005, 0.0025), "equivalent"),  # real, but too small to matter
        ((0.001, 0.0031, 0.0005, 0.004), "better"),
        ((-0.0031, -0.001, -0.004, -0.0005), "worse"),
        ((0.001, 0.005, 0.0, 0.006), "unresolved"),
        ((-0.0031, 0.001, -0.004, 0.0), "unresolved"),
        ((math.nan, math.nan, math.nan, math.nan), "unresolved"),
    ],
)
def test_the_rule(bounds: tuple[float, float, float, float], verdict: str) -> None:
    assert decide(*bounds) == verdict
    low90, high90, low, high = bounds
    mirrored = {"better": "worse", "worse": "better"}.get(verdict, verdict)
    assert decide(-high90, -low90, -high, -low) == mirrored
    assert decide(*bounds, delta=0.0001) != "equivalent"


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


def test_pairs_are_paired_t_tests_over_common_seeds_with_holm() -> None:
    scores = paired_scores(np.random.default_rng(3), 9, {"a": 0.008, "b": 0, "c": 0, "d": -0.02})
    scores.loc[0, "b"] = np.nan
    scores.loc[1, "a"] = np.nan
    found = compare_pairs(scores, "a", ["b", "c", "d"]).set_index("second", drop=False)
    assert found["first"].tolist() == ["a"] * 3
    assert found["n"].tolist() == [7, 8, 8]
    for name, row in found.iterrows():
        pair = scores[["a", str(name)]].dropna()
        test = stats.ttest_rel(pair["a"], pair[str(name)])
        difference = pair["a"] - pair[str(name)]
        assert (row["p"], row["mean"]) == pytest.approx((test.pvalue, difference.mean()))
        assert row["sd"] == pytest.approx(difference.std())
        assert (row["low"], row["high"]) == pytest.approx(tuple(test.confidence_interval(0.95)))
        assert (row["low90"], row["high90"]) == pytest.approx(tuple(test.confidence_interval(0.9)))
        assert (row["adjusted_p"] < 0.05) == (row["adjusted_low"] > 0 or row["adjusted_high"] < 0)
        assert row["superiority"] == (difference > 0).mean()
    assert found["adjusted_p"].tolist() == holm(found["p"]).adjusted.tolist()
    last = stats.ttest_rel(*scores[["a", "d"]].dropna().to_numpy().T).confidence_interval(
        1 - 0.05 / 3
    )
    assert found.loc["d", ["adjusted_low", "adjusted_high"]].tolist() == pytest.approx(tuple(last))
    assert found.loc["d", ["verdict", "further_seeds"]].tolist() == ["better", 0]
    assert compare_pairs(scores, "d", ["a"])["verdict"].tolist() == ["worse"]
    assert (found["image_se"] == 0).all()


def test_an_unresolved_pair_asks_for_seeds_at_its_adjusted_level() -> None:
    scores = paired_scores(np.random.default_rng(4), 5, {"a": 0.002, "b": 0, "c": 0})
    found = compare_pairs(scores, "a", ["b", "c"])
    assert found["verdict"].tolist() == ["unresolved"] * 2
    expected = [
        further_seeds(5, row["sd"], row["mean"], level=holm(found["p"]).levels[i])
        for i, row in found.iterrows()
    ]
    assert found["further_seeds"].tolist() == expected
    assert found["further_seeds"].min() > 0


def test_pairs_without_a_test() -> None:
    scores = pd.DataFrame(
        {
            "a": [0.91, 0.89, 0.90],
            "same": [0.91, 0.89, 0.90],
            "coarse": [0.90, 0.88, 0.89],
            "close": [0.909, 0.889, 0.899],
            "once": [np.nan, 0.88, np.nan],
            "never": [np.nan] * 3,
        }
    )
    found = compare_pairs(scores, "a", ["same", "coarse", "close", "once", "never"])
    assert found["verdict"].tolist() == ["equivalent", *["unresolved"] * 4]
    assert found["n"].tolist() == [3, 3, 3, 1, 0]
    assert found.loc[0, ["low", "high", "p"]].tolist() == [0, 0, 1]
    unknown = found.loc[1:, ["low", "high90", "p", "adjusted_p", "further_seeds"]]
    assert unknown.isna().to_numpy().all()
    assert compare_pairs(scores, "a", []).columns.tolist() == found.columns.tolist()


def images_of(rng: np.random.Generator, seeds: int) -> dict[str, np.ndarray]:
    """Correctness of two families on 500 images, each family with its own strengths on half of
    them; over all possible images both are equal."""
    own = rng.normal(0, 0.4, (2, 500)) * (rng.random(500) < 0.5)
    chance = np.clip(0.5 + own, 0, 1)
    return {name: rng.random((seeds, 500)) < row for name, row in zip("ab", chance, strict=True)}


def test_images_widen_the_intervals_of_pairs() -> None:
    correct = images_of(np.random.default_rng(5), 4)
    scores = pd.DataFrame({name: bits.mean(axis=1) for name, bits in correct.items()})
    scores.loc[2, "b"] = np.nan
    row = compare_pairs(scores, "a", ["b"], correct=correct).iloc[0]
    kept = [0, 1, 3]
    expected = crossed_interval(correct["a"][kept] * 1.0 - correct["b"][kept])
    assert row[["n", "mean", "sd", "low", "high"]].tolist() == pytest.approx(list(expected[:5]))
    assert row["image_se"] == expected.image_se > 0
    assert row["p"] == pytest.approx(
        2 * stats.t.sf(abs(row["mean"]) / math.hypot(*expected[5:7]), expected.df)
    )
    with pytest.raises(ValueError, match="correct of a and b") as error:
        compare_pairs(scores[:3], "a", ["b"], correct=correct)
    assert str(error.value) == (
        "correct of a and b must be 3 seeds x the same images, not (4, 500) and (4, 500)"
    )


def test_seeds_that_all_agree_cannot_resolve_a_pair() -> None:
    bits = {"a": np.tile([1, 0, 1, 1, 0], (4, 1)), "b": np.tile([0, 0, 1, 1, 0], (4, 1))}
    scores = pd.DataFrame({name: rows.mean(axis=1) for name, rows in bits.items()})
    row = compare_pairs(scores, "a", ["b"], correct=bits).iloc[0]
    assert (row["mean"], row["sd"]) == pytest.approx((0.2, 0))
    assert (row["low"], row["high"]) == pytest.approx((-0.355, 0.755), abs=0.001)
    assert row["verdict"] == "unresolved"
    assert row["further_seeds"] is pd.NA


def test_luck_with_the_test_images_is_not_a_verdict() -> None:
    rng = np.random.default_rng(6)
    crossed, alone = 0, 0
    for _ in range(200):
        correct = images_of(rng, 10)
        scores = pd.DataFrame({name: bits.mean(axis=1) for name, bits in correct.items()})
        crossed += compare_pairs(scores, "a", ["b"], correct=correct)["verdict"][0] == "unresolved"
        alone += compare_pairs(scores, "a", ["b"])["verdict"][0] in ("better", "worse")
    assert 200 - crossed <= 25  # 10 expected, within 5 standard errors
    assert alone > 50


def test_no_effect_is_called_better_or_worse_at_the_stated_rate() -> None:
    rng = np.random.default_rng(7)
    wrong = 0
    for _ in range(200):
        scores = paired_scores(rng, 5, dict.fromkeys("abcdef", 0.0))
        found = compare_pairs(scores, "a", list("bcdef"))
        wrong += found["verdict"].isin(["better", "worse"]).any()
    assert wrong <= 16  # at a true rate of 5 %, more than 16 happen once in 50


def test_equivalence_is_wrongly_claimed_at_the_edge_at_the_stated_rate() -> None:
    rng = np.random.default_rng(8)
    claims = 0
    for edge in (DELTA, -DELTA) * 200:
        scores = paired_scores(rng, 10, {"a": edge, "b": 0.0}, sd=0.003)
        claims += compare_pairs(scores, "a", ["b"])["verdict"][0] == "equivalent"
    assert 4 <= claims <= 36  # 20 of 400 expected, within 3.7 standard errors


def test_planted_differences_are_found() -> None:
    rng = np.random.default_rng(9)
    verdicts = [
        compare_pairs(paired_scores(rng, 18, {"a": 0.005, "b": 0.0}), "a", ["b"])["verdict"][0]
        for _ in range(200)
    ]
    assert 132 <= verdicts.count("better") <= 184  # 80 % power, within 5 standard errors
    assert verdicts.count("worse") == 0


def test_the_best_set_is_one_sided_paired_tests() -> None:
    means = {"far": -0.05, "near": -0.001, "top": 0.01, "mid": -0.008}
    scores = paired_scores(np.random.default_rng(10), 8, means)
    scores.loc[8] = [0.9, np.nan, 0.1, 0.9]  # not every configuration has this seed
    found = best_set(scores).set_index("name")
    used = scores[:8]
    assert found.index.tolist() == used.mean().sort_values(ascending=False).index.tolist()
    assert found.index[0] == "top"
    assert (found["n"] == 8).all()
    for name in ("far", "near", "mid"):
        p = stats.ttest_rel(used["top"], used[name], alternative="greater").pvalue
        assert found.loc[name, "p"] == pytest.approx(min(3 * p, 1))
        assert found.loc[name, "in_set"] == (3 * p >= 0.05)
        assert found.loc[name, "behind"] == pytest.approx((used["top"] - used[name]).mean())
    assert found.loc["top", ["behind", "p", "in_set"]].tolist() == [0, 1, True]
    assert not found.loc["far", "in_set"]


def test_the_best_set_holds_the_true_best_at_its_level() -> None:
    rng = np.random.default_rng(11)
    p = []
    for _ in range(250):
        scores = paired_scores(rng, 5, dict.fromkeys("abcd", 0.0))  # the hardest case: all equal
        found = best_set(scores, 0.8).set_index("name").loc["a"]
        assert found["in_set"] == (found["p"] >= 0.2)
        p.append(found["p"])
    assert np.mean(np.array(p) < 0.05) <= 0.12  # 0.05 at most, and 5 standard errors
    assert 0.02 < np.mean(np.array(p) < 0.2) <= 0.33


def test_a_diverged_run_counts_with_its_score_in_the_best_set() -> None:
    scores = paired_scores(np.random.default_rng(12), 5, {"good": 0.0, "lost": 0.0})
    scores["lost"] = 0.1
    assert best_set(scores)["in_set"].tolist() == [True, False]


def test_without_a_test_a_configuration_stays_in_the_best_set() -> None:
    scores = pd.DataFrame({"a": [0.91, 0.89], "b": [0.90, 0.88], "same": [0.91, 0.89]})
    found = best_set(scores).set_index("name")
    assert found.loc["same", "p"] == 1
    assert math.isnan(found.loc["b", "p"])
    assert found["in_set"].all()
    assert best_set(scores[:1])["in_set"].all()
    assert best_set(scores[:0])["n"].tolist() == [0, 0, 0]
    assert best_set(scores[["a"]])["p"].tolist() == [1]
