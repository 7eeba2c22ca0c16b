"""The best of several configurations, and what is said of the others."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.estimators.best import best_set, standings
from analysis.estimators.skew import skewness, tail, tail_p
from study.choosing import choose


def runs(seeds: int, means: dict[str, float], seed: int = 0, sd: float = 0.005) -> pd.DataFrame:
    """Scores on common seeds, a part of which is the seed's."""
    rng = np.random.default_rng(seed)
    own = rng.normal(list(means.values()), sd, (seeds, len(means)))
    return pd.DataFrame(0.85 + rng.normal(0, 0.01, (seeds, 1)) + own, columns=list(means))


def test_a_p_value_is_the_smallest_of_paired_tests_times_the_rivals() -> None:
    scores = runs(8, {"far": -0.05, "near": -0.001, "top": 0.01, "mid": -0.008})
    scores.loc[0, "near"] = np.nan  # missing: each pair has its own seeds
    found = best_set(scores, scores.isna() & False).set_index("name")
    assert found.index[0] == "top"
    for name in scores:
        expected = []
        for rival in scores.columns.drop(name):
            x = (scores[rival] - scores[name]).dropna()
            t = stats.ttest_1samp(x, 0).statistic
            expected.append(tail_p(t, len(x) - 1, tail(-skewness(x), len(x))))
        assert found.loc[name, "p"] == pytest.approx(min(3 * min(expected), 1))
    assert found["standing"].tolist()[:1] == ["best"]
    assert found.loc["far", "standing"] == "worse"
    assert found.loc["near", "behind"] == pytest.approx((scores["top"] - scores["near"]).mean())
    assert found.loc["near", "n"] == 7


@given(st.permutations(range(4)), st.integers(0, 50))
@settings(deadline=None, max_examples=30)
def test_the_order_of_the_configurations_says_nothing(order: list[int], seed: int) -> None:
    scores = runs(6, dict.fromkeys("abcd", 0.0), seed)
    rng = np.random.default_rng(seed)
    untrained = pd.DataFrame(rng.random(scores.shape) < 0.15, columns=scores.columns)
    scores = scores.mask(untrained)
    names = [scores.columns[place] for place in order]
    whole = best_set(scores, untrained).set_index("name")
    turned = best_set(scores[names], untrained[names]).set_index("name").loc[whole.index]
    pd.testing.assert_frame_equal(whole, turned)


def test_what_stalls_more_often_is_no_rival() -> None:
    scores = runs(8, {"good": 0.0, "high": 0.03, "never": 0.0})
    untrained = scores.isna()
    untrained.loc[:1, "high"] = True
    untrained["never"] = True
    found = best_set(scores.mask(untrained), untrained).set_index("name")
    assert found["standing"].tolist() == ["best", "more often untrained", "untrained"]
    assert found.index.tolist() == ["good", "high", "never"]
    assert found["untrained"].tolist() == [0, 2, 8]
    assert found["n"].tolist() == [8, 6, 0]
    assert found.loc["high", "behind"] < 0
    assert math.isnan(found.loc["good", "p"])  # no rival is left that could be better
    assert math.isnan(found.loc["never", "behind"])


def test_a_seed_more_or_less_is_tolerated() -> None:
    scores = runs(8, {"good": 0.0, "high": 0.03})
    untrained = scores.isna()
    untrained.loc[0, "high"] = True
    found = best_set(scores.mask(untrained), untrained)
    assert found[["name", "standing"]].to_numpy().tolist() == [["high", "best"], ["good", "worse"]]


@pytest.mark.parametrize("seeds", [1, 2, 3])
def test_few_seeds_rank_but_call_nothing_worse(seeds: int) -> None:
    scores = runs(seeds, {"a": 0.0, "b": 0.2})
    found = best_set(scores, scores.isna())
    assert found["standing"].tolist() == ["best", "too few"]
    assert found["name"].tolist() == ["b", "a"]


def test_ties_and_configurations_alone() -> None:
    scores = pd.DataFrame({"a": [0.91, 0.89, 0.9, 0.9], "b": [0.91, 0.89, 0.9, 0.9]})
    found = best_set(scores, scores.isna())
    assert found[["name", "p", "standing"]].to_numpy().tolist() == [
        ["a", 1.0, "best"],
        ["b", 1.0, "tied"],
    ]
    shifted = scores.assign(b=scores["a"] - 0.01)  # equal differences: their spread is not known
    assert best_set(shifted, scores.isna())["standing"].tolist() == ["best", "too few"]
    alone = best_set(scores[["a"]], scores[["a"]].isna())
    assert alone["standing"].tolist() == ["best"]
    none = best_set(scores.mask(scores > 0), scores > 0)
    assert none["standing"].tolist() == ["untrained", "untrained"]


def test_the_best_is_called_worse_as_rarely_as_stated() -> None:
    rng = np.random.default_rng(11)
    wrong = 0
    for _ in range(600):
        x = rng.normal(size=(6, 4))  # the hardest case: all equal
        wrong += standings(x, np.isnan(x)).standing[0] == "worse"
    assert wrong <= 57  # 30 expected at most, and five standard errors


def test_the_array_and_the_frame_say_the_same() -> None:
    scores = runs(7, {"a": 0.0, "b": 0.004, "c": -0.02}, seed=3)
    found = standings(scores.to_numpy(), scores.isna().to_numpy())
    frame = best_set(scores, scores.isna()).set_index("name")
    assert frame["standing"].loc[list("abc")].tolist() == found.standing
    assert found.best == choose(scores, scores.isna()).best
