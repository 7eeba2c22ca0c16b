"""The one rule of choice: pairs within seeds, and training at all first."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from study.choosing import TOLERATED, choose

SEEDS = st.integers(0, 10_000)


def planted(seed: int, seeds: int = 8, configurations: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Scores without noise, seed + configuration, and some of them untrained."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(0, 5, (seeds, 1)) + rng.normal(0, 1, configurations)
    untrained = rng.random(scores.shape) < 0.15
    untrained[0] = False  # joins all configurations
    return np.where(untrained, np.nan, scores), untrained


def test_with_all_runs_an_effect_is_the_mean_less_that_of_all() -> None:
    scores = np.random.default_rng(0).normal(size=(6, 4))
    found = choose(scores, np.isnan(scores))
    assert found.effect == pytest.approx(scores.mean(axis=0) - scores.mean())
    assert found.best == scores.mean(axis=0).argmax()
    assert found.eligible.all()


@given(SEEDS)
@settings(deadline=None)
def test_effects_do_not_depend_on_which_seeds_failed(seed: int) -> None:
    scores, untrained = planted(seed)
    effect = choose(scores, untrained).effect
    truth = scores[0] - scores[0].mean()
    assert effect == pytest.approx(truth, abs=1e-9)


def test_a_mean_of_easy_seeds_is_not_chosen() -> None:
    """The second fails on the hard seed, so that its own mean is the higher one."""
    scores = np.array([[0.9, 0.89], [0.9, 0.89], [0.9, 0.89], [0.5, np.nan]])
    assert np.nanmean(scores, axis=0).argmax() == 1
    assert choose(scores, np.isnan(scores)).best == 0


@given(SEEDS, st.permutations(range(5)))
@settings(deadline=None)
def test_the_order_of_seeds_and_configurations_says_nothing(seed: int, order: list[int]) -> None:
    scores, untrained = planted(seed)
    whole, turned = (
        choose(scores, untrained),
        choose(scores[::-1][:, order], untrained[::-1][:, order]),
    )
    assert turned.effect == pytest.approx(whole.effect[order], abs=1e-9)
    assert turned.eligible.tolist() == whole.eligible[order].tolist()
    assert whole.best is not None
    assert turned.best is not None
    assert order[turned.best] == whole.best


@pytest.mark.parametrize("more", [0, 1, 2, 3])
def test_who_fails_more_often_than_tolerated_is_not_chosen(more: int) -> None:
    scores = np.tile([0.7, 0.9], (8, 1))
    untrained = np.zeros(scores.shape, dtype=bool)
    untrained[0, 0] = True  # the one with the fewest has one
    untrained[: 1 + more, 1] = True
    found = choose(np.where(untrained, np.nan, scores), untrained)
    assert found.best == (1 if more <= TOLERATED else 0)
    assert found.eligible.tolist() == [True, more <= TOLERATED]


def test_a_missing_run_is_no_failure() -> None:
    scores = np.array([[0.7, np.nan], [0.7, np.nan], [0.7, np.nan], [0.7, 0.9]])
    assert choose(scores, np.zeros(scores.shape, dtype=bool)).best == 1


def test_what_never_trained_has_no_effect_and_sets_no_standard() -> None:
    scores = np.array([[np.nan, 0.7, 0.8]] * 4)
    untrained = np.isnan(scores)
    untrained[:2, 2] = True
    scores[untrained] = np.nan
    found = choose(scores, untrained)
    assert np.isnan(found.effect[0])
    assert found.effect[1:] == pytest.approx([-0.05, 0.05])
    assert found.best == 1
    absent = np.zeros_like(untrained)  # without a run, and so without a failure
    absent[:3, 1:] = True
    scores = np.where(absent, np.nan, [[np.nan, 0.7, 0.8]] * 4)
    assert choose(scores, absent).eligible.tolist() == [False, True, True]
    nothing = choose(np.full((3, 2), np.nan), np.ones((3, 2), dtype=bool))
    assert nothing.best is None
    assert not nothing.eligible.any()


def test_of_equal_ones_the_first_is_chosen() -> None:
    scores = np.full((5, 3), 0.8)
    assert choose(scores, np.isnan(scores)).best == 0
