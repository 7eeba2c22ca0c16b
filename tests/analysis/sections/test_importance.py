"""A planted effect is found; too few trials and single parameters say nothing."""

from __future__ import annotations

import logging

import numpy as np
import optuna
import pandas as pd
import pytest

from analysis.sections.importance import NEEDS, conclude, draw, importance
from search_spaces.config import Range

RANGES = {
    "base_lr": Range(low=0.01, high=1.0, log=True),
    "exponent": Range(low=0.25, high=4.0, log=True),
    "fixed": Range(low=1.0, high=1.0),
}


def trials(n: int, seed: int = 0) -> pd.DataFrame:
    """The base rate decides the value, the exponent nothing."""
    rng = np.random.default_rng(seed)
    rate = 10 ** rng.uniform(-2, 0, n)
    return pd.DataFrame(
        {
            "family": "polynomial",
            "state": "complete",
            "base_lr": rate,
            "exponent": 2 ** rng.uniform(-2, 2, n),
            "fixed": 1.0,
            "value": 0.9 - 0.1 * np.log10(rate / 0.1) ** 2,
        }
    )


def test_the_planted_parameter_leads() -> None:
    found = importance(trials(80), RANGES).set_index("parameter")["importance"]
    assert found.sum() == pytest.approx(1)
    assert found["base_lr"] > 0.8
    assert "fixed" not in found


def test_too_few_trials_have_no_importance() -> None:
    found = importance(trials(NEEDS - 1), RANGES)
    assert found["n"].tolist() == [NEEDS - 1] * 2
    assert found["importance"].isna().all()
    assert conclude({"importance": found}) == (
        "No schedule has the 20 trials with a result that the evaluator needs."
    )
    assert draw({"importance": found}) == []


def test_pruned_trials_do_not_count_and_diverged_ones_do() -> None:
    known = trials(NEEDS)
    known.loc[0, "state"] = "pruned"
    assert importance(known, RANGES)["importance"].isna().all()
    known.loc[0, "state"] = "diverged"
    assert importance(known, RANGES)["importance"].notna().all()


def test_a_single_parameter_has_nothing_to_be_compared_with() -> None:
    found = importance(trials(40), {"base_lr": RANGES["base_lr"]})
    assert found.empty
    assert conclude({"importance": found}) == (
        "No schedule has two sampled parameters and a result, so there is none to compare."
    )


def test_optuna_says_nothing_and_keeps_its_verbosity(caplog: pytest.LogCaptureFixture) -> None:
    optuna.logging.enable_propagation()
    optuna.logging.set_verbosity(optuna.logging.INFO)
    try:
        with caplog.at_level(logging.INFO):
            importance(trials(NEEDS), RANGES)
    finally:
        optuna.logging.disable_propagation()
    assert caplog.records == []
    assert optuna.logging.get_verbosity() == optuna.logging.INFO
