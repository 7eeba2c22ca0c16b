"""The pruning audit: replays against Optuna's own pruner, and planted curves."""

from __future__ import annotations

from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
from optuna.trial import TrialState

from analysis import pruning_audit, report
from analysis.findings import find, load_study
from analysis.pruning_audit import (
    KEPT,
    Bank,
    conclude,
    draw,
    measures,
    over_schedules,
    quantiles,
    replays,
    stops,
    stops_at,
)
from study import pruning
from tests.analysis.conftest import make_spec

EPOCHS, GRACE = 8, 2


def bank_of(scores: np.ndarray, lengths: np.ndarray | None = None) -> Bank:
    """Trials whose value is their last score; a diverged one has the worst value."""
    lengths = np.full(len(scores), scores.shape[1]) if lengths is None else lengths
    whole = lengths[:, None] == scores.shape[1]
    scores = np.where(whole | (np.arange(scores.shape[1]) < lengths[:, None] - 1), scores, np.nan)
    values = np.where(whole[:, 0], scores[:, -1], 0.1)
    return Bank(scores, values, lengths)


def parallel(n: int = 20) -> Bank:
    """Curves that never cross."""
    rise = 1 - np.exp(-np.arange(1, EPOCHS + 1) / 3)
    return bank_of(np.linspace(0.4, 0.9, n)[:, None] * rise)


def _by_optuna(bank: Bank, name: str, controls: np.ndarray, patch: Any) -> np.ndarray:
    """Epochs that each trial trained under the study's own pruner, in this order."""
    spec = make_spec("fixed_rate", 60, pruner=name)
    spec = spec.model_copy(update={"budget": spec.budget.model_copy(update={"epochs": EPOCHS})})
    patch.setattr(pruning, "is_control", lambda _spec, slot: bool(controls[slot]))
    patch.setattr(pruning, "grace_epochs", lambda _spec: GRACE)
    study = optuna.create_study(direction="maximize", pruner=pruning.make_pruner(spec))
    ends = []
    for slot, (scores, value, length) in enumerate(
        zip(bank.scores, bank.finals, bank.lengths, strict=True)
    ):
        trial = study.ask()
        trial.set_user_attr("slot", slot)
        trial.set_user_attr("family", "constant")
        end = int(length)
        for epoch, score in enumerate(scores[~np.isnan(scores)]):
            trial.report(score, epoch)
            if trial.should_prune():
                end = epoch + 1
                break
        state = TrialState.PRUNED if end < length else TrialState.COMPLETE
        study.tell(trial, None if state == TrialState.PRUNED else value, state=state)
        ends.append(end)
    return np.array(ends)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", list(KEPT))
def test_the_replay_stops_what_optuna_stops(
    monkeypatch: pytest.MonkeyPatch, name: str, seed: int
) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    rng = np.random.default_rng(seed)
    walks = np.cumsum(rng.normal(0.02, 0.05, (40, EPOCHS)), axis=1) + rng.normal(0.4, 0.1, (40, 1))
    lengths = np.where(rng.random(40) < 0.15, rng.integers(1, EPOCHS, 40), EPOCHS)
    bank, controls = bank_of(walks, lengths), rng.random(40) < 0.2
    expected = _by_optuna(bank, name, controls, monkeypatch)
    np.testing.assert_array_equal(stops(bank, KEPT[name], GRACE, controls), expected)
    assert (expected < bank.lengths).any()


def test_curves_that_never_cross_lose_nothing() -> None:
    found = replays(parallel(), GRACE, np.random.default_rng(0)).set_index("rule")
    assert (found[["best_lost", "regret"]] == 0).all(axis=None)
    assert found.loc["median", "saved"] > found.loc["percentile", "saved"] > 0
    # All but one of 20 trials stop after the first of 8 epochs.
    assert found.loc["all to epoch 1", "saved"] == pytest.approx(1 - (19 + 8) / 160)
    assert found.loc["all to epoch 1", "false_prunes"] == pytest.approx(4 / 5)


def test_a_late_winner_is_lost_by_stopping_early() -> None:
    """One trial starts last and ends first, 5 points ahead."""
    scores = parallel().scores.copy()
    scores[0] = np.linspace(0.05, scores[-1, -1] + 0.05, EPOCHS) ** 2
    scores[0, -1] = scores[-1, -1] + 0.05
    found = replays(bank_of(scores), GRACE, np.random.default_rng(0)).set_index("rule")
    assert found.loc["all to epoch 1", "best_lost"] == 1
    assert found.loc["all to epoch 1", "regret"] == pytest.approx(0.05)
    assert found.loc["median", "best_lost"] > 0.5  # but where it came early or was a control
    assert found.loc["median", "regret"] == pytest.approx(0.05 * found.loc["median", "best_lost"])


def test_quantiles_are_numpys() -> None:
    scores = np.random.default_rng(1).random((9, 4))
    scores[0, 1], scores[:5, 2] = np.nan, np.nan
    found = quantiles(scores, 0.25)
    np.testing.assert_allclose(found[[0, 1]], np.nanpercentile(scores[:, :2], 25, axis=0))
    assert np.isnan(found[2])  # four are too few
    assert len(quantiles(np.empty((0, 3)), 0.5)) == 3


def test_measures_by_hand() -> None:
    scores = np.array([[0.5, 0.6], [0.4, 0.9], [0.3, 0.5], [0.6, 0.7]])
    bank = bank_of(scores, np.array([2, 2, 1, 2]))  # the third diverged
    ends = stops_at(bank, 1)
    assert list(ends) == [1, 1, 1, 2]  # it leads with 0.6
    saved, lost, regret, false = measures(bank, ends)
    assert saved == pytest.approx(1 - 5 / 7)
    assert (lost, regret, false) == (1, pytest.approx(0.2), 1)


def test_a_trial_that_diverged_is_not_stopped_but_over() -> None:
    bank = bank_of(np.full((3, 4), 0.5), np.array([1, 4, 4]))
    assert list(stops_at(bank, 2)) == [1, 4, 2]
    assert measures(bank, bank.lengths.copy())[0] == 0


def test_the_interval_over_schedules_is_students() -> None:
    frame = pd.DataFrame(
        {"rule": "median", "family": ["a", "b", "c"], "n": 9, "saved": [0.1, 0.2, 0.6]}
        | {"best_lost": 0.0, "regret": [0.01, 0.02, 0.03], "false_prunes": 0.0}
    )
    row = over_schedules(frame).iloc[0]
    assert (row["saved"], row["saved_lowest"], row["saved_highest"]) == (
        pytest.approx(0.3),
        0.1,
        0.6,
    )
    half = 4.302652729911275 * 0.01 / np.sqrt(3)
    assert row["regret_high"] == pytest.approx(0.02 + half)
    assert row["regret_low"] == 0  # not below: a regret has a sign


def test_a_bank_has_the_section_and_other_searches_have_not(plant: Any) -> None:
    bank = {"sampler": "random", "pruner": "none", "replicates": None, "bank": True}
    url = plant("cosine", 48, states={3: "failed", 9: "stalled"}, **bank)
    study = load_study(url, "cosine")
    assert pruning_audit in report.sections_of(study)
    finding = find(pruning_audit, study)
    assert finding.verdict.startswith("Replayed over the bank, percentile saves ")
    assert "95 % interval" in finding.verdict
    (picture,) = finding.pictures
    assert "rule to beat" in picture.alt
    again = find(pruning_audit, study).estimates
    for name, frame in finding.estimates.items():
        pd.testing.assert_frame_equal(frame, again[name])
    assert set(finding.estimates["audit_by_schedule"]["family"]) == set(study.spec.families)
    plant("fixed_rate", 8)
    assert pruning_audit not in report.sections_of(load_study(url, "fixed_rate"))


def test_nothing_to_replay_is_said(plant: Any) -> None:
    bank = {"sampler": "random", "pruner": "none", "replicates": None, "bank": True}
    url = plant("cosine", 6, **bank)
    estimates = pruning_audit.estimate(load_study(url, "cosine"))
    assert conclude(estimates).startswith("No schedule has two trials")
    assert draw(estimates) == []
