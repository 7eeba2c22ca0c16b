"""Both outcomes of runs, side by side."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from analysis.estimators.seeds import by_seed

RUNS = pd.DataFrame(
    [
        (0, "a", "complete", 0.8),
        (0, "b", "complete", 0.7),
        (1, "a", "stalled", 0.1),
        (1, "b", "diverged", math.nan),
        (2, "a", "complete", 0.6),
        (2, "a", "complete", 0.7),
        (3, "b", "complete", 0.5),
        (3, "b", "stalled", 0.1),
    ],
    columns=["replicate", "family", "state", "value"],
)


def test_a_run_that_stalled_or_diverged_has_no_score() -> None:
    accuracy, untrained = by_seed(RUNS, "family")
    assert untrained.loc[1].tolist() == [True, True]
    assert accuracy.loc[1].isna().all()
    assert accuracy.loc[0].tolist() == [0.8, 0.7]
    assert not untrained.loc[0].any()


def test_what_is_missing_is_not_untrained() -> None:
    accuracy, untrained = by_seed(RUNS, "family")
    assert math.isnan(accuracy.loc[2, "b"])
    assert math.isnan(accuracy.loc[3, "a"])
    assert not untrained.loc[2, "b"]
    assert not untrained.loc[3, "a"]


def test_several_runs_of_a_seed_are_one_untrained_if_any_is() -> None:
    accuracy, untrained = by_seed(RUNS, "family")
    assert accuracy.loc[2, "a"] == pytest.approx(0.65)
    assert untrained.loc[3, "b"]
    assert math.isnan(accuracy.loc[3, "b"])


def test_both_have_the_same_seeds_and_configurations() -> None:
    lost = RUNS[RUNS["state"] != "complete"]
    for runs in (RUNS, lost, RUNS[:0]):
        accuracy, untrained = by_seed(runs, "family")
        assert accuracy.index.equals(untrained.index)
        assert accuracy.columns.equals(untrained.columns)
        assert untrained.to_numpy().dtype == bool or untrained.empty
