"""Pairs in planned looks: one look changes nothing, what stopped stays, and who is missing then.

How often verdicts are wrong is measured by the bench of distributions, in tests/verdicts.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.estimators.comparison import compare_pairs, paired_columns
from analysis.estimators.intervals import t_interval
from analysis.estimators.looks import compare_in_looks, looked_columns
from analysis.estimators.multiplicity import holm
from analysis.estimators.spending import Look

NAMES = list("abcd")
REFERENCE = [("a", "b"), ("a", "c"), ("a", "d")]
LOOKS = (5, 9, 14)


def planted(seed: int, seeds: int, lead: float = 0.02) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores and runs untrained: c lies below the others by ``lead``, and some runs stall."""
    rng = np.random.default_rng(seed)
    scores = 0.8 + 0.004 * rng.standard_normal((seeds, 4))
    scores[:, 2] -= lead
    untrained = rng.random(scores.shape) < 0.1
    return (
        pd.DataFrame(np.where(untrained, np.nan, scores), columns=NAMES),
        pd.DataFrame(untrained, columns=NAMES),
    )


def whole(seed: int, seeds: int, lead: float = 0.02) -> pd.DataFrame:
    """Scores of which no run is untrained."""
    noise = 0.004 * np.random.default_rng(seed).standard_normal((seeds, 4))
    return pd.DataFrame(0.8 + noise - lead * (np.arange(4) == 2), columns=NAMES)


def bits(scores: pd.DataFrame, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    easy = rng.uniform(-0.2, 0.2, 300)
    chance = {name: scores[name].fillna(0.8).to_numpy()[:, None] + easy for name in scores}
    return {name: (rng.random(x.shape) < x).astype(float) for name, x in chance.items()}


@given(st.integers(0, 10_000), st.integers(4, 12), st.booleans())
@settings(deadline=None, max_examples=40)
def test_one_look_at_all_seeds_is_what_it_was_without_looks(
    seed: int, seeds: int, images: bool
) -> None:
    scores, untrained = planted(seed, seeds)
    both = {"untrained": untrained, "correct": bits(scores, seed) if images else None}
    plain = compare_pairs(scores, "a", list("bcd"), **both)
    for looks in ((seeds,), ()):
        found = compare_in_looks(scores, REFERENCE, looks, **both)
        pd.testing.assert_frame_equal(found[plain.columns], plain, rtol=0, atol=0)
        assert (found["look"] == 1).all()
        assert found["unbiased"].equals(plain["mean"].rename("unbiased"))
        assert found["exploratory_n"].isna().all()


def test_the_verdict_changes_only_while_a_pair_is_open() -> None:
    scores = whole(1, 14)
    last = compare_in_looks(scores, REFERENCE, LOOKS).set_index("second")
    assert last.loc["c", ["look", "n", "verdict", "stopped"]].tolist() == [1, 5, "better", True]
    assert last.loc["b", ["look", "n", "verdict", "stopped"]].tolist() == [
        *(3, 14, "unresolved", False)
    ]
    for n in range(15):
        now = compare_in_looks(scores[:n], REFERENCE, LOOKS).set_index("second")
        reached = sum(n >= look for look in LOOKS)
        assert now.loc["b", "look"] == reached
        assert now.loc["c", "look"] == min(reached, 1)
        if reached == 0:
            assert set(now["verdict"]) == {"not judged yet"}
            assert now[["mean", "low", "adjusted_low", "unbiased"]].isna().all(axis=None)
        else:
            kept = [name for name in now if not name.startswith("exploratory")]
            pd.testing.assert_series_equal(now.loc["c", kept], last.loc["c", kept])


@pytest.mark.parametrize("with_images", [False, True])
def test_rows_that_an_arm_no_longer_has_do_not_matter(with_images: bool) -> None:
    scores = whole(1, 14, lead=0.2)
    correct = bits(scores, 2) if with_images else None
    if correct is not None:
        scores = pd.DataFrame({name: each.mean(axis=1) for name, each in correct.items()})
    full = compare_in_looks(scores, REFERENCE, LOOKS, correct=correct)
    cut = scores.copy()
    cut.loc[5:, "c"] = np.nan
    fewer = compare_in_looks(cut, REFERENCE, LOOKS, correct=correct)
    if with_images:
        assert full["image_se"].max() > 0
    exploratory = [name for name in full if name.startswith("exploratory")]
    pd.testing.assert_frame_equal(full.drop(columns=exploratory), fewer.drop(columns=exploratory))
    assert full.loc[1, "exploratory_n"] == 14
    assert np.isnan(fewer.loc[1, "exploratory_n"])


def test_a_look_waits_for_every_result_of_an_open_pair() -> None:
    scores = whole(1, 9)
    untrained = pd.DataFrame(False, scores.index, NAMES)
    scores.loc[7, "b"] = np.nan
    found = compare_in_looks(scores, REFERENCE, LOOKS, untrained=untrained)
    assert found["look"].tolist() == [1, 1, 1]
    untrained.loc[7, "b"] = True  # stalled: that is a result
    found = compare_in_looks(scores, REFERENCE, LOOKS, untrained=untrained)
    assert found["look"].tolist() == [2, 1, 2]


def test_each_look_has_its_nominal_level_and_rejections_pass_theirs_on() -> None:
    scores = whole(1, 14, lead=0.1)
    found = compare_in_looks(scores, REFERENCE, LOOKS).set_index("second")
    assert found.loc["c", "level"] == pytest.approx(1 - 0.05 / 3)
    assert found.loc["b", "level"] == pytest.approx(1 - 0.05 / 2)
    assert found.loc["b", "equivalence_level"] == pytest.approx(1 - 0.05 / 3)
    first = scores["a"][:5] - scores["c"][:5]
    student = t_interval(first, 1 - float(2 * Look(LOOKS, 0).nominal(0.05 / 3 / 2)))
    row = found.loc["c"]
    assert row["adjusted_low"] <= student.low + 1e-12
    assert row["adjusted_high"] >= student.high - 1e-12
    assert row["adjusted_low"] > row["mean"] - 2.5 * (row["mean"] - student.low)


@given(st.integers(0, 10_000))
@settings(deadline=None, max_examples=60)
def test_a_verdict_and_its_sequential_p_value_agree(seed: int) -> None:
    lead = np.random.default_rng(seed).uniform(0, 0.02)
    found = compare_in_looks(whole(seed, 14, lead), REFERENCE, LOOKS, delta=0.004)
    rejected = found["adjusted_p"] < 0.05
    outside = (found["adjusted_low"] > 0) | (found["adjusted_high"] < 0)
    assert (rejected == outside).all()
    equal = (found["equivalence_low"] >= -0.004) & (found["equivalence_high"] <= 0.004)
    assert (equal == (found["equivalence_p"] < 0.05)).all()
    assert ((found["verdict"] == "equivalent") == equal).all()
    assert (found["stopped"] == (equal | outside)).all()


def test_all_pairs_are_judged_in_either_direction_alike() -> None:
    scores = whole(4, 14)
    pairs = list(combinations(NAMES, 2))
    there = compare_in_looks(scores, pairs, LOOKS)
    back = compare_in_looks(scores, [(b, a) for a, b in pairs], LOOKS)
    assert len(there) == 6
    assert (there["look"] == back["look"]).all()
    assert there["mean"].tolist() == pytest.approx((-back["mean"]).tolist())
    assert there["adjusted_low"].tolist() == pytest.approx((-back["adjusted_high"]).tolist())
    turned = {"better": "worse", "worse": "better"}
    assert there["verdict"].tolist() == [turned.get(each, each) for each in back["verdict"]]


def test_many_studies_at_once_are_each_of_them() -> None:
    rng = np.random.default_rng(5)
    values = 0.8 + 0.004 * rng.standard_normal((6, 14, 4))
    values[::2, :, 3] -= 0.01
    failed = rng.random(values.shape) < 0.05
    values[failed] = np.nan
    many = looked_columns(values, failed, LOOKS)
    for place in range(6):
        alone = looked_columns(values[place], failed[place], LOOKS)
        for name, each in alone.items():
            np.testing.assert_array_equal(each, many[name][place], err_msg=name)


def test_seeds_after_the_last_look_decide_nothing_and_are_shown() -> None:
    scores = whole(1, 20)
    planned = compare_in_looks(scores[:14], REFERENCE, LOOKS)
    more = compare_in_looks(scores, REFERENCE, LOOKS)
    exploratory = [name for name in more if name.startswith("exploratory")]
    pd.testing.assert_frame_equal(planned.drop(columns=exploratory), more.drop(columns=exploratory))
    plain = compare_pairs(scores, "a", list("bcd"))
    assert more["exploratory_n"].tolist() == [20, 20, 20]
    assert more["exploratory_mean"].tolist() == plain["mean"].tolist()
    assert more["exploratory_low"].tolist() == plain["low"].tolist()


def test_a_withheld_pair_stays_open() -> None:
    scores = whole(1, 9, lead=0.1)
    untrained = pd.DataFrame(False, scores.index, NAMES)
    untrained.loc[:1, "a"] = True  # more often than c, which it beats
    found = compare_in_looks(scores.mask(untrained), [("a", "c")], (6, 9), untrained=untrained)
    row = found.iloc[0]
    assert row["withheld"]
    assert not row["stopped"]
    assert row["look"] == 2


def test_hypotheses_that_stopped_unrejected_keep_their_level() -> None:
    found = holm([0.01, 0.04, np.nan], besides=2)
    assert found.adjusted[:2].tolist() == [0.04, 0.12]
    assert found.levels[:2] == pytest.approx([1 - 0.05 / 4, 1 - 0.05 / 3])
    several = holm(np.array([[0.01, 0.04], [0.01, 0.04]]), besides=np.array([2, 0]))
    assert several.adjusted.tolist() == [[0.04, 0.12], [0.02, 0.04]]


def test_without_a_pair_there_is_no_row() -> None:
    scores = whole(1, 5)
    assert compare_in_looks(scores, [], LOOKS).empty
    nothing = paired_columns(np.empty((0, 2)), np.empty((0, 2), dtype=bool))
    assert nothing["verdict"].tolist() == ["too few"]
